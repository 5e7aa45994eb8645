/* SPDX-License-Identifier: Apache-2.0
 *
 * Shows the answers of sluiced to people.  See render.h. */
#include <config.h>

#include "render.h"

#include <inttypes.h>
#include <stdlib.h>

#include "openvswitch/dynamic-string.h"
#include "render-json.h"
#include "table.h"
#include "util.h"

/* Adds a number, or an empty cell if it is not 'known'. */
static void
add_number(struct table *t, bool known, uint64_t n)
{
    if (known) {
        table_add(t, "%"PRIu64, n);
    } else {
        table_add(t, "%s", "");
    }
}

/* Adds milliseconds, as seconds with their sign, or an empty cell. */
static void
add_skew(struct table *t, bool known, int64_t ms)
{
    if (known) {
        table_add(t, "%+.1f s", ms / 1000.0);
    } else {
        table_add(t, "%s", "");
    }
}

static void
finish(struct table *t, const char *empty, struct ds *out)
{
    table_format(t, empty, out);
    table_destroy(t);
}

void
render_status(const Sluice__Response *r, uint64_t now_ns, struct ds *out)
{
    static const struct table_column columns[] = {
        { "PROGRAM", TABLE_LEFT },
        { "PID", TABLE_RIGHT },
        { "RUNNING FOR", TABLE_RIGHT },
        { "RESTARTS", TABLE_RIGHT },
        { "LATEST EXIT", TABLE_LEFT },
    };
    const Sluice__Status *status = r->status;
    struct table t;

    if (!status) {
        return;
    }
    char *age = format_duration(now_ns > status->loaded_ns
                                ? now_ns - status->loaded_ns : 0);
    ds_put_format(out, "sluiced %s with %s, loaded %s ago\n",
                  status->version, status->configuration, age);
    free(age);
    if (status->refused[0]) {
        ds_put_format(out, "The latest reload was refused: %s\n",
                      status->refused);
    }
    if (status->not_taken[0]) {
        ds_put_format(out, "It is not in use everywhere: %s\n",
                      status->not_taken);
    }
    if (status->receives[0]) {
        ds_put_format(out, "Packets come by %s\n", status->receives);
    }
    ds_put_char(out, '\n');

    table_init(&t, columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < status->n_programs; i++) {
        const Sluice__Program *p = status->programs[i];
        table_add(&t, "%s", p->name);
        add_number(&t, p->pid != 0, p->pid);
        table_add_age(&t, p->started_ns, now_ns);
        table_add(&t, "%"PRIu32, p->restarts);
        table_add(&t, "%s", p->last_exit);
    }
    finish(&t, "No program runs.", out);
}

/* Returns true if there is more to say of destinations than the tenants' rows
 * do. */
static bool
has_destinations(const Sluice__Response *r)
{
    for (size_t i = 0; i < r->n_destinations; i++) {
        if (strcmp(r->destinations[i]->name, "main")
            || strcmp(r->destinations[i]->type, "tcp")) {
            return true;
        }
    }
    return false;
}

/* Adds how long it is until the next attempt: nothing where none is put
 * off. */
static void
add_next_attempt(struct table *t, uint64_t next_ns, uint64_t now_ns)
{
    char *time = format_duration(next_ns > now_ns ? next_ns - now_ns : 0);

    table_add(t, "%s%s", next_ns > now_ns ? "in " : "",
              next_ns > now_ns ? time : "");
    free(time);
}

/* Where the lines of each queue go, and how that is. */
static void
render_destinations(const Sluice__Response *r, uint64_t now_ns,
                    struct ds *out)
{
    static const struct table_column columns[] = {
        { "TENANT", TABLE_RIGHT },
        { "QUEUE", TABLE_LEFT },
        { "DESTINATION", TABLE_LEFT },
        { "TYPE", TABLE_LEFT },
        { "SERVER", TABLE_LEFT },
        { "STATE", TABLE_LEFT },
        { "SINCE", TABLE_RIGHT },
        { "FAILURES", TABLE_RIGHT },
        { "NEXT ATTEMPT", TABLE_LEFT },
        { "LATEST ERROR", TABLE_LEFT },
    };
    struct table t;

    table_init(&t, columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < r->n_destinations; i++) {
        const Sluice__Destination *d = r->destinations[i];
        table_add(&t, "%"PRIu32, d->tenant);
        table_add(&t, "%s", d->queue);
        table_add(&t, "%s", d->name);
        table_add(&t, "%s", d->type);
        table_add(&t, "%s", d->server);
        table_add(&t, "%s", d->state);
        table_add_age(&t, d->since_ns, now_ns);
        table_add(&t, "%"PRIu64, d->failures);
        add_next_attempt(&t, d->next_ns, now_ns);
        table_add(&t, "%s", d->error);
    }
    ds_put_char(out, '\n');
    finish(&t, "There is no destination.", out);
}

void
render_tenants(const Sluice__Response *r, uint64_t now_ns, struct ds *out)
{
    static const struct table_column columns[] = {
        { "TENANT", TABLE_RIGHT },
        { "NAME", TABLE_LEFT },
        { "QUEUE", TABLE_LEFT },
        { "SERVER", TABLE_LEFT },
        { "STATE", TABLE_LEFT },
        { "RECEIVED", TABLE_RIGHT },
        { "+ ANNOUNCED", TABLE_RIGHT },
        { "= SHIPPED", TABLE_RIGHT },
        { "+ SPOOLED", TABLE_RIGHT },
        { "+ OPEN", TABLE_RIGHT },
        { "+ QUARANTINED", TABLE_RIGHT },
        { "+ DROPPED", TABLE_RIGHT },
        { "+ ROUTED", TABLE_RIGHT },
        { "OLDEST", TABLE_RIGHT },
        { "REDACTIONS", TABLE_RIGHT },
        { "BYTES", TABLE_RIGHT },
        { "LATEST ERROR", TABLE_LEFT },
    };
    struct table t;

    table_init(&t, columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < r->n_tenants; i++) {
        const Sluice__Tenant *tenant = r->tenants[i];
        const uint64_t lines[] = {
            tenant->received, tenant->announced, tenant->shipped,
            tenant->spooled, tenant->open, tenant->quarantined,
            tenant->dropped, tenant->routed,
        };
        table_add(&t, "%"PRIu32, tenant->id);
        table_add(&t, "%s", tenant->name);
        table_add(&t, "%s", tenant->queue);
        table_add(&t, "%s", tenant->server);
        table_add(&t, "%s", tenant->state);
        for (size_t j = 0; j < ARRAY_SIZE(lines); j++) {
            table_add(&t, "%"PRIu64, lines[j]);
        }
        table_add_age(&t, tenant->oldest_ns, now_ns);
        table_add(&t, "%"PRIu64, tenant->redactions);
        table_add_bytes(&t, tenant->bytes);
        table_add(&t, "%s", tenant->error);
    }
    finish(&t, "There is no tenant.", out);
    if (has_destinations(r)) {
        render_destinations(r, now_ns, out);
    }
}

void
render_vms(const Sluice__Response *r, uint64_t now_ns, struct ds *out)
{
    static const struct table_column columns[] = {
        { "TENANT", TABLE_RIGHT },
        { "VM", TABLE_LEFT },
        { "NAME", TABLE_LEFT },
        { "CLAIMS", TABLE_LEFT },
        { "MISMATCHES", TABLE_RIGHT },
        { "CLOCK SKEW", TABLE_RIGHT },
        { "HOST", TABLE_LEFT },
        { "PORT", TABLE_RIGHT },
        { "MAC", TABLE_LEFT },
        { "ORIGIN", TABLE_LEFT },
        { "BEFORE", TABLE_RIGHT },
        { "SENT", TABLE_RIGHT },
        { "RECEIVED", TABLE_RIGHT },
        { "LOST", TABLE_RIGHT },
        { "ANNOUNCED", TABLE_RIGHT },
        { "REPLAYED", TABLE_RIGHT },
        { "TLS", TABLE_RIGHT },
        { "REDACTIONS", TABLE_RIGHT },
        { "BYTES", TABLE_RIGHT },
        { "LATEST", TABLE_RIGHT },
    };
    struct table t;

    table_init(&t, columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < r->n_vms; i++) {
        const Sluice__Vm *vm = r->vms[i];
        /* A stock switch numbers nothing: what it sent is not known. */
        bool numbered = vm->seq_highest != 0;
        char *uuid = format_id(vm->vm);
        char *mac = format_id(vm->mac);
        table_add(&t, "%"PRIu32, vm->tenant);
        table_add(&t, "%s", uuid);
        table_add(&t, "%s", vm->name);
        table_add(&t, "%s", vm->claimed_host);
        table_add(&t, "%"PRIu64, vm->host_mismatches);
        add_skew(&t, vm->clock_skew_known, vm->clock_skew_ms);
        table_add(&t, "%s", vm->vtep);
        add_number(&t, vm->ofp_port != 0, vm->ofp_port);
        table_add(&t, "%s", mac);
        table_add(&t, "%s", vm->origin);
        add_number(&t, numbered, vm->before);
        add_number(&t, numbered, vm->sent);
        table_add(&t, "%"PRIu64, vm->received);
        add_number(&t, numbered, vm->lost);
        add_number(&t, numbered, vm->announced);
        add_number(&t, numbered, vm->replayed);
        table_add(&t, "%"PRIu64, vm->tls_streams);
        table_add(&t, "%"PRIu64, vm->redactions);
        table_add_bytes(&t, vm->bytes);
        table_add_age(&t, vm->last_ns, now_ns);
        free(uuid);
        free(mac);
    }
    finish(&t, "No virtual machine has sent anything yet.", out);
}

void
render_counters(const Sluice__Response *r, uint64_t now_ns OVS_UNUSED,
                struct ds *out)
{
    static const struct table_column columns[] = {
        { "PROGRAM", TABLE_LEFT },
        { "TENANT", TABLE_RIGHT },
        { "QUEUE", TABLE_LEFT },
        { "COUNTER", TABLE_LEFT },
        { "VALUE", TABLE_RIGHT },
        { "UNIT", TABLE_LEFT },
        { "MEANING", TABLE_LEFT },
    };
    struct table t;

    table_init(&t, columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < r->n_counters; i++) {
        const Sluice__Counter *c = r->counters[i];
        table_add(&t, "%s", c->program);
        add_number(&t, c->tenant != 0, c->tenant);
        table_add(&t, "%s", c->queue);
        table_add(&t, "%s", c->name);
        table_add(&t, "%"PRIu64, c->value);
        table_add(&t, "%s", c->unit);
        table_add(&t, "%s", c->text);
    }
    finish(&t, "Nothing was counted yet.", out);
}

void
render_rules(const Sluice__Response *r, uint64_t now_ns OVS_UNUSED,
             struct ds *out)
{
    static const struct table_column columns[] = {
        { "RULE", TABLE_LEFT },
        { "TENANT", TABLE_RIGHT },
        { "ACTION", TABLE_LEFT },
        { "MATCHED", TABLE_RIGHT },
        { "DROPPED", TABLE_RIGHT },
        { "ANNOUNCED", TABLE_RIGHT },
    };
    struct table t;

    table_init(&t, columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < r->n_rules; i++) {
        const Sluice__Rule *rule = r->rules[i];
        table_add(&t, "%s", rule->name);
        add_number(&t, rule->tenant != 0, rule->tenant);
        table_add(&t, "%s", rule->action);
        table_add(&t, "%"PRIu64, rule->matched);
        table_add(&t, "%"PRIu64, rule->dropped);
        table_add(&t, "%"PRIu64, rule->announced);
    }
    finish(&t, "There is no rule.", out);
}

void
render_reload(const Sluice__Response *r, uint64_t now_ns OVS_UNUSED,
              struct ds *out)
{
    const Sluice__Status *status = r->status;

    if (r->error[0] || !status) {
        return;
    }
    ds_put_format(out, "%s: loaded\n", status->configuration);
    for (size_t i = 0; i < status->n_changes; i++) {
        const Sluice__Change *c = status->changes[i];

        ds_put_format(out, "  %s: %s", c->key, c->change);
        if (c->before[0] || c->after[0]) {
            ds_put_format(out, " (%s -> %s)", c->before[0] ? c->before : "none",
                          c->after[0] ? c->after : "none");
        }
        ds_put_char(out, '\n');
    }
    if (status->more_changes) {
        ds_put_format(out, "  and %"PRIu32" more\n", status->more_changes);
    } else if (!status->n_changes) {
        ds_put_cstr(out, "  nothing in it changed; the files that it names "
                    "were read again\n");
    }
}
