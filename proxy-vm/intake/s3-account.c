/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 3, account.  See s3-account.h. */
#include <config.h>

#include "s3-account.h"

#include <ctype.h>
#include <stdlib.h>

#include "hash.h"
#include "util.h"

enum { SETTLE_MS = 1000 };

/* How many sources of one tenant only their MAC tells apart. */
struct mac_count {
    struct hmap_node node;          /* In struct account's 'mac_counts'. */
    uint32_t tenant;
    uint32_t n;
};

struct account {
    struct intake_stats *stats;     /* Borrowed. */
    struct undo *undo;              /* Borrowed. */
    struct hmap mac_counts;         /* Of struct mac_count. */
    struct hmap sources;            /* Of struct source. */
    struct source *by_slot[STATS_MAX_SOURCES];  /* The same. */
    size_t n_slots;                 /* Of stats->sources in use. */
    struct ovs_list gaps;           /* Sources that lost something. */
    long long int announce_due;     /* time_msec(). */

    /* Stands for any source beyond the table's size: it remembers nothing, so
     * its packets go on, with context, but are not accounted by source. */
    struct source overflow;
    struct stats_source overflow_stats;

    struct source tenant;       /* What account_tenant() returned. */
    struct stats_source tenant_stats;
};

bool
sequence_is_new(const struct sequence *s, uint32_t number)
{
    if (!s->started || number > s->highest) {
        return true;
    }
    if (s->highest - number >= SEQUENCE_WINDOW) {
        return false;
    }
    return !(s->seen[number % SEQUENCE_WINDOW / 64]
             & UINT64_C(1) << number % 64);
}

static void
sequence_set(struct sequence *s, uint32_t number, bool seen)
{
    uint64_t bit = UINT64_C(1) << number % 64;
    uint64_t *word = &s->seen[number % SEQUENCE_WINDOW / 64];

    *word = seen ? *word | bit : *word & ~bit;
}

uint32_t
sequence_add(struct sequence *s, uint32_t number)
{
    uint32_t n_new = 0;

    if (number > s->highest) {
        n_new = number - s->highest;
        if (n_new >= SEQUENCE_WINDOW) {
            memset(s->seen, 0, sizeof s->seen);
        } else {
            for (uint32_t i = s->highest + 1; i < number; i++) {
                sequence_set(s, i, false);
            }
        }
        s->highest = number;
    } else if (number <= s->base) {
        /* Sent before the first one that came, and overtaken by it. */
        s->base--;
        n_new = 1;
    }
    sequence_set(s, number, true);
    return n_new;
}

/* Begins epoch 'epoch' after number 'base'. */
static void
sequence_start(struct sequence *s, uint32_t epoch, uint32_t base)
{
    *s = (struct sequence) {
        .started = 1,
        .epoch = epoch,
        .base = base,
        .highest = base,
    };
}

static uint32_t
key_hash(const struct source_key *key)
{
    return hash_bytes(key, sizeof *key, 0);
}

static struct source *
source_insert(struct account *a, const struct source_key *key,
              struct stats_source *stats)
{
    struct source *source = xzalloc_cacheline(sizeof *source);

    source->key = *key;
    source->stats = stats;
    a->by_slot[stats - a->stats->sources] = source;
    ovs_list_init(&source->gap_node);
    hmap_insert(&a->sources, &source->node, key_hash(key));
    return source;
}

/* Returns the count of 'tenant''s sources by MAC. */
static uint32_t *
mac_count(struct account *a, uint32_t tenant)
{
    uint32_t hash = hash_int(tenant, 0);
    struct mac_count *c;

    HMAP_FOR_EACH_WITH_HASH (c, node, hash, &a->mac_counts) {
        if (c->tenant == tenant) {
            return &c->n;
        }
    }
    c = xzalloc(sizeof *c);
    c->tenant = tenant;
    hmap_insert(&a->mac_counts, &c->node, hash);
    return &c->n;
}

/* Takes over a source that an earlier process knew. */
static void
source_restore(struct account *a, struct stats_source *stats)
{
    struct source_key key = {
        .tenant = stats->tenant,
        .ofp_port = stats->ofp_port,
    };
    memcpy(key.vtep, stats->vtep, sizeof key.vtep);
    memcpy(key.vm, stats->vm, sizeof key.vm);
    if (stats->keyed_by_mac) {
        memcpy(key.mac, stats->mac, sizeof key.mac);
        ++*mac_count(a, key.tenant);
    }

    struct source *source = source_insert(a, &key, stats);
    if (stats->lost > stats->announced) {
        ovs_list_push_back(&a->gaps, &source->gap_node);
    }
}

struct account *
account_create(struct intake_stats *stats, struct undo *undo)
{
    struct account *a = xzalloc(sizeof *a);

    a->stats = stats;
    a->undo = undo;
    hmap_init(&a->sources);
    ovs_list_init(&a->gaps);
    hmap_init(&a->mac_counts);
    while (a->n_slots < STATS_MAX_SOURCES
           && stats->sources[a->n_slots].tenant) {
        source_restore(a, &stats->sources[a->n_slots++]);
    }
    return a;
}

void
account_destroy(struct account *a)
{
    if (a) {
        struct source *source;
        struct mac_count *c;

        HMAP_FOR_EACH_POP (source, node, &a->sources) {
            free_cacheline(source);
        }
        hmap_destroy(&a->sources);
        HMAP_FOR_EACH_POP (c, node, &a->mac_counts) {
            free(c);
        }
        hmap_destroy(&a->mac_counts);
        free(a);
    }
}

static struct source_key
key_of(const struct record *rec)
{
    struct source_key key = {
        .tenant = rec->meta.vni,
        .ofp_port = rec->meta.ofp_port,
    };

    memcpy(key.vtep, rec->vtep, sizeof key.vtep);
    if (rec->meta.has & TUNNEL_HAS_VM) {
        memcpy(key.vm, rec->meta.vm, sizeof key.vm);
    } else {
        memcpy(key.mac, rec->inner.src_mac, sizeof key.mac);
    }
    return key;
}

static struct source *
source_find(const struct account *a, const struct source_key *key)
{
    struct source *source;

    HMAP_FOR_EACH_WITH_HASH (source, node, key_hash(key), &a->sources) {
        if (!memcmp(&source->key, key, sizeof *key)) {
            return source;
        }
    }
    return NULL;
}

static struct source *
source_make(struct account *a, const struct record *rec,
            const struct source_key *key)
{
    bool by_mac = !(rec->meta.has & TUNNEL_HAS_VM);

    /* A guest has as many MACs as it likes, but the table is everyone's. */
    if (a->n_slots >= STATS_MAX_SOURCES
        || (by_mac && *mac_count(a, key->tenant) >= STATS_MAX_MAC_SOURCES)) {
        a->overflow = (struct source) { .stats = &a->overflow_stats };
        return &a->overflow;
    }

    struct stats_source *stats = &a->stats->sources[a->n_slots++];
    memcpy(stats->vtep, key->vtep, sizeof stats->vtep);
    memcpy(stats->vm, key->vm, sizeof stats->vm);
    memcpy(stats->mac, rec->inner.src_mac, sizeof rec->inner.src_mac);
    stats->keyed_by_mac = by_mac;
    if (by_mac) {
        ++*mac_count(a, key->tenant);
    }
    stats->ofp_port = key->ofp_port;
    stats->stock = !(rec->meta.has & TUNNEL_HAS_META);
    __atomic_store_n(&stats->tenant, key->tenant, __ATOMIC_RELEASE);
    return source_insert(a, key, stats);
}

/* Returns the sequence that 'epoch' belongs to, or null if it is a new one. */
static struct sequence *
find_epoch(struct stats_source *stats, uint32_t epoch)
{
    return (stats->current.started && stats->current.epoch == epoch
            ? &stats->current
            : stats->previous.started && stats->previous.epoch == epoch
            ? &stats->previous
            : NULL);
}

/* Returns true if 'epoch' is known to be over. */
static bool
is_retired(const struct stats_source *stats, uint32_t epoch)
{
    for (size_t i = 0; i < MIN(stats->n_retired, MAX_PAST_EPOCHS); i++) {
        if (stats->retired[i] == epoch) {
            return true;
        }
    }
    return false;
}

/* Returns true if a packet with the sequence in 'meta' may be taken. */
static bool
is_new(struct stats_source *stats, const struct tunnel_meta *meta)
{
    const struct sequence *s = find_epoch(stats, meta->seq_epoch);

    return (meta->seq_number
            && (s ? sequence_is_new(s, meta->seq_number)
                : !is_retired(stats, meta->seq_epoch)));
}

bool
account_came_before(const struct account *a, const struct record *rec)
{
    if (!(rec->meta.has & TUNNEL_HAS_VM)
        || !(rec->meta.has & TUNNEL_HAS_SEQUENCE)) {
        return false;
    }
    struct source_key key = key_of(rec);
    struct source *source = source_find(a, &key);

    return source && !is_new(source->stats, &rec->meta);
}

enum sluice_drop
account_find(struct account *a, struct record *rec)
{
    struct source_key key = key_of(rec);

    rec->source = source_find(a, &key);
    if (!rec->source) {
        rec->source = source_make(a, rec, &key);
    }
    if (rec->source == &a->overflow
        || !(rec->meta.has & TUNNEL_HAS_SEQUENCE)) {
        return SLUICE_DROP_NONE;
    }

    return (is_new(rec->source->stats, &rec->meta)
            ? SLUICE_DROP_NONE : SLUICE_DROP_SEQUENCE_REPLAYED);
}

/* Remembers when numbers went missing before packet 'number'. */
static void
note_hole(struct source *source, const struct sequence *s,
          const struct record *rec)
{
    uint32_t number = rec->meta.seq_number;

    if (number > s->highest + 1) {
        source->gap_from_ns = (source->gap_from_ns ? source->gap_from_ns
                               : source->latest_ns);
        source->gap_to_ns = rec->switch_ns;
    } else if (number < s->highest && number > s->base) {
        source->n_late++;
    }
}

/* Notes what adding 'number' to 's' will change. */
static void
save_sequence(struct account *a, const struct sequence *s, uint32_t number)
{
    undo_save_all(a->undo, s, offsetof(struct sequence, seen));
    if (number > s->highest && number - s->highest > 64) {
        undo_save_all(a->undo, s->seen, sizeof s->seen);
    } else {
        /* What lies between two numbers so near is in one word or two. */
        undo_save(a->undo, &s->seen[(s->highest + 1) % SEQUENCE_WINDOW / 64]);
        undo_save(a->undo, &s->seen[number % SEQUENCE_WINDOW / 64]);
    }
}

/* Begins the sequence of a packet of an epoch that is new. */
static struct sequence *
begin_epoch(struct account *a, struct stats_source *stats,
            const struct tunnel_meta *meta)
{
    /* A source that this proxy never heard of may have been sending for long,
     * to nobody or to another: that is no loss of ours to report.  One that
     * restarts its counter is followed from its first number. */
    bool known = stats->current.started;
    uint32_t base = known ? 0 : meta->seq_number - 1;

    undo_save_all(a->undo, &stats->current, sizeof stats->current);
    undo_save_all(a->undo, &stats->previous, sizeof stats->previous);
    if (stats->previous.started) {
        undo_save_all(a->undo, stats->retired, sizeof stats->retired);
        stats->retired[stats->n_retired % MAX_PAST_EPOCHS]
            = stats->previous.epoch;
        undo_add(a->undo, &stats->n_retired, 1);
    }
    stats->previous = stats->current;
    sequence_start(&stats->current, meta->seq_epoch, base);
    undo_add(a->undo, &stats->before, base);
    return &stats->current;
}

static void
count_sequence(struct account *a, struct source *source,
               const struct record *rec)
{
    const struct tunnel_meta *meta = &rec->meta;
    struct stats_source *stats = source->stats;
    struct sequence *s = find_epoch(stats, meta->seq_epoch);

    if (!s) {
        s = begin_epoch(a, stats, meta);
    }

    note_hole(source, s, rec);
    source->latest_ns = rec->switch_ns;
    save_sequence(a, s, meta->seq_number);
    uint32_t base = s->base;
    undo_add(a->undo, &stats->sent, sequence_add(s, meta->seq_number));
    undo_set(a->undo, &stats->before,
             stats->before + (s->base - (uint64_t) base));
    undo_set(a->undo, &stats->seq_epoch, stats->current.epoch);
    undo_set(a->undo, &stats->seq_highest, stats->current.highest);
}

static void
remember_claimed_host(struct stats_source *stats, struct slice hostname)
{
    size_t n = MIN(hostname.size, sizeof stats->claimed_host - 1);

    if (n && (memcmp(stats->claimed_host, hostname.data, n)
              || stats->claimed_host[n])) {
        memcpy(stats->claimed_host, hostname.data, n);
        stats->claimed_host[n] = '\0';
    }
}

/* Decides whether the host that a message claims is the VM's name: the same
 * but for case, or one is the other with a domain behind it. */
static bool
is_same_host(struct slice claimed, const char *name)
{
    size_t i = 0;

    while (i < claimed.size && name[i]
           && tolower(claimed.data[i]) == tolower((uint8_t) name[i])) {
        i++;
    }
    return ((i == claimed.size && (!name[i] || name[i] == '.'))
            || (i && i < claimed.size && !name[i] && claimed.data[i] == '.'));
}

/* Holds the host that a line claims against what is known. */
static void
count_claimed_host(struct account *a, struct stats_source *stats,
                   struct slice hostname)
{
    remember_claimed_host(stats, hostname);
    if (hostname.size && stats->vm_name[0]
        && !is_same_host(hostname, stats->vm_name)) {
        undo_add(a->undo, &stats->host_mismatches, 1);
    }
}

void
account_commit(struct account *a, const struct record *rec,
               enum sluice_drop drop)
{
    if (rec->source == &a->overflow) {
        undo_add(a->undo, &a->stats->counters[INTAKE_SOURCES_OVERFLOW], 1);
        return;
    }

    struct stats_source *stats = rec->source->stats;
    if (drop == SLUICE_DROP_SEQUENCE_REPLAYED) {
        undo_add(a->undo, &stats->replayed, 1);
        return;
    }
    undo_add(a->undo, &stats->received, 1);
    if (rec->meta.has & TUNNEL_HAS_SEQUENCE) {
        count_sequence(a, rec->source, rec);
        undo_set(a->undo, &stats->lost, (stats->sent > stats->received
                                         ? stats->sent - stats->received
                                         : 0));
        if (stats->lost > stats->announced
            && ovs_list_is_empty(&rec->source->gap_node)) {
            ovs_list_push_back(&a->gaps, &rec->source->gap_node);
        }
    }
    undo_add(a->undo, &stats->dropped, drop != SLUICE_DROP_NONE);
    undo_add(a->undo, &stats->bytes, rec->inner.payload.size);
    stats_set(&stats->last_ns, rec->received_ns);
    if (!drop) {
        undo_add(a->undo, &stats->redactions, rec->text.n_redactions);
        memcpy(stats->mac, rec->inner.src_mac, sizeof rec->inner.src_mac);
        count_claimed_host(a, stats, rec->msg.hostname);
    }
}

/* Returns how many packets of 'source' are missing for good and not announced,
 * and begins the next look. */
static uint64_t
settle(struct source *source, bool at_once)
{
    const struct stats_source *stats = source->stats;
    uint64_t unsettled = at_once ? stats->lost : source->unsettled;
    uint64_t missing = unsettled - MIN(unsettled,
                                       at_once ? 0 : source->n_late);

    source->unsettled = stats->lost;
    source->n_late = 0;
    return missing - MIN(missing, stats->announced);
}

void
account_announce(struct account *a, long long int now,
                 void (*announce)(struct source *, const struct gap *,
                                  void *aux), void *aux)
{
    struct source *source;

    if (now < a->announce_due || ovs_list_is_empty(&a->gaps)) {
        return;
    }
    a->announce_due = now == INT64_MAX ? 0 : now + SETTLE_MS;
    LIST_FOR_EACH_SAFE (source, gap_node, &a->gaps) {
        struct gap gap = {
            .reason = GAP_LOST,
            .packets = settle(source, now == INT64_MAX),
            .from_ns = source->gap_from_ns,
            .to_ns = source->gap_to_ns,
        };
        if (gap.packets) {
            announce(source, &gap, aux);
        }
        if (source->stats->lost <= source->stats->announced) {
            ovs_list_remove(&source->gap_node);
            ovs_list_init(&source->gap_node);
            source->gap_from_ns = 0;
            source->gap_to_ns = 0;
            source->unsettled = 0;
        }
    }
}

void
account_announced(struct account *a, struct source *source, uint64_t n_packets)
{
    undo_add(a->undo, &source->stats->announced, n_packets);
}

struct source *
account_source(struct account *a, uint32_t slot)
{
    return slot < a->n_slots ? a->by_slot[slot] : NULL;
}

struct source *
account_tenant(struct account *a, uint32_t tenant)
{
    a->tenant_stats = (struct stats_source) { .keyed_by_mac = 1 };
    a->tenant = (struct source) {
        .key.tenant = tenant,
        .stats = &a->tenant_stats,
    };
    return &a->tenant;
}

bool
account_keeps(const struct account *a, const struct source *source)
{
    return source != &a->overflow;
}

uint32_t
account_slot(const struct account *a, const struct source *source)
{
    return source->stats - a->stats->sources;
}

void
account_fill(const struct source *source, uint64_t now_ns, struct record *rec)
{
    const struct stats_source *stats = source->stats;

    *rec = (struct record) {
        .received_ns = now_ns,
        .switch_ns = now_ns,
        .meta = {
            .has = (stats->stock ? 0 : TUNNEL_HAS_META)
                   | (stats->keyed_by_mac ? 0 : TUNNEL_HAS_VM),
            .vni = source->key.tenant,
            .ofp_port = source->key.ofp_port,
        },
        .source = CONST_CAST(struct source *, source),
    };
    memcpy(rec->vtep, source->key.vtep, sizeof rec->vtep);
    memcpy(rec->meta.vm, source->key.vm, sizeof rec->meta.vm);
    memcpy(rec->inner.src_mac, stats->mac, sizeof rec->inner.src_mac);
}
