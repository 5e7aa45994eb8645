/* SPDX-License-Identifier: Apache-2.0
 *
 * The master of the proxy's programs.  See master.h. */
#include <config.h>

#include "master.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check-config.h"
#include "failpoint.h"
#include "proxy-config.h"
#include "ledger-keeper.h"
#include "ledger-restore.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "service.h"
#include "setup.h"
#include "spool-command.h"
#include "spool.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(master);

/* Packets wait in the socket while intake is away, and not for long. */
enum { INTAKE_BACKOFF_MAX_MS = 50 };

/* How long it may take the programs to read the configuration, before a word
 * is said about it. */
enum { TAKE_PATIENCE_MS = 10 * 1000 };

/* How long the programs may take to stop. */
enum {
    INTAKE_PATIENCE_MS = 10 * 1000, /* It flushes into the spool. */
    SHIP_PATIENCE_MS = 3 * 1000,    /* Besides the hold time. */
    SHIP_MAX_HOLD_MS = 30 * 1000,   /* Of the hold time, so much at most. */
    CONTEXT_PATIENCE_MS = 2 * 1000,
    METRICS_PATIENCE_MS = 2 * 1000,
};

/* Stopped any earlier, a shipper leaves batches behind that were sent but not
 * confirmed, which the next one sends again. */
static unsigned int
ship_patience_ms(const struct config *config)
{
    return SHIP_PATIENCE_MS + MIN(config->output.hold_ms, SHIP_MAX_HOLD_MS);
}

static char *
ship_name(uint32_t tenant, const char *queue)
{
    return (!strcmp(queue, SPOOL_MAIN_QUEUE)
            ? xasprintf("ship-%"PRIu32, tenant)
            : xasprintf("ship-%"PRIu32"-%s", tenant, queue));
}

/* Returns the path of sluice-'what', malloc()ed: in 'libexec', or in a folder
 * of its own there, where a build leaves it. */
static char *
find_program(const char *libexec, const char *what)
{
    char *path = xasprintf("%s/%s/sluice-%s", libexec, what, what);

    if (access(path, X_OK)) {
        free(path);
        path = xasprintf("%s/sluice-%s", libexec, what);
    }
    return path;
}

enum { MAX_ARGS = 16 };

/* Returns the arguments to run sluice-'what' --config RUNNING with, and stores
 * their number: up to MAX_ARGS have room. */
static char **
program_args(const struct master *m, const char *what, size_t *ret_n)
{
    char **argv = xcalloc(MAX_ARGS + 1, sizeof *argv);
    size_t n = 0;

    argv[n++] = find_program(m->libexec, what);
    argv[n++] = xstrdup("--config");
    argv[n++] = config_path_running(m->config);
    *ret_n = n;
    return argv;
}

/* Has a program report, as supervisor.h says. */
static void
add_report_fd(char **argv, size_t *n)
{
    argv[(*n)++] = xstrdup("--report-fd");
    argv[(*n)++] = xasprintf("%d", CHILD_FD);
}

static void
add_context(struct master *m)
{
    size_t n;
    char **argv = program_args(m, "context", &n);

    add_report_fd(argv, &n);
    supervisor_add(&m->supervisor, "context", &argv)->reports = true;
}

static void
add_metrics(struct master *m)
{
    if (m->config->metrics.port) {
        const struct passwd *nobody = getpwnam("nobody");
        size_t n;
        char **argv = program_args(m, "metrics", &n);
        struct child *child = supervisor_add(&m->supervisor, "metrics",
                                             &argv);
        if (nobody) {
            child->becomes = nobody->pw_uid;
        }
    }
}

/* Returns the user that intake has of its own, or null. */
static const struct child_user *
intake_user(const struct master *m)
{
    return m->intake_is_own ? &m->intake_user : NULL;
}

static void
add_intake(struct master *m)
{
    size_t n;
    char **argv = program_args(m, "intake", &n);

    add_report_fd(argv, &n);
    if (!config_uses_memif(m->config)) {
        argv[n++] = xstrdup("--fd");
        argv[n++] = xasprintf("%d", CHILD_FD + 1);
        argv[n++] = xstrdup("--n-fds");
        argv[n++] = xasprintf("%u", m->sockets.n);
    }
    if (intake_user(m)) {
        argv[n++] = xstrdup("--host-keys");
        argv[n++] = config_path_host_keys(m->config);
    }
    m->intake = supervisor_add(&m->supervisor, "intake", &argv);
    m->intake->reports = true;
    m->intake->sockets = &m->sockets;
    m->intake->backoff_max_ms = INTAKE_BACKOFF_MAX_MS;
    m->intake->user = intake_user(m);
}

static void
add_ship(struct master *m, uint32_t tenant, const char *queue)
{
    char *name = ship_name(tenant, queue);
    size_t n;
    char **argv = program_args(m, "ship", &n);

    argv[n++] = xstrdup("--tenant");
    argv[n++] = xasprintf("%"PRIu32, tenant);
    argv[n++] = xstrdup("--queue");
    argv[n++] = xstrdup(queue);
    supervisor_add(&m->supervisor, name, &argv);
    free(name);
}

static char *
check_programs(const char *libexec)
{
    static const char *const programs[] = { "context", "intake", "ship" };
    char *sentence = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(programs) && !sentence; i++) {
        char *path = find_program(libexec, programs[i]);
        if (access(path, X_OK)) {
            sentence = xasprintf("%s can't be run: %s; install it there, or "
                                 "name its directory with --libexec.", path,
                                 ovs_strerror(errno));
        }
        free(path);
    }
    return sentence;
}

static char *
open_spool(struct master *m)
{
    int error = spool_open(m->config->paths.spool, &m->spool);

    return (!error ? NULL
            : xasprintf("paths.spool: %s can't be opened: %s; set its "
                        "permissions right.", m->config->paths.spool,
                        ovs_strerror(error)));
}

/* Makes 'config', whose text is 'text', what the programs read. */
static char *
publish(struct master *m, const struct config *config, const char *text,
        size_t size)
{
    char *sentence = setup_publish(config, intake_user(m), text, size);

    if (!sentence) {
        char *path = config_path_running(config);
        m->stamp = taken_stamp(path);
        free(path);
    }
    return sentence;
}

/* All that must succeed before anything is started. */
static char *
prepare(struct master *m, const char *text, size_t size)
{
    char *sentence = check_programs(m->libexec);

    if (!sentence) {
        sentence = setup_intake_user(m->config, &m->intake_is_own,
                                     &m->intake_user);
    }
    if (!sentence) {
        sentence = setup_directories(m->config);
    }
    if (!sentence) {
        sentence = setup_lock(m->config, &m->lock_fd);
    }
    /* Before what is there is read; and once more for what that made. */
    if (!sentence && m->intake_is_own) {
        sentence = setup_ownership(m->config, &m->intake_user);
    }
    if (!sentence) {
        sentence = open_spool(m);
    }
    if (!sentence) {
        sentence = ledger_restore(m->config, m->spool);
        failpoint(FAIL_LEDGER_RESTORED);
    }
    if (!sentence) {
        spool_command_recover(m->config, m->spool);
    }
    if (!sentence && m->intake_is_own) {
        sentence = setup_ownership(m->config, &m->intake_user);
    }
    if (!sentence) {
        sentence = setup_keys(m->config);
    }
    if (!sentence && config_uses_memif(m->config)) {
        service_refuse_sockets();
    } else if (!sentence) {
        service_take_sockets(m->config, &m->sockets);
        if (m->sockets.n) {
            setup_receive_buffer(m->config, &m->sockets);
        } else {
            sentence = setup_bind(m->config, NULL, &m->sockets);
        }
    }
    if (!sentence) {
        sentence = publish(m, m->config, text, size);
    }
    return sentence;
}

char *
master_create(char *config_path, char *libexec, struct master **ret)
{
    struct master *m = xzalloc(sizeof *m);
    char *text = NULL;
    size_t size = 0;

    /* Absolute, for sluicectl has another working directory. */
    m->config_path = abs_file_name(NULL, config_path);
    free(config_path);
    m->libexec = libexec;
    m->lock_fd = -1;
    m->started_ns = m->loaded_ns = time_wall_usec() * 1000ULL;
    supervisor_init(&m->supervisor);

    char *sentence = check_config(m->config_path, &text, &size, &m->config);
    if (!sentence) {
        sentence = prepare(m, text, size);
    }
    free(text);
    if (sentence) {
        master_destroy(m);
        return sentence;
    }

    setup_warn(m->config, intake_user(m));
    m->ledger = ledger_keeper_start(m->config);
    service_keep_sockets(&m->sockets);
    add_context(m);
    add_metrics(m);
    add_intake(m);
    for (size_t i = 0; i < m->config->tenants_count; i++) {
        const struct config_tenant *tenant = &m->config->tenants[i];
        for (unsigned int j = 0; j < config_n_queues(tenant); j++) {
            add_ship(m, tenant->id, config_queue_name(tenant, j));
        }
    }
    *ret = m;
    return NULL;
}

void
master_destroy(struct master *m)
{
    if (m) {
        supervisor_destroy(&m->supervisor);
        ledger_keeper_stop(m->ledger);
        tunnel_sockets_close(&m->sockets);
        spool_close(m->spool);
        config_destroy(m->config);
        config_changes_destroy(&m->changes);
        if (m->lock_fd >= 0) {
            close(m->lock_fd);
        }
        free(m->refused);
        free(m->config_path);
        free(m->libexec);
        free(m);
    }
}

/* Refuses what can't change while the programs run. */
static char *
check_change(const struct config *old, const struct config *new)
{
    const struct {
        const char *key;
        const char *old;
        const char *new;
    } paths[] = {
        { "run", old->paths.run, new->paths.run },
        { "spool", old->paths.spool, new->paths.spool },
        { "state", old->paths.state, new->paths.state },
    };

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        if (strcmp(paths[i].old, paths[i].new)) {
            return xasprintf("paths.%s: it can't change from %s to %s while "
                             "sluiced runs; restart sluiced.", paths[i].key,
                             paths[i].old, paths[i].new);
        }
    }
    if (strcmp(old->tunnel.rx, new->tunnel.rx)) {
        return xstrdup("tunnel.rx: it can't change while sluiced runs; "
                       "restart sluiced.");
    }
    if (!nullable_string_is_equal(old->intake.user, new->intake.user)) {
        return xstrdup("intake.user: it can't change while sluiced runs; "
                       "restart sluiced.");
    }
    return NULL;
}

static bool
tunnel_moved(const struct config *old, const struct config *new)
{
    return (strcmp(old->tunnel.listen, new->tunnel.listen)
            || old->tunnel.port != new->tunnel.port);
}

/* Returns true if intake has to connect otherwise, by memif. */
static bool
memif_changed(const struct config *old, const struct config *new)
{
    return (config_uses_memif(new)
            && (tunnel_moved(old, new)
                || old->tunnel.receive_buffer != new->tunnel.receive_buffer
                || strcmp(old->tunnel.memif_socket,
                          new->tunnel.memif_socket)));
}

static bool
batches_changed(const struct config *old, const struct config *new)
{
    return (old->batch.max_bytes != new->batch.max_bytes
            || old->batch.max_delay_ms != new->batch.max_delay_ms);
}

/* Returns true if the destinations of 'tenant' have other names: those of
 * other queues say which lines a shipper leaves to them. */
static bool
names_changed(const struct config *old, const struct config *new,
              uint32_t tenant)
{
    const struct config_tenant *a = config_find_tenant(old, tenant);
    const struct config_tenant *b = config_find_tenant(new, tenant);
    bool changed = a->destinations_count != b->destinations_count;

    for (unsigned int i = 0; i < a->destinations_count && !changed; i++) {
        changed = strcmp(a->destinations[i].name, b->destinations[i].name);
    }
    return changed;
}

/* Returns true if the shipper of a queue that is in both was started with what
 * is no longer right. */
static bool
ship_changed(const struct config *old, const struct config *new,
             uint32_t tenant, const char *queue)
{
    size_t n_old, n_new;
    const struct config_destination *a = config_queue_destinations(
        config_find_tenant(old, tenant), queue, &n_old);
    const struct config_destination *b = config_queue_destinations(
        config_find_tenant(new, tenant), queue, &n_new);
    bool changed = (n_old != n_new || names_changed(old, new, tenant)
                    || strcmp(old->batch.durability, new->batch.durability)
                    || strcmp(old->output.sd_id, new->output.sd_id)
                    || old->output.hold_ms != new->output.hold_ms
                    || old->output.timeout_ms != new->output.timeout_ms
                    || old->output.backoff_max_ms
                       != new->output.backoff_max_ms);

    for (size_t i = 0; i < n_old && !changed; i++) {
        changed = !config_destination_equals(&a[i], &b[i]);
    }
    return changed;
}

static struct child *
find_ship(const struct master *m, uint32_t tenant, const char *queue)
{
    char *name = ship_name(tenant, queue);
    struct child *ship = supervisor_find(&m->supervisor, name);

    free(name);
    return ship;
}

bool
master_has_ship(const struct master *m, uint32_t tenant, const char *queue)
{
    return find_ship(m, tenant, queue) != NULL;
}

/* Returns true if 'config' has that queue. */
static bool
has_queue(const struct config *config, uint32_t id, const char *queue)
{
    const struct config_tenant *tenant = config_find_tenant(config, id);

    return tenant && config_has_queue(tenant, queue);
}

/* Has a shipper for each queue of the new configuration and for no other.  One
 * that nothing changed for keeps its session: whatever is on its way would be
 * sent again. */
static void
follow_tenants(struct master *m, const struct config *old)
{
    unsigned int patience_ms = ship_patience_ms(old);

    for (size_t i = 0; i < old->tenants_count; i++) {
        const struct config_tenant *tenant = &old->tenants[i];
        for (unsigned int j = 0; j < config_n_queues(tenant); j++) {
            const char *queue = config_queue_name(tenant, j);
            struct child *ship = find_ship(m, tenant->id, queue);
            if (ship && !has_queue(m->config, tenant->id, queue)) {
                child_stop(ship, patience_ms);
            }
        }
    }
    for (size_t i = 0; i < m->config->tenants_count; i++) {
        const struct config_tenant *tenant = &m->config->tenants[i];
        for (unsigned int j = 0; j < config_n_queues(tenant); j++) {
            const char *queue = config_queue_name(tenant, j);
            /* One that was taken out a moment ago may still be stopping. */
            struct child *ship = find_ship(m, tenant->id, queue);
            if (!ship) {
                add_ship(m, tenant->id, queue);
            } else if (!has_queue(old, tenant->id, queue)
                       || ship_changed(old, m->config, tenant->id, queue)) {
                child_restart(ship, patience_ms);
            }
        }
    }
}

/* Tells intake how many sockets it gets when it starts again. */
static void
tell_n_sockets(struct master *m)
{
    for (char **arg = m->intake->argv; *arg; arg++) {
        if (!strcmp(*arg, "--n-fds")) {
            free(arg[1]);
            arg[1] = xasprintf("%u", m->sockets.n);
            return;
        }
    }
    OVS_NOT_REACHED();
}

/* Has intake use the new configuration, and other 'sockets' if there are. */
static void
follow_intake(struct master *m, const struct config *old,
              const struct tunnel_sockets *sockets)
{
    if (sockets->n) {
        tunnel_sockets_close(&m->sockets);
        m->sockets = *sockets;
        tell_n_sockets(m);
        service_keep_sockets(&m->sockets);
    } else if (old->tunnel.receive_buffer
               != m->config->tunnel.receive_buffer) {
        /* A socket is one, whoever holds a descriptor of it. */
        setup_receive_buffer(m->config, &m->sockets);
    }
    if (sockets->n || batches_changed(old, m->config)
        || memif_changed(old, m->config)
        || old->tunnel.bfd_sessions != m->config->tunnel.bfd_sessions) {
        child_restart(m->intake, INTAKE_PATIENCE_MS);
    } else if (m->intake->goal == CHILD_RUN) {
        child_signal(m->intake, SIGHUP);
    }
}

/* Starts, stops or starts anew the program that serves metrics, if they are to
 * be served otherwise. */
static void
follow_metrics(struct master *m, const struct config *old)
{
    const struct config_metrics *a = &old->metrics, *b = &m->config->metrics;
    struct child *metrics = supervisor_find(&m->supervisor, "metrics");

    if (a->port == b->port && a->max_vms == b->max_vms
        && !strcmp(a->listen, b->listen)) {
        return;
    } else if (!metrics) {
        add_metrics(m);
    } else if (b->port) {
        child_restart(metrics, METRICS_PATIENCE_MS);
    } else {
        child_stop(metrics, METRICS_PATIENCE_MS);
    }
}

/* Makes 'new', whose text is published, the running configuration. */
static void
adopt(struct master *m, struct config *new,
      const struct tunnel_sockets *sockets)
{
    struct child *context = supervisor_find(&m->supervisor, "context");
    struct config *old = m->config;

    m->config = new;
    config_changes_destroy(&m->changes);
    config_diff(old, new, &m->changes);
    follow_metrics(m, old);
    m->loaded_ns = time_wall_usec() * 1000ULL;
    if (context) {
        child_signal(context, SIGHUP);
    }
    follow_intake(m, old, sockets);
    follow_tenants(m, old);
    failpoint(FAIL_CONFIG_ADOPTED);
    config_destroy(old);
}

static char *
reload(struct master *m)
{
    struct config *new = NULL;
    struct tunnel_sockets sockets = { .n = 0 };
    char *text = NULL;
    size_t size = 0;

    if (m->stopping) {
        return xstrdup("sluiced is stopping; start it again.");
    }

    char *sentence = check_config(m->config_path, &text, &size, &new);
    if (!sentence) {
        sentence = check_change(m->config, new);
    }
    if (!sentence && tunnel_moved(m->config, new)
        && !config_uses_memif(new)) {
        sentence = setup_bind(new, &m->sockets, &sockets);
    }
    if (!sentence) {
        sentence = publish(m, new, text, size);
    }
    free(text);

    if (!sentence) {
        adopt(m, new, &sockets);
    } else {
        config_destroy(new);
        tunnel_sockets_close(&sockets);
    }
    return sentence;
}

const char *
master_reload(struct master *m)
{
    free(m->refused);
    service_reloading();
    m->refused = reload(m);
    if (m->refused && !m->taken_until_ms) {
        service_ready();
    }
    if (m->refused) {
        VLOG_WARN("the configuration that runs is kept: %s", m->refused);
    } else {
        struct ds changes = DS_EMPTY_INITIALIZER;

        config_changes_format(&m->changes, &changes);
        VLOG_INFO("%s: loaded, %u tenants: %s", m->config_path,
                  m->config->tenants_count, ds_cstr(&changes));
        ds_destroy(&changes);
        m->taken_until_ms = time_msec() + TAKE_PATIENCE_MS;
    }
    return m->refused;
}

bool
master_is_behind(const struct master *m, uint64_t stamp)
{
    const struct child *child;

    LIST_FOR_EACH (child, node, &m->supervisor.children) {
        if (child_is_behind(child, stamp)) {
            return true;
        }
    }
    return false;
}

char *
master_not_taken(const struct master *m, uint64_t stamp)
{
    struct ds behind = DS_EMPTY_INITIALIZER;
    struct ds refused = DS_EMPTY_INITIALIZER;
    struct ds s = DS_EMPTY_INITIALIZER;
    const struct child *child;

    LIST_FOR_EACH (child, node, &m->supervisor.children) {
        struct ds *names = (child_is_behind(child, stamp) ? &behind
                            : child->taken.refused ? &refused : NULL);
        if (names) {
            ds_put_format(names, "%s%s", names->length ? ", " : "",
                          child->name);
        }
    }
    if (refused.length) {
        ds_put_format(&s, "the configuration could not be used by %s, and the "
                      "one before stays there; the log says why.",
                      ds_cstr(&refused));
    }
    if (behind.length) {
        ds_put_format(&s, "%sthe configuration was not taken yet by %s; look "
                      "at \"sluicectl status\" until it is.",
                      s.length ? " " : "", ds_cstr(&behind));
    }
    ds_destroy(&behind);
    ds_destroy(&refused);
    if (!s.length) {
        ds_destroy(&s);
        return NULL;
    }
    return ds_steal_cstr(&s);
}

/* Tells the service manager once all have taken the configuration, or the log
 * if they do not. */
static void
run_taken(struct master *m)
{
    if (m->taken_until_ms && (time_msec() >= m->taken_until_ms
                              || !master_is_behind(m, m->stamp))) {
        char *sentence = master_not_taken(m, m->stamp);

        if (sentence) {
            VLOG_WARN("%s", sentence);
            free(sentence);
        }
        m->taken_until_ms = 0;
        service_ready();
    }
}

static void
wait_taken(const struct master *m)
{
    const struct child *child;

    if (m->taken_until_ms) {
        poll_timer_wait_until(master_is_behind(m, m->stamp)
                              ? m->taken_until_ms : LLONG_MIN);
    }
    LIST_FOR_EACH (child, node, &m->supervisor.children) {
        if (child_is_behind(child, m->stamp)) {
            child_wait_for_report(child);
        }
    }
}

void
master_stop(struct master *m)
{
    if (!m->stopping) {
        VLOG_INFO("stopping");
        service_stopping();
        m->stopping = true;
        m->taken_until_ms = 0;
        child_stop(m->intake, INTAKE_PATIENCE_MS);
    }
}

/* Stops what comes after intake: the shippers, and then context. */
static void
stop_rest(struct master *m)
{
    struct child *context = supervisor_find(&m->supervisor, "context");
    struct child *child;

    LIST_FOR_EACH (child, node, &m->supervisor.children) {
        if (child != context) {
            child_stop(child, ship_patience_ms(m->config));
        }
    }
    /* Frees those that do not run, about whose end no signal comes. */
    supervisor_run(&m->supervisor);
    if (context && ovs_list_is_singleton(&m->supervisor.children)) {
        child_stop(context, CONTEXT_PATIENCE_MS);
        supervisor_run(&m->supervisor);
    }
}

bool
master_is_done(const struct master *m)
{
    return m->stopping && ovs_list_is_empty(&m->supervisor.children);
}

void
master_run(struct master *m)
{
    supervisor_run(&m->supervisor);
    if (m->stopping && !supervisor_find(&m->supervisor, "intake")) {
        m->intake = NULL;
        stop_rest(m);
    }
    run_taken(m);
}

void
master_wait(const struct master *m)
{
    if (master_is_done(m)) {
        poll_immediate_wake();
    }
    supervisor_wait(&m->supervisor);
    wait_taken(m);
}
