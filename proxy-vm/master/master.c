/* SPDX-License-Identifier: Apache-2.0
 *
 * The master of the proxy's programs.  See master.h. */
#include <config.h>

#include "master.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy-config.h"
#include "host-keys.h"
#include "redaction.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "setup.h"
#include "spool.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(master);

/* Packets wait in the socket while intake is away, and not for long. */
enum { INTAKE_BACKOFF_MAX_MS = 50 };

/* How long the programs may take to stop. */
enum {
    INTAKE_PATIENCE_MS = 10 * 1000, /* It flushes into the spool. */
    SHIP_PATIENCE_MS = 3 * 1000,    /* Besides the hold time. */
    SHIP_MAX_HOLD_MS = 30 * 1000,   /* Of the hold time, so much at most. */
    CONTEXT_PATIENCE_MS = 2 * 1000,
};

/* Stopped any earlier, a shipper leaves batches behind that were sent but not
 * confirmed, which the next one sends again. */
static unsigned int
ship_patience_ms(const struct config *config)
{
    return SHIP_PATIENCE_MS + MIN(config->output.hold_ms, SHIP_MAX_HOLD_MS);
}

static char *
ship_name(uint32_t tenant)
{
    return xasprintf("ship-%"PRIu32, tenant);
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

enum { MAX_ARGS = 8 };

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

static void
add_context(struct master *m)
{
    size_t n;
    char **argv = program_args(m, "context", &n);

    supervisor_add(&m->supervisor, "context", &argv, -1);
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

    argv[n++] = xstrdup("--fd");
    argv[n++] = xasprintf("%d", CHILD_FD);
    if (intake_user(m)) {
        argv[n++] = xstrdup("--host-keys");
        argv[n++] = config_path_host_keys(m->config);
    }
    m->intake = supervisor_add(&m->supervisor, "intake", &argv, m->socket_fd);
    m->intake->backoff_max_ms = INTAKE_BACKOFF_MAX_MS;
    m->intake->user = intake_user(m);
}

static void
add_ship(struct master *m, uint32_t tenant)
{
    char *name = ship_name(tenant);
    size_t n;
    char **argv = program_args(m, "ship", &n);

    argv[n++] = xstrdup("--tenant");
    argv[n++] = xasprintf("%"PRIu32, tenant);
    supervisor_add(&m->supervisor, name, &argv, -1);
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
    if (!sentence && m->intake_is_own) {
        sentence = setup_ownership(m->config, &m->intake_user);
    }
    if (!sentence) {
        sentence = setup_keys(m->config);
    }
    if (!sentence) {
        sentence = open_spool(m);
    }
    if (!sentence) {
        sentence = setup_bind(m->config, -1, &m->socket_fd);
    }
    return (sentence ? sentence
            : setup_publish(m->config, intake_user(m), text, size));
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
    m->socket_fd = -1;
    m->started_ns = m->loaded_ns = time_wall_usec() * 1000ULL;
    supervisor_init(&m->supervisor);

    char *sentence = config_read_file(m->config_path, &text, &size);
    if (!sentence) {
        sentence = config_parse(m->config_path, text, size, &m->config);
    }
    if (!sentence) {
        sentence = host_keys_check(m->config);
    }
    if (!sentence) {
        sentence = redaction_check(m->config);
    }
    if (!sentence) {
        sentence = prepare(m, text, size);
    }
    free(text);
    if (sentence) {
        master_destroy(m);
        return sentence;
    }

    setup_warn(m->config, intake_user(m));
    add_context(m);
    add_intake(m);
    for (size_t i = 0; i < m->config->tenants_count; i++) {
        add_ship(m, m->config->tenants[i].id);
    }
    *ret = m;
    return NULL;
}

void
master_destroy(struct master *m)
{
    if (m) {
        supervisor_destroy(&m->supervisor);
        if (m->socket_fd >= 0) {
            close(m->socket_fd);
        }
        spool_close(m->spool);
        config_destroy(m->config);
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

static bool
batches_changed(const struct config *old, const struct config *new)
{
    return (old->batch.max_bytes != new->batch.max_bytes
            || old->batch.max_delay_ms != new->batch.max_delay_ms);
}

/* Returns true if the shipper of 'tenant', which is in both, was started with
 * what is no longer right. */
static bool
ship_changed(const struct config *old, const struct config *new,
             uint32_t tenant)
{
    return (strcmp(config_find_tenant(old, tenant)->server,
                   config_find_tenant(new, tenant)->server)
            || strcmp(old->output.sd_id, new->output.sd_id)
            || old->output.hold_ms != new->output.hold_ms
            || old->output.timeout_ms != new->output.timeout_ms
            || old->output.backoff_max_ms != new->output.backoff_max_ms);
}

static struct child *
find_ship(const struct master *m, uint32_t tenant)
{
    char *name = ship_name(tenant);
    struct child *ship = supervisor_find(&m->supervisor, name);

    free(name);
    return ship;
}

/* Has a shipper for each tenant of the new configuration and for no other.
 * One that nothing changed for keeps its session: whatever is on its way would
 * be sent again. */
static void
follow_tenants(struct master *m, const struct config *old)
{
    unsigned int patience_ms = ship_patience_ms(old);

    for (size_t i = 0; i < old->tenants_count; i++) {
        uint32_t id = old->tenants[i].id;
        if (!config_find_tenant(m->config, id)) {
            struct child *ship = find_ship(m, id);
            if (ship) {
                child_stop(ship, patience_ms);
            }
        }
    }
    for (size_t i = 0; i < m->config->tenants_count; i++) {
        uint32_t id = m->config->tenants[i].id;
        /* One that was taken out a moment ago may still be stopping. */
        struct child *ship = find_ship(m, id);
        if (!ship) {
            add_ship(m, id);
        } else if (!config_find_tenant(old, id)
                   || ship_changed(old, m->config, id)) {
            child_restart(ship, patience_ms);
        }
    }
}

/* Has intake use the new configuration, and 'socket_fd' unless it is -1. */
static void
follow_intake(struct master *m, const struct config *old, int socket_fd)
{
    if (socket_fd >= 0) {
        close(m->socket_fd);
        m->socket_fd = socket_fd;
        m->intake->fd = socket_fd;
    } else if (old->tunnel.receive_buffer
               != m->config->tunnel.receive_buffer) {
        /* The socket is one, whoever holds a descriptor of it. */
        setup_receive_buffer(m->config, m->socket_fd);
    }
    if (socket_fd >= 0 || batches_changed(old, m->config)
        || old->tunnel.bfd_sessions != m->config->tunnel.bfd_sessions) {
        child_restart(m->intake, INTAKE_PATIENCE_MS);
    } else if (m->intake->goal == CHILD_RUN) {
        child_signal(m->intake, SIGHUP);
    }
}

/* Makes 'new', whose text is published, the running configuration. */
static void
adopt(struct master *m, struct config *new, int socket_fd)
{
    struct child *context = supervisor_find(&m->supervisor, "context");
    struct config *old = m->config;

    m->config = new;
    m->loaded_ns = time_wall_usec() * 1000ULL;
    if (context) {
        child_signal(context, SIGHUP);
    }
    follow_intake(m, old, socket_fd);
    follow_tenants(m, old);
    config_destroy(old);
}

static char *
reload(struct master *m)
{
    struct config *new = NULL;
    int socket_fd = -1;
    char *text = NULL;
    size_t size = 0;

    if (m->stopping) {
        return xstrdup("sluiced is stopping; start it again.");
    }

    char *sentence = config_read_file(m->config_path, &text, &size);
    if (!sentence) {
        sentence = config_parse(m->config_path, text, size, &new);
    }
    if (!sentence) {
        sentence = check_change(m->config, new);
    }
    if (!sentence) {
        sentence = host_keys_check(new);
    }
    if (!sentence) {
        sentence = redaction_check(new);
    }
    if (!sentence && tunnel_moved(m->config, new)) {
        sentence = setup_bind(new, m->socket_fd, &socket_fd);
    }
    if (!sentence) {
        sentence = setup_publish(new, intake_user(m), text, size);
    }
    free(text);

    if (!sentence) {
        adopt(m, new, socket_fd);
    } else {
        config_destroy(new);
        if (socket_fd >= 0) {
            close(socket_fd);
        }
    }
    return sentence;
}

const char *
master_reload(struct master *m)
{
    free(m->refused);
    m->refused = reload(m);
    if (m->refused) {
        VLOG_WARN("the configuration that runs is kept: %s", m->refused);
    } else {
        VLOG_INFO("%s: loaded, %u tenants", m->config_path,
                  m->config->tenants_count);
    }
    return m->refused;
}

void
master_stop(struct master *m)
{
    if (!m->stopping) {
        VLOG_INFO("stopping");
        m->stopping = true;
        child_stop(m->intake, INTAKE_PATIENCE_MS);
    }
}

/* Stops what comes after intake: the shippers, and then context. */
static void
stop_rest(struct master *m)
{
    struct child *context = supervisor_find(&m->supervisor, "context");
    struct child *child;
    bool ships = false;

    LIST_FOR_EACH (child, node, &m->supervisor.children) {
        if (child != context) {
            child_stop(child, ship_patience_ms(m->config));
            ships = true;
        }
    }
    if (!ships && context) {
        child_stop(context, CONTEXT_PATIENCE_MS);
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
        supervisor_run(&m->supervisor);
    }
}

void
master_wait(const struct master *m)
{
    if (master_is_done(m)) {
        poll_immediate_wake();
    }
    supervisor_wait(&m->supervisor);
}
