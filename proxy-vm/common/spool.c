/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool.  See spool.h. */
#include "sluice-config.h"      /* For sync_file_range(). */

#include "spool-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_FILE_SIZE = SEAL_HEADER_SIZE + SEAL_MAX_RAW_SIZE
                    + SEAL_MAX_RAW_SIZE / 128 + 4096,
};

/* Names. */

void
spool_format_name(char *buf, size_t size, uint32_t generation, uint64_t number)
{
    snprintf(buf, size, "%0*"PRIu32"-%0*"PRIu64 BATCH_SUFFIX,
             GENERATION_DIGITS, generation, NUMBER_DIGITS, number);
}

/* Directories. */

/* Makes a directory that belongs to whom 'dir_fd' belongs to: root may make
 * one in which another user's sluice-intake writes. */
static int
make_directory(int dir_fd, const char *name)
{
    struct stat st;

    if (mkdirat(dir_fd, name, 0750)) {
        return errno == EEXIST ? 0 : errno;
    }
    if (!geteuid()
        && (fstat(dir_fd, &st)
            || fchownat(dir_fd, name, st.st_uid, st.st_gid,
                        AT_SYMLINK_NOFOLLOW))) {
        return errno;
    }
    return fsync(dir_fd) ? errno : 0;
}

int
spool_open_directory(int dir_fd, const char *name, bool create)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dir_fd, name, flags);

    if (fd < 0 && errno == ENOENT && create) {
        int error = make_directory(dir_fd, name);
        if (error) {
            return -error;
        }
        fd = openat(dir_fd, name, flags);
    }
    return fd < 0 ? -errno : fd;
}

int
spool_open_tenant(struct spool *s, uint32_t tenant, bool create)
{
    char name[16];

    snprintf(name, sizeof name, "%"PRIu32, tenant);
    return spool_open_directory(s->fd, name, create);
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
        spool_close_fd(s->fd);
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

int
spool_read_all(int fd, uint8_t *buf, size_t size, size_t *ret_n)
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
    int fd = spool_open_directory(s->fd, ".", false);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    uint32_t tenant;

    if (!dir) {
        spool_close_fd(fd);
        return fd < 0 ? -fd : errno;
    }
    while ((entry = readdir(dir))) {
        if (parse_tenant(entry->d_name, &tenant)) {
            int tenant_fd = spool_open_tenant(s, tenant, false);
            if (tenant_fd >= 0) {
                remove_temps(tenant_fd);
            }
        }
    }
    closedir(dir);
    return 0;
}

/* Writes 'content' over the file 'name', which has this size already, so that
 * no space is needed. */
static int
overwrite(int dir_fd, const char *name, struct slice content)
{
    struct stat st;
    int error = 0;

    int fd = openat(dir_fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) {
        error = errno;
    } else if ((size_t) st.st_size != content.size) {
        error = ENOSPC;
    } else {
        error = write_all(fd, content);
        if (!error && fsync(fd)) {
            error = errno;
        }
    }
    spool_close_fd(fd);
    return error;
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
        error = spool_read_all(fd, (uint8_t *) text, sizeof text - 1, &n);
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
    int size = snprintf(text, sizeof text, "%0*"PRIu32"\n",
                        GENERATION_DIGITS, generation);
    error = write_file(s->fd, "generation", slice_of(text, size));
    if (error == ENOSPC || error == EDQUOT) {
        /* A full disk must not keep intake from starting. */
        error = overwrite(s->fd, "generation", slice_of(text, size));
    }
    if (!error) {
        *ret = generation;
    }
    return error;
}

int
spool_begin(struct spool *s, uint32_t tenant, uint32_t generation,
            uint64_t number, struct slice file)
{
    struct spool_pending *p = &s->pending[s->n_pending];

    if (file.size > MAX_FILE_SIZE) {
        return EFBIG;
    } else if (s->n_pending >= SPOOL_MAX_PENDING) {
        return ENOBUFS;
    }
    p->dir_fd = spool_open_tenant(s, tenant, true);
    if (p->dir_fd < 0) {
        return -p->dir_fd;
    }
    spool_format_name(p->name, sizeof p->name, generation, number);
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
        struct spool_pending *p = &s->pending[i];
        errors[i] = (p->fd < 0 ? 0
                     : finish_temp(p->dir_fd, p->fd, p->temp, p->name));
    }
    for (size_t i = 0; i < s->n_pending; i++) {
        struct spool_pending *p = &s->pending[i];
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

int
spool_read(struct spool *s, const struct spool_item *item, uint8_t **ret,
           size_t *ret_size)
{
    struct stat st;
    uint8_t *data = NULL;
    size_t size, n = 0;
    int error = 0;
    int fd = -1;

    int dir_fd = spool_open_tenant(s, item->tenant, false);
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
    error = data ? spool_read_all(fd, data, size, &n) : ENOMEM;
    if (!error) {
        *ret = data;
        *ret_size = n;
        data = NULL;
    }

out:
    free(data);
    spool_close_fd(fd);
    close(dir_fd);
    return error;
}

int
spool_ack(struct spool *s, const struct spool_item *item)
{
    int fd = spool_open_tenant(s, item->tenant, false);
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
    int fd = spool_open_tenant(s, item->tenant, false);
    if (fd < 0) {
        return -fd;
    }

    /* The new name must last before the old one may go: two syncs. */
    int error = 0;
    int quarantine_fd = spool_open_directory(fd, QUARANTINE, true);
    if (quarantine_fd < 0) {
        error = -quarantine_fd;
    } else if (renameat(fd, item->name, quarantine_fd, item->name)
               || fsync(quarantine_fd) || fsync(fd)) {
        error = errno;
    }
    spool_close_fd(quarantine_fd);
    close(fd);
    return error;
}

