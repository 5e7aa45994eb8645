/* SPDX-License-Identifier: Apache-2.0
 *
 * Queues of packets in a file.  See rx-queue.h.
 *
 * Positions in a queue only grow.  A packet is written behind 'head', which is
 * moved last, in one store. */
#include <config.h>

#include "rx-queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bitmap.h"
#include "cursor.h"
#include "util.h"

enum {
    HEADER_SIZE = 4096,
    CHUNK = 1 << 20,            /* Memory that is taken at once. */
    ALIGNMENT = 8,
    VNI_OFFSET = 4,             /* In a GENEVE header (RFC 8926 3.4). */
};

#define QUEUE_MAGIC UINT64_C(0x31304555455551)

struct queue_file {
    uint64_t magic;
    uint64_t size;              /* Of each queue. */
    uint64_t drain;
    struct {
        uint64_t tail;          /* The oldest packet, */
        uint64_t head;          /* and where the next one goes. */
    } queues[RX_N_QUEUES];
};
BUILD_ASSERT_DECL(sizeof(struct queue_file) <= HEADER_SIZE);

/* What stands before a packet. */
struct entry {
    struct rx_queued queued;
    uint32_t size;
};

struct rx_queues {
    char *path;
    int fd;
    struct queue_file *file;
    uint8_t *data;
    size_t size;                /* Of each queue. */
    unsigned long *has_chunk;   /* Bitmap: where there is memory. */
    bool has_memory;            /* There may be some. */
};

static size_t
data_size(const struct rx_queues *q)
{
    return RX_N_QUEUES * q->size;
}

static size_t
n_chunks(const struct rx_queues *q)
{
    return DIV_ROUND_UP(data_size(q), CHUNK);
}

static void
barrier(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* --- The file ------------------------------------------------------------ */

static int
map_file(struct rx_queues *q)
{
    size_t size = HEADER_SIZE + data_size(q);
    struct stat s;

    q->fd = open(q->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (q->fd < 0 || fstat(q->fd, &s)) {
        return errno;
    }
    if ((size_t) s.st_size != size
        && (ftruncate(q->fd, 0) || ftruncate(q->fd, size))) {
        return errno;
    }
    int error = posix_fallocate(q->fd, 0, HEADER_SIZE);
    if (error) {
        return error;
    }
    uint8_t *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, q->fd,
                        0);
    if (map == MAP_FAILED) {
        return errno;
    }
    q->file = (struct queue_file *) map;
    q->data = map + HEADER_SIZE;
    return 0;
}

/* Ends each queue where it makes no sense. */
static void
check_queues(struct rx_queues *q)
{
    struct queue_file *file = q->file;

    if (file->magic != QUEUE_MAGIC || file->size != q->size) {
        memset(file, 0, sizeof *file);
        file->size = q->size;
        barrier();
        file->magic = QUEUE_MAGIC;
    }
    for (unsigned int i = 0; i < RX_N_QUEUES; i++) {
        uint64_t at = file->queues[i].tail;
        struct rx_queued queued;
        size_t size;

        while (rx_queues_read(q, i, &at, &queued, NULL, SIZE_MAX, &size)) {
            continue;
        }
        file->queues[i].head = at;
    }
}

int
rx_queues_open(const char *path, size_t size, struct rx_queues **ret)
{
    struct rx_queues *q = xzalloc(sizeof *q);

    q->path = xstrdup(path);
    q->size = size;
    q->has_chunk = bitmap_allocate(n_chunks(q));
    q->has_memory = true;       /* Of the process before. */
    int error = map_file(q);
    if (error) {
        rx_queues_close(q);
        return error;
    }
    check_queues(q);
    *ret = q;
    return 0;
}

void
rx_queues_close(struct rx_queues *q)
{
    if (q) {
        if (q->file) {
            if (rx_queues_are_empty(q)) {
                unlink(q->path);
            }
            munmap(q->file, HEADER_SIZE + data_size(q));
        }
        if (q->fd >= 0) {
            close(q->fd);
        }
        bitmap_free(q->has_chunk);
        free(q->path);
        free(q);
    }
}

void
rx_queues_release(struct rx_queues *q)
{
    if (q->has_memory) {
        /* If that fails, it is there for the next packets. */
        fallocate(q->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  HEADER_SIZE, data_size(q));
        memset(q->has_chunk, 0, bitmap_n_bytes(n_chunks(q)));
        q->has_memory = false;
    }
}

/* Sees that there is memory for 'size' bytes at 'at' of queue 'i': in a full
 * tmpfs, a write would be a SIGBUS. */
static bool
take_memory(struct rx_queues *q, unsigned int i, uint64_t at, size_t size)
{
    uint64_t end = at + size;

    while (at < end) {
        size_t offset = i * q->size + (at & (q->size - 1));
        size_t chunk = offset / CHUNK;

        if (!bitmap_is_set(q->has_chunk, chunk)) {
            size_t begin = chunk * CHUNK;
            size_t length = MIN(CHUNK, data_size(q) - begin);

            if (posix_fallocate(q->fd, HEADER_SIZE + begin, length)) {
                return false;
            }
            bitmap_set1(q->has_chunk, chunk);
            q->has_memory = true;
        }
        at += MIN(CHUNK - offset % CHUNK,
                  q->size - (at & (q->size - 1)));
    }
    return true;
}

/* --- Packets ------------------------------------------------------------- */

static size_t
entry_size(size_t packet_size)
{
    return ROUND_UP(sizeof(struct entry) + packet_size, ALIGNMENT);
}

/* The part of 'size' bytes at 'at' of queue 'i' that is in one piece. */
static uint8_t *
piece(const struct rx_queues *q, unsigned int i, uint64_t at, size_t size,
      size_t *ret_size)
{
    size_t offset = at & (q->size - 1);

    *ret_size = MIN(size, q->size - offset);
    return q->data + i * q->size + offset;
}

static void
copy_in(struct rx_queues *q, unsigned int i, uint64_t at, const void *src,
        size_t size)
{
    size_t first;
    uint8_t *dst = piece(q, i, at, size, &first);

    memcpy(dst, src, first);
    memcpy(q->data + i * q->size, (const uint8_t *) src + first, size - first);
}

static void
copy_out(const struct rx_queues *q, unsigned int i, uint64_t at, void *dst,
         size_t size)
{
    size_t first;
    const uint8_t *src = piece(q, i, at, size, &first);

    memcpy(dst, src, first);
    memcpy((uint8_t *) dst + first, q->data + i * q->size, size - first);
}

uint64_t
rx_queues_begin_drain(struct rx_queues *q)
{
    return ++q->file->drain;
}

uint64_t
rx_queues_drain(const struct rx_queues *q)
{
    return q->file->drain;
}

static unsigned int
queue_of(struct slice packet)
{
    struct cursor c = cursor_of(packet);

    cursor_take(&c, VNI_OFFSET);
    return cursor_be(&c, 3) % RX_N_QUEUES;
}

bool
rx_queues_put(struct rx_queues *q, const struct rx_queued *queued,
              struct slice packet)
{
    struct entry entry = { .queued = *queued, .size = packet.size };
    unsigned int i = queue_of(packet);
    uint64_t head = q->file->queues[i].head;
    size_t size = entry_size(packet.size);

    if (size > q->size - (head - q->file->queues[i].tail)
        || !take_memory(q, i, head, size)) {
        return false;
    }
    copy_in(q, i, head, &entry, sizeof entry);
    copy_in(q, i, head + sizeof entry, packet.data, packet.size);
    barrier();
    q->file->queues[i].head = head + size;
    barrier();
    return true;
}

static bool
has_packet(const struct rx_queues *q, unsigned int i)
{
    return q->file->queues[i].head != q->file->queues[i].tail;
}

bool
rx_queues_are_empty(const struct rx_queues *q)
{
    for (unsigned int i = 0; i < RX_N_QUEUES; i++) {
        if (has_packet(q, i)) {
            return false;
        }
    }
    return true;
}

unsigned int
rx_queues_choose(const struct rx_queues *q, unsigned int turn)
{
    do {
        turn = (turn + 1) % RX_N_QUEUES;
    } while (!has_packet(q, turn));
    return turn;
}

uint64_t
rx_queues_begin(const struct rx_queues *q, unsigned int i)
{
    return q->file->queues[i].tail;
}

bool
rx_queues_read(const struct rx_queues *q, unsigned int i, uint64_t *at,
               struct rx_queued *ret, uint8_t *dst, size_t max,
               size_t *ret_size)
{
    uint64_t left = q->file->queues[i].head - *at;
    struct entry entry;

    if (left < sizeof entry || left > q->size) {
        return false;
    }
    copy_out(q, i, *at, &entry, sizeof entry);
    if (entry.size > max || entry_size(entry.size) > left) {
        return false;
    }
    if (dst) {
        copy_out(q, i, *at + sizeof entry, dst, entry.size);
    }
    *at += entry_size(entry.size);
    *ret = entry.queued;
    *ret_size = entry.size;
    return true;
}

void
rx_queues_done(struct rx_queues *q, unsigned int i, uint64_t at)
{
    uint64_t tail = q->file->queues[i].tail;

    if (at - tail <= q->file->queues[i].head - tail) {
        barrier();
        q->file->queues[i].tail = at;
        barrier();
    }
}
