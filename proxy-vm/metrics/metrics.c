/* SPDX-License-Identifier: Apache-2.0
 *
 * See metrics.h.  The labels of each list stand here, what is told of its
 * entries in metrics.def. */
#include <config.h>

#include "metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "control-frame.h"
#include "drop.h"
#include "exposition.h"
#include "openvswitch/shash.h"
#include "packets.h"
#include "util.h"
#include "uuid-bytes.h"

/* A sluiced's answers; see control.proto.  Those that did not come are
 * null. */
struct answers {
    Sluice__Response *status, *tenants, *vms, *counters, *spool, *rules,
        *ledger, *context;
    uint64_t n_commits, commit_us; /* Of 'counters'. */
};

static const struct {
    Sluice__Verb verb;
    size_t offset;              /* Of the answer. */
} questions[] = {
#define QUESTION(VERB, FIELD) \
    { SLUICE__VERB__##VERB, offsetof(struct answers, FIELD) }
    QUESTION(STATUS, status),
    QUESTION(TENANTS, tenants),
    QUESTION(VMS, vms),
    QUESTION(COUNTERS, counters),
    QUESTION(SPOOL, spool),
    QUESTION(RULES, rules),
    QUESTION(LEDGER, ledger),
    QUESTION(CONTEXT_STATS, context),
#undef QUESTION
};

static Sluice__Response **
answer_to(struct answers *a, size_t i)
{
    return ALIGNED_CAST(Sluice__Response **,
                        (char *) a + questions[i].offset);
}

static void
free_answers(struct answers *a)
{
    for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
        Sluice__Response *answer = *answer_to(a, i);
        if (answer) {
            control_free_response(answer);
        }
    }
}

/* Asks one question.  Returns null and '*ret', or a malloc()ed sentence. */
static char *
ask(const char *path, Sluice__Verb verb, Sluice__Response **ret)
{
    char *sentence = client_ask(path, verb, ret);

    if (!sentence && (*ret)->error[0]) {
        sentence = xstrdup((*ret)->error);
        control_free_response(*ret);
        *ret = NULL;
    }
    return sentence;
}

static char *
ask_all(const char *path, struct answers *a)
{
    char *sentence = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(questions) && !sentence; i++) {
        sentence = ask(path, questions[i].verb, answer_to(a, i));
    }
    return sentence;
}

/* Labels that several lists have. */

struct tenant_labels {
    char id[16];
    const char *name;           /* Borrowed. */
};

static struct tenant_labels
label_tenant(const struct answers *a, uint32_t id)
{
    struct tenant_labels ret = { .name = "" };

    snprintf(ret.id, sizeof ret.id, "%"PRIu32, id);
    for (size_t i = 0; i < a->tenants->n_tenants; i++) {
        if (a->tenants->tenants[i]->id == id) {
            ret.name = a->tenants->tenants[i]->name;
        }
    }
    return ret;
}

#define TENANT_LABELS(T) { "tenant", (T).id }, { "tenant_name", (T).name }

/* For each list: ADD_LIST(x, labels) adds all samples that metrics.def has of
 * an entry of it. */
#define ADD(NAME, TYPE, VALUE, TEXT) \
    exposition_add(e, NAME, TYPE, TEXT, "", labels, VALUE);

static void
add_program(struct exposition *e, const Sluice__Program *x)
{
    const struct label labels[] = { { "program", x->name }, { NULL, NULL } };

#define X(NAME, TYPE, LIST, VALUE, TEXT) X_##LIST(NAME, TYPE, VALUE, TEXT)
#define X_tenants(...)
#define X_spool(...)
#define X_ledger(...)
#define X_destinations(...)
#define X_vms(...)
#define X_rules(...)
#define X_snapshots(...)
#define X_sources(...)
#define X_programs ADD
#include "metrics.def"
#undef X_programs
#define X_programs(...)
}

static void
add_queue(struct exposition *e, const struct answers *a,
          const Sluice__Tenant *x)
{
    const struct tenant_labels tenant = label_tenant(a, x->id);
    const struct label labels[] = {
        TENANT_LABELS(tenant), { "queue", x->queue }, { NULL, NULL },
    };

#undef X_tenants
#define X_tenants ADD
#include "metrics.def"
#undef X_tenants
#define X_tenants(...)
}

static void
add_spool(struct exposition *e, const struct answers *a,
          const Sluice__SpoolTenant *x)
{
    const struct tenant_labels tenant = label_tenant(a, x->tenant);
    const struct label labels[] = {
        TENANT_LABELS(tenant), { "queue", x->queue }, { NULL, NULL },
    };

#undef X_spool
#define X_spool ADD
#include "metrics.def"
#undef X_spool
#define X_spool(...)
}

static void
add_statement(struct exposition *e, const struct answers *a,
              const Sluice__Statement *x)
{
    const struct tenant_labels tenant = label_tenant(a, x->tenant);
    const struct label labels[] = {
        TENANT_LABELS(tenant), { "queue", x->queue }, { NULL, NULL },
    };

#undef X_ledger
#define X_ledger ADD
#include "metrics.def"
#undef X_ledger
#define X_ledger(...)
}

static void
add_destination(struct exposition *e, const struct answers *a,
                const Sluice__Destination *x)
{
    const struct tenant_labels tenant = label_tenant(a, x->tenant);
    const struct label labels[] = {
        TENANT_LABELS(tenant), { "queue", x->queue },
        { "destination", x->name }, { "type", x->type }, { NULL, NULL },
    };

#undef X_destinations
#define X_destinations ADD
#include "metrics.def"
#undef X_destinations
#define X_destinations(...)
}

static void
add_vm(struct exposition *e, const struct answers *a, const Sluice__Vm *x)
{
    const struct tenant_labels tenant = label_tenant(a, x->tenant);
    char *vm = (x->vm.len == UUID_BYTES ? uuid_bytes_format(x->vm.data)
                : xstrdup(""));
    char mac[18] = "", port[16];

    if (x->mac.len == sizeof(struct eth_addr)) {
        struct eth_addr ea;
        memcpy(&ea, x->mac.data, sizeof ea);
        snprintf(mac, sizeof mac, ETH_ADDR_FMT, ETH_ADDR_ARGS(ea));
    }
    snprintf(port, sizeof port, "%"PRIu32, x->ofp_port);
    const struct label labels[] = {
        TENANT_LABELS(tenant), { "vm", vm }, { "vm_name", x->name },
        { "mac", mac }, { "vtep", x->vtep }, { "ofp_port", port },
        { NULL, NULL },
    };

#undef X_vms
#define X_vms ADD
#include "metrics.def"
#undef X_vms
#define X_vms(...)
    free(vm);
}

static void
add_rule(struct exposition *e, const struct answers *a,
         const Sluice__Rule *x)
{
    const struct tenant_labels tenant = label_tenant(a, x->tenant);
    const struct label labels[] = {
        { "rule", x->name }, { "action", x->action },
        { "tenant", x->tenant ? tenant.id : "" }, { NULL, NULL },
    };

#undef X_rules
#define X_rules ADD
#include "metrics.def"
#undef X_rules
#define X_rules(...)
}

static void
add_snapshot(struct exposition *e, const Sluice__ContextSnapshot *x)
{
    const struct label labels[] = { { NULL, NULL } };

#undef X_snapshots
#define X_snapshots ADD
#include "metrics.def"
#undef X_snapshots
#define X_snapshots(...)
}

static void
add_source(struct exposition *e, const Sluice__ContextSource *x)
{
    const struct label labels[] = { { "source", x->name }, { NULL, NULL } };

#undef X_sources
#define X_sources ADD
#include "metrics.def"
#undef X_sources
#define X_sources(...)
}

static void
add_context(struct exposition *e, const Sluice__Response *context)
{
    for (size_t i = 0; i < context->n_snapshots; i++) {
        add_snapshot(e, context->snapshots[i]);
    }
    for (size_t i = 0; i < context->n_sources; i++) {
        add_source(e, context->sources[i]);
    }
}

/* The counters of counters.def: their names follow from what they are. */

static bool
is_drop_reason(const char *name)
{
    for (int i = SLUICE_DROP_NONE + 1; i < SLUICE_N_DROPS; i++) {
        if (!strcmp(name, sluice_drop_name(i))) {
            return true;
        }
    }
    return false;
}

static bool
ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && !strcmp(s + n - m, end);
}

static void
add_as_itself(struct exposition *e, const Sluice__Counter *x,
              const struct label *labels)
{
    bool is_percent = !strcmp(x->unit, "per cent");
    const char *unit = is_percent ? "ratio" : x->unit;
    struct ds name = DS_EMPTY_INITIALIZER;

    ds_put_format(&name, "sluice_%s_%s",
                  !strcmp(x->program, "intake") && x->tenant ? "tenant"
                  : x->program, x->name);
    if (!ends_with(x->name, unit)) {
        ds_put_format(&name, "_%s", unit);
    }
    if (!x->gauge) {
        ds_put_cstr(&name, "_total");
    }
    for (char *p = ds_cstr(&name); *p; p++) {
        *p = *p == '-' || *p == ' ' ? '_' : *p;
    }
    exposition_add(e, ds_cstr(&name), x->gauge ? "gauge" : "counter", x->text,
                   "", labels, is_percent ? x->value / 100.0 : x->value);
    ds_destroy(&name);
}

static void
add_to_commits(struct exposition *e, const char *suffix,
               const struct label *labels, double value)
{
    exposition_add(e, "sluice_intake_commit_duration_seconds", "histogram",
                   "How long groups of batches took to be put into the "
                   "spool.", suffix, labels, value);
}

/* "commits-5ms" and its like are the buckets of a histogram, whose count is
 * "commits" and whose sum "commits-us".  Returns false if 'x' is none. */
static bool
add_commits(struct exposition *e, struct answers *a, const Sluice__Counter *x)
{
    unsigned int ms;
    int n = 0;

    if (strcmp(x->program, "intake")) {
        return false;
    } else if (ovs_scan(x->name, "commits-%ums%n", &ms, &n) && n) {
        char le[16];

        snprintf(le, sizeof le, "%g", ms / 1e3);
        const struct label bucket[] = { { "le", le }, { NULL, NULL } };
        add_to_commits(e, "_bucket", bucket, x->value);
        return true;
    } else if (!strcmp(x->name, "commits")) {
        a->n_commits = x->value;    /* Comes last, as the sum does. */
        return true;
    } else if (!strcmp(x->name, "commits-us")) {
        a->commit_us = x->value;
        return true;
    }
    return false;
}

static void
end_commits(struct exposition *e, const struct answers *a)
{
    const struct label last[] = { { "le", "+Inf" }, { NULL, NULL } };
    const struct label none[] = { { NULL, NULL } };

    add_to_commits(e, "_bucket", last, a->n_commits);
    add_to_commits(e, "_sum", none, a->commit_us / 1e6);
    add_to_commits(e, "_count", none, a->n_commits);
}

static void
add_counter(struct exposition *e, struct answers *a,
            const Sluice__Counter *x)
{
    const struct tenant_labels tenant = label_tenant(a, x->tenant);
    struct label labels[5];
    size_t n = 0;

    if (add_commits(e, a, x)) {
        return;
    }
    if (x->tenant) {
        labels[n++] = (struct label) { "tenant", tenant.id };
        labels[n++] = (struct label) { "tenant_name", tenant.name };
    }
    if (x->queue[0]) {
        labels[n++] = (struct label) { "queue", x->queue };
    }
    if (!strcmp(x->program, "intake") && is_drop_reason(x->name)) {
        if (!x->tenant) {
            labels[n++] = (struct label) { "tenant", "" };
            labels[n++] = (struct label) { "tenant_name", "" };
        }
        labels[n++] = (struct label) { "reason", x->name };
        labels[n] = (struct label) { NULL, NULL };
        exposition_add(e, "sluice_dropped_packets_total", "counter",
                       "Packets and lines dropped, by reason; without a "
                       "tenant where it is not known.", "", labels, x->value);
        return;
    }
    labels[n] = (struct label) { NULL, NULL };
    add_as_itself(e, x, labels);
}

static void
add_status(struct exposition *e, const Sluice__Status *status)
{
    const struct label version[] = {
        { "version", status->version }, { NULL, NULL },
    };
    const struct label none[] = { { NULL, NULL } };

    exposition_add(e, "sluice_build_info", "gauge", "The version of sluiced.",
                   "", version, 1);
    exposition_add(e, "sluice_start_time_seconds", "gauge",
                   "When sluiced was started, in Unix time.", "", none,
                   status->started_ns / 1e9);
    exposition_add(e, "sluice_config_last_load_successful", "gauge",
                   "Whether the latest configuration was not refused.", "",
                   none, !status->refused[0]);
    exposition_add(e, "sluice_config_last_load_time_seconds", "gauge",
                   "When the running configuration was loaded, in Unix time.",
                   "", none, status->loaded_ns / 1e9);
}

static void
add_vms(struct exposition *e, const struct answers *a, unsigned int max_vms)
{
    const struct label none[] = { { NULL, NULL } };
    size_t n = MIN(a->vms->n_vms, max_vms);

    for (size_t i = 0; i < n; i++) {
        add_vm(e, a, a->vms->vms[i]);
    }
    exposition_add(e, "sluice_vms", "gauge",
                   "Switch ports that have sent.", "", none, a->vms->n_vms);
    exposition_add(e, "sluice_vms_omitted", "gauge",
                   "Of these: without metrics of their own, for there are "
                   "more than metrics.max-vms.", "", none,
                   a->vms->n_vms - n);
}

char *
metrics_gather(const char *path, unsigned int max_vms, struct ds *out)
{
    struct answers a = { .status = NULL };
    char *sentence = ask_all(path, &a);

    if (!sentence) {
        struct exposition e;

        exposition_init(&e);
        add_status(&e, a.status->status);
        for (size_t i = 0; i < a.status->status->n_programs; i++) {
            add_program(&e, a.status->status->programs[i]);
        }
        for (size_t i = 0; i < a.tenants->n_tenants; i++) {
            add_queue(&e, &a, a.tenants->tenants[i]);
        }
        for (size_t i = 0; i < a.tenants->n_destinations; i++) {
            add_destination(&e, &a, a.tenants->destinations[i]);
        }
        for (size_t i = 0; i < a.spool->n_spool; i++) {
            add_spool(&e, &a, a.spool->spool[i]);
        }
        for (size_t i = 0; i < a.ledger->n_ledger; i++) {
            add_statement(&e, &a, a.ledger->ledger[i]);
        }
        for (size_t i = 0; i < a.rules->n_rules; i++) {
            add_rule(&e, &a, a.rules->rules[i]);
        }
        for (size_t i = 0; i < a.counters->n_counters; i++) {
            add_counter(&e, &a, a.counters->counters[i]);
        }
        end_commits(&e, &a);
        add_context(&e, a.context);
        add_vms(&e, &a, max_vms);
        exposition_format(&e, out);
        exposition_uninit(&e);
    }
    free_answers(&a);
    return sentence;
}

bool
metrics_ready(const char *path, struct ds *out)
{
    Sluice__Response *status = NULL;
    char *sentence = ask(path, SLUICE__VERB__STATUS, &status);
    bool ready = !sentence;

    if (sentence) {
        ds_put_format(out, "%s\n", sentence);
        free(sentence);
        return false;
    }
    for (size_t i = 0; i < status->status->n_programs; i++) {
        const Sluice__Program *x = status->status->programs[i];
        if (!x->pid) {
            ds_put_format(out, "%s does not run: %s\n", x->name,
                          x->last_exit);
            ready = false;
        }
    }
    if (ready) {
        ds_put_cstr(out, "all programs run\n");
    }
    control_free_response(status);
    return ready;
}
