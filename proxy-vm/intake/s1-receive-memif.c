/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 1, receive, from memory shared with a switch of DPDK: frames, which no
 * kernel has looked at.  See s1-receive.h, lib/memif.h and lib/outer.h.
 *
 * The rings lie in a file beside that of packets, and outlive the process as
 * that does: what the switch had put there when an intake was killed, the next
 * one takes, before it connects.  A packet is in one of the two, or for a
 * moment in both; then its slot knows how far the ring was read, and the next
 * process begins there.
 *
 * A ring is small.  Once one is half full, all frames are taken out of all
 * rings each time, and wait in queues (rx-queue.h), until these are empty.
 *
 * Each connection has a file of its own: a switch that still writes to an
 * earlier one does so where nobody reads, and never where no memory is. */
#include <config.h>

#include "s1-receive-private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "failpoint.h"
#include "memif-control.h"
#include "openvswitch/vlog.h"
#include "outer.h"
#include "rx-queue.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(receive_memif);

enum {
    MAX_FRAMES = 4 * N_SLOTS,   /* Looked at to fill the slots. */
    CONTROL_EVERY = 16,         /* Times of that, busy as we may be. */
    DRAIN_FRAMES = 256,         /* Of a ring, before the switch has their
                                 * buffers again. */
};

struct receive_memif {
    char *path;                 /* Of the file of rings, */
    char *server;               /* and of the server's socket. */
    struct memif_control *control;
    struct outer_self self;
    struct intake_stats *stats; /* Borrowed. */
    int fd;                     /* Of the file, or -1. */
    struct memif_memory memory; /* Null: there is none. */
    size_t size;
    bool is_up;
    unsigned int n_fills;
    struct rx_queues *queues;
    unsigned int queue_turn;    /* The latest that was read. */
    uint8_t frame[SLOT_SIZE];   /* On its way into a queue. */
};

static void
barrier(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* --- The memory of rings ------------------------------------------------- */

static void
unmap(struct receive_memif *m)
{
    if (m->memory.base) {
        munmap(m->memory.base, m->size);
        m->memory.base = NULL;
    }
}

static int
map(struct receive_memif *m, const struct memif_layout *layout)
{
    size_t size = memif_size(layout);
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);

    if (p == MAP_FAILED) {
        return errno;
    }
    m->memory = (struct memif_memory) { .base = p, .layout = *layout };
    m->size = size;
    return 0;
}

/* Whether any ring has a frame that was not taken. */
static bool
has_frames(const struct receive *r)
{
    const struct receive_memif *m = r->memif;

    for (unsigned int i = 0; m->memory.base && i < m->memory.layout.n_from;
         i++) {
        if (memif_has_frame(&m->memory, i, r->file->rings.taken[i])) {
            return true;
        }
    }
    return false;
}

/* Whether there is one there, or in a queue. */
static bool
has_packets(const struct receive *r)
{
    return has_frames(r) || !rx_queues_are_empty(r->memif->queues);
}

/* Does away with the rings, whose frames are all done or in queues. */
static void
forget(struct receive *r)
{
    struct receive_memif *m = r->memif;

    rx_queues_begin_drain(m->queues);
    /* No slot says from now on how far a ring was read. */
    receive_prepare_slots(r);
    r->file->rings.layout.n_from = 0;
    barrier();
    unmap(m);
    if (m->fd >= 0) {
        close(m->fd);
        m->fd = -1;
    }
    unlink(m->path);
}

/* Makes an empty file for other rings. */
static int
forget_and_open(struct receive *r)
{
    struct receive_memif *m = r->memif;

    forget(r);
    m->fd = open(m->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                 0600);
    return m->fd < 0 ? errno : 0;
}

/* Makes the rings. */
static int
make(struct receive *r, const struct memif_layout *layout)
{
    struct receive_memif *m = r->memif;
    struct rx_ring_memory *rings = &r->file->rings;

    /* All of it now: in a full tmpfs, a write would be a SIGBUS, the switch's
     * as well. */
    int error = posix_fallocate(m->fd, 0, memif_size(layout));
    if (!error) {
        error = map(m, layout);
    }
    if (!error) {
        memif_init(&m->memory);
        memset(rings->taken, 0, sizeof rings->taken);
        rings->layout.n_to = layout->n_to;
        rings->layout.log2_from = layout->log2_from;
        barrier();
        rings->layout.n_from = layout->n_from;
    }
    return error;
}

/* A packet behind which the ring is at 'taken' has left 'ring'. */
static void
has_left(struct rx_ring_memory *rings, uint16_t ring, uint16_t taken)
{
    if (ring < rings->layout.n_from
        && (int16_t) (taken - rings->taken[ring]) > 0) {
        rings->taken[ring] = taken;
    }
}

/* What is in a slot has left its ring or queue. */
static void
settle_slots(struct receive *r)
{
    for (size_t i = 0; i < N_SLOTS; i++) {
        const struct rx_slot *slot = &r->file->slots[i];

        if (r->file->headers[i].msg_len == NOT_FILLED) {
            continue;
        }
        has_left(&r->file->rings, slot->ring, slot->taken);
        if (slot->queue < RX_N_QUEUES
            && (int64_t) (slot->queued - rx_queues_begin(r->memif->queues,
                                                         slot->queue)) > 0) {
            rx_queues_done(r->memif->queues, slot->queue, slot->queued);
        }
    }
}

/* What is in a queue has left its ring. */
static void
settle_queues(struct receive *r)
{
    const struct rx_queues *queues = r->memif->queues;

    for (unsigned int i = 0; i < RX_N_QUEUES; i++) {
        uint64_t at = rx_queues_begin(queues, i);
        struct rx_queued queued;
        size_t size;

        while (rx_queues_read(queues, i, &at, &queued, NULL, SIZE_MAX,
                              &size)) {
            if (queued.drain == rx_queues_drain(queues)) {
                has_left(&r->file->rings, queued.ring, queued.taken);
            }
        }
    }
}

/* Takes up the rings that another process left, if there are any. */
static void
take_up(struct receive *r)
{
    struct receive_memif *m = r->memif;
    struct rx_ring_memory *rings = &r->file->rings;
    struct stat s;

    bool has_rings = memif_layout_is_valid(&rings->layout);
    if (!has_rings) {
        rings->layout.n_from = 0;
    }
    settle_slots(r);
    settle_queues(r);
    if (!has_rings) {
        return;
    }
    m->fd = open(m->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (m->fd < 0 || fstat(m->fd, &s)
        || (size_t) s.st_size < memif_size(&rings->layout)
        || map(m, &rings->layout)) {
        unmap(m);
    }
}

/* --- The connection ------------------------------------------------------ */

static void
come_up(struct receive *r)
{
    struct receive_memif *m = r->memif;
    const struct memif_layout *layout = &m->memory.layout;

    for (unsigned int i = 0; i < layout->n_from; i++) {
        memif_set_interrupts(&m->memory, i, false);
        memif_give(&m->memory, i, 0, 0);
    }
    m->is_up = true;
    stats_add(&m->stats->counters[INTAKE_MEMIF_CONNECTS], 1);
    stats_set(&m->stats->counters[INTAKE_MEMIF_RINGS], layout->n_from);
    VLOG_INFO("%s: connected, %u rings of %d buffers", m->server,
              layout->n_from, 1 << layout->log2_from);
}

static void
go_down(struct receive_memif *m)
{
    m->is_up = false;
    stats_set(&m->stats->counters[INTAKE_MEMIF_RINGS], 0);
}

static uint64_t
now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * UINT64_C(1000) + ts.tv_nsec / 1000000;
}

/* Does what the connection asks for.  All packets so far are done. */
static void
follow_control(struct receive *r)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 6);
    struct receive_memif *m = r->memif;
    enum memif_event event = memif_control_run(m->control, now_ms());
    int error = 0;

    switch (event) {
    case MEMIF_EVENT_NONE:
        return;
    case MEMIF_EVENT_FORGET:
        if (has_frames(r)) {
            return;             /* First these. */
        }
        error = forget_and_open(r);
        break;
    case MEMIF_EVENT_MAKE:
        error = make(r, memif_control_layout(m->control));
        break;
    case MEMIF_EVENT_UP:
        come_up(r);
        return;
    case MEMIF_EVENT_DOWN:
    case MEMIF_EVENT_REFUSED:
    default:
        go_down(m);
        stats_add(&m->stats->counters[INTAKE_MEMIF_FAILURES], 1);
        VLOG_WARN_RL(&rl, "%s: %s: %s", m->server,
                     event == MEMIF_EVENT_DOWN ? "the connection ended"
                     : "no connection with the switch",
                     memif_control_why(m->control));
        return;
    }
    if (error) {
        VLOG_WARN_RL(&rl, "%s: can't make the memory of rings: %s", m->path,
                     ovs_strerror(error));
        memif_control_fail(m->control, "no memory for rings");
    } else {
        memif_control_go_on(m->control, m->fd);
    }
}

/* --- Frames -------------------------------------------------------------- */

static void
count(struct receive_memif *m, enum outer_verdict verdict)
{
    stats_add(&m->stats->counters[INTAKE_FRAMES_ANSWERED + verdict], 1);
}

/* Reads 'frame'.  Returns true if it brings a packet, '*ret'. */
static bool
read_outer(struct receive_memif *m, struct slice frame,
           struct outer_packet *ret)
{
    uint8_t answer[OUTER_ANSWER_MAX];
    size_t answer_size;

    enum outer_verdict verdict = outer_read(frame, &m->self, ret, answer,
                                            &answer_size);
    if (verdict == OUTER_TUNNEL) {
        return true;
    }
    if (verdict == OUTER_ANSWERED
        && (!m->is_up
            || !memif_put(&m->memory, slice_of(answer, answer_size)))) {
        verdict = OUTER_UNANSWERED;
    }
    count(m, verdict);
    return false;
}

/* Says that 'slot' has a packet of 'size' bytes, and from whom; where it was
 * stands there. */
static void
fill_slot(struct receive *r, struct rx_slot *slot, const uint8_t src_ip[16],
          const uint8_t src_mac[6], size_t size)
{
    slot->from.sin6_family = AF_INET6;
    memcpy(&slot->from.sin6_addr, src_ip, 16);
    memcpy(slot->mac, src_mac, sizeof slot->mac);
    barrier();
    r->file->headers[slot - r->file->slots].msg_len = size;
    barrier();
}

/* Reads the frame of 'size' bytes in slot 'i'.  Returns true if it is a packet
 * that the slot has now; 'taken' is the position behind it. */
static bool
read_frame(struct receive *r, unsigned int i, size_t size, uint16_t taken)
{
    struct rx_slot *slot = &r->file->slots[i];
    struct outer_packet packet;

    if (!read_outer(r->memif, slice_of(slot->data, size), &packet)) {
        return false;
    }
    slot->ring = r->turn;
    slot->taken = taken;
    slot->start = packet.payload.data - slot->data;
    fill_slot(r, slot, packet.src_ip, packet.src_mac, packet.payload.size);
    return true;
}

/* Has the switch fill the buffers of 'ring' between 'begin' and 'at' again;
 * 'latest' is what the last look into it found. */
static void
give_back(struct receive *r, unsigned int ring, uint16_t begin, uint16_t at,
          enum memif_taken latest)
{
    struct receive_memif *m = r->memif;

    failpoint(FAIL_RECEIVE_FILLED);
    r->file->rings.taken[ring] = at;
    barrier();
    if (latest == MEMIF_BROKEN) {
        count(m, OUTER_RING);
        go_down(m);
        memif_control_fail(m->control, "a ring makes no sense");
        r->file->rings.layout.n_from = 0;
        unmap(m);
    } else if (m->is_up) {
        memif_give(&m->memory, ring, begin, at);
    }
}

/* Takes frames from the ring whose turn it is. */
static unsigned int
take_frames(struct receive *r)
{
    struct receive_memif *m = r->memif;
    uint16_t begin = r->file->rings.taken[r->turn], at = begin;
    enum memif_taken taken = MEMIF_FRAME;
    unsigned int n = 0;

    for (int i = 0; n < N_SLOTS && i < MAX_FRAMES; i++) {
        size_t size;

        taken = memif_take(&m->memory, r->turn, at, r->file->slots[n].data,
                           SLOT_SIZE, &size, &at);
        if (taken == MEMIF_FRAME) {
            n += read_frame(r, n, size, at);
        } else if (taken == MEMIF_BAD_FRAME) {
            count(m, OUTER_RING);
        } else {
            break;
        }
    }
    give_back(r, r->turn, begin, at, taken);
    return n;
}

/* --- Queues -------------------------------------------------------------- */

/* Puts the frame of 'size' bytes in 'm->frame' into a queue, if it brings a
 * packet.  Returns false if there was no room for it. */
static bool
queue_frame(struct receive_memif *m, unsigned int ring, size_t size,
            uint16_t taken)
{
    struct rx_queued queued = {
        .drain = rx_queues_drain(m->queues),
        .ring = ring,
        .taken = taken,
    };
    struct outer_packet packet;

    if (!read_outer(m, slice_of(m->frame, size), &packet)) {
        return true;
    }
    memcpy(queued.src_ip, packet.src_ip, sizeof queued.src_ip);
    memcpy(queued.src_mac, packet.src_mac, sizeof queued.src_mac);
    return rx_queues_put(m->queues, &queued, packet.payload);
}

/* Puts up to DRAIN_FRAMES frames of 'ring' into queues.  Returns whether there
 * may be more. */
static bool
drain_frames(struct receive *r, unsigned int ring, uint64_t *lost)
{
    struct receive_memif *m = r->memif;
    uint16_t begin = r->file->rings.taken[ring], at = begin;
    enum memif_taken taken = MEMIF_FRAME;

    for (int i = 0; i < DRAIN_FRAMES; i++) {
        size_t size;

        taken = memif_take(&m->memory, ring, at, m->frame, SLOT_SIZE, &size,
                           &at);
        if (taken == MEMIF_FRAME) {
            *lost += !queue_frame(m, ring, size, at);
        } else if (taken == MEMIF_BAD_FRAME) {
            count(m, OUTER_RING);
        } else {
            break;
        }
    }
    give_back(r, ring, begin, at, taken);
    return taken == MEMIF_FRAME || taken == MEMIF_BAD_FRAME;
}

/* Puts what is in the rings into queues: of each as much as fits into it,
 * since the switch goes on. */
static void
drain_rings(struct receive *r, uint64_t *lost)
{
    struct receive_memif *m = r->memif;
    unsigned int n = m->memory.base ? m->memory.layout.n_from : 0;
    int most = 1 << m->memory.layout.log2_from;

    rx_queues_begin_drain(m->queues);
    for (unsigned int i = 0; i < n && m->memory.base; i++) {
        for (int done = 0; done < most && drain_frames(r, i, lost);
             done += DRAIN_FRAMES) {
            continue;
        }
    }
}

/* Whether frames have to go through queues: not to overflow a ring, or not to
 * come before those that do. */
static bool
uses_queues(const struct receive *r)
{
    const struct receive_memif *m = r->memif;

    if (!rx_queues_are_empty(m->queues)) {
        return true;
    }
    for (unsigned int i = 0; m->memory.base && i < m->memory.layout.n_from;
         i++) {
        if (memif_is_half_full(&m->memory, i, r->file->rings.taken[i])) {
            return true;
        }
    }
    return false;
}

/* Fills slots from the next queue. */
static unsigned int
take_queued(struct receive *r)
{
    struct receive_memif *m = r->memif;
    unsigned int n = 0, i;

    if (rx_queues_are_empty(m->queues)) {
        return 0;
    }
    i = m->queue_turn = rx_queues_choose(m->queues, m->queue_turn);
    uint64_t at = rx_queues_begin(m->queues, i);
    for (; n < N_SLOTS; n++) {
        struct rx_slot *slot = &r->file->slots[n];
        struct rx_queued queued;
        size_t size;

        if (!rx_queues_read(m->queues, i, &at, &queued, slot->data, SLOT_SIZE,
                            &size)) {
            break;
        }
        slot->queue = i;
        slot->queued = at;
        fill_slot(r, slot, queued.src_ip, queued.src_mac, size);
    }
    failpoint(FAIL_RECEIVE_FILLED);
    rx_queues_done(m->queues, i, at);
    if (rx_queues_are_empty(m->queues)) {
        rx_queues_release(m->queues);
    }
    return n;
}

/* --- The receiver -------------------------------------------------------- */

/* Chooses the next ring that has frames: each has its turn before one has
 * another.  Returns false if none has any. */
static bool
choose_ring(struct receive *r)
{
    const struct receive_memif *m = r->memif;
    unsigned int n = m->memory.base ? m->memory.layout.n_from : 0;

    for (unsigned int i = 0; i < n; i++) {
        r->turn = r->turn + 1 < n ? r->turn + 1 : 0;
        if (memif_has_frame(&m->memory, r->turn,
                            r->file->rings.taken[r->turn])) {
            return true;
        }
    }
    return false;
}

static int
fill(struct receive *r, uint64_t *lost)
{
    struct receive_memif *m = r->memif;

    if (++m->n_fills % CONTROL_EVERY == 0) {
        follow_control(r);
    }
    if (uses_queues(r)) {
        /* No slot says from now on how far a queue was read. */
        receive_prepare_slots(r);
        failpoint(FAIL_RECEIVE_READY);
        drain_rings(r, lost);
        r->n_used = take_queued(r);
        failpoint(FAIL_RECEIVE_FILLED);
        return r->n_used ? 0 : EAGAIN;
    }
    if (!choose_ring(r)) {
        follow_control(r);
        if (!choose_ring(r)) {
            return EAGAIN;
        }
    }
    receive_prepare_slots(r);
    failpoint(FAIL_RECEIVE_READY);
    r->n_used = take_frames(r);
    failpoint(FAIL_RECEIVE_FILLED);
    return r->n_used ? 0 : EAGAIN;
}

static bool
answer(struct receive *r, const struct rx_slot *slot, const void *data,
       size_t size)
{
    struct receive_memif *m = r->memif;
    uint8_t frame[OUTER_HEADERS_MAX + MEMIF_BUFFER_SIZE];
    uint8_t to_ip[16];

    if (!m->is_up || size > MEMIF_BUFFER_SIZE) {
        return false;
    }
    memcpy(to_ip, &slot->from.sin6_addr, sizeof to_ip);
    size = outer_write(&m->self, slot->mac, to_ip, slice_of(data, size),
                       frame);
    return memif_put(&m->memory, slice_of(frame, size));
}

static void
set_interrupts(const struct receive_memif *m, bool on)
{
    for (unsigned int i = 0; m->is_up && i < m->memory.layout.n_from; i++) {
        memif_set_interrupts(&m->memory, i, on);
    }
}

/* While packets are read and collected, the switch is asked not to write to
 * the eventfd, which would cost it a system call a burst.  It looks at that
 * without a fence behind its last burst: one may come unnoticed, and waits for
 * the next or for 'timeout_ms'. */
static void
wait_for_frames(struct receive *r, int timeout_ms)
{
    struct receive_memif *m = r->memif;
    int event_fd = memif_control_event_fd(m->control);
    struct pollfd polled[] = {
        { .fd = event_fd, .events = POLLIN },
        { .fd = memif_control_fd(m->control), .events = POLLIN },
    };
    int control_ms = memif_control_timeout_ms(m->control, now_ms());
    uint64_t n;

    set_interrupts(m, true);
    if (!has_packets(r)
        && poll(polled, ARRAY_SIZE(polled), MIN(timeout_ms, control_ms)) > 0
        && polled[0].revents && read(event_fd, &n, sizeof n) > 0) {
        struct timespec collect = { .tv_nsec = COLLECT_NS };

        set_interrupts(m, false);
        nanosleep(&collect, NULL);
    }
    set_interrupts(m, false);
}

static void
destroy(struct receive *r)
{
    struct receive_memif *m = r->memif;

    if (m) {
        bool is_alone = memif_control_destroy(m->control);

        /* What is left in the rings is the next process's, and all of it if
         * they were not taken up here. */
        if (is_alone && m->queues && !has_frames(r) && !receive_has_next(r)) {
            forget(r);
        }
        rx_queues_close(m->queues);
        unmap(m);
        if (m->fd >= 0) {
            close(m->fd);
        }
        free(m->path);
        free(m->server);
        free(m);
    }
}

static const struct receive_class memif_class = {
    .fill = fill,
    .answer = answer,
    .wait = wait_for_frames,
    .destroy = destroy,
};

/* The greatest power of two of buffers that 'bytes' have room for, as a
 * logarithm. */
static uint8_t
log2_of_buffers(uint32_t bytes)
{
    uint8_t log2 = MEMIF_LOG2_MIN;

    while (log2 < MEMIF_LOG2_MAX
           && (uint32_t) MEMIF_BUFFER_SIZE << (log2 + 1) <= bytes) {
        log2++;
    }
    return log2;
}

int
receive_memif_create(const struct receive_memif_options *options,
                     const char *path, struct receive **ret)
{
    struct receive *r;
    int error = receive_create(&memif_class, path, &r);
    if (error) {
        return error;
    }

    struct receive_memif *m = r->memif = xzalloc(sizeof *m);
    m->fd = -1;
    m->path = xstrdup(options->path);
    m->server = xstrdup(options->server);
    m->stats = options->stats;
    m->self.port = options->port;
    memcpy(m->self.ip, &options->addr, sizeof m->self.ip);
    outer_default_mac(m->self.ip, m->self.mac);
    uint8_t log2 = log2_of_buffers(options->receive_buffer);
    error = memif_control_create(m->server, log2, &m->control);
    if (!error) {
        error = rx_queues_open(options->queues,
                               (size_t) MEMIF_BUFFER_SIZE << log2,
                               &m->queues);
    }
    if (error) {
        receive_destroy(r);
        return error;
    }
    take_up(r);
    go_down(m);
    *ret = r;
    return 0;
}
