/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers to what comes in by the control socket.  See answer.h. */
#include <config.h>

#include "answer.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "proxy-config.h"
#include "control-frame.h"
#include "drop.h"
#include "master.h"
#include "openvswitch/ofpbuf.h"
#include "printable.h"
#include "spool.h"
#include "stats.h"
#include "util.h"

enum {
    /* Entries of each list in one Response: the largest entry, a tenant with
     * all its strings, has less than 1 KiB. */
    MAX_ENTRIES = 1024,
};

/* An answer while it is made.  Strings and entries are the answer's own. */
struct draft {
    Sluice__Response response;
    size_t allocated_tenants, allocated_vms, allocated_counters,
           allocated_spools;
    void **owned;
    size_t n_owned, allocated_owned;
};

/* Makes 'p' part of 'd', which will free it. */
static void *
own(struct draft *d, void *p)
{
    if (d->n_owned >= d->allocated_owned) {
        d->owned = x2nrealloc(d->owned, &d->allocated_owned,
                              sizeof *d->owned);
    }
    d->owned[d->n_owned++] = p;
    return p;
}

/* Allocates an entry and appends it to the list of 'd' that is called LIST. */
#define ADD(D, TYPE, LIST, ALLOCATED)                                   \
    ({                                                                  \
        Sluice__Response *r__ = &(D)->response;                         \
        if (r__->n_##LIST >= (D)->ALLOCATED) {                          \
            r__->LIST = x2nrealloc(r__->LIST, &(D)->ALLOCATED,          \
                                   sizeof *r__->LIST);                  \
        }                                                               \
        r__->LIST[r__->n_##LIST++] = own(D, xmalloc(sizeof(TYPE)));     \
        r__->LIST[r__->n_##LIST - 1];                                   \
    })

static void
draft_init(struct draft *d)
{
    *d = (struct draft) { .response = SLUICE__RESPONSE__INIT };
}

static void
draft_uninit(struct draft *d)
{
    for (size_t i = 0; i < d->n_owned; i++) {
        free(d->owned[i]);
    }
    free(d->owned);
    free(d->response.tenants);
    free(d->response.vms);
    free(d->response.counters);
    free(d->response.spool);
}

static void
put_message(const Sluice__Response *response, struct ofpbuf *out)
{
    size_t size = sluice__response__get_packed_size(response);

    ovs_assert(size <= CONTROL_FRAME_MAX);
    control_put_header(ofpbuf_put_uninit(out, CONTROL_FRAME_HEADER), size);
    sluice__response__pack(response, ofpbuf_put_uninit(out, size));
}

/* Points '*part' to the entries from 'start' on of a list of '*n', as many as
 * fit.  Returns true if that leaves some. */
static bool
cut(void *list, size_t entry_size, size_t start, size_t *n, void *part)
{
    size_t rest = *n > start ? *n - start : 0;

    *(void **) part = (char *) list + MIN(start, *n) * entry_size;
    *n = MIN(rest, MAX_ENTRIES);
    return rest > MAX_ENTRIES;
}

/* Sends 'd' as several messages if need be. */
static void
draft_put(const struct draft *d, struct ofpbuf *out)
{
    bool more = true;

    for (size_t start = 0; more; start += MAX_ENTRIES) {
        Sluice__Response part = d->response;
        more = cut(part.tenants, sizeof *part.tenants, start, &part.n_tenants,
                   &part.tenants);
        more |= cut(part.vms, sizeof *part.vms, start, &part.n_vms, &part.vms);
        more |= cut(part.counters, sizeof *part.counters, start,
                    &part.n_counters, &part.counters);
        more |= cut(part.spool, sizeof *part.spool, start, &part.n_spool,
                    &part.spool);
        part.more = more;
        put_message(&part, out);
    }
}

void
answer_error(const char *sentence, struct ofpbuf *out)
{
    Sluice__Response response = SLUICE__RESPONSE__INIT;

    response.error = CONST_CAST(char *, sentence);
    put_message(&response, out);
}

/* What foreigners wrote is made printable before anyone's terminal sees it. */
static char *
own_printable(struct draft *d, const char *s, size_t size)
{
    return own(d, make_printable(s, size));
}

static char *
own_string(struct draft *d, const char *s)
{
    return own(d, xstrdup(s ? s : ""));
}

/* Maps the counters of intake, or returns null if it never ran. */
static const struct intake_stats *
map_intake(const struct master *m)
{
    const struct intake_stats *stats = NULL;
    char *path = config_path_intake_stats(m->config);

    intake_stats_map_ro(path, &stats);
    free(path);
    return stats;
}

static const struct ship_stats *
map_ship(const struct master *m, uint32_t tenant)
{
    const struct ship_stats *stats = NULL;
    char *path = config_path_ship_stats(m->config, tenant);

    ship_stats_map_ro(path, &stats);
    free(path);
    return stats;
}

static void
get_totals(const struct master *m, uint32_t tenant, struct spool_totals *ret)
{
    if (spool_totals(m->spool, tenant, ret)) {
        memset(ret, 0, sizeof *ret);
    }
}

static void
answer_status(struct master *m, struct draft *d)
{
    Sluice__Status *status = own(d, xmalloc(sizeof *status));
    size_t n = ovs_list_size(&m->supervisor.children);
    const struct child *child;

    sluice__status__init(status);
    status->version = own_string(d, SLUICE_VERSION);
    status->configuration = own_string(d, m->config_path);
    status->started_ns = m->started_ns;
    status->loaded_ns = m->loaded_ns;
    status->refused = own_string(d, m->refused);
    status->programs = own(d, xcalloc(n, sizeof *status->programs));
    LIST_FOR_EACH (child, node, &m->supervisor.children) {
        Sluice__Program *program = own(d, xmalloc(sizeof *program));
        sluice__program__init(program);
        program->name = own_string(d, child->name);
        program->pid = child->pid;
        program->started_ns = child->pid ? child->started_ns : 0;
        program->restarts = child->restarts;
        program->last_exit = own_string(d, child->last_exit);
        status->programs[status->n_programs++] = program;
    }
    d->response.status = status;
}

static const struct stats_tenant *
find_tenant(const struct intake_stats *stats, uint32_t tenant)
{
    for (size_t i = 0; stats && i < STATS_MAX_TENANTS; i++) {
        const struct stats_tenant *t = &stats->tenants[i];
        uint64_t id = stats_get(&t->tenant);
        if (!id || id == tenant) {
            return id ? t : NULL;
        }
    }
    return NULL;
}

static void
answer_tenant(struct master *m, struct draft *d,
              const struct config_tenant *tenant,
              const struct stats_tenant *in)
{
    const struct ship_stats *ship = map_ship(m, tenant->id);
    Sluice__Tenant *t = ADD(d, Sluice__Tenant, tenants, allocated_tenants);
    struct spool_totals totals;

    get_totals(m, tenant->id, &totals);
    sluice__tenant__init(t);
    t->id = tenant->id;
    t->name = own_string(d, tenant->name);
    t->server = own_string(d, tenant->server);
    t->state = own_string(d, "not running");
    t->spooled = totals.n_lines;
    t->quarantined = totals.n_quarantined_lines;
    if (in) {
        t->received = stats_get(&in->counters[TENANT_RECEIVED]);
        t->dropped = stats_get(&in->counters[TENANT_DROPPED]);
        t->open = stats_get(&in->counters[TENANT_OPEN]);
        t->announced = stats_get(&in->counters[TENANT_ANNOUNCED]);
        t->redactions = stats_get(&in->counters[TENANT_REDACTIONS]);
        t->bytes = stats_get(&in->counters[TENANT_BYTES]);
    }
    if (ship) {
        t->state = own_string(d, ship_state_name(stats_get(&ship->state)));
        t->error = own_printable(d, ship->error, sizeof ship->error);
        t->shipped = stats_get(&ship->counters[SHIP_SHIPPED]);
        t->dropped += stats_get(&ship->counters[SHIP_DROPPED]);
    }
    stats_unmap(ship);
}

static void
answer_tenants(struct master *m, struct draft *d)
{
    const struct intake_stats *stats = map_intake(m);

    for (size_t i = 0; i < m->config->tenants_count; i++) {
        const struct config_tenant *tenant = &m->config->tenants[i];
        answer_tenant(m, d, tenant, find_tenant(stats, tenant->id));
    }
    stats_unmap(stats);
}

static char *
format_vtep(const uint8_t vtep[16])
{
    char buffer[INET6_ADDRSTRLEN];
    struct in6_addr addr;

    memcpy(&addr, vtep, sizeof addr);
    if (IN6_IS_ADDR_V4MAPPED(&addr)) {
        inet_ntop(AF_INET, &addr.s6_addr[12], buffer, sizeof buffer);
    } else {
        inet_ntop(AF_INET6, &addr, buffer, sizeof buffer);
    }
    return xstrdup(buffer);
}

static void
answer_vm(struct draft *d, const struct stats_source *s)
{
    Sluice__Vm *vm = ADD(d, Sluice__Vm, vms, allocated_vms);

    sluice__vm__init(vm);
    vm->tenant = stats_get(&s->tenant);
    if (!is_all_zeros(s->vm, sizeof s->vm)) {
        vm->vm.data = own(d, xmemdup(s->vm, sizeof s->vm));
        vm->vm.len = sizeof s->vm;
    }
    vm->name = own_printable(d, s->vm_name, sizeof s->vm_name);
    vm->claimed_host = own_printable(d, s->claimed_host,
                                     sizeof s->claimed_host);
    vm->vtep = own(d, format_vtep(s->vtep));
    vm->ofp_port = stats_get(&s->ofp_port);
    vm->mac.data = own(d, xmemdup(s->mac, 6));
    vm->mac.len = 6;
    vm->origin = own_string(d, stats_get(&s->stock) ? "stock" : "sluice");
    vm->seq_epoch = stats_get(&s->seq_epoch);
    vm->seq_highest = stats_get(&s->seq_highest);
    vm->sent = stats_get(&s->sent);
    vm->received = stats_get(&s->received);
    vm->lost = stats_get(&s->lost);
    vm->before = stats_get(&s->before);
    vm->announced = stats_get(&s->announced);
    vm->tls_streams = stats_get(&s->tls_streams);
    vm->replayed = stats_get(&s->replayed);
    vm->bytes = stats_get(&s->bytes);
    vm->redactions = stats_get(&s->redactions);
    vm->last_ns = stats_get(&s->last_ns);
    vm->clock_skew_known = stats_get(&s->clock_skew_known);
    vm->clock_skew_ms = stats_get(&s->clock_skew_ms);
    vm->host_mismatches = stats_get(&s->host_mismatches);
}

static void
answer_vms(struct master *m, struct draft *d)
{
    const struct intake_stats *stats = map_intake(m);

    for (size_t i = 0; stats && i < STATS_MAX_SOURCES; i++) {
        if (stats_get(&stats->sources[i].tenant)) {
            answer_vm(d, &stats->sources[i]);
        }
    }
    stats_unmap(stats);
}

static void
add_counter(struct draft *d, const char *program, uint32_t tenant,
            const struct counter_info *info, uint64_t value)
{
    Sluice__Counter *c = ADD(d, Sluice__Counter, counters,
                             allocated_counters);

    sluice__counter__init(c);
    c->program = own_string(d, program);
    c->tenant = tenant;
    c->name = own_string(d, info->name);
    c->value = value;
    c->unit = own_string(d, info->unit);
    c->text = own_string(d, info->text);
}

static void
add_counters(struct draft *d, const char *program, uint32_t tenant,
             const struct counter_info *infos, const uint64_t *values,
             size_t n)
{
    for (size_t i = 0; i < n; i++) {
        add_counter(d, program, tenant, &infos[i], stats_get(&values[i]));
    }
}

/* Adds the reasons for which packets of 'tenant' were dropped, other than
 * those for which none was. */
static void
add_drops(struct draft *d, uint32_t tenant, const uint64_t *drops)
{
    for (int i = SLUICE_DROP_NONE + 1; i < SLUICE_N_DROPS; i++) {
        if (drops[i]) {
            struct counter_info info = {
                .name = sluice_drop_name(i),
                .unit = "packets",
                .text = sluice_drop_text(i),
            };
            add_counter(d, "intake", tenant, &info, drops[i]);
        }
    }
}

/* Adds what intake counted for 'tenant', and takes its drops off 'rest'. */
static void
add_intake_tenant(struct draft *d, uint32_t tenant,
                  const struct stats_tenant *stats,
                  uint64_t rest[SLUICE_N_DROPS])
{
    uint64_t drops[SLUICE_N_DROPS];

    for (int i = 0; i < SLUICE_N_DROPS; i++) {
        drops[i] = stats_get(&stats->drops[i]);
        rest[i] -= MIN(rest[i], drops[i]);
    }
    add_counters(d, "intake", tenant, tenant_counters, stats->counters,
                 N_TENANT_COUNTERS);
    add_drops(d, tenant, drops);
}

static void
answer_counters(struct master *m, struct draft *d)
{
    const struct intake_stats *stats = map_intake(m);
    uint64_t rest[SLUICE_N_DROPS] = { 0 };

    if (stats) {
        add_counters(d, "intake", 0, intake_counters, stats->counters,
                     N_INTAKE_COUNTERS);
        for (int i = 0; i < SLUICE_N_DROPS; i++) {
            rest[i] = stats_get(&stats->drops[i]);
        }
    }
    for (size_t i = 0; i < m->config->tenants_count; i++) {
        uint32_t id = m->config->tenants[i].id;
        const struct stats_tenant *in = find_tenant(stats, id);
        if (in) {
            add_intake_tenant(d, id, in, rest);
        }
        const struct ship_stats *ship = map_ship(m, id);
        if (ship) {
            add_counters(d, "ship", id, ship_counters, ship->counters,
                         N_SHIP_COUNTERS);
        }
        stats_unmap(ship);
    }
    /* Each drop once: here those that are no tenant's. */
    add_drops(d, 0, rest);
    stats_unmap(stats);
}

static void
answer_spool(struct master *m, struct draft *d)
{
    for (size_t i = 0; i < m->config->tenants_count; i++) {
        Sluice__SpoolTenant *s = ADD(d, Sluice__SpoolTenant, spool,
                                     allocated_spools);
        struct spool_totals totals;

        sluice__spool_tenant__init(s);
        s->tenant = m->config->tenants[i].id;
        get_totals(m, s->tenant, &totals);
        s->batches = totals.n_batches;
        s->lines = totals.n_lines;
        s->bytes = totals.n_bytes;
        s->quarantined_batches = totals.n_quarantined_batches;
        s->quarantined_lines = totals.n_quarantined_lines;
    }
}

static void
answer_reload(struct master *m, struct draft *d)
{
    d->response.error = own_string(d, master_reload(m));
    answer_status(m, d);
}

static const struct {
    Sluice__Verb verb;
    void (*answer)(struct master *, struct draft *);
} verbs[] = {
#define VERB(SYMBOL, NAME, HELP) { SLUICE__VERB__##SYMBOL, answer_##NAME },
#include "control-verbs.def"
#undef VERB
};

void
answer_request(void *master, struct slice message, struct ofpbuf *out)
{
    Sluice__Request *request = control_unpack_request(message);
    struct draft d;

    if (!request) {
        answer_error("the request can't be read; use a sluicectl of "
                     "sluiced's version.", out);
        return;
    }

    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (verbs[i].verb == request->verb) {
            draft_init(&d);
            verbs[i].answer(master, &d);
            draft_put(&d, out);
            draft_uninit(&d);
            goto out;
        }
    }
    answer_error("sluiced does not know the request; use a sluicectl of "
                 "sluiced's version.", out);

out:
    control_free_request(request);
}
