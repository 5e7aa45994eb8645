/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 1, receive: the packets that have left the socket or the ring, and the
 * journal of what is done with them.  See s1-receive.h. */
#include "sluice-config.h"      /* For struct mmsghdr. */

#include "s1-receive-private.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "lasting-memory.h"

/* Slots before the one that is returned are done. */
static uint32_t
done(const struct rx_file *file)
{
    return file->ticket >> TICKET_DONE_SHIFT & 0xff;
}

static bool
rx_file_is_valid(const struct rx_file *file)
{
    return (!memcmp(file->magic, RX_MAGIC, sizeof file->magic)
            && file->version == RX_VERSION && file->n_slots == N_SLOTS
            && done(file) <= N_SLOTS);
}

static bool
has_next(const struct rx_file *file)
{
    return (done(file) < N_SLOTS
            && file->headers[done(file)].msg_len != NOT_FILLED);
}

bool
receive_has_next(const struct receive *r)
{
    return has_next(r->file);
}

static int
rx_file_map(const char *path, struct rx_file **ret)
{
    void *map;
    int error = lasting_memory_map(path, sizeof **ret, &map);
    if (error) {
        return error;
    }

    struct rx_file *file = map;
    if (!rx_file_is_valid(file)) {
        memset(file, 0, sizeof *file);
        file->version = RX_VERSION;
        file->n_slots = N_SLOTS;
        file->ticket = (UINT64_C(1) << TICKET_FILL_SHIFT
                        | N_SLOTS << TICKET_DONE_SHIFT);
        memcpy(file->magic, RX_MAGIC, sizeof file->magic);
    }
    *ret = file;
    return 0;
}

int
receive_create(const struct receive_class *class, const char *path,
               struct receive **ret)
{
    struct receive *r = calloc(1, sizeof *r);
    if (!r) {
        return ENOMEM;
    }
    int error = rx_file_map(path, &r->file);
    if (error) {
        free(r);
        return error;
    }
    r->class = class;
    r->n_used = N_SLOTS;
    for (size_t i = 0; i < N_SLOTS; i++) {
        r->iov[i].iov_base = r->file->slots[i].data;
        r->iov[i].iov_len = SLOT_SIZE;
    }
    *ret = r;
    return 0;
}

void
receive_destroy(struct receive *r)
{
    if (r) {
        r->class->destroy(r);
        if (!has_next(r->file)) {
            /* Nobody needs the packets any more, and no redaction was done
             * here. */
            memset(r->file->slots, 0, sizeof r->file->slots);
        }
        lasting_memory_unmap(r->file, sizeof *r->file);
        free(r);
    }
}

bool
receive_interrupted(const struct receive *r,
                    struct receive_interrupted *ret)
{
    const struct rx_journal *j = &r->file->journal;
    uint64_t ticket = r->file->ticket;
    struct receive_interrupted found = {
        .is_task = j->task_ticket == ticket,
        .task = j->task,
    };

    if (!found.is_task && !has_next(r->file)) {
        return false;
    }
    if (j->settled_ticket == ticket) {
        found.settled = j->settled[j->settled_now & 1];
    }
    found.has_intent = j->intended_ticket == ticket;
    found.intended = (found.has_intent
                      && j->intended_line == found.settled.n_lines);
    found.intent = j->intent;
    if (!found.is_task && !found.settled.n_lines && !found.intended) {
        return false;
    }
    *ret = found;
    return true;
}

/* The stores below must reach the file in program order; other processors do
 * not matter, since the only other reader is the next process. */
static void
barrier(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void
receive_intend(struct receive *r, const struct receive_intent *intent)
{
    struct rx_journal *j = &r->file->journal;
    uint64_t ticket = r->file->ticket;

    j->intended_ticket = 0;
    barrier();
    j->intent = *intent;
    j->intended_line = (j->settled_ticket == ticket
                        ? j->settled[j->settled_now & 1].n_lines : 0);
    barrier();
    j->intended_ticket = ticket;
    barrier();
}

static const enum sluice_drop refusals[RECEIVE_N_REFUSALS] = {
#define REFUSAL(REASON) SLUICE_DROP_##REASON,
    RECEIVE_REFUSALS
#undef REFUSAL
};

enum sluice_drop
receive_take_settled(struct receive_settled *settled)
{
    settled->n_lines--;
    for (size_t i = 0; i < RECEIVE_N_REFUSALS; i++) {
        if (settled->n_refused[i]) {
            settled->n_refused[i]--;
            return refusals[i];
        }
    }
    return SLUICE_DROP_NONE;
}

void
receive_settle(struct receive *r, enum sluice_drop drop)
{
    struct rx_journal *j = &r->file->journal;
    uint64_t ticket = r->file->ticket;
    bool is_first = j->settled_ticket != ticket;
    uint64_t now = j->settled_now & 1;
    struct receive_settled next = { .n_lines = 0 };

    barrier();
    if (!is_first) {
        next = j->settled[now];
    }
    next.n_lines++;
    for (size_t i = 0; i < RECEIVE_N_REFUSALS; i++) {
        next.n_refused[i] += drop == refusals[i];
    }
    /* One store makes it count: of the ticket, or of which is now. */
    j->settled[now ^ !is_first] = next;
    barrier();
    if (is_first) {
        j->settled_ticket = ticket;
    } else {
        j->settled_now = now ^ 1;
    }
    barrier();
}

uint32_t
receive_try(struct receive *r)
{
    struct rx_file *file = r->file;
    uint64_t slot = file->ticket >> TICKET_DONE_SHIFT;

    if (!has_next(file)) {
        return 0;
    }
    if (file->tried_slot != slot) {
        file->n_tries = 0;
        barrier();
        file->tried_slot = slot;
    }
    return ++file->n_tries;
}

uint32_t
receive_died_of_task(struct receive *r)
{
    struct rx_file *file = r->file;

    if (file->deadly_task != file->ticket) {
        file->n_task_deaths = 0;
        barrier();
        file->deadly_task = file->ticket;
    }
    return ++file->n_task_deaths;
}

void
receive_done(struct receive *r)
{
    /* One step, which makes the journal void as well. */
    barrier();
    r->file->ticket = ((r->file->ticket >> TICKET_DONE_SHIFT) + 1)
                      << TICKET_DONE_SHIFT;
    barrier();
}

uint64_t
receive_ticket(const struct receive *r)
{
    return r->file->ticket;
}

void
receive_undo(struct receive *r, struct undo *undo,
             struct intake_stats *stats)
{
    undo_open(undo, &r->file->undo, &r->file->ticket, stats);
}

void
receive_begin_task(struct receive *r, const struct receive_task *task)
{
    struct rx_journal *j = &r->file->journal;

    j->task_ticket = 0;
    barrier();
    j->task = *task;
    barrier();
    j->task_ticket = r->file->ticket;
    barrier();
}

void
receive_end_task(struct receive *r)
{
    barrier();
    r->file->ticket++;
    barrier();
}

static uint64_t
wall_clock_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

void
receive_prepare_slots(struct receive *r)
{
    struct rx_file *file = r->file;

    file->received_ns = wall_clock_ns();
    for (unsigned int i = 0; i < r->n_used; i++) {
        struct rx_slot *slot = &file->slots[i];
        slot->start = 0;
        slot->ring = slot->queue = NOWHERE;
        file->headers[i] = (struct mmsghdr) {
            .msg_hdr = {
                .msg_name = &slot->from,
                .msg_namelen = sizeof slot->from,
                .msg_iov = &r->iov[i],
                .msg_iovlen = 1,
                .msg_control = slot->control,
                .msg_controllen = sizeof slot->control,
            },
            .msg_len = NOT_FILLED,
        };
    }
    barrier();
    file->ticket = ((file->ticket >> TICKET_FILL_SHIFT) + 1)
                   << TICKET_FILL_SHIFT;
    barrier();
}

int
receive_fill(struct receive *r, uint64_t *lost)
{
    return r->class->fill(r, lost);
}

static void
map_address(const struct sockaddr_in6 *from, uint8_t ret[16])
{
    if (from->sin6_family == AF_INET) {
        const struct sockaddr_in *sin = (const struct sockaddr_in *) from;
        memset(ret, 0, 10);
        memset(ret + 10, 0xff, 2);
        memcpy(ret + 12, &sin->sin_addr, 4);
    } else {
        memcpy(ret, &from->sin6_addr, 16);
    }
}

bool
receive_next(struct receive *r, struct record *rec)
{
    const struct rx_file *file = r->file;
    uint32_t i = done(file);

    if (!has_next(file)) {
        return false;
    }
    /* The file is ours, but a slot's size is still not worth trusting. */
    size_t size = file->headers[i].msg_len;
    size_t start = file->slots[i].start;
    start = start < SLOT_SIZE ? start : SLOT_SIZE;
    rec->packet = slice_of(file->slots[i].data + start,
                           (size < SLOT_SIZE - start ? size
                            : SLOT_SIZE - start));
    map_address(&file->slots[i].from, rec->vtep);
    rec->received_ns = file->received_ns;
    return true;
}

bool
receive_answer(struct receive *r, const void *data, size_t size)
{
    const struct rx_file *file = r->file;

    return (has_next(file)
            && r->class->answer(r, &file->slots[done(file)], data, size));
}

void
receive_wait(struct receive *r, int timeout_ms)
{
    r->class->wait(r, timeout_ms);
}
