/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers to what comes in by the control socket: the messages, and which verb
 * is answered where.  See answer.h. */
#include <config.h>

#include "answer-private.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/ofpbuf.h"
#include "printable.h"

enum {
    /* Entries of each list in one Response: the largest two that go together,
     * a tenant and a destination with all their strings, have less than 4
     * KiB. */
    MAX_ENTRIES = 256,
    /* A statement has all reasons of drop.def. */
    MAX_STATEMENTS = 64,
    /* A VM has what is known of it, and of what changed what it was: twice
     * MERGE_MAX_VALUE_BYTES, and what protobuf puts around that. */
    MAX_VMS_KNOWN = 4,
};

void *
own(struct draft *d, void *p)
{
    if (d->n_owned >= d->allocated_owned) {
        d->owned = x2nrealloc(d->owned, &d->allocated_owned,
                              sizeof *d->owned);
    }
    d->owned[d->n_owned++] = p;
    return p;
}

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
    free(d->response.rules);
    free(d->response.destinations);
    free(d->response.ledger);
    free(d->response.batches);
    free(d->response.context);
    free(d->response.sources);
    free(d->response.snapshots);
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
cut_some(void *list, size_t entry_size, size_t start, size_t max, size_t *n,
         void *part)
{
    size_t rest = *n > start ? *n - start : 0;

    *(void **) part = (char *) list + MIN(start, *n) * entry_size;
    *n = MIN(rest, max);
    return rest > max;
}

static bool
cut(void *list, size_t entry_size, size_t start, size_t *n, void *part)
{
    return cut_some(list, entry_size, start, MAX_ENTRIES, n, part);
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
        more |= cut_some(part.ledger, sizeof *part.ledger,
                         start / MAX_ENTRIES * MAX_STATEMENTS,
                         MAX_STATEMENTS, &part.n_ledger, &part.ledger);
        more |= cut(part.rules, sizeof *part.rules, start, &part.n_rules,
                    &part.rules);
        more |= cut(part.destinations, sizeof *part.destinations, start,
                    &part.n_destinations, &part.destinations);
        more |= cut(part.batches, sizeof *part.batches, start,
                    &part.n_batches, &part.batches);
        more |= cut_some(part.context, sizeof *part.context,
                         start / MAX_ENTRIES * MAX_VMS_KNOWN, MAX_VMS_KNOWN,
                         &part.n_context, &part.context);
        more |= cut(part.sources, sizeof *part.sources, start,
                    &part.n_sources, &part.sources);
        more |= cut(part.snapshots, sizeof *part.snapshots, start,
                    &part.n_snapshots, &part.snapshots);
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

char *
own_printable(struct draft *d, const char *s, size_t size)
{
    return own(d, make_printable(s, size));
}

char *
own_string(struct draft *d, const char *s)
{
    return own(d, xstrdup(s ? s : ""));
}

void
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

void
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

/* Returns true if 'verb' changes nothing and moves no line. */
static bool
only_asks(Sluice__Verb verb)
{
    static const Sluice__Verb asking[] = {
        SLUICE__VERB__STATUS, SLUICE__VERB__TENANTS, SLUICE__VERB__VMS,
        SLUICE__VERB__COUNTERS, SLUICE__VERB__SPOOL, SLUICE__VERB__RULES,
        SLUICE__VERB__LEDGER, SLUICE__VERB__CONTEXT_STATS,
    };

    for (size_t i = 0; i < ARRAY_SIZE(asking); i++) {
        if (asking[i] == verb) {
            return true;
        }
    }
    return false;
}

void
answer_request(void *master, struct slice message, bool may_change,
               struct ofpbuf *out)
{
    Sluice__Request *request = control_unpack_request(message);
    struct draft d;

    if (!request) {
        answer_error("the request can't be read; use a sluicectl of "
                     "sluiced's version.", out);
        return;
    }

    draft_init(&d);
    if (!may_change && !only_asks(request->verb)) {
        answer_error("this user may only ask; be another one.", out);
        goto out;
    }
    if (request->verb >= SLUICE__VERB__SPOOL_LIST
        && request->verb <= SLUICE__VERB__SPOOL_DROP) {
        answer_batches(master, request, &d);
        draft_put(&d, out);
        goto out;
    }
    if (request->verb >= SLUICE__VERB__CONTEXT_GET
        && request->verb <= SLUICE__VERB__CONTEXT_DIFF) {
        answer_context(master, request, &d);
        draft_put(&d, out);
        goto out;
    }
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (verbs[i].verb == request->verb) {
            verbs[i].answer(master, &d);
            draft_put(&d, out);
            goto out;
        }
    }
    answer_error("sluiced does not know the request; use a sluicectl of "
                 "sluiced's version.", out);

out:
    draft_uninit(&d);
    control_free_request(request);
}
