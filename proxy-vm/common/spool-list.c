/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds and counts what is in the spool.  See spool.h. */
#include "spool-private.h"

#include <dirent.h>
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

static struct spool_tenant *
find_tenant(struct spool *s, uint32_t tenant)
{
    for (size_t i = 0; i < s->n_tenants; i++) {
        if (s->tenants[i].tenant == tenant) {
            return &s->tenants[i];
        }
    }

    struct spool_tenant *tenants = reallocarray(s->tenants, s->n_tenants + 1,
                                          sizeof *tenants);
    if (!tenants) {
        return NULL;
    }
    s->tenants = tenants;
    struct spool_tenant *t = &tenants[s->n_tenants++];
    *t = (struct spool_tenant) { .tenant = tenant };
    return t;
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
read_counts(int dir_fd, const char *name, struct spool_file *f)
{
    uint8_t header[SEAL_HEADER_SIZE];
    struct seal_header h;
    struct stat st;
    size_t n = 0;

    int fd = openat(dir_fd, name,
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool valid = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode);
    if (valid) {
        f->size = st.st_size;
        if (!spool_read_all(fd, header, sizeof header, &n)
            && !seal_read_header(slice_of(header, n), &h)) {
            f->n_lines = h.n_lines;
        }
    }
    spool_close_fd(fd);
    return valid;
}

/* Looks at the directory 'dir_fd', which it takes, and replaces '*l'.  With
 * 'count' each file has its size and lines, those that were in '*l' from
 * there. */
static int
list_directory(int dir_fd, struct spool_listing *l, bool count)
{
    DIR *dir = fdopendir(dir_fd);
    struct spool_listing new = { .n = 0 };
    struct dirent *entry;
    struct spool_file f;
    int error = 0;

    if (!dir) {
        error = errno;
        close(dir_fd);
        return error;
    }
    while (errno = 0, (entry = readdir(dir))) {
        if (!parse_name(entry->d_name, &f)) {
            continue;
        }
        if (count) {
            const struct spool_file *known = l->n ? bsearch(
                &f, l->files, l->n, sizeof f, compare_files) : NULL;
            if (known) {
                f = *known;
            } else if (!read_counts(dirfd(dir), entry->d_name, &f)) {
                continue;
            }
        }
        if (!listing_add(&new, &f)) {
            errno = ENOMEM;
            break;
        }
    }
    error = errno;
    closedir(dir);
    if (error) {
        free(new.files);
        return error;
    }
    if (new.n) {
        qsort(new.files, new.n, sizeof *new.files, compare_files);
    }
    free(l->files);
    *l = new;
    return 0;
}

/* Looks for the file of 'f''s generation and number in 'dir_fd'.  Returns 0
 * and fills in its size, or a positive errno. */
static int
find_file(int dir_fd, struct spool_file *f)
{
    char name[SPOOL_NAME_SIZE];
    struct stat st;

    spool_format_name(name, sizeof name, f->generation, f->number);
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW)) {
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
next_waiting(struct spool_listing *l, int dir_fd,
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
        if (!find_file(dir_fd, &l->files[low])) {
            return &l->files[low];
        }
    }
    return NULL;
}

static struct spool_item
item_of(uint32_t tenant, const struct spool_file *f)
{
    struct spool_item item = {
        .tenant = tenant,
        .generation = f->generation,
        .number = f->number,
        .size = f->size,
    };
    spool_format_name(item.name, sizeof item.name, f->generation, f->number);
    return item;
}

int
spool_next(struct spool *s, uint32_t tenant, const struct spool_item *after,
           struct spool_item *ret)
{
    struct spool_tenant *t = find_tenant(s, tenant);
    if (!t) {
        return ENOMEM;
    }

    int fd = spool_open_tenant(s, tenant, false);
    if (fd < 0) {
        return -fd;
    }

    /* The files of one look are handed out before the next look: new ones
     * sort behind them. */
    const struct spool_file *f = (after ? next_waiting(&t->waiting, fd, after)
                                  : NULL);
    int error = 0;
    if (!f) {
        int list_fd = spool_open_directory(fd, ".", false);
        error = list_fd < 0 ? -list_fd
                : list_directory(list_fd, &t->waiting, false);
        f = error ? NULL : next_waiting(&t->waiting, fd, after);
    }
    close(fd);
    if (!f) {
        return error ? error : ENOENT;
    }
    *ret = item_of(tenant, f);
    return 0;
}

int
spool_find(struct spool *s, uint32_t tenant, uint32_t generation,
           uint64_t number, struct spool_item *ret)
{
    struct spool_file f = { .generation = generation, .number = number };
    int fd = spool_open_tenant(s, tenant, false);
    if (fd < 0) {
        return -fd;
    }

    int error = find_file(fd, &f);
    close(fd);
    if (!error) {
        *ret = item_of(tenant, &f);
    }
    return error;
}

int
spool_watch(struct spool *s, uint32_t tenant, int *ret_fd)
{
    /* By its path: inotify takes no descriptor. */
    size_t size = strlen(s->path) + 16;
    char *path = malloc(size);
    int dir_fd = spool_open_tenant(s, tenant, true);
    int fd = -1;
    int error = dir_fd < 0 ? -dir_fd : 0;

    if (!path) {
        error = ENOMEM;
    }
    if (!error) {
        snprintf(path, size, "%s/%"PRIu32, s->path, tenant);
        fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (fd < 0
            || inotify_add_watch(fd, path, IN_MOVED_TO | IN_ONLYDIR
                                 | IN_DONT_FOLLOW) < 0) {
            error = errno;
            spool_close_fd(fd);
        }
    }
    if (!error) {
        *ret_fd = fd;
    }
    spool_close_fd(dir_fd);
    free(path);
    return error;
}

static void
add_up(const struct spool_listing *l, uint64_t *n_batches, uint64_t *n_lines,
       uint64_t *n_bytes)
{
    *n_batches = l->n;
    for (size_t i = 0; i < l->n; i++) {
        *n_lines += l->files[i].n_lines;
        *n_bytes += l->files[i].size;
    }
}

int
spool_totals(struct spool *s, uint32_t tenant, struct spool_totals *ret)
{
    struct spool_totals totals = { .n_batches = 0 };
    uint64_t unused = 0;
    int error = 0;

    struct spool_tenant *t = find_tenant(s, tenant);
    if (!t) {
        return ENOMEM;
    }
    int fd = spool_open_tenant(s, tenant, false);
    if (fd < 0) {
        error = fd == -ENOENT ? 0 : -fd;
        goto out;
    }
    int list_fd = spool_open_directory(fd, ".", false);
    error = list_fd < 0 ? -list_fd : list_directory(list_fd, &t->counted,
                                                    true);
    if (!error) {
        list_fd = spool_open_directory(fd, QUARANTINE, false);
        if (list_fd == -ENOENT) {
            t->quarantined.n = 0;
        } else {
            error = list_fd < 0 ? -list_fd
                    : list_directory(list_fd, &t->quarantined, true);
        }
    }
    close(fd);
    if (!error) {
        add_up(&t->counted, &totals.n_batches, &totals.n_lines,
               &totals.n_bytes);
        add_up(&t->quarantined, &totals.n_quarantined_batches,
               &totals.n_quarantined_lines, &unused);
    }

out:
    if (!error) {
        *ret = totals;
    }
    return error;
}
