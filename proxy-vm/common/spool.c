/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool.  See spool.h. */
#include "sluice-config.h"      /* For sync_file_range(). */

#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH_SUFFIX ".batch"
#define TEMP_SUFFIX ".tmp"
#define QUARANTINE "quarantine"

enum {
    NAME_SIZE = sizeof ((struct spool_item *) 0)->name,
    TEMP_NAME_SIZE = NAME_SIZE + sizeof TEMP_SUFFIX,
    GENERATION_DIGITS = 10,     /* Of UINT32_MAX. */
    NUMBER_DIGITS = 20,         /* Of UINT64_MAX. */
    MAX_FILE_SIZE = SEAL_HEADER_SIZE + SEAL_MAX_RAW_SIZE
                    + SEAL_MAX_RAW_SIZE / 128 + 4096,
};

/* A file in a directory of the spool. */
struct file {
    uint32_t generation;
    uint32_t n_lines;           /* From its header, 0 if that can't be read. */
    uint64_t number;
    uint64_t size;
};

/* What was in a directory at the latest look, sorted. */
struct listing {
    struct file *files;
    size_t n, allocated;
};

/* What is remembered of a tenant, so that each header is read once only. */
struct tenant {
    uint32_t tenant;
    struct listing waiting;     /* spool_next() goes along this one. */
    struct listing counted;     /* spool_totals(): with sizes and lines. */
    struct listing quarantined;
};

/* A batch between spool_begin() and spool_commit(). */
struct pending {
    int dir_fd;
    int fd;                     /* Of the temporary file; -1: there already. */
    char name[NAME_SIZE];
    char temp[TEMP_NAME_SIZE];
};

struct spool {
    int fd;
    char *path;
    struct pending pending[SPOOL_MAX_PENDING];
    size_t n_pending;
    struct tenant *tenants;
    size_t n_tenants;
};

/* Names. */

static int
compare_files(const void *a_, const void *b_)
{
    const struct file *a = a_, *b = b_;

    return (a->generation != b->generation
            ? (a->generation > b->generation) - (a->generation < b->generation)
            : (a->number > b->number) - (a->number < b->number));
}

static void
format_name(char *buf, size_t size, uint32_t generation, uint64_t number)
{
    snprintf(buf, size, "%0*"PRIu32"-%0*"PRIu64 BATCH_SUFFIX,
             GENERATION_DIGITS, generation, NUMBER_DIGITS, number);
}

/* Parses exactly what format_name() makes. */
static bool
parse_name(const char *name, struct file *ret)
{
    char again[NAME_SIZE];
    struct file f = { .size = 0 };

    if (strspn(name, "0123456789") != GENERATION_DIGITS
        || name[GENERATION_DIGITS] != '-'
        || strspn(name + GENERATION_DIGITS + 1, "0123456789")
           != NUMBER_DIGITS) {
        return false;
    }
    f.generation = strtoul(name, NULL, 10);
    f.number = strtoull(name + GENERATION_DIGITS + 1, NULL, 10);
    format_name(again, sizeof again, f.generation, f.number);
    if (strcmp(name, again)) {
        return false;
    }
    *ret = f;
    return true;
}

/* Directories. */

/* Opens 'name' beneath 'dir_fd', never through a symbolic link.  With 'create'
 * makes it if need be, synced.  Returns the descriptor or a negative errno. */
static int
open_directory(int dir_fd, const char *name, bool create)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dir_fd, name, flags);

    if (fd < 0 && errno == ENOENT && create) {
        if ((mkdirat(dir_fd, name, 0750) && errno != EEXIST)
            || fsync(dir_fd)) {
            return -errno;
        }
        fd = openat(dir_fd, name, flags);
    }
    return fd < 0 ? -errno : fd;
}

static int
open_tenant(struct spool *s, uint32_t tenant, bool create)
{
    char name[16];

    snprintf(name, sizeof name, "%"PRIu32, tenant);
    return open_directory(s->fd, name, create);
}

static void
close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

int
spool_open(const char *path, struct spool **ret)
{
    struct spool *s = calloc(1, sizeof *s);
    if (!s) {
        return ENOMEM;
    }

    int error = 0;
    s->path = strdup(path);
    s->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->fd < 0) {
        error = errno;
    } else if (!s->path) {
        error = ENOMEM;
    }
    if (error) {
        spool_close(s);
        return error;
    }
    *ret = s;
    return 0;
}

void
spool_close(struct spool *s)
{
    if (s) {
        for (size_t i = 0; i < s->n_tenants; i++) {
            free(s->tenants[i].waiting.files);
            free(s->tenants[i].counted.files);
            free(s->tenants[i].quarantined.files);
        }
        free(s->tenants);
        close_fd(s->fd);
        free(s->path);
        free(s);
    }
}

/* Files. */

static int
write_all(int fd, struct slice s)
{
    while (s.size) {
        ssize_t n = write(fd, s.data, s.size);
        if (n > 0) {
            s = slice_of(s.data + n, s.size - n);
        } else if (n < 0 && errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/* Reads up to 'size' bytes, fewer only at the end of the file.  Returns 0 or a
 * positive errno. */
static int
read_all(int fd, uint8_t *buf, size_t size, size_t *ret_n)
{
    size_t n = 0;

    while (n < size) {
        ssize_t got = read(fd, buf + n, size - n);
        if (!got) {
            break;
        } else if (got > 0) {
            n += got;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    *ret_n = n;
    return 0;
}

/* Writes 'content' to a temporary file in 'dir_fd', whose name goes to 'temp',
 * 'temp_size' bytes: to be made durable and renamed to 'name'.  Returns its
 * descriptor or a negative errno. */
static int
write_temp(int dir_fd, const char *name, struct slice content, char *temp,
           size_t temp_size)
{
    snprintf(temp, temp_size, ".%s" TEMP_SUFFIX, name);
    if (unlinkat(dir_fd, temp, 0) && errno != ENOENT) {
        return -errno;
    }
    int fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
                    | O_CLOEXEC, 0640);
    if (fd < 0) {
        return -errno;
    }
    int error = write_all(fd, content);
    if (error) {
        close(fd);
        unlinkat(dir_fd, temp, 0);
        return -error;
    }
    return fd;
}

/* Makes the temporary file 'temp', whose descriptor 'fd' it takes, durable and
 * names it 'name'; the directory is not synced yet.  A retried fsync() may
 * lie, so nothing here tries again. */
static int
finish_temp(int dir_fd, int fd, const char *temp, const char *name)
{
    int error = fsync(fd) ? errno : 0;

    if (close(fd) && !error) {
        error = errno;
    }
    if (!error && renameat(dir_fd, temp, dir_fd, name)) {
        error = errno;
    }
    if (error) {
        unlinkat(dir_fd, temp, 0);
    }
    return error;
}

/* Makes 'name' in 'dir_fd' a file of 'content': all of it, durably, or none.*/
static int
write_file(int dir_fd, const char *name, struct slice content)
{
    char temp[TEMP_NAME_SIZE];
    int fd = write_temp(dir_fd, name, content, temp, sizeof temp);
    if (fd < 0) {
        return -fd;
    }

    int error = finish_temp(dir_fd, fd, temp, name);
    return error ? error : fsync(dir_fd) ? errno : 0;
}

/* Removes what a write that never ended left in 'dir_fd', which it takes. */
static void
remove_temps(int dir_fd)
{
    DIR *dir = fdopendir(dir_fd);
    struct dirent *entry;

    if (!dir) {
        close(dir_fd);
        return;
    }
    while ((entry = readdir(dir))) {
        const char *name = entry->d_name;
        size_t length = strlen(name);

        if (*name == '.' && length > sizeof TEMP_SUFFIX
            && !strcmp(name + length - strlen(TEMP_SUFFIX), TEMP_SUFFIX)) {
            unlinkat(dirfd(dir), name, 0);
        }
    }
    closedir(dir);
}

static bool
parse_tenant(const char *name, uint32_t *ret)
{
    size_t n = strspn(name, "0123456789");

    if (!n || n > 8 || name[n]) {
        return false;
    }
    *ret = strtoul(name, NULL, 10);
    return true;
}

static int
remove_all_temps(struct spool *s)
{
    int fd = open_directory(s->fd, ".", false);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    uint32_t tenant;

    if (!dir) {
        close_fd(fd);
        return fd < 0 ? -fd : errno;
    }
    while ((entry = readdir(dir))) {
        if (parse_tenant(entry->d_name, &tenant)) {
            int tenant_fd = open_tenant(s, tenant, false);
            if (tenant_fd >= 0) {
                remove_temps(tenant_fd);
            }
        }
    }
    closedir(dir);
    return 0;
}

int
spool_next_generation(struct spool *s, uint32_t *ret)
{
    char text[16];
    uint32_t generation = 0;
    int error = remove_all_temps(s);
    if (error) {
        return error;
    }

    int fd = openat(s->fd, "generation", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        size_t n = 0;
        char *end;
        error = read_all(fd, (uint8_t *) text, sizeof text - 1, &n);
        close(fd);
        if (error) {
            return error;
        }
        text[n] = '\0';
        errno = 0;
        unsigned long long value = strtoull(text, &end, 10);
        if (text[0] < '0' || text[0] > '9' || *end != '\n' || errno
            || value >= UINT32_MAX) {
            return EINVAL;
        }
        generation = value;
    } else if (errno != ENOENT) {
        return errno;
    }

    generation++;
    int size = snprintf(text, sizeof text, "%"PRIu32"\n", generation);
    error = write_file(s->fd, "generation", slice_of(text, size));
    if (!error) {
        *ret = generation;
    }
    return error;
}

int
spool_begin(struct spool *s, uint32_t tenant, uint32_t generation,
            uint64_t number, struct slice file)
{
    struct pending *p = &s->pending[s->n_pending];

    if (file.size > MAX_FILE_SIZE) {
        return EFBIG;
    } else if (s->n_pending >= SPOOL_MAX_PENDING) {
        return ENOBUFS;
    }
    p->dir_fd = open_tenant(s, tenant, true);
    if (p->dir_fd < 0) {
        return -p->dir_fd;
    }
    format_name(p->name, sizeof p->name, generation, number);
    p->fd = -1;
    /* Of a batch that was pushed before, only the last step may be missing. */
    if (faccessat(p->dir_fd, p->name, F_OK, AT_SYMLINK_NOFOLLOW)) {
        p->fd = write_temp(p->dir_fd, p->name, file, p->temp, sizeof p->temp);
        if (p->fd < 0) {
            close(p->dir_fd);
            return -p->fd;
        }
        /* Let the disk begin, so that the syncs to come find less to do. */
        sync_file_range(p->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    }
    s->n_pending++;
    return 0;
}

void
spool_commit(struct spool *s, int errors[])
{
    /* Each step for all batches before the next step: file systems with a
     * journal then commit a few times for the whole group. */
    for (size_t i = 0; i < s->n_pending; i++) {
        struct pending *p = &s->pending[i];
        errors[i] = (p->fd < 0 ? 0
                     : finish_temp(p->dir_fd, p->fd, p->temp, p->name));
    }
    for (size_t i = 0; i < s->n_pending; i++) {
        struct pending *p = &s->pending[i];
        if (!errors[i] && fsync(p->dir_fd)) {
            errors[i] = errno;
        }
        close(p->dir_fd);
    }
    s->n_pending = 0;
}

int
spool_push(struct spool *s, uint32_t tenant, uint32_t generation,
           uint64_t number, struct slice file)
{
    int error = spool_begin(s, tenant, generation, number, file);

    if (!error) {
        spool_commit(s, &error);
    }
    return error;
}

/* Listing. */

static struct tenant *
find_tenant(struct spool *s, uint32_t tenant)
{
    for (size_t i = 0; i < s->n_tenants; i++) {
        if (s->tenants[i].tenant == tenant) {
            return &s->tenants[i];
        }
    }

    struct tenant *tenants = reallocarray(s->tenants, s->n_tenants + 1,
                                          sizeof *tenants);
    if (!tenants) {
        return NULL;
    }
    s->tenants = tenants;
    struct tenant *t = &tenants[s->n_tenants++];
    *t = (struct tenant) { .tenant = tenant };
    return t;
}

static bool
listing_add(struct listing *l, const struct file *f)
{
    if (l->n == l->allocated) {
        size_t allocated = l->allocated ? 2 * l->allocated : 64;
        struct file *files = reallocarray(l->files, allocated, sizeof *files);
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
read_counts(int dir_fd, const char *name, struct file *f)
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
        if (!read_all(fd, header, sizeof header, &n)
            && !seal_read_header(slice_of(header, n), &h)) {
            f->n_lines = h.n_lines;
        }
    }
    close_fd(fd);
    return valid;
}

/* Looks at the directory 'dir_fd', which it takes, and replaces '*l'.  With
 * 'count' each file has its size and lines, those that were in '*l' from
 * there. */
static int
list_directory(int dir_fd, struct listing *l, bool count)
{
    DIR *dir = fdopendir(dir_fd);
    struct listing new = { .n = 0 };
    struct dirent *entry;
    struct file f;
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
            const struct file *known = l->n ? bsearch(
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
find_file(int dir_fd, struct file *f)
{
    char name[NAME_SIZE];
    struct stat st;

    format_name(name, sizeof name, f->generation, f->number);
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
static const struct file *
next_waiting(struct listing *l, int dir_fd, const struct spool_item *after)
{
    size_t low = 0, high = l->n;

    if (after) {
        struct file key = {
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
item_of(uint32_t tenant, const struct file *f)
{
    struct spool_item item = {
        .tenant = tenant,
        .generation = f->generation,
        .number = f->number,
        .size = f->size,
    };
    format_name(item.name, sizeof item.name, f->generation, f->number);
    return item;
}

int
spool_next(struct spool *s, uint32_t tenant, const struct spool_item *after,
           struct spool_item *ret)
{
    struct tenant *t = find_tenant(s, tenant);
    if (!t) {
        return ENOMEM;
    }

    int fd = open_tenant(s, tenant, false);
    if (fd < 0) {
        return -fd;
    }

    /* The files of one look are handed out before the next look: new ones
     * sort behind them. */
    const struct file *f = after ? next_waiting(&t->waiting, fd, after) : NULL;
    int error = 0;
    if (!f) {
        int list_fd = open_directory(fd, ".", false);
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
    struct file f = { .generation = generation, .number = number };
    int fd = open_tenant(s, tenant, false);
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
spool_read(struct spool *s, const struct spool_item *item, uint8_t **ret,
           size_t *ret_size)
{
    struct stat st;
    uint8_t *data = NULL;
    size_t size, n = 0;
    int error = 0;
    int fd = -1;

    int dir_fd = open_tenant(s, item->tenant, false);
    if (dir_fd < 0) {
        return -dir_fd;
    }
    fd = openat(dir_fd, item->name,
                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) {
        error = errno;
        goto out;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > MAX_FILE_SIZE) {
        error = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
        goto out;
    }
    size = st.st_size;
    data = malloc(size ? size : 1);
    error = data ? read_all(fd, data, size, &n) : ENOMEM;
    if (!error) {
        *ret = data;
        *ret_size = n;
        data = NULL;
    }

out:
    free(data);
    close_fd(fd);
    close(dir_fd);
    return error;
}

int
spool_ack(struct spool *s, const struct spool_item *item)
{
    int fd = open_tenant(s, item->tenant, false);
    if (fd < 0) {
        return -fd;
    }

    int error = ((unlinkat(fd, item->name, 0) && errno != ENOENT) || fsync(fd)
                 ? errno : 0);
    close(fd);
    return error;
}

int
spool_quarantine(struct spool *s, const struct spool_item *item)
{
    int fd = open_tenant(s, item->tenant, false);
    if (fd < 0) {
        return -fd;
    }

    /* The new name must last before the old one may go: two syncs. */
    int error = 0;
    int quarantine_fd = open_directory(fd, QUARANTINE, true);
    if (quarantine_fd < 0) {
        error = -quarantine_fd;
    } else if (renameat(fd, item->name, quarantine_fd, item->name)
               || fsync(quarantine_fd) || fsync(fd)) {
        error = errno;
    }
    close_fd(quarantine_fd);
    close(fd);
    return error;
}

int
spool_watch(struct spool *s, uint32_t tenant, int *ret_fd)
{
    /* By its path: inotify takes no descriptor. */
    size_t size = strlen(s->path) + 16;
    char *path = malloc(size);
    int dir_fd = open_tenant(s, tenant, true);
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
            close_fd(fd);
        }
    }
    if (!error) {
        *ret_fd = fd;
    }
    close_fd(dir_fd);
    free(path);
    return error;
}

static void
add_up(const struct listing *l, uint64_t *n_batches, uint64_t *n_lines,
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

    struct tenant *t = find_tenant(s, tenant);
    if (!t) {
        return ENOMEM;
    }
    int fd = open_tenant(s, tenant, false);
    if (fd < 0) {
        error = fd == -ENOENT ? 0 : -fd;
        goto out;
    }
    int list_fd = open_directory(fd, ".", false);
    error = list_fd < 0 ? -list_fd : list_directory(list_fd, &t->counted,
                                                    true);
    if (!error) {
        list_fd = open_directory(fd, QUARANTINE, false);
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
