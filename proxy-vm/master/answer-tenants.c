/* SPDX-License-Identifier: Apache-2.0
 *
 * The answers to "tenants" and "vms": the books.  See answer-private.h. */
#include <config.h>

#include "answer-private.h"

#include <arpa/inet.h>
#include <string.h>

/* Adds the destinations of the queue 'name' of 'tenant'. */
static void
answer_destinations(struct draft *d, const struct config_tenant *tenant,
                    const char *name, const struct ship_stats *ship)
{
    size_t n;
    const struct config_destination *list = config_queue_destinations(
        tenant, name, &n);

    for (size_t i = 0; i < n; i++) {
        Sluice__Destination *dest = ADD(d, Sluice__Destination, destinations,
                                        allocated_destinations);
        sluice__destination__init(dest);
        dest->tenant = tenant->id;
        dest->queue = own_string(d, name);
        dest->name = own_string(d, list[i].name);
        dest->type = own_string(d, list[i].type);
        dest->server = own_string(d, list[i].server ? list[i].server
                                  : list[i].path);
        dest->state = own_string(d, "not running");
        /* The shipper may have been started with another list. */
        if (ship && i < STATS_MAX_OUTPUTS
            && !strncmp(ship->outputs[i].name, list[i].name,
                        STATS_NAME_SIZE)) {
            const struct ship_output_stats *o = &ship->outputs[i];
            dest->state = own_string(d, ship_state_name(stats_get(&o->state)));
            dest->since_ns = stats_get(&o->since_ns);
            dest->failures = stats_get(&o->failures);
            dest->next_ns = stats_get(&o->next_ns);
            dest->error = own_printable(d, o->error, sizeof o->error);
        }
    }
}

/* Returns where the lines of the queue go now: to the first of its
 * destinations that is connected, else to the first. */
static const char *
find_server(const struct config_tenant *tenant, const char *name,
            const struct ship_stats *ship)
{
    size_t n;
    const struct config_destination *list = config_queue_destinations(
        tenant, name, &n);
    const struct config_destination *best = &list[0];

    for (size_t i = n; ship && i-- > 0; ) {
        if (stats_get(&ship->outputs[i].state) == SHIP_STATE_CONNECTED) {
            best = &list[i];
        }
    }
    return best->server ? best->server : best->path;
}

/* Adds the queue 'name' of 'tenant'. */
static void
answer_queue(struct master *m, struct draft *d,
             const struct config_tenant *tenant, const char *name,
             const struct stats_tenant *in)
{
    const struct ship_stats *ship = answer_map_ship(m, tenant->id, name);
    Sluice__Tenant *t = ADD(d, Sluice__Tenant, tenants, allocated_tenants);
    struct spool_totals totals = { .n_batches = 0 };
    struct spool_queue queue;

    if (spool_queue_init(&queue, tenant->id, name)) {
        totals = answer_totals(m, &queue);
    }
    sluice__tenant__init(t);
    t->id = tenant->id;
    t->queue = own_string(d, name);
    t->name = own_string(d, tenant->name);
    t->server = own_string(d, find_server(tenant, name, ship));
    t->state = own_string(d, "not running");
    t->spooled = totals.n_lines;
    t->quarantined = totals.n_quarantined_lines;
    t->oldest_ns = totals.oldest_ns;
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
        t->dropped += (stats_get(&ship->counters[SHIP_DROPPED])
                       + stats_get(&ship->counters[SHIP_BY_COMMAND]));
        t->routed = stats_get(&ship->counters[SHIP_ROUTED]);
    }
    answer_destinations(d, tenant, name, ship);
    stats_unmap(ship);
}

void
answer_tenants(struct master *m, struct draft *d)
{
    const struct intake_stats *stats = answer_map_intake(m);

    for (size_t i = 0; i < m->config->tenants_count; i++) {
        const struct config_tenant *tenant = &m->config->tenants[i];
        for (unsigned int j = 0; j < config_n_queues(tenant); j++) {
            answer_queue(m, d, tenant, config_queue_name(tenant, j),
                         answer_find_tenant(stats, tenant->id));
        }
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
    vm->dropped = stats_get(&s->dropped);
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

void
answer_vms(struct master *m, struct draft *d)
{
    const struct intake_stats *stats = answer_map_intake(m);

    for (size_t i = 0; stats && i < STATS_MAX_SOURCES; i++) {
        if (stats_get(&stats->sources[i].tenant)) {
            answer_vm(d, &stats->sources[i]);
        }
    }
    stats_unmap(stats);
}
