/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection to libvirt.  See session.h. */
#include <config.h>

#include "session.h"

#include <inttypes.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "hash.h"
#include "libvirt-domain.h"
#include "load.h"
#include "openvswitch/hmap.h"
#include "report.h"
#include "timeval.h"
#include "util.h"

enum {
    UUID_SIZE = 16,
    KEEPALIVE_S = 3,            /* Between two, while it is silent. */
    MAX_KEEPALIVES = 4,         /* That may stay without an answer. */
    ALIVE_MS = 10 * 1000,       /* From one sign of life to the next. */
    LIST_MS = 5 * 60 * 1000,    /* From one inventory to the next. */
    NO_EVENTS_MS = 5 * 1000,    /* The same of one that says no changes. */
    SECOND_LOAD_MS = 2000,      /* From the first reading of use on. */
    MIN_READ_MS = 100,          /* However fast domains change. */
    MAX_CHANGED = 4096,         /* Then all are listed. */
};

/* A domain that changed. */
struct changed {
    struct hmap_node node;
    uint8_t uuid[UUID_SIZE];
};

struct session {
    virConnectPtr conn;
    struct load *load;
    unsigned int poll_ms;
    struct hmap changed;        /* Domains to be read... */
    long long int not_before;   /* ...when time_msec() is this. */
    bool has_events;
    bool is_closed;
    int close_reason;
    int signal_fd;
    int timer;                  /* Of libvirt's event loop. */
    long long int list_at, poll_at, alive_at;
};

static const char *
why(void)
{
    const char *message = virGetLastErrorMessage();

    return message ? message : "it does not say why";
}

/* Ends the program if the connection is broken. */
static void
check_connection(const struct session *s, const char *doing)
{
    if (s->is_closed) {
        report_problem("the connection was closed: %s",
                       s->close_reason == VIR_CONNECT_CLOSE_REASON_KEEPALIVE
                       ? "it did not answer for too long"
                       : s->close_reason == VIR_CONNECT_CLOSE_REASON_EOF
                       ? "libvirt ended, or hung up" : "an error");
    } else if (virConnectIsAlive(s->conn) <= 0) {
        report_problem("the connection broke while %s: %s", doing, why());
    }
}

/* Events. */

static void
note_change(struct session *s, virDomainPtr domain)
{
    uint8_t uuid[UUID_SIZE];
    struct changed *c;

    if (virDomainGetUUID(domain, uuid)) {
        return;
    }
    uint32_t hash = hash_bytes(uuid, UUID_SIZE, 0);
    HMAP_FOR_EACH_WITH_HASH (c, node, hash, &s->changed) {
        if (!memcmp(c->uuid, uuid, UUID_SIZE)) {
            return;
        }
    }
    if (hmap_count(&s->changed) >= MAX_CHANGED) {
        s->list_at = 0;
        return;
    }
    c = xmalloc(sizeof *c);
    memcpy(c->uuid, uuid, UUID_SIZE);
    hmap_insert(&s->changed, &c->node, hash);
}

static int
lifecycle_event(virConnectPtr conn OVS_UNUSED, virDomainPtr domain,
                int event OVS_UNUSED, int detail OVS_UNUSED, void *s)
{
    note_change(s, domain);
    return 0;
}

static void
metadata_event(virConnectPtr conn OVS_UNUSED, virDomainPtr domain,
               int type OVS_UNUSED, const char *uri OVS_UNUSED, void *s)
{
    note_change(s, domain);
}

/* DEVICE_ADDED and DEVICE_REMOVED are of one type. */
static void
device_event(virConnectPtr conn OVS_UNUSED, virDomainPtr domain,
             const char *alias OVS_UNUSED, void *s)
{
    note_change(s, domain);
}

static void
close_event(virConnectPtr conn OVS_UNUSED, int reason, void *s_)
{
    struct session *s = s_;

    s->is_closed = true;
    s->close_reason = reason;
}

static bool
watch(struct session *s, int event, virConnectDomainEventGenericCallback cb)
{
    return virConnectDomainEventRegisterAny(s->conn, NULL, event, cb, s, NULL)
           >= 0;
}

/* Has events come in.  Only the first ones are those without which changes
 * would have to be looked for. */
static void
watch_domains(struct session *s)
{
    s->has_events = watch(s, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                          VIR_DOMAIN_EVENT_CALLBACK(lifecycle_event));
    watch(s, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
          VIR_DOMAIN_EVENT_CALLBACK(metadata_event));
    watch(s, VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
          VIR_DOMAIN_EVENT_CALLBACK(device_event));
    watch(s, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
          VIR_DOMAIN_EVENT_CALLBACK(device_event));
}

static void
timer_event(int timer OVS_UNUSED, void *s OVS_UNUSED)
{
    /* It only ends a wait. */
}

static void
signal_event(int watch_id OVS_UNUSED, int fd, int events OVS_UNUSED, void *s_)
{
    struct session *s = s_;
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof info) == sizeof info) {
        s->list_at = 0;
    }
}

/* Domains. */

static const char *
power_of(int state)
{
    switch (state) {
    case VIR_DOMAIN_NOSTATE:
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
    case VIR_DOMAIN_SHUTDOWN:   /* It is about to be off. */
        return "on";
    case VIR_DOMAIN_PAUSED:
        return "paused";
    case VIR_DOMAIN_SHUTOFF:
        return "off";
    case VIR_DOMAIN_CRASHED:
        return "crashed";
    case VIR_DOMAIN_PMSUSPENDED:
        return "suspended";
    default:
        return "unknown";
    }
}

/* Whether the last call failed since the domain is gone. */
static bool
is_gone(void)
{
    return virGetLastErrorCode() == VIR_ERR_NO_DOMAIN;
}

/* Reads and reports a domain.  Returns false if it is gone. */
static bool
read_domain(struct session *s, virDomainPtr domain)
{
    struct libvirt_domain *d = NULL;
    uint8_t uuid[UUID_SIZE];
    int state;

    const char *name = virDomainGetName(domain);
    if (!name || virDomainGetUUID(domain, uuid)) {
        return true;
    }
    char *xml = virDomainGetXMLDesc(domain, 0);
    if (!xml || virDomainGetState(domain, &state, NULL, 0)) {
        bool gone = is_gone();

        if (!gone) {
            char *problem = xasprintf("%.*s: %s", LIBVIRT_MAX_NAME / 4, name,
                                      why());
            check_connection(s, "a domain was read");
            report_domain(uuid, name, NULL, problem);
            free(problem);
        }
        free(xml);
        return !gone;
    }

    char *problem = libvirt_domain_parse(slice_from_string(xml), &d);
    if (problem) {
        char *sentence = xasprintf("%.*s: its XML is refused: %s",
                                   LIBVIRT_MAX_NAME / 4, name, problem);
        report_domain(uuid, name, NULL, sentence);
        free(sentence);
        free(problem);
    } else {
        libvirt_domain_set(d, LIBVIRT_KEY_POWER, power_of(state));
        report_domain(uuid, name, d, NULL);
        libvirt_domain_destroy(d);
    }
    free(xml);
    return true;
}

static void
list_domains(struct session *s)
{
    virDomainPtr *domains;
    int n = virConnectListAllDomains(s->conn, &domains, 0);

    if (n < 0) {
        report_problem("its domains can't be listed: %s", why());
    }
    report_kind(SLUICE__LIBVIRT_KIND__LIBVIRT_BEGIN);
    for (int i = 0; i < n; i++) {
        read_domain(s, domains[i]);
        virDomainFree(domains[i]);
    }
    free(domains);
    load_report_end(s->load);
    s->list_at = time_msec() + (s->has_events ? LIST_MS : NO_EVENTS_MS);
}

/* Reads those that changed. */
static void
read_changed(struct session *s)
{
    struct changed *c;

    HMAP_FOR_EACH_POP (c, node, &s->changed) {
        virDomainPtr domain = virDomainLookupByUUID(s->conn, c->uuid);

        if (!domain && !is_gone()) {
            check_connection(s, "a domain was looked up");
            s->list_at = MIN(s->list_at, time_msec() + NO_EVENTS_MS);
        } else if (!domain || !read_domain(s, domain)) {
            report_gone(c->uuid);
        }
        if (domain) {
            virDomainFree(domain);
        }
        free(c);
    }
    s->not_before = time_msec() + MIN_READ_MS;
}

/* The loop. */

/* Does what is due. */
static void
run(struct session *s)
{
    check_connection(s, "waiting for changes");
    if (time_msec() >= s->list_at) {
        list_domains(s);
    }
    if (hmap_count(&s->changed) && time_msec() >= s->not_before) {
        read_changed(s);
    }
    if (time_msec() >= s->poll_at) {
        bool is_first = !s->poll_at;

        load_read(s->load);
        s->poll_at = time_msec() + (is_first
                                    ? MIN(s->poll_ms, SECOND_LOAD_MS)
                                    : s->poll_ms);
    }
    if (time_msec() >= s->alive_at) {
        unsigned long version;

        if (virConnectGetLibVersion(s->conn, &version)) {
            report_problem("it does not answer: %s", why());
        }
        report_kind(SLUICE__LIBVIRT_KIND__LIBVIRT_ALIVE);
        s->alive_at = time_msec() + ALIVE_MS;
    }
}

/* Milliseconds until something is due. */
static int
wait_ms(const struct session *s)
{
    long long int at = MIN(s->list_at, MIN(s->poll_at, s->alive_at));

    if (hmap_count(&s->changed)) {
        at = MIN(at, s->not_before);
    }
    return MAX(1, MIN(at - time_msec(), INT_MAX));
}

static void
catch_signals(struct session *s)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->signal_fd < 0
        || virEventAddHandle(s->signal_fd, VIR_EVENT_HANDLE_READABLE,
                             signal_event, s, NULL) < 0) {
        report_problem("signals can't be received");
    }
}

static void
ignore_error(void *aux OVS_UNUSED, virErrorPtr error OVS_UNUSED)
{
}

void
session_run(const char *uri, unsigned int poll_ms)
{
    struct session s = { .poll_ms = poll_ms };

    hmap_init(&s.changed);
    virSetErrorFunc(NULL, ignore_error); /* Errors are reported, by us. */
    if (virInitialize() || virEventRegisterDefaultImpl()) {
        report_problem("libvirt's library can't be used: %s", why());
    }
    catch_signals(&s);
    s.timer = virEventAddTimeout(-1, timer_event, &s, NULL);
    /* Nothing of what comes here is to be changed, whatever goes wrong. */
    s.conn = virConnectOpenReadOnly(uri);
    if (!s.conn) {
        report_problem("no connection: %s", why());
    }
    /* Not every libvirt has these: that within this process has not. */
    virConnectSetKeepAlive(s.conn, KEEPALIVE_S, MAX_KEEPALIVES);
    virConnectRegisterCloseCallback(s.conn, close_event, &s, NULL);
    s.load = load_create(s.conn);
    /* Before they are listed, so that no change falls between. */
    watch_domains(&s);
    for (;;) {
        run(&s);
        virEventUpdateTimeout(s.timer, wait_ms(&s));
        if (virEventRunDefaultImpl()) {
            report_problem("libvirt's event loop failed: %s", why());
        }
    }
}
