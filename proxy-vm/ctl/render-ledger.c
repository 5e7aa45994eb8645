/* SPDX-License-Identifier: Apache-2.0
 *
 * Shows the books to people: a statement for each queue, a row for each switch
 * port.  See render.h. */
#include <config.h>

#include "render.h"

#include <inttypes.h>
#include <stdlib.h>

#include "openvswitch/dynamic-string.h"
#include "render-json.h"
#include "table.h"
#include "util.h"

enum { WIDTH = 34 };            /* Of the names of terms. */

static void
put_term(struct ds *out, char sign, const char *what, const char *name,
         uint64_t lines)
{
    struct ds label = DS_EMPTY_INITIALIZER;

    ds_put_format(&label, "%c %s%s", sign, what, name);
    ds_put_format(out, "  %-*s%12"PRIu64"\n", WIDTH, ds_cstr(&label), lines);
    ds_destroy(&label);
}

static void
render_statement(const Sluice__Statement *s, struct ds *out)
{
    ds_put_format(out, "Tenant %"PRIu32"%s%s, queue %s%s:\n", s->tenant,
                  s->name[0] ? " " : "", s->name, s->queue,
                  s->configured ? "" : " (not configured)");
    put_term(out, ' ', "received", "", s->received);
    put_term(out, '+', "announced", "", s->announced);
    for (size_t i = 0; i < s->n_dropped; i++) {
        put_term(out, '-', "dropped: ", s->dropped[i]->name,
                 s->dropped[i]->lines);
    }
    put_term(out, '-', "open", "", s->open);
    if (s->before) {
        put_term(out, '-', "before this queue", "", s->before);
    }
    for (size_t i = 0; i < s->n_left; i++) {
        put_term(out, '-', s->left[i]->name, "", s->left[i]->lines);
    }
    put_term(out, '-', "spooled", "", s->spooled);
    put_term(out, '-', "quarantined", "", s->quarantined);
    ds_put_format(out, "  %-*s%12"PRId64"%s\n\n", WIDTH, "= difference",
                  s->difference, s->difference
                  ? "   (0 once nothing moves)" : "");
}

static void
add_if(struct table *t, bool known, uint64_t n)
{
    if (known) {
        table_add(t, "%"PRIu64, n);
    } else {
        table_add(t, "%s", "");
    }
}

void
render_ledger(const Sluice__Response *r, uint64_t now_ns OVS_UNUSED,
              struct ds *out)
{
    static const struct table_column columns[] = {
        { "TENANT", TABLE_RIGHT },
        { "VM", TABLE_LEFT },
        { "NAME", TABLE_LEFT },
        { "HOST", TABLE_LEFT },
        { "PORT", TABLE_RIGHT },
        { "BEFORE", TABLE_RIGHT },
        { "SENT", TABLE_RIGHT },
        { "= RECEIVED", TABLE_RIGHT },
        { "+ LOST", TABLE_RIGHT },
        { "ANNOUNCED", TABLE_RIGHT },
        { "REPLAYED", TABLE_RIGHT },
        { "DROPPED", TABLE_RIGHT },
        { "REDACTIONS", TABLE_RIGHT },
    };
    struct table t;

    for (size_t i = 0; i < r->n_ledger; i++) {
        render_statement(r->ledger[i], out);
    }
    table_init(&t, columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < r->n_vms; i++) {
        const Sluice__Vm *vm = r->vms[i];
        /* A stock switch numbers nothing: what it sent is not known. */
        bool numbered = vm->seq_highest != 0;
        char *uuid = format_id(vm->vm);
        table_add(&t, "%"PRIu32, vm->tenant);
        table_add(&t, "%s", uuid);
        table_add(&t, "%s", vm->name);
        table_add(&t, "%s", vm->vtep);
        add_if(&t, vm->ofp_port, vm->ofp_port);
        add_if(&t, numbered, vm->before);
        add_if(&t, numbered, vm->sent);
        table_add(&t, "%"PRIu64, vm->received);
        add_if(&t, numbered, vm->lost);
        add_if(&t, numbered, vm->announced);
        add_if(&t, numbered, vm->replayed);
        table_add(&t, "%"PRIu64, vm->dropped);
        table_add(&t, "%"PRIu64, vm->redactions);
        free(uuid);
    }
    table_format(&t, "No virtual machine has sent anything yet.", out);
    table_destroy(&t);
}

void
render_drain(const Sluice__Response *r, uint64_t now_ns, struct ds *out)
{
    render_ledger(r, now_ns, out);
}
