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
    /* Bytes of one Response, unless a single entry has more.  Less than
     * CONTROL_FRAME_MAX by far, since what it takes unpacked is bounded, too. */
    PART_SIZE = 256 * 1024,
    /* Around an entry of a list: the field's number, the size. */
    ENTRY_OVERHEAD = 10,
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

/* Appends 'response'.  Returns false if it is too large, and instead says
 * so. */
static bool
put_message(const Sluice__Response *response, struct ofpbuf *out)
{
    size_t size = sluice__response__get_packed_size(response);

    if (size > CONTROL_FRAME_MAX) {
        char *sentence = xasprintf(
            "the answer has an entry of %"PRIuSIZE" bytes, and a message at "
            "most %d; ask for less, if that can be done.", size,
            CONTROL_FRAME_MAX);
        answer_error(sentence, out);
        free(sentence);
        return false;
    }
    control_put_header(ofpbuf_put_uninit(out, CONTROL_FRAME_HEADER), size);
    sluice__response__pack(response, ofpbuf_put_uninit(out, size));
    return true;
}

/* A list of a Response: what protobuf-c says of it. */
struct list {
    size_t *n;
    ProtobufCMessage ***entries;
};

static struct list
list_of(Sluice__Response *r, const ProtobufCFieldDescriptor *field)
{
    char *base = (char *) r;

    return (struct list) {
        .n = (size_t *) (base + field->quantifier_offset),
        .entries = (ProtobufCMessage ***) (base + field->offset),
    };
}

/* Sends 'd' as several messages if need be: what is no list is in the first of
 * them.  All lists of a Response are lists of messages. */
static void
draft_put(struct draft *d, struct ofpbuf *out)
{
    const ProtobufCMessageDescriptor *type = &sluice__response__descriptor;
    Sluice__Response part = d->response;

    for (unsigned int i = 0; i < type->n_fields; i++) {
        if (type->fields[i].label == PROTOBUF_C_LABEL_REPEATED) {
            *list_of(&part, &type->fields[i]).n = 0;
        }
    }

    size_t size = sluice__response__get_packed_size(&part);
    size_t n = 0;               /* Entries in 'part'. */
    for (unsigned int i = 0; i < type->n_fields; i++) {
        if (type->fields[i].label != PROTOBUF_C_LABEL_REPEATED) {
            continue;
        }
        struct list whole = list_of(&d->response, &type->fields[i]);
        struct list some = list_of(&part, &type->fields[i]);

        *some.entries = *whole.entries;
        for (size_t j = 0; j < *whole.n; j++) {
            size_t entry = (protobuf_c_message_get_packed_size(
                                (*whole.entries)[j]) + ENTRY_OVERHEAD);

            if (n && size + entry > PART_SIZE) {
                part.more = true;
                if (!put_message(&part, out)) {
                    return;
                }
                sluice__response__init(&part);
                *some.entries = *whole.entries + j;
                size = n = 0;
            }
            ++*some.n;
            n++;
            size += entry;
        }
    }
    put_message(&part, out);
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

/* Says how packets come in, if it is not by sockets: malloc()ed, or null. */
static char *
say_receives(const struct master *m)
{
    const struct intake_stats *stats;

    if (!config_uses_memif(m->config)) {
        return NULL;
    }
    stats = answer_map_intake(m);
    if (!stats) {
        return xstrdup("memif, nothing known yet");
    }
    uint64_t n_rings = stats_get(&stats->counters[INTAKE_MEMIF_RINGS]);
    char *state = (n_rings ? xasprintf("%"PRIu64" rings", n_rings)
                   : xstrdup("not connected"));
    char *sentence = xasprintf(
        "memif, %s: %s; connections %"PRIu64", of which broke or were refused "
        "%"PRIu64, m->config->tunnel.memif_socket, state,
        stats_get(&stats->counters[INTAKE_MEMIF_CONNECTS]),
        stats_get(&stats->counters[INTAKE_MEMIF_FAILURES]));
    free(state);
    stats_unmap(stats);
    return sentence;
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
    char *receives = say_receives(m);
    status->receives = own_string(d, receives);
    free(receives);
    status->programs = own(d, xcalloc(n, sizeof *status->programs));
    status->changes = own(d, xcalloc(m->changes.n, sizeof *status->changes));
    for (size_t i = 0; i < m->changes.n; i++) {
        const struct config_change *c = &m->changes.list[i];
        Sluice__Change *change = own(d, xmalloc(sizeof *change));

        sluice__change__init(change);
        change->key = own_string(d, c->key);
        change->change = own_string(d, c->change);
        change->before = own_string(d, c->before);
        change->after = own_string(d, c->after);
        status->changes[status->n_changes++] = change;
    }
    status->more_changes = m->changes.n_more;
    char *not_taken = master_not_taken(m, m->stamp);
    status->not_taken = own(d, not_taken ? not_taken : xstrdup(""));
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
    if (m->refused) {
        answer_status(m, d);
    } else {
        d->ticket = m->stamp;
    }
}

bool
answer_later(void *master_, uint64_t ticket, bool over, struct ofpbuf *out)
{
    struct master *master = master_;
    struct draft d;

    if (!over && master_is_behind(master, ticket)) {
        return false;
    }
    draft_init(&d);
    answer_status(master, &d);
    draft_put(&d, out);
    draft_uninit(&d);
    return true;
}

enum does { ASKS, ACTS };

static const struct {
    Sluice__Verb verb;
    enum does does;
    void (*answer)(struct master *, struct draft *);
} verbs[] = {
#define VERB(SYMBOL, NAME, DOES, HELP) \
    { SLUICE__VERB__##SYMBOL, DOES, answer_##NAME },
#include "control-verbs.def"
#undef VERB
};

/* Returns true if 'verb' changes nothing, moves no line, and tells no more
 * than figures. */
static bool
only_asks(Sluice__Verb verb)
{
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (verbs[i].verb == verb) {
            return verbs[i].does == ASKS;
        }
    }
    return verb == SLUICE__VERB__CONTEXT_STATS;
}

uint64_t
answer_request(void *master, struct slice message, bool may_change,
               struct ofpbuf *out)
{
    Sluice__Request *request = control_unpack_request(message);
    struct draft d;

    if (!request) {
        answer_error("the request can't be read; use a sluicectl of "
                     "sluiced's version.", out);
        return 0;
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
            if (!d.ticket) {
                draft_put(&d, out);
            }
            goto out;
        }
    }
    answer_error("sluiced does not know the request; use a sluicectl of "
                 "sluiced's version.", out);

out:
    draft_uninit(&d);
    control_free_request(request);
    return d.ticket;
}
