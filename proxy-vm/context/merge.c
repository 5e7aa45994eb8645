/* SPDX-License-Identifier: Apache-2.0
 *
 * One record of each VM from what several sources say.  See merge.h. */
#include <config.h>

#include "merge-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

struct merge *
merge_create(void)
{
    struct merge *m = xzalloc(sizeof *m);

    hmap_init(&m->keys);
    hmap_init(&m->addresses);
    return m;
}

static void
entry_destroy(struct entry *e)
{
    for (size_t i = 0; i < e->facts.n_facts; i++) {
        free(CONST_CAST(char *, e->facts.facts[i].key));
        free(CONST_CAST(char *, e->facts.facts[i].value));
    }
    free(CONST_CAST(struct fact *, e->facts.facts));
    free((void *) e->facts.uuids);
    free((void *) e->facts.macs);
    free((void *) e->facts.ips);
    free(CONST_CAST(char *, e->facts.name));
    free(CONST_CAST(uint8_t *, e->facts.vtep));
    free(CONST_CAST(struct vm_port *, e->facts.ports));
    free(e);
}

void
merge_destroy(struct merge *m)
{
    struct key *key;

    if (!m) {
        return;
    }
    HMAP_FOR_EACH_POP (key, node, &m->keys) {
        free(key);
    }
    hmap_destroy(&m->keys);

    struct address *address;
    HMAP_FOR_EACH_POP (address, node, &m->addresses) {
        free(address);
    }
    hmap_destroy(&m->addresses);
    for (size_t i = 0; i < m->n_records; i++) {
        free(m->records[i]->uuids);
        free(m->records[i]->macs);
        free(m->records[i]);
    }
    free(m->records);
    for (size_t i = 0; i < m->n_entries; i++) {
        entry_destroy(m->entries[i]);
    }
    free(m->entries);
    for (size_t i = 0; i < m->n_sources; i++) {
        free(m->sources[i].name);
    }
    free(m->sources);
    free(m);
}

/* Adding. */

void
merge_begin(struct merge *m, const char *source, enum source_rank rank,
            bool is_stale)
{
    ovs_assert(!m->n_sources || m->sources[m->n_sources - 1].rank <= rank);
    if (m->n_sources >= m->allocated_sources) {
        m->sources = x2nrealloc(m->sources, &m->allocated_sources,
                                sizeof *m->sources);
    }
    m->sources[m->n_sources++] = (struct source) {
        .name = xstrdup(source), .rank = rank, .is_stale = is_stale
    };
}

struct merge_sums
merge_sums_of(const struct merge *m, size_t i)
{
    ovs_assert(i < m->n_sources);
    return m->sources[i].sums;
}

static struct key *
find_key(const struct merge *m, const uint8_t *bytes, size_t size)
{
    struct key *key;

    HMAP_FOR_EACH_WITH_HASH (key, node, hash_bytes(bytes, size, size),
                             &m->keys) {
        if (key->size == size && !memcmp(key->bytes, bytes, size)) {
            return key;
        }
    }
    return NULL;
}

/* The count of ambiguous keys of a size. */
static size_t *
count_ambiguous(struct merge *m, size_t size)
{
    return (size == UUID_SIZE || size == HOST_UUID_SIZE
            ? &m->counts.ambiguous_uuids : &m->counts.ambiguous_macs);
}

/* The key that 'e' claims when it names 'bytes', of '*size', which becomes
 * that of the key: 'bytes' itself, or, of a host, in 'buf'. */
static const uint8_t *
claimed_key(const struct entry *e, const uint8_t *bytes, size_t *size,
            uint8_t buf[HOST_UUID_SIZE])
{
    if (!e->facts.vtep) {
        return bytes;
    }
    memcpy(buf, e->facts.vtep, VTEP_SIZE);
    memcpy(buf + VTEP_SIZE, bytes, *size);
    *size += VTEP_SIZE;
    return buf;
}

/* Has 'e' claim what it names. */
static void
claim(struct merge *m, struct entry *e, const uint8_t *named, size_t size)
{
    uint8_t buf[HOST_UUID_SIZE];
    const uint8_t *bytes = claimed_key(e, named, &size, buf);
    enum source_rank rank = m->sources[e->source].rank;
    struct key *key = find_key(m, bytes, size);

    if (!key) {
        key = xzalloc(sizeof *key);
        memcpy(key->bytes, bytes, size);
        key->size = size;
        hmap_insert(&m->keys, &key->node, hash_bytes(bytes, size, size));
    }
    const struct entry *owner = key->owners[rank];
    bool is_stale = m->sources[e->source].is_stale;

    if (!owner) {
        key->owners[rank] = e;
    } else if (m->sources[owner->source].is_stale != is_stale) {
        /* Who is heard of knows better. */
        if (!is_stale) {
            if (key->is_ambiguous[rank]) {
                *count_ambiguous(m, size) -= 1;
            }
            key->is_ambiguous[rank] = false;
            key->owners[rank] = e;
        }
    } else if (key->owners[rank] != e && !key->is_ambiguous[rank]) {
        key->is_ambiguous[rank] = true;
        *count_ambiguous(m, size) += 1;
    }
}

static void *
copy_of(const void *data, size_t size)
{
    return size ? xmemdup(data, size) : NULL;
}

void
merge_add(struct merge *m, const struct vm_facts *facts)
{
    struct entry *e = xzalloc(sizeof *e);
    struct fact *copies = xcalloc(facts->n_facts, sizeof *copies);

    ovs_assert(m->n_sources);
    ovs_assert((m->sources[m->n_sources - 1].rank == RANK_HOST)
               == (facts->vtep != NULL));
    e->source = m->n_sources - 1;
    e->facts = *facts;
    e->facts.n_uuids = MIN(facts->n_uuids, MERGE_MAX_UUIDS);
    e->facts.n_macs = MIN(facts->n_macs, MERGE_MAX_MACS);
    e->facts.uuids = copy_of(facts->uuids, e->facts.n_uuids * UUID_SIZE);
    e->facts.macs = copy_of(facts->macs, e->facts.n_macs * MAC_SIZE);
    e->facts.n_ips = MIN(facts->n_ips, MERGE_MAX_IPS);
    e->facts.ips = copy_of(facts->ips, e->facts.n_ips * IP_SIZE);
    e->facts.name = nullable_xstrdup(facts->name);
    e->facts.vtep = facts->vtep ? xmemdup(facts->vtep, VTEP_SIZE) : NULL;
    e->facts.ports = copy_of(facts->ports,
                             facts->n_ports * sizeof *facts->ports);
    for (size_t i = 0; i < facts->n_facts; i++) {
        copies[i] = facts->facts[i];
        copies[i].key = xstrdup(facts->facts[i].key);
        copies[i].value = xstrdup(facts->facts[i].value);
    }
    e->facts.facts = copies;
    if (e->facts.tenant && m->sources[e->source].rank != RANK_OPERATOR) {
        e->facts.tenant = 0;
        m->counts.refused_tenants++;
    }

    if (m->n_entries >= m->allocated_entries) {
        m->entries = x2nrealloc(m->entries, &m->allocated_entries,
                                sizeof *m->entries);
    }
    m->entries[m->n_entries++] = e;
    for (size_t i = 0; i < e->facts.n_uuids; i++) {
        claim(m, e, e->facts.uuids[i], UUID_SIZE);
    }
    for (size_t i = 0; i < e->facts.n_macs; i++) {
        claim(m, e, e->facts.macs[i], MAC_SIZE);
    }
}

/* Finding out which entries are of one VM. */

/* Returns the key that 'e' claims by naming 'named' if it may have it as far
 * as others of its rank are concerned, else null. */
static struct key *
own_key(const struct merge *m, const struct entry *e, const uint8_t *named,
        size_t size)
{
    uint8_t buf[HOST_UUID_SIZE];
    const uint8_t *bytes = claimed_key(e, named, &size, buf);
    struct key *key = find_key(m, bytes, size);
    enum source_rank rank = m->sources[e->source].rank;

    return key->is_ambiguous[rank] || key->owners[rank] != e ? NULL : key;
}

/* Returns the record of another rank that has what 'e' names, or null if there
 * is none, or 'e' may not name it. */
static struct record *
other_record(const struct merge *m, const struct entry *e,
             const uint8_t *named, size_t size)
{
    const struct key *key = own_key(m, e, named, size);

    if (key && e->facts.vtep) {
        key = find_key(m, named, size);
    }
    return key ? key->record : NULL;
}

/* Returns the one record that has a UUID of 'e' already, or null if there is
 * none, or more than one. */
static struct record *
record_by_uuid(const struct merge *m, const struct entry *e)
{
    struct record *record = NULL;

    for (size_t i = 0; i < e->facts.n_uuids; i++) {
        struct record *other = other_record(m, e, e->facts.uuids[i],
                                            UUID_SIZE);

        if (other && other != record) {
            if (record) {
                return NULL;
            }
            record = other;
        }
    }
    return record;
}

/* The same by MAC address: only if not both have a UUID, which then say that
 * they are two VMs. */
static struct record *
record_by_mac(const struct merge *m, const struct entry *e)
{
    struct record *record = NULL;

    for (size_t i = 0; i < e->facts.n_macs; i++) {
        struct record *other = other_record(m, e, e->facts.macs[i],
                                            MAC_SIZE);

        if (other && other != record) {
            if (record) {
                return NULL;
            }
            record = other;
        }
    }
    return record && record->n_uuids && e->facts.n_uuids ? NULL : record;
}

/* Whether 'record' has an entry of the rank of 'e' already; of a host, of that
 * host. */
static bool
has_rank_of(const struct merge *m, const struct record *record,
            const struct entry *e)
{
    const struct entry *other;

    LIST_FOR_EACH (other, node, &record->entries) {
        if (e->facts.vtep ? other->source == e->source
            : m->sources[other->source].rank == m->sources[e->source].rank) {
            return true;
        }
    }
    return false;
}

static struct record *
new_record(struct merge *m)
{
    struct record *record = xzalloc(sizeof *record);

    ovs_list_init(&record->entries);
    if (m->n_records >= m->allocated_records) {
        m->records = x2nrealloc(m->records, &m->allocated_records,
                                sizeof *m->records);
    }
    m->records[m->n_records++] = record;
    return record;
}

/* Returns true if the record is to have the key from now on. */
static bool
take_key(struct merge *m, struct key *key, struct record *record)
{
    if (!key || key->record == record) {
        return false;
    } else if (key->record) {
        m->counts.contested_keys++;
        return false;
    }
    key->record = record;
    return true;
}

/* Gives the record the keys of 'e' that nobody else has. */
static void
take_keys(struct merge *m, const struct entry *e, struct record *record)
{
    const struct vm_facts *f = &e->facts;

    record->uuids = xrealloc(record->uuids, (record->n_uuids + f->n_uuids)
                             * sizeof *record->uuids);
    for (size_t i = 0; i < f->n_uuids; i++) {
        if (take_key(m, own_key(m, e, f->uuids[i], UUID_SIZE), record)) {
            memcpy(record->uuids[record->n_uuids++], f->uuids[i], UUID_SIZE);
        }
    }
    record->macs = xrealloc(record->macs, (record->n_macs + f->n_macs)
                            * sizeof *record->macs);
    for (size_t i = 0; i < f->n_macs; i++) {
        if (record->n_macs < SNAPSHOT_MAX_MACS
            && take_key(m, own_key(m, e, f->macs[i], MAC_SIZE), record)) {
            memcpy(record->macs[record->n_macs++], f->macs[i], MAC_SIZE);
        }
    }
}

/* Makes 'e' part of 'record', or of a new one if that is null or has another
 * VM of the rank, by another key.  A host brings no keys into what others say:
 * whoever has these would get what they say. */
static void
place_entry(struct merge *m, struct entry *e, struct record *record)
{
    if (!record || has_rank_of(m, record, e)) {
        record = new_record(m);
        record->vtep = e->facts.vtep;
    } else if (e->facts.vtep && record->n_hosts >= MERGE_MAX_HOSTS) {
        m->counts.dropped_values += e->facts.n_facts;
        e->record = record;
        return;
    }
    e->record = record;
    ovs_list_push_back(&record->entries, &e->node);
    if (!e->facts.vtep || record->vtep) {
        take_keys(m, e, record);
    } else {
        record->n_hosts++;
    }
}

/* Places entries 'from' to 'to', all of one source: first those that a UUID
 * places, so that no MAC address comes before it. */
static void
place_entries(struct merge *m, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        struct record *record = record_by_uuid(m, m->entries[i]);
        if (record) {
            place_entry(m, m->entries[i], record);
        }
    }
    for (size_t i = from; i < to; i++) {
        if (!m->entries[i]->record) {
            place_entry(m, m->entries[i], record_by_mac(m, m->entries[i]));
        }
    }
}

void
merge_locate(struct merge *m, const struct shash *vteps)
{
    m->vteps = vteps;
}

void
merge_remember(struct merge *m, const struct snapshot *latest,
               uint64_t now_ns)
{
    m->latest = latest;
    m->now_ns = now_ns;
}

/* Making records. */

struct address *
merge_find_address(const struct merge *m, uint32_t tenant, const uint8_t *ip)
{
    struct address *a;

    HMAP_FOR_EACH_WITH_HASH (a, node, hash_bytes(ip, IP_SIZE, tenant),
                             &m->addresses) {
        if (a->tenant == tenant && !memcmp(a->ip, ip, IP_SIZE)) {
            return a;
        }
    }
    return NULL;
}

/* Finds out whose tenant's VM 'record' is, and which addresses there are its
 * own. */
static void
claim_addresses(struct merge *m, struct record *record)
{
    const struct entry *e;

    LIST_FOR_EACH (e, node, &record->entries) {
        record->tenant = record->tenant ? record->tenant : e->facts.tenant;
    }
    if (!record->tenant || (!record->n_uuids && !record->n_macs)) {
        return;
    }
    LIST_FOR_EACH (e, node, &record->entries) {
        for (size_t i = 0; i < e->facts.n_ips; i++) {
            struct address *a = merge_find_address(m, record->tenant,
                                                   e->facts.ips[i]);
            if (!a) {
                a = xzalloc(sizeof *a);
                a->tenant = record->tenant;
                memcpy(a->ip, e->facts.ips[i], IP_SIZE);
                a->record = record;
                hmap_insert(&m->addresses, &a->node,
                            hash_bytes(a->ip, IP_SIZE, a->tenant));
            } else if (a->record && a->record != record) {
                a->record = NULL;
                m->counts.ambiguous_ips++;
            }
        }
    }
}

char *
merge_finish(struct merge *m, struct snapshot_builder *builder,
             struct merge_counts *ret_counts)
{
    /* Hosts that are not heard of come after those that are. */
    for (int late = 0; late < 2; late++) {
        size_t from = 0, to;

        for (size_t i = 0; i < m->n_sources; i++, from = to) {
            const struct source *source = &m->sources[i];

            for (to = from;
                 to < m->n_entries && m->entries[to]->source == i; to++) {
                continue;
            }
            if (late == (source->rank == RANK_HOST && source->is_stale)) {
                place_entries(m, from, to);
            }
        }
    }
    for (size_t i = 0; i < m->n_records; i++) {
        claim_addresses(m, m->records[i]);
    }
    for (size_t i = 0; i < m->n_records; i++) {
        const struct record *record = m->records[i];

        if (!record->n_uuids && !record->n_macs) {
            m->counts.keyless_vms++;
            continue;
        }
        int error = merge_put_record(m, record, builder);
        if (error) {
            const struct entry *e = CONTAINER_OF(
                ovs_list_front(&record->entries), struct entry, node);
            return xasprintf("%s: VM \"%.100s\" can't be put into the "
                             "snapshot: %s.", m->sources[e->source].name,
                             e->facts.name ? e->facts.name : "",
                             ovs_strerror(error));
        }
    }
    *ret_counts = m->counts;
    return NULL;
}
