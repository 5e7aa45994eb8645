/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters in shared memory.  See stats.h. */
#include "stats.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATS_MAGIC "SLUSTAT"
#define STATS_VERSION 10

const struct counter_info intake_counters[N_INTAKE_COUNTERS] = {
#define INTAKE(SYMBOL, NAME, KIND, UNIT, TEXT) \
    [INTAKE_##SYMBOL] = { NAME, KIND, UNIT, TEXT },
#include "counters.def"
#undef INTAKE
};

const struct counter_info tenant_counters[N_TENANT_COUNTERS] = {
#define TENANT(SYMBOL, NAME, KIND, UNIT, TEXT) \
    [TENANT_##SYMBOL] = { NAME, KIND, UNIT, TEXT },
#include "counters.def"
#undef TENANT
};

const struct counter_info ship_counters[N_SHIP_COUNTERS] = {
#define SHIP(SYMBOL, NAME, KIND, UNIT, TEXT) \
    [SHIP_##SYMBOL] = { NAME, KIND, UNIT, TEXT },
#include "counters.def"
#undef SHIP
};

const char *
ship_state_name(enum ship_state state)
{
    static const char *const names[] = {
        [SHIP_STATE_IDLE] = "idle",
        [SHIP_STATE_CONNECTING] = "connecting",
        [SHIP_STATE_CONNECTED] = "connected",
        [SHIP_STATE_BACKOFF] = "backoff",
    };
    return state < sizeof names / sizeof *names ? names[state] : "unknown";
}

static bool
header_is_valid(const struct stats_header *header, size_t size)
{
    return (!memcmp(header->magic, STATS_MAGIC, sizeof header->magic)
            && header->version == STATS_VERSION
            && header->size == size);
}

/* Reads from 'offset' on into 'p'.  Returns 0 or a positive errno. */
static int
read_at(int fd, size_t offset, void *p, size_t size)
{
    ssize_t n = pread(fd, p, size, offset);

    return n == (ssize_t) size ? 0 : n < 0 ? errno : EINVAL;
}

/* Reads the slots of sources that are in use, which are the first ones. */
static int
copy_sources(int fd, struct intake_stats *copy)
{
    enum { AT_ONCE = 64 };
    int error = 0;

    for (size_t i = 0; i < STATS_MAX_SOURCES && !error; i += AT_ONCE) {
        struct stats_source *sources = &copy->sources[i];
        error = read_at(fd, (char *) sources - (char *) copy, sources,
                        AT_ONCE * sizeof *sources);
        if (!sources[AT_ONCE - 1].tenant) {
            break;
        }
    }
    return error;
}

/* Reads 'size' bytes of 'fd', of all statistics but for sources that there are
 * not, into memory that munmap() frees. */
static int
copy_file(int fd, size_t size, void **ret)
{
    bool is_intake = size == sizeof(struct intake_stats);
    struct stat st;
    void *copy = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy == MAP_FAILED) {
        return errno;
    }

    int error = (fstat(fd, &st) ? errno
                 : (size_t) st.st_size != size ? EINVAL
                 : read_at(fd, 0, copy, is_intake
                           ? offsetof(struct intake_stats, sources) : size));
    if (!error && !header_is_valid(copy, size)) {
        error = EINVAL;
    }
    if (!error && is_intake) {
        error = copy_sources(fd, copy);
    }
    if (error) {
        munmap(copy, size);
        return error;
    }
    *ret = copy;
    return 0;
}

/* Maps 'size' bytes of the file at 'path', for writing, with 'mode' if it is
 * not there yet; or, if 'mode' is 0, a copy: whoever owns the file could cut it
 * at any time, which would be a SIGBUS for who looks at it. */
static int
map_file(const char *path, size_t size, mode_t mode, void **ret)
{
    int fd = open(path, (mode ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC
                  | O_NOFOLLOW, mode);
    if (fd < 0) {
        return errno;
    }

    int error = 0;
    struct stat st;
    if (fstat(fd, &st)
        || (mode && (size_t) st.st_size != size
            && (ftruncate(fd, 0) || ftruncate(fd, size)))) {
        error = errno;
        goto out;
    }
    if (!mode) {
        error = copy_file(fd, size, ret);
        goto out;
    }

    /* All of its memory now: in a full tmpfs, a write to a page that is not
     * there yet would be a SIGBUS. */
    error = posix_fallocate(fd, 0, size);
    if (error) {
        goto out;
    }
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        error = errno;
        goto out;
    }
    if (!header_is_valid(map, size)) {
        memset(map, 0, size);
        struct stats_header *header = map;
        header->version = STATS_VERSION;
        header->size = size;
        memcpy(header->magic, STATS_MAGIC, sizeof header->magic);
    }
    ((struct stats_header *) map)->pid = getpid();
    *ret = map;

out:
    close(fd);
    return error;
}

int
intake_stats_map(const char *path, struct intake_stats **ret)
{
    /* sluiced writes there, too: see intake_stats_set_by_command(). */
    return map_file(path, sizeof **ret, 0660, (void **) ret);
}

int
ship_stats_map(const char *path, uint32_t tenant, struct ship_stats **ret)
{
    int error = map_file(path, sizeof **ret, 0640, (void **) ret);
    if (!error) {
        stats_set(&(*ret)->tenant, tenant);
    }
    return error;
}

int
intake_stats_map_ro(const char *path, const struct intake_stats **ret)
{
    return map_file(path, sizeof **ret, 0, (void **) ret);
}

int
ship_stats_map_ro(const char *path, const struct ship_stats **ret)
{
    return map_file(path, sizeof **ret, 0, (void **) ret);
}

void
stats_unmap(const void *stats)
{
    if (stats) {
        const struct stats_header *header = stats;
        munmap((void *) stats, header->size);
    }
}

struct stats_tenant *
intake_stats_tenant(struct intake_stats *stats, uint32_t tenant)
{
    for (size_t i = 0; i < STATS_MAX_TENANTS; i++) {
        struct stats_tenant *t = &stats->tenants[i];
        if (t->tenant == tenant) {
            return t;
        }
        if (!t->tenant) {
            stats_set(&t->tenant, tenant);
            return t;
        }
    }
    return NULL;
}

/* Finds out where 'by_command' of 'tenant' is in the statistics of intake that
 * 'fd' is of.  Returns 0 or a positive errno. */
static int
find_by_command(int fd, uint32_t tenant, size_t *ret)
{
    struct stats_header header;
    uint64_t id = tenant;
    int error = read_at(fd, 0, &header, sizeof header);

    if (error || !header_is_valid(&header, sizeof(struct intake_stats))) {
        return error ? error : EINVAL;
    }
    for (size_t i = 0; i < STATS_MAX_TENANTS && id; i++) {
        size_t slot = (offsetof(struct intake_stats, tenants)
                       + i * sizeof(struct stats_tenant));
        error = read_at(fd, slot + offsetof(struct stats_tenant, tenant), &id,
                        sizeof id);
        if (error) {
            return error;
        } else if (id == tenant) {
            *ret = slot + offsetof(struct stats_tenant, by_command);
            return 0;
        }
    }
    return ENOENT;
}

int
intake_stats_set_by_command(const char *path, uint32_t tenant,
                            uint64_t n_lines)
{
    const uint64_t value[2] = { n_lines, ~n_lines };
    size_t offset = 0;

    /* Not by a mapping: see map_file(). */
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno;
    }
    int error = find_by_command(fd, tenant, &offset);
    if (!error) {
        ssize_t n = pwrite(fd, value, sizeof value, offset);
        error = n == sizeof value ? 0 : n < 0 ? errno : EIO;
    }
    close(fd);
    return error;
}
