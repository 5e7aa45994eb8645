/* SPDX-License-Identifier: Apache-2.0
 *
 * 'sluicectl ledger'.  See ledger.h. */
#include <config.h>

#include "ledger.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render-json.h"
#include "util.h"

static bool
is_vm(const Sluice__Vm *vm, const char *wanted)
{
    char *uuid = format_id(vm->vm);
    bool matches = !strcasecmp(uuid, wanted) || !strcmp(vm->name, wanted);

    free(uuid);
    return matches;
}

char *
ledger_filter(Sluice__Response *r, uint32_t tenant, const char *vm)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n_ledger; i++) {
        if (!tenant || r->ledger[i]->tenant == tenant) {
            r->ledger[n++] = r->ledger[i];
        } else {
            sluice__statement__free_unpacked(r->ledger[i], NULL);
        }
    }
    r->n_ledger = n;
    n = 0;
    for (size_t i = 0; i < r->n_vms; i++) {
        if ((!tenant || r->vms[i]->tenant == tenant)
            && (!vm || is_vm(r->vms[i], vm))) {
            r->vms[n++] = r->vms[i];
        } else {
            sluice__vm__free_unpacked(r->vms[i], NULL);
        }
    }
    r->n_vms = n;
    return (tenant && !r->n_ledger
            ? xasprintf("there are no books of a tenant %"PRIu32"; see "
                        "\"sluicectl tenants\".", tenant)
            : vm && !n
            ? xasprintf("no virtual machine \"%s\"%s has sent; see "
                        "\"sluicectl vms\".", vm,
                        tenant ? " of this tenant" : "")
            : NULL);
}

bool
ledger_balances(const Sluice__Response *r)
{
    for (size_t i = 0; i < r->n_ledger; i++) {
        if (r->ledger[i]->difference) {
            return false;
        }
    }
    return true;
}

bool
ledger_equals(const Sluice__Response *a, const Sluice__Response *b)
{
    if (a->n_ledger != b->n_ledger) {
        return false;
    }
    for (size_t i = 0; i < a->n_ledger; i++) {
        const Sluice__Statement *s = a->ledger[i], *t = b->ledger[i];
        if (s->received != t->received || s->announced != t->announced
            || s->open != t->open || s->spooled != t->spooled
            || s->quarantined != t->quarantined
            || s->difference != t->difference) {
            return false;
        }
    }
    return true;
}

/* Lines that left the queue of 's', whichever way. */
static uint64_t
n_left(const Sluice__Statement *s)
{
    uint64_t n = s->quarantined;

    for (size_t i = 0; i < s->n_left; i++) {
        n += s->left[i]->lines;
    }
    return n;
}

/* Lines that had come for the queue of 's': by what was received, since lines
 * that are just going from the open batch to the spool may be in both. */
static uint64_t
n_come(const Sluice__Statement *s)
{
    uint64_t in = s->received + s->announced;
    uint64_t out = s->before;

    for (size_t i = 0; i < s->n_dropped; i++) {
        out += s->dropped[i]->lines;
    }
    return in - MIN(in, out);
}

static const Sluice__Statement *
find_statement(const Sluice__Response *r, const Sluice__Statement *wanted)
{
    for (size_t i = 0; i < r->n_ledger; i++) {
        if (r->ledger[i]->tenant == wanted->tenant
            && !strcmp(r->ledger[i]->queue, wanted->queue)) {
            return r->ledger[i];
        }
    }
    return NULL;
}

uint64_t
ledger_rest(const Sluice__Response *start, const Sluice__Response *now)
{
    uint64_t rest = 0;

    for (size_t i = 0; i < start->n_ledger; i++) {
        const Sluice__Statement *a = start->ledger[i];
        const Sluice__Statement *b = find_statement(now, a);
        if (a->configured && b) {
            /* What came first leaves first. */
            uint64_t wanted = n_come(a);
            rest += wanted - MIN(wanted, n_left(b));
        }
    }
    return rest;
}
