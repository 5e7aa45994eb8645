/* SPDX-License-Identifier: Apache-2.0
 *
 * The open batch of one tenant.  See open-batch.h. */
#include "open-batch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "failpoint.h"

#define OPEN_BATCH_MAGIC "SLUOPEN\1"

/* The start of the file, in the byte order of the machine, which is the one
 * that recovers it. */
struct open_batch_header {
    char magic[8];              /* Written last of all: the file is whole. */
    uint32_t tenant;
    uint32_t generation;
    uint64_t stream;
    uint64_t number;
    uint64_t state;             /* n_lines << 32 | size. */
    uint64_t before;            /* Lines, see struct open_batch_info. */
    uint64_t emptied;           /* For who looks on: 'state' before that was
                                 * set to 0, while the bytes are still there.*/
    uint8_t reserved[8];
};
_Static_assert(sizeof(struct open_batch_header) == 64, "one cache line");

struct open_batch {
    int dir_fd;
    int fd;                     /* Locked while its process lives. */
    char name[64];
    struct open_batch_header *map;
    size_t map_size;
};

static struct open_batch_info
info_of(const struct open_batch_header *h)
{
    uint64_t state = __atomic_load_n(&h->state, __ATOMIC_ACQUIRE);

    return (struct open_batch_info) {
        .tenant = h->tenant,
        .generation = h->generation,
        .stream = h->stream,
        .number = h->number,
        .before = h->before,
        .n_lines = state >> 32,
        .size = (uint32_t) state,
    };
}

static uint8_t *
body_of(struct open_batch_header *h)
{
    return (uint8_t *) (h + 1);
}

int
open_batch_create(const char *dir, const struct open_batch_info *info,
                  size_t max_size, struct open_batch **ret)
{
    if (max_size > UINT32_MAX) {
        return EINVAL;
    }

    struct open_batch *b = calloc(1, sizeof *b);
    if (!b) {
        return ENOMEM;
    }

    int error = 0;
    b->fd = -1;
    b->map_size = sizeof *b->map + max_size;
    snprintf(b->name, sizeof b->name, "%"PRIu32"-%"PRIu32"-%"PRIu64".open",
             info->tenant, info->generation, info->number);
    b->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->dir_fd < 0) {
        error = errno;
        goto out;
    }
    b->fd = openat(b->dir_fd, b->name,
                   O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (b->fd < 0) {
        error = errno;
        goto out;
    }

    /* All of its memory now: in a full tmpfs, an append would be a SIGBUS. */
    error = flock(b->fd, LOCK_EX | LOCK_NB) ? errno
            : posix_fallocate(b->fd, 0, b->map_size);
    if (!error) {
        error = failpoint(FAIL_OPEN_BATCH_FILE);
    }
    if (!error) {
        b->map = mmap(NULL, b->map_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                      b->fd, 0);
        if (b->map == MAP_FAILED) {
            b->map = NULL;
            error = errno;
        }
    }
    if (error) {
        unlinkat(b->dir_fd, b->name, 0);
        goto out;
    }

    b->map->tenant = info->tenant;
    b->map->generation = info->generation;
    b->map->stream = info->stream;
    b->map->number = info->number;
    b->map->before = info->before;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    memcpy(b->map->magic, OPEN_BATCH_MAGIC, sizeof b->map->magic);
    failpoint(FAIL_OPEN_BATCH_MADE);
    *ret = b;
    b = NULL;

out:
    open_batch_close(b, false);
    return error;
}

uint8_t *
open_batch_tail(struct open_batch *b, size_t *ret_room)
{
    uint32_t size = info_of(b->map).size;

    *ret_room = b->map_size - sizeof *b->map - size;
    return body_of(b->map) + size;
}

void
open_batch_commit(struct open_batch *b, size_t n, uint32_t n_lines)
{
    uint64_t add = (uint64_t) n_lines << 32 | n;

    __atomic_store_n(&b->map->state, b->map->state + add, __ATOMIC_RELEASE);
}

void
open_batch_get(const struct open_batch *b, struct open_batch_info *ret,
               struct slice *ret_body)
{
    *ret = info_of(b->map);
    *ret_body = slice_of(body_of(b->map), ret->size);
}

void
open_batch_reset(struct open_batch *b, uint64_t number, uint64_t before)
{
    bool is_same = number == b->map->number;

    __atomic_store_n(&b->map->emptied, is_same ? b->map->state : 0,
                     __ATOMIC_RELEASE);
    /* Empty first: the old lines never bear the new number. */
    __atomic_store_n(&b->map->state, 0, __ATOMIC_RELEASE);
    failpoint(FAIL_OPEN_BATCH_EMPTIED);
    __atomic_store_n(&b->map->before, before, __ATOMIC_RELEASE);
    __atomic_store_n(&b->map->number, number, __ATOMIC_RELEASE);
}

/* Looking on.  Nothing is mapped: the file may be cut at any time. */

int
open_batch_peek(int fd, struct open_batch_info *ret_info)
{
    struct open_batch_header h;
    ssize_t n = pread(fd, &h, sizeof h, 0);

    if (n < 0) {
        return errno;
    }
    if (n < (ssize_t) sizeof h
        || memcmp(h.magic, OPEN_BATCH_MAGIC, sizeof h.magic)) {
        return EINVAL;
    }
    h.state = h.state ? h.state : h.emptied;
    *ret_info = info_of(&h);
    return 0;
}

/* Reads 'size' bytes from 'start' of the body. */
static int
read_body(int fd, uint32_t start, uint8_t *body, size_t size)
{
    while (size) {
        ssize_t n = pread(fd, body, size,
                          sizeof(struct open_batch_header) + start);
        if (n <= 0) {
            return n ? errno : EINVAL;
        }
        start += n;
        body += n;
        size -= n;
    }
    return 0;
}

int
open_batch_read(int fd, uint32_t start, struct open_batch_info *ret_info,
                uint8_t **ret_body)
{
    struct open_batch_info info, after;
    struct stat st;
    int error = fstat(fd, &st) ? errno : open_batch_peek(fd, &info);

    if (error) {
        return error;
    }
    if (start > info.size || info.size > (uint64_t) st.st_size) {
        return EAGAIN;
    }
    uint8_t *body = malloc(info.size - start + 1);
    if (!body) {
        return ENOMEM;
    }
    error = read_body(fd, start, body, info.size - start);
    if (!error) {
        error = open_batch_peek(fd, &after);
    }
    /* What was emptied meanwhile may have been overwritten. */
    if (!error && (after.number != info.number || after.before != info.before
                   || after.generation != info.generation
                   || after.size < info.size)) {
        error = EAGAIN;
    }
    if (error) {
        free(body);
        return error;
    }
    *ret_info = info;
    *ret_body = body;
    return 0;
}

void
open_batch_close(struct open_batch *b, bool unlink)
{
    if (b) {
        if (unlink) {
            unlinkat(b->dir_fd, b->name, 0);
        }
        if (b->map) {
            munmap(b->map, b->map_size);
        }
        if (b->fd >= 0) {
            close(b->fd);
        }
        if (b->dir_fd >= 0) {
            close(b->dir_fd);
        }
        free(b);
    }
}

/* Recovery. */

bool
open_batch_is_name(const char *name)
{
    for (int i = 0; i < 3; i++) {
        size_t n = strspn(name, "0123456789");
        if (!n || name[n] != (i < 2 ? '-' : '.')) {
            return false;
        }
        name += n + 1;
    }
    return !strcmp(name, "open");
}

/* What became of a file left behind. */
enum fate {
    FATE_REMOVE,
    FATE_SET_ASIDE,
    FATE_KEEP,                  /* Its process lives, or 'cb' refused it. */
};

/* Gives the batch in the file 'fd' to 'cb', whose error goes to '*ret_error'
 * as any other does. */
static enum fate
recover_file(int fd, int (*cb)(const struct open_batch_info *,
                               struct slice body, void *aux),
             void *aux, int *ret_error)
{
    struct stat st;

    if (flock(fd, LOCK_EX | LOCK_NB)) {
        *ret_error = errno == EWOULDBLOCK ? 0 : errno;
        return FATE_KEEP;
    }
    if (fstat(fd, &st)) {
        *ret_error = errno;
        return FATE_KEEP;
    }
    if (!S_ISREG(st.st_mode)) {
        return FATE_SET_ASIDE;
    }
    if (!st.st_size) {
        return FATE_REMOVE;
    }
    if ((size_t) st.st_size < sizeof(struct open_batch_header)) {
        return FATE_SET_ASIDE;
    }

    size_t map_size = st.st_size;
    struct open_batch_header *map = mmap(NULL, map_size, PROT_READ,
                                         MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        *ret_error = errno;
        return FATE_KEEP;
    }

    static const struct open_batch_header unfinished;
    struct open_batch_info info = info_of(map);
    enum fate fate = FATE_REMOVE;
    if (memcmp(map->magic, OPEN_BATCH_MAGIC, sizeof map->magic)) {
        /* Its maker died before the magic, so before any line. */
        if (memcmp(map->magic, unfinished.magic, sizeof map->magic)
            || info.size) {
            fate = FATE_SET_ASIDE;
        }
    } else if (info.size > map_size - sizeof *map) {
        fate = FATE_SET_ASIDE;
    } else if (info.size) {
        int error = cb(&info, slice_of(body_of(map), info.size), aux);
        if (error) {
            *ret_error = error;
            fate = FATE_KEEP;
        }
    }
    munmap(map, map_size);
    return fate;
}

/* Renames 'name' to NAME.bad, or NAME.bad.N where there is one already. */
static int
set_aside(int dir_fd, const char *name)
{
    char bad[NAME_MAX + 32];

    snprintf(bad, sizeof bad, "%s.bad", name);
    for (unsigned int i = 1; ; i++) {
        if (faccessat(dir_fd, bad, F_OK, AT_SYMLINK_NOFOLLOW)) {
            return (errno != ENOENT || renameat(dir_fd, name, dir_fd, bad)
                    ? errno : 0);
        }
        snprintf(bad, sizeof bad, "%s.bad.%u", name, i);
    }
}

int
open_batch_recover(const char *dir,
                   int (*cb)(const struct open_batch_info *,
                             struct slice body, void *aux),
                   void *aux, unsigned int *ret_n_bad)
{
    DIR *stream = opendir(dir);
    if (!stream) {
        return errno;
    }

    struct dirent *entry;
    unsigned int n_bad = 0;
    int first_error = 0;
    while ((entry = readdir(stream))) {
        if (!open_batch_is_name(entry->d_name)) {
            continue;
        }

        int error = 0;
        enum fate fate = FATE_KEEP;
        int fd = openat(dirfd(stream), entry->d_name,
                        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0) {
            fate = recover_file(fd, cb, aux, &error);
            close(fd);
        } else if (errno == ELOOP) {
            fate = FATE_SET_ASIDE;
        } else if (errno != ENOENT) {
            error = errno;
        }
        if (fate == FATE_REMOVE
            && unlinkat(dirfd(stream), entry->d_name, 0)) {
            error = errno;
        } else if (fate == FATE_SET_ASIDE) {
            error = set_aside(dirfd(stream), entry->d_name);
            n_bad += !error;
        }
        failpoint(FAIL_RECOVERY_REMOVED);
        first_error = first_error ? first_error : error;
    }
    closedir(stream);
    *ret_n_bad = n_bad;
    return first_error;
}

uint32_t
open_batch_latest_generation(const char *dir)
{
    DIR *stream = opendir(dir);
    struct dirent *entry;
    uint32_t latest = 0;

    while (stream && (entry = readdir(stream))) {
        unsigned int tenant, generation;
        if (open_batch_is_name(entry->d_name)
            && sscanf(entry->d_name, "%u-%u-", &tenant, &generation) == 2
            && generation > latest) {
            latest = generation;
        }
    }
    if (stream) {
        closedir(stream);
    }
    return latest;
}
