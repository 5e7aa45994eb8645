/* SPDX-License-Identifier: Apache-2.0
 *
 * The context snapshot: searches it.  See context-snapshot.h.
 *
 * In: a snapshot's file, nothing in it trusted.  Out: the record of a key.
 * Runs in: sluice-intake; sluice-context, which reads what it wrote. */
#include "snapshot-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cursor.h"

static bool
read_table(const struct snapshot *s, struct cursor *header,
           enum key_kind kind, struct table_view *t)
{
    t->offset = cursor_be(header, 8);
    uint64_t n_slots = cursor_be(header, 8);

    t->is_empty = !n_slots;
    t->mask = n_slots - 1;
    /* Writers before there were hosts have zeros here. */
    if (kind == KEY_HOST && !t->offset && t->is_empty) {
        return true;
    }
    return (t->offset >= HEADER_SIZE
            && !(n_slots & (n_slots - 1))
            && n_slots <= s->file.size / slot_size(kind)
            && snapshot_bytes_at(s, t->offset, n_slots * slot_size(kind)));
}

static bool
read_header(struct snapshot *s)
{
    struct cursor c = cursor_of(s->file);

    bool ok = slice_equal(cursor_take(&c, MAGIC_SIZE),
                          slice_of(SNAPSHOT_MAGIC, MAGIC_SIZE));
    s->generation = cursor_be(&c, 8);
    ok = cursor_be(&c, 8) == s->file.size && ok;
    s->n_records = cursor_be(&c, 4);
    s->n_earlier = cursor_be(&c, 4);
    cursor_copy(&c, s->hash_key, sizeof s->hash_key);
    s->history_offset = cursor_be(&c, 8);
    ok = (s->history_offset >= HEADER_SIZE
          && s->history_offset <= s->file.size && ok);
    for (int kind = 0; kind < N_KEY_KINDS; kind++) {
        ok = read_table(s, &c, kind, &s->tables[kind]) && ok;
    }
    return ok && !c.failed;
}

int
snapshot_from_bytes(struct slice bytes, struct snapshot **ret)
{
    struct snapshot *s = calloc(1, sizeof *s);
    if (!s) {
        return ENOMEM;
    }

    s->file = bytes;
    if (!read_header(s)) {
        free(s);
        return EINVAL;
    }
    *ret = s;
    return 0;
}

int
snapshot_open(const char *path, struct snapshot **ret)
{
    /* O_NONBLOCK: opening a FIFO must not hang. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return errno;
    }

    int error = 0;
    struct stat st;
    if (fstat(fd, &st)) {
        error = errno;
        goto out;
    }
    if (!S_ISREG(st.st_mode) || st.st_size < HEADER_SIZE) {
        error = EINVAL;
        goto out;
    }

    void *map = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        error = errno;
        goto out;
    }
    struct snapshot *s;
    error = snapshot_from_bytes(slice_of(map, st.st_size), &s);
    if (error) {
        munmap(map, st.st_size);
        goto out;
    }
    s->is_mapped = true;
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    *ret = s;

out:
    close(fd);
    return error;
}

void
snapshot_close(struct snapshot *s)
{
    if (s) {
        if (s->is_mapped) {
            munmap((void *) s->file.data, s->file.size);
        }
        free(s);
    }
}

bool
snapshot_is_stale(const struct snapshot *s, const char *path)
{
    struct stat st;

    /* As long as 's' is mapped, no other file can have its inode number. */
    return (!stat(path, &st)
            && (!s || st.st_dev != s->dev || st.st_ino != s->ino));
}

uint64_t
snapshot_generation(const struct snapshot *s)
{
    return s->generation;
}

size_t
snapshot_n_vms(const struct snapshot *s)
{
    return s->n_records;
}

size_t
snapshot_n_earlier(const struct snapshot *s)
{
    return s->n_earlier;
}

bool
snapshot_next(const struct snapshot *s, uint64_t *position, struct slice *ret)
{
    uint64_t offset = *position ? *position : HEADER_SIZE;

    if (offset >= s->history_offset
        || !snapshot_record_at(s, offset, ret)) {
        return false;
    }
    *position = (offset + RECORD_HEADER_SIZE + ret->size + UNIT - 1)
                / UNIT * UNIT;
    return true;
}

/* Finds the span of 'key' that is the latest.  'kind' is a constant wherever
 * this is called, so that the compiler can make one search of each. */
static inline bool
find(const struct snapshot *s, enum key_kind kind, const uint8_t *key,
     struct span *ret)
{
    const struct table_view *t = &s->tables[kind];

    if (t->is_empty) {
        return false;
    }

    uint64_t start = snapshot_hash(s->hash_key, key, key_size(kind));
    for (size_t i = 0; i < SNAPSHOT_MAX_PROBES; i++) {
        const uint8_t *slot = snapshot_bytes_at(
            s, t->offset + ((start + i) & t->mask) * slot_size(kind),
            slot_size(kind));

        if (!slot) {
            return false;
        }
        *ret = slot_span(slot, kind);
        if (span_is_free(ret)) {
            return false;
        }
        if (!memcmp(slot, key, key_size(kind))) {
            return true;
        }
    }
    return false;
}

/* Finds what 'key' had at 'at_ns'. */
static inline bool
find_at(const struct snapshot *s, enum key_kind kind, const uint8_t *key,
        uint64_t at_ns, struct snapshot_found *ret)
{
    uint64_t until_ns = UINT64_MAX;
    struct span span;

    *ret = (struct snapshot_found) { .until_ns = UINT64_MAX };
    if (!find(s, kind, key, &span)) {
        return false;
    }
    for (size_t i = 0; at_ns < span.from_ns; i++) {
        until_ns = span.from_ns < until_ns ? span.from_ns : until_ns;
        if (!span.earlier || i >= SNAPSHOT_MAX_VERSIONS
            || !snapshot_span_at(s, span.earlier, &span)) {
            ret->until_ns = until_ns;
            return false;
        }
    }
    ret->from_ns = span.from_ns;
    ret->until_ns = until_ns;
    return (span.record
            && snapshot_record_at(s, (uint64_t) span.record * UNIT,
                                  &ret->record));
}

bool
snapshot_next_gone(const struct snapshot *s, uint64_t *position,
                   uint64_t at_ns, struct slice *ret_record,
                   struct slice *ret_key)
{
    static const enum key_kind kinds[] = { KEY_VM, KEY_MAC, KEY_HOST };
    uint64_t first = 0;

    /* '*position' counts the slots of the tables, as if they were one. */
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        enum key_kind kind = kinds[i];
        const struct table_view *t = &s->tables[kind];

        while (!t->is_empty && *position >= first
               && *position - first <= t->mask) {
            size_t size = slot_size(kind);
            const uint8_t *slot = snapshot_bytes_at(
                s, t->offset + (*position)++ * size - first * size, size);
            struct snapshot_found found;
            struct span span;

            if (!slot) {
                return false;
            }
            span = slot_span(slot, kind);
            if (!span.record && span.earlier
                && find_at(s, kind, slot, at_ns, &found)) {
                *ret_record = found.record;
                /* Of a host, behind its VTEP. */
                *ret_key = (kind == KEY_HOST ? slice_of(slot + 16, 16)
                            : slice_of(slot, kind == KEY_VM ? 16 : 6));
                return true;
            }
        }
        first += t->is_empty ? 0 : t->mask + 1;
    }
    return false;
}

bool
snapshot_find_vm_at(const struct snapshot *s, const uint8_t vm[16],
                    uint64_t at_ns, struct snapshot_found *ret)
{
    return find_at(s, KEY_VM, vm, at_ns, ret);
}

bool
snapshot_find_mac_at(const struct snapshot *s, const uint8_t mac[6],
                     uint64_t at_ns, struct snapshot_found *ret)
{
    return find_at(s, KEY_MAC, mac, at_ns, ret);
}

bool
snapshot_find_ip_at(const struct snapshot *s, uint32_t tenant,
                    const uint8_t ip[16], uint64_t at_ns,
                    struct snapshot_found *ret)
{
    uint8_t key[20];

    memcpy(put_be32(key, tenant), ip, 16);
    return find_at(s, KEY_IP, key, at_ns, ret);
}

bool
snapshot_find_host_vm_at(const struct snapshot *s, const uint8_t vtep[16],
                         const uint8_t vm[16], uint64_t at_ns,
                         struct snapshot_found *ret)
{
    uint8_t key[SNAPSHOT_HOST_KEY];

    return find_at(s, KEY_HOST, snapshot_host_key(key, vtep, vm, 16), at_ns,
                   ret);
}

bool
snapshot_find_host_mac_at(const struct snapshot *s, const uint8_t vtep[16],
                          const uint8_t mac[6], uint64_t at_ns,
                          struct snapshot_found *ret)
{
    uint8_t key[SNAPSHOT_HOST_KEY];

    return find_at(s, KEY_HOST, snapshot_host_key(key, vtep, mac, 6), at_ns,
                   ret);
}

bool
snapshot_find_first_at(const struct snapshot *s, struct slice vtep,
                       struct slice vm, struct slice mac, uint64_t at_ns,
                       struct snapshot_found *ret)
{
    bool is_host = vtep.size == 16;

    *ret = (struct snapshot_found) { .until_ns = UINT64_MAX };
    return (vm.size == 16
            ? (is_host
               ? snapshot_find_host_vm_at(s, vtep.data, vm.data, at_ns, ret)
               : snapshot_find_vm_at(s, vm.data, at_ns, ret))
            : mac.size == 6
            && (is_host
                ? snapshot_find_host_mac_at(s, vtep.data, mac.data, at_ns, ret)
                : snapshot_find_mac_at(s, mac.data, at_ns, ret)));
}

bool
snapshot_has_ips(const struct snapshot *s)
{
    return !s->tables[KEY_IP].is_empty;
}

bool
snapshot_find_vm(const struct snapshot *s, const uint8_t vm[16],
                 struct slice *ret)
{
    struct snapshot_found found;
    bool ok = find_at(s, KEY_VM, vm, UINT64_MAX, &found);

    if (ok) {
        *ret = found.record;
    }
    return ok;
}

bool
snapshot_find_mac(const struct snapshot *s, const uint8_t mac[6],
                  struct slice *ret)
{
    struct snapshot_found found;
    bool ok = find_at(s, KEY_MAC, mac, UINT64_MAX, &found);

    if (ok) {
        *ret = found.record;
    }
    return ok;
}
