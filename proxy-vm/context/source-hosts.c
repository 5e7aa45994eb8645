/* SPDX-License-Identifier: Apache-2.0
 *
 * The source of what hypervisors report: one instance for each host that has a
 * key.  See host-facts.h for what a host is believed.
 *
 * In: the hosts of the configuration; their reports.
 * Out: the facts about each VM in the latest one.
 * Runs in: sluice-context. */
#include <config.h>

#include "context-source.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "host-facts.h"
#include "host-listener.h"
#include "host-report.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(source_hosts);

enum {
    VALIDITY_MS = 60 * 1000,    /* Several reports in a row are missing. */
    PATIENCE_MS = 20 * 1000,    /* For the first report. */
    LOAD_MS = 2000,             /* Measurements of all hosts go into the same
                                 * snapshots, so often. */
};

BUILD_ASSERT_DECL((int) VALIDITY_MS >= 2 * HOST_REPORT_MAX_INTERVAL_MS);

struct hosts_state {
    char *name;
    char *key_path;
    uint8_t vtep[16];
    char ip[INET6_ADDRSTRLEN];
    uint32_t *tenants;
    struct host_origin origin;  /* Of these. */
    struct host_listener *listener;
    uint8_t key[32];            /* The host's public one. */
    bool is_new;                /* It is not admitted yet. */
    struct host_peer *peer;     /* Null: its key can't be used. */
    struct host_counts counts;

    Sluice__HostReport *report; /* The latest, or null. */
    uint64_t got_ns;            /* When it came: Unix epoch... */
    long long int heard_at;     /* ...and time_msec(); 0: never. */
    long long int load_at;      /* When measurements are due; LLONG_MAX: none
                                 * are there. */
    long long int patient_until;
    bool is_silent;             /* It was not heard of for too long. */
    char *problem;              /* With its key. */
    char *silence;              /* Why it does not report. */
};

/* Returns host number 'i' of those that report, or null. */
static const struct config_host *
find_host(const struct context_settings *settings, size_t i)
{
    for (size_t j = 0; settings->host_listen && j < settings->n_hosts; j++) {
        if (settings->hosts[j].public_key_file && !i--) {
            return &settings->hosts[j];
        }
    }
    return NULL;
}

static char *
hosts_settings_of(const struct context_settings *settings, size_t i)
{
    const struct config_host *host = find_host(settings, i);
    struct ds s = DS_EMPTY_INITIALIZER;

    if (!host) {
        return NULL;
    }
    ds_put_format(&s, "%s\n%s\n%s\n%s\n%s\n", host->name, host->vtep,
                  host->public_key_file, settings->host_listen,
                  settings->host_key_file);
    for (size_t j = 0; j < host->tenants_count; j++) {
        ds_put_format(&s, "%"PRIu32"\n", host->tenants[j]);
    }
    return ds_steal_cstr(&s);
}

/* Reads the host's public key.  With the one that it had it keeps its session.
 * Whoever has another one may connect once all hosts have read theirs, since
 * that may have been another host's until then. */
static void
read_key(struct hosts_state *s)
{
    uint8_t key[32];
    int error = seal_public_key_read(s->key_path, key);

    if (!error && s->peer && !memcmp(key, s->key, sizeof key)) {
        return;
    }
    host_peer_remove(s->peer);
    s->peer = NULL;
    free(s->problem);
    s->problem = NULL;
    s->is_new = !error;
    if (error) {
        s->problem = xasprintf("host %s: its public key %s can't be read: "
                               "%s; sluice-hostd --generate-key makes one.",
                               s->name, s->key_path, ovs_strerror(error));
        VLOG_WARN("%s", s->problem);
    } else {
        memcpy(s->key, key, sizeof s->key);
    }
}

/* Lets whoever has the host's key connect. */
static void
admit(struct hosts_state *s)
{
    s->is_new = false;
    s->peer = host_peer_add(s->listener, s->name, s->key, &s->counts);
    if (!s->peer) {
        s->problem = xasprintf("host %s: the key in %s is that of another "
                               "host as well; give each its own.", s->name,
                               s->key_path);
        VLOG_WARN("%s", s->problem);
    }
}

static void *
hosts_init(const struct context_settings *settings, size_t i)
{
    const struct config_host *host = find_host(settings, i);
    struct hosts_state *s = xzalloc(sizeof *s);

    s->name = xstrdup(host->name);
    s->key_path = xstrdup(host->public_key_file);
    memcpy(s->vtep, &host->addr, sizeof s->vtep);
    ovs_strlcpy(s->ip, host->vtep, sizeof s->ip);
    s->tenants = (host->tenants_count
                  ? xmemdup(host->tenants, host->tenants_count
                                           * sizeof *s->tenants)
                  : NULL);
    s->origin = (struct host_origin) {
        .name = s->name, .ip = s->ip, .vtep = s->vtep,
        .tenants = s->tenants, .n_tenants = host->tenants_count,
    };
    s->load_at = LLONG_MAX;
    s->patient_until = time_msec() + PATIENCE_MS;
    s->listener = host_listener_ref(settings->host_listen,
                                    settings->host_key_file);
    read_key(s);
    return s;
}

static void
hosts_uninit(void *s_)
{
    struct hosts_state *s = s_;

    host_peer_remove(s->peer);
    host_listener_unref(s->listener);
    host_report_free(s->report);
    free(s->name);
    free(s->key_path);
    free(s->tenants);
    free(s->problem);
    free(s->silence);
    free(s);
}

static const char *
hosts_name_of(const void *s_)
{
    const struct hosts_state *s = s_;

    return s->name;
}

static void
hosts_reload(void *s_)
{
    struct hosts_state *s = s_;

    read_key(s);
}

static bool
same_bytes(ProtobufCBinaryData a, ProtobufCBinaryData b)
{
    return slice_equal(slice_of(a.data, a.len), slice_of(b.data, b.len));
}

/* What of a VM is no measurement. */
static bool
same_vm(const Sluice__HostVm *a, const Sluice__HostVm *b)
{
    bool same = (same_bytes(a->vm, b->vm)
                 && !strcmp(a->name, b->name) && a->n_port == b->n_port
                 && !a->owner == !b->owner
                 && (!a->owner || (a->owner->pid == b->owner->pid
                                   && a->owner->uid == b->owner->uid
                                   && !strcmp(a->owner->process,
                                              b->owner->process))));

    for (size_t i = 0; same && i < a->n_port; i++) {
        const Sluice__HostPort *p = a->port[i], *q = b->port[i];

        same = (!strcmp(p->name, q->name) && same_bytes(p->mac, q->mac)
                && p->tenant == q->tenant);
    }
    return same;
}

static bool
same_vms(const Sluice__HostReport *a, const Sluice__HostReport *b)
{
    bool same = a->n_vm == b->n_vm;

    for (size_t i = 0; same && i < a->n_vm; i++) {
        same = same_vm(a->vm[i], b->vm[i]);
    }
    return same;
}

/* Takes the latest report.  Returns true if it is news that can't wait. */
static bool
take_report(struct hosts_state *s, Sluice__HostReport *report)
{
    bool is_news = !s->report || !same_vms(s->report, report);

    for (size_t i = 0; i < report->n_vm; i++) {
        s->counts.refused_vms += !host_facts_allow(&s->origin,
                                                   report->vm[i]);
    }
    host_report_free(s->report);
    s->report = report;
    s->got_ns = time_wall_usec() * UINT64_C(1000);
    s->heard_at = time_msec();
    s->is_silent = false;
    if (s->load_at == LLONG_MAX) {
        s->load_at = ROUND_UP(s->heard_at + 1, LOAD_MS);
    }
    return is_news;
}

/* Says why it does not report, if so; null else. */
static void
update_silence(struct hosts_state *s)
{
    free(s->silence);
    s->silence = NULL;
    if (s->problem || !s->peer || host_peer_is_connected(s->peer)
        || time_msec() < s->patient_until) {
        return;
    }
    s->silence = (host_peer_end(s->peer)
                  ? xasprintf("host %s does not report: %s", s->name,
                              host_peer_end(s->peer))
                  : xasprintf("host %s has not reported since the start",
                              s->name));
}

static bool
hosts_run(void *s_)
{
    struct hosts_state *s = s_;
    bool changed = false;

    if (s->is_new) {
        admit(s);
    }
    if (!s->peer) {
        return false;
    }
    if (host_peer_is_first(s->peer)) {
        host_listener_run(s->listener);
    }
    Sluice__HostReport *report = host_peer_take_report(s->peer);
    if (report) {
        changed = take_report(s, report);
    }
    if (changed || time_msec() >= s->load_at) {
        s->load_at = LLONG_MAX;
        changed = true;
    }
    if (s->heard_at && !s->is_silent
        && time_msec() >= s->heard_at + VALIDITY_MS) {
        s->is_silent = true;
        s->counts.silences++;
    }
    update_silence(s);
    return changed;
}

static void
hosts_wait(void *s_)
{
    struct hosts_state *s = s_;

    if (s->is_new) {
        poll_immediate_wake();
    }
    if (!s->peer) {
        return;
    }
    if (host_peer_is_first(s->peer)) {
        host_listener_wait(s->listener);
    }
    if (host_peer_has_report(s->peer)) {
        poll_immediate_wake();
    }
    if (s->load_at != LLONG_MAX) {
        poll_timer_wait_until(s->load_at);
    }
    if (time_msec() < s->patient_until) {
        poll_timer_wait_until(s->patient_until);
    }
}

static const char *
hosts_problem(const void *s_)
{
    const struct hosts_state *s = s_;

    return (s->problem ? s->problem
            : host_listener_problem(s->listener)
            ? host_listener_problem(s->listener)
            : s->silence);
}

static long long int
hosts_heard_at(const void *s_)
{
    const struct hosts_state *s = s_;

    return s->heard_at;
}

static void
hosts_put_status(const void *s_, struct ds *ds)
{
    const struct hosts_state *s = s_;

    ds_put_format(ds, "  vms-reported: %"PRIuSIZE"\n",
                  s->report ? s->report->n_vm : 0);
    ds_put_format(ds, "  vms-omitted: %"PRIu32"\n",
                  s->report ? s->report->omitted_vms : 0);
#define HOST_COUNT(FIELD, NAME, TEXT) \
    ds_put_format(ds, "  "NAME": %"PRIu64"\n", s->counts.FIELD);
#include "host-counts.def"
#undef HOST_COUNT
    if (s->peer && host_peer_is_first(s->peer)) {
        host_listener_put_status(s->listener, ds);
    }
}

static void
hosts_put(const void *s_, struct merge *merge)
{
    const struct hosts_state *s = s_;

    if (s->report) {
        host_facts_put(&s->origin, s->report, s->got_ns, merge);
    }
}

const struct context_source source_hosts = {
    .name = "host",
    .rank = RANK_HOST,
    .validity_ms = VALIDITY_MS,
    .settings_of = hosts_settings_of,
    .init = hosts_init,
    .uninit = hosts_uninit,
    .name_of = hosts_name_of,
    .reload = hosts_reload,
    .run = hosts_run,
    .wait = hosts_wait,
    .problem = hosts_problem,
    .heard_at = hosts_heard_at,
    .put_status = hosts_put_status,
    .put = hosts_put,
};
