/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds and counts what is in the spool.  See spool.h. */
#include "spool-private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

static int
compare_files(const void *a_, const void *b_)
{
    const struct spool_file *a = a_, *b = b_;

    return (a->generation != b->generation
            ? (a->generation > b->generation) - (a->generation < b->generation)
            : (a->number > b->number) - (a->number < b->number));
}

int
spool_item_compare(const struct spool_item *a, const struct spool_item *b)
{
    const struct spool_file x = {
        .generation = a->generation, .number = a->number,
    };
    const struct spool_file y = {
        .generation = b->generation, .number = b->number,
    };

    return compare_files(&x, &y);
}

/* Parses exactly what spool_format_name() makes. */
static bool
parse_name(const char *name, struct spool_file *ret)
{
    char again[SPOOL_NAME_SIZE];
    struct spool_file f = { .size = 0 };

    if (strspn(name, "0123456789") != GENERATION_DIGITS
        || name[GENERATION_DIGITS] != '-'
        || strspn(name + GENERATION_DIGITS + 1, "0123456789")
           != NUMBER_DIGITS) {
        return false;
    }
    f.generation = strtoul(name, NULL, 10);
    f.number = strtoull(name + GENERATION_DIGITS + 1, NULL, 10);
    spool_format_name(again, sizeof again, f.generation, f.number);
    if (strcmp(name, again)) {
        return false;
    }
    *ret = f;
    return true;
}

/* Returns true for GENERATION-NUMBER.reason. */
static bool
is_reason(const char *name)
{
    size_t n = GENERATION_DIGITS + 1 + NUMBER_DIGITS;

    return (strspn(name, "0123456789") == GENERATION_DIGITS
            && name[GENERATION_DIGITS] == '-'
            && strspn(name + GENERATION_DIGITS + 1, "0123456789")
               == NUMBER_DIGITS
            && !strcmp(name + n, REASON_SUFFIX));
}

bool
spool_name_is_foreign(const char *name)
{
    struct spool_file f;

    return (*name != '.' && strcmp(name, QUARANTINE) && !is_reason(name)
            && !parse_name(name, &f));
}

static bool
listing_add(struct spool_listing *l, const struct spool_file *f)
{
    if (l->n == l->allocated) {
        size_t allocated = l->allocated ? 2 * l->allocated : 64;
        struct spool_file *files = reallocarray(l->files, allocated,
                                                sizeof *files);
        if (!files) {
            return false;
        }
        l->files = files;
        l->allocated = allocated;
    }
    l->files[l->n++] = *f;
    return true;
}

/* Fills in size and lines of 'f', the file 'name' in 'dir_fd'.  Returns false
 * if it is gone or no file. */
static bool
read_counts(struct spool *s, int dir_fd, const char *name,
            struct spool_file *f)
{
    uint8_t header[SEAL_HEADER_SIZE];
    struct seal_header h;
    struct stat st;
    size_t n = 0;

    int fd = s->io->openat(dir_fd, name,
                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    bool valid = fd >= 0 && !s->io->fstat(fd, &st) && S_ISREG(st.st_mode);
    if (valid) {
        f->size = st.st_size;
        f->inode = st.st_ino;
        if (!spool_read_all(s, fd, header, sizeof header, &n)
            && !seal_read_header(slice_of(header, n), &h)) {
            f->n_lines = h.n_lines;
            f->created_ns = h.created_ns;
        }
    }
    spool_close_fd(s, fd);
    return valid;
}

const struct spool_file *
spool_listing_find(const struct spool_listing *l, const struct spool_file *f)
{
    return l->n ? bsearch(f, l->files, l->n, sizeof *f, compare_files) : NULL;
}

struct look {
    struct spool *spool;
    int dir_fd;
    const struct spool_listing *old;
    struct spool_listing new;
    bool count;
};

static int
look_at(const char *name, void *look_)
{
    struct look *look = look_;
    const struct spool_listing *old = look->old;
    struct spool_file f;

    if (!parse_name(name, &f)) {
        look->new.n_foreign += spool_name_is_foreign(name);
        return 0;
    }
    if (look->count) {
        const struct spool_file *known = spool_listing_find(old, &f);
        if (known) {
            f = *known;
        } else if (!read_counts(look->spool, look->dir_fd, name, &f)) {
            return 0;
        }
    }
    return listing_add(&look->new, &f) ? 0 : ENOMEM;
}

/* Looks at the directory 'dir_fd', and replaces '*l'.  With 'count' each file
 * has its size and lines, those that were in '*l' from there. */
static int
list_directory(struct spool *s, int dir_fd, struct spool_listing *l,
               bool count)
{
    struct look look = {
        .spool = s, .dir_fd = dir_fd, .old = l, .count = count,
    };
    int error = s->io->list(dir_fd, look_at, &look);

    if (error) {
        free(look.new.files);
        return error < 0 ? errno : error;
    }
    if (look.new.n) {
        qsort(look.new.files, look.new.n, sizeof *look.new.files,
              compare_files);
    }
    free(l->files);
    *l = look.new;
    return 0;
}

/* Looks for the file of 'f''s generation and number in 'dir_fd'.  Returns 0
 * and fills in its size, or a positive errno. */
static int
find_file(struct spool *s, int dir_fd, struct spool_file *f)
{
    char name[SPOOL_NAME_SIZE];
    struct stat st;

    spool_format_name(name, sizeof name, f->generation, f->number);
    if (s->io->fstatat(dir_fd, name, &st)) {
        return errno;
    }
    if (!S_ISREG(st.st_mode)) {
        return ENOENT;
    }
    f->size = st.st_size;
    return 0;
}

/* Returns the first of the waiting files after 'after' that is still there, or
 * null.  Fills in its size. */
static const struct spool_file *
next_waiting(struct spool *s, struct spool_listing *l, int dir_fd,
             const struct spool_item *after)
{
    size_t low = 0, high = l->n;

    if (after) {
        struct spool_file key = {
            .generation = after->generation,
            .number = after->number,
        };
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (compare_files(&l->files[middle], &key) <= 0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
    }
    for (; low < l->n; low++) {
        if (!find_file(s, dir_fd, &l->files[low])) {
            return &l->files[low];
        }
    }
    return NULL;
}

struct spool_item
spool_item_of(const struct spool_queue *queue, const struct spool_file *f,
              bool is_quarantined)
{
    struct spool_item item = {
        .queue = *queue,
        .generation = f->generation,
        .number = f->number,
        .size = f->size,
        .is_quarantined = is_quarantined,
    };
    spool_format_name(item.name, sizeof item.name, f->generation, f->number);
    return item;
}

int
spool_next(struct spool *s, const struct spool_queue *queue,
           const struct spool_item *after, struct spool_item *ret)
{
    struct spool_known *known = spool_find_known(s, queue);
    if (!known) {
        return ENOMEM;
    }

    int fd = spool_use_queue(s, queue, false);
    if (fd < 0) {
        return -fd;
    }

    /* The files of one look are handed out before the next look: new ones
     * sort behind them. */
    const struct spool_file *f = (after ? next_waiting(s, &known->waiting, fd, after)
                                  : NULL);
    int error = 0;
    if (!f) {
        spool_release_queue(s, fd);
        fd = spool_use_queue(s, queue, true);
        if (fd < 0) {
            return -fd;
        }
        error = list_directory(s, fd, &known->waiting, false);
        f = error ? NULL : next_waiting(s, &known->waiting, fd, after);
    }
    spool_release_queue(s, fd);
    if (!f) {
        return error ? error : ENOENT;
    }
    *ret = spool_item_of(queue, f, false);
    return 0;
}

int
spool_find(struct spool *s, const struct spool_queue *queue,
           uint32_t generation, uint64_t number, struct spool_item *ret)
{
    struct spool_file f = { .generation = generation, .number = number };
    int fd = spool_use_queue(s, queue, false);
    if (fd < 0) {
        return -fd;
    }

    int error = find_file(s, fd, &f);
    spool_release_queue(s, fd);
    if (!error) {
        *ret = spool_item_of(queue, &f, false);
    }
    return error;
}

int
spool_watch(struct spool *s, const struct spool_queue *queue, int *ret_fd)
{
    /* By its path: inotify takes no descriptor. */
    size_t size = strlen(s->path) + 16 + SPOOL_QUEUE_SIZE;
    char *path = malloc(size);
    int dir_fd = spool_open_queue(s, queue, true);
    int fd = -1;
    int error = dir_fd < 0 ? -dir_fd : 0;

    if (!path) {
        error = ENOMEM;
    }
    if (!error) {
        snprintf(path, size, "%s/%"PRIu32"/%s", s->path, queue->tenant,
                 queue->name);
        fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (fd < 0
            || inotify_add_watch(fd, path, IN_MOVED_TO | IN_CREATE
                                 | IN_ONLYDIR | IN_DONT_FOLLOW) < 0) {
            error = errno;
            if (fd >= 0) {
                close(fd);
            }
        }
    }
    if (!error) {
        *ret_fd = fd;
    }
    spool_close_fd(s, dir_fd);
    free(path);
    return error;
}

/* Adds up the files of 'l' that do not come after 'last'. */
static void
add_up(const struct spool_listing *l, const struct spool_file *last,
       uint64_t *n_batches, uint64_t *n_lines, uint64_t *n_bytes)
{
    for (size_t i = 0; i < l->n && compare_files(&l->files[i], last) <= 0;
         i++) {
        ++*n_batches;
        *n_lines += l->files[i].n_lines;
        *n_bytes += l->files[i].size;
    }
}

int
spool_refresh(struct spool *s, struct spool_known *known)
{
    int fd = spool_open_queue(s, &known->queue, false);
    if (fd < 0) {
        known->counted.n = known->quarantined.n = 0;
        known->counted.n_foreign = known->quarantined.n_foreign = 0;
        return -fd;
    }

    int error = list_directory(s, fd, &known->counted, true);
    if (!error) {
        int quarantine_fd = spool_open_directory(s, fd, QUARANTINE, false);
        if (quarantine_fd == -ENOENT) {
            known->quarantined.n = known->quarantined.n_foreign = 0;
        } else if (quarantine_fd < 0) {
            error = -quarantine_fd;
        } else {
            error = list_directory(s, quarantine_fd, &known->quarantined,
                                   true);
            s->io->close(quarantine_fd);
        }
    }
    s->io->close(fd);
    return error;
}

int
spool_totals(struct spool *s, const struct spool_queue *queue,
             struct spool_totals *ret)
{
    return spool_totals_until(s, queue, UINT32_MAX, UINT64_MAX, ret);
}

int
spool_totals_until(struct spool *s, const struct spool_queue *queue,
                   uint32_t generation, uint64_t number,
                   struct spool_totals *ret)
{
    const struct spool_file last = {
        .generation = generation,
        .number = number,
    };
    struct spool_totals totals = { .n_batches = 0 };
    uint64_t unused = 0;

    struct spool_known *known = spool_find_known(s, queue);
    if (!known) {
        return ENOMEM;
    }
    int error = spool_refresh(s, known);
    if (error && error != ENOENT) {
        return error;
    }
    add_up(&known->counted, &last, &totals.n_batches, &totals.n_lines,
           &totals.n_bytes);
    add_up(&known->quarantined, &last, &totals.n_quarantined_batches,
           &totals.n_quarantined_lines, &unused);
    totals.n_foreign = (known->counted.n_foreign
                        + known->quarantined.n_foreign);
    if (totals.n_batches) {
        totals.oldest_ns = known->counted.files[0].created_ns;
    }
    *ret = totals;
    return 0;
}
