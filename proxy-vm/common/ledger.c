/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger as a message.  See ledger.h. */
#include <config.h>

#include "ledger.h"

#include <stdlib.h>

#include "util.h"

enum { BLOCK_SIZE = 256 * 1024 };

const enum ship_counter queue_exits[QUEUE_N_EXITS] = {
#define EXIT(SYMBOL) SHIP_##SYMBOL,
#include "queue-exits.def"
#undef EXIT
};

struct block {
    struct block *next;
    size_t used, size;
    uint8_t bytes[] __attribute__((aligned(16)));
};

struct ledger_draft {
    Sluice__Ledger ledger;
    struct block *blocks;       /* What the message consists of. */
};

/* Returns 'size' bytes that live as long as 'd'. */
static void *
take(struct ledger_draft *d, size_t size)
{
    size = ROUND_UP(size, 16);
    if (!d->blocks || d->blocks->size - d->blocks->used < size) {
        size_t block_size = MAX(size, BLOCK_SIZE);
        struct block *block = xmalloc(sizeof *block + block_size);
        *block = (struct block) { .next = d->blocks, .size = block_size };
        d->blocks = block;
    }
    void *p = d->blocks->bytes + d->blocks->used;
    d->blocks->used += size;
    return p;
}

struct ledger_draft *
ledger_draft_create(void)
{
    struct ledger_draft *d = xzalloc(sizeof *d);

    sluice__ledger__init(&d->ledger);
    return d;
}

void
ledger_draft_destroy(struct ledger_draft *d)
{
    if (d) {
        struct block *next;

        for (struct block *b = d->blocks; b; b = next) {
            next = b->next;
            free(b);
        }
        free(d->ledger.queues);
        free(d);
    }
}

uint8_t *
ledger_draft_pack(const struct ledger_draft *d, size_t *ret_size)
{
    *ret_size = sluice__ledger__get_packed_size(&d->ledger);
    uint8_t *packed = xmalloc(*ret_size + 1);
    sluice__ledger__pack(&d->ledger, packed);
    return packed;
}

/* Appends a figure to the list of '*n' figures, unless it is 0. */
static void
add_figure(struct ledger_draft *d, Sluice__LedgerFigure **list, size_t *n,
           const char *name, uint64_t value)
{
    if (value) {
        Sluice__LedgerFigure *f = take(d, sizeof *f);
        sluice__ledger_figure__init(f);
        f->name = CONST_CAST(char *, name);
        f->value = value;
        list[(*n)++] = f;
    }
}

static Sluice__LedgerFigure **
put_counters(struct ledger_draft *d, const struct counter_info *infos,
             const uint64_t *values, size_t n, size_t *ret_n)
{
    Sluice__LedgerFigure **list = take(d, n * sizeof *list);

    *ret_n = 0;
    for (size_t i = 0; i < n; i++) {
        add_figure(d, list, ret_n, infos[i].name, stats_get(&values[i]));
    }
    return list;
}

static void
put_drops(struct ledger_draft *d, const uint64_t *drops,
          Sluice__LedgerTenant *t)
{
    t->drops = take(d, SLUICE_N_DROPS * sizeof *t->drops);
    for (int i = SLUICE_DROP_NONE + 1; i < SLUICE_N_DROPS; i++) {
        add_figure(d, t->drops, &t->n_drops, sluice_drop_name(i),
                   stats_get(&drops[i]));
    }
}

/* Copies a tenant's slot such that 'spooled' and the newest batch in it belong
 * together.  Gives up on a writer that died within a change. */
static void
copy_tenant(const struct stats_tenant *from, struct stats_tenant *to)
{
    for (int i = 0; i < 1000; i++) {
        uint64_t before = __atomic_load_n(&from->changes, __ATOMIC_ACQUIRE);
        *to = *from;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (!(before & 1) && stats_get(&from->changes) == before) {
            return;
        }
    }
}

static void
put_tenant(struct ledger_draft *d, const struct stats_tenant *live)
{
    Sluice__LedgerTenant *t = take(d, sizeof *t);
    struct stats_tenant s;

    copy_tenant(live, &s);
    sluice__ledger_tenant__init(t);
    t->tenant = s.tenant;
    t->counters = put_counters(d, tenant_counters, s.counters,
                               N_TENANT_COUNTERS, &t->n_counters);
    put_drops(d, s.drops, t);
    t->latest_generation = s.latest_generation;
    t->latest_number = s.latest_number;
    t->cut_lines = s.cut_lines;
    t->cut_from_ns = s.cut_from_ns;
    t->cut_to_ns = s.cut_to_ns;
    d->ledger.tenants[d->ledger.n_tenants++] = t;
}

static ProtobufCBinaryData
put_bytes(struct ledger_draft *d, const void *p, size_t size)
{
    ProtobufCBinaryData data = { .len = size, .data = take(d, size) };

    memcpy(data.data, p, size);
    return data;
}

static void
add_sequence(struct ledger_draft *d, const struct sequence *s,
             Sluice__LedgerSource *source)
{
    if (s->started) {
        Sluice__LedgerSequence *sequence = take(d, sizeof *sequence);
        sluice__ledger_sequence__init(sequence);
        sequence->epoch = s->epoch;
        sequence->before = s->base;
        sequence->highest = s->highest;
        source->sequences[source->n_sequences++] = sequence;
    }
}

static void
put_sequences(struct ledger_draft *d, const struct stats_source *s,
              Sluice__LedgerSource *source)
{
    source->sequences = take(d, 2 * sizeof *source->sequences);
    add_sequence(d, &s->current, source);
    add_sequence(d, &s->previous, source);
    /* The latest last, since the first is what is overwritten next. */
    uint64_t n = MIN(s->n_retired, MAX_PAST_EPOCHS);
    source->retired = take(d, MAX_PAST_EPOCHS * sizeof *source->retired);
    for (uint64_t i = s->n_retired - n; i < s->n_retired; i++) {
        source->retired[source->n_retired++]
            = s->retired[i % MAX_PAST_EPOCHS];
    }
}

static void
put_source(struct ledger_draft *d, const struct stats_source *s)
{
    Sluice__LedgerSource *source = take(d, sizeof *source);

    sluice__ledger_source__init(source);
    source->tenant = s->tenant;
    source->vtep = put_bytes(d, s->vtep, sizeof s->vtep);
    if (!is_all_zeros(s->vm, sizeof s->vm)) {
        source->vm = put_bytes(d, s->vm, sizeof s->vm);
    }
    source->mac = put_bytes(d, s->mac, 6);
    source->ofp_port = s->ofp_port;
    source->stock = s->stock;
    source->keyed_by_mac = s->keyed_by_mac;
    put_sequences(d, s, source);
    source->before = s->before;
    source->sent = s->sent;
    source->received = s->received;
    source->dropped = s->dropped;
    source->announced = s->announced;
    source->replayed = s->replayed;
    source->bytes = s->bytes;
    source->redactions = s->redactions;
    source->tls_streams = s->tls_streams;
    source->last_ns = s->last_ns;
    source->host_mismatches = s->host_mismatches;
    source->vm_name = put_bytes(d, s->vm_name,
                                strnlen(s->vm_name, sizeof s->vm_name));
    source->claimed_host = put_bytes(
        d, s->claimed_host, strnlen(s->claimed_host, sizeof s->claimed_host));
    d->ledger.sources[d->ledger.n_sources++] = source;
}

void
ledger_put_intake(struct ledger_draft *d, const struct intake_stats *stats)
{
    Sluice__LedgerTenant *all = take(d, sizeof *all);
    size_t n = 0;

    d->ledger.tenants = take(d, (STATS_MAX_TENANTS + 1)
                             * sizeof *d->ledger.tenants);
    sluice__ledger_tenant__init(all);
    all->counters = put_counters(d, intake_counters, stats->counters,
                                 N_INTAKE_COUNTERS, &all->n_counters);
    put_drops(d, stats->drops, all);
    d->ledger.tenants[d->ledger.n_tenants++] = all;
    for (size_t i = 0; i < STATS_MAX_TENANTS; i++) {
        if (stats->tenants[i].tenant) {
            put_tenant(d, &stats->tenants[i]);
        }
    }

    while (n < STATS_MAX_SOURCES && stats->sources[n].tenant) {
        n++;
    }
    d->ledger.sources = take(d, n * sizeof *d->ledger.sources);
    for (size_t i = 0; i < n; i++) {
        put_source(d, &stats->sources[i]);
    }
}

void
ledger_put_queue(struct ledger_draft *d, const char *queue,
                 const struct ship_stats *s)
{
    Sluice__Ledger *ledger = &d->ledger;
    Sluice__LedgerQueue *q = take(d, sizeof *q);
    size_t size = strlen(queue) + 1;
    uint64_t counters[N_SHIP_COUNTERS];

    memcpy(counters, s->counters, sizeof counters);
    for (size_t i = 0; i < QUEUE_N_EXITS; i++) {
        /* The ledger is for after a power cut.  What sluiced drops it syncs
         * before it counts it. */
        if (queue_exits[i] != SHIP_BY_COMMAND) {
            counters[queue_exits[i]] = s->lasting[queue_exits[i]];
        }
    }
    sluice__ledger_queue__init(q);
    q->tenant = s->tenant;
    q->queue = memcpy(take(d, size), queue, size);
    q->counters = put_counters(d, ship_counters, counters, N_SHIP_COUNTERS,
                               &q->n_counters);
    q->before = s->before;
    q->any_sent = s->journal.any_sent;
    q->sent_generation = s->journal.sent_generation;
    q->sent_number = s->journal.sent_number;
    ledger->queues = xrealloc(ledger->queues, (ledger->n_queues + 1)
                              * sizeof *ledger->queues);
    ledger->queues[ledger->n_queues++] = q;
}

/* The way back. */

static void
get_counters(Sluice__LedgerFigure *const *figures, size_t n_figures,
             const struct counter_info *infos, uint64_t *values, size_t n)
{
    for (size_t i = 0; i < n_figures; i++) {
        for (size_t j = 0; j < n; j++) {
            if (!strcmp(figures[i]->name, infos[j].name)) {
                values[j] = figures[i]->value;
            }
        }
    }
}

static void
get_drops(const Sluice__LedgerTenant *t, uint64_t *drops)
{
    for (size_t i = 0; i < t->n_drops; i++) {
        for (int j = SLUICE_DROP_NONE + 1; j < SLUICE_N_DROPS; j++) {
            if (!strcmp(t->drops[i]->name, sluice_drop_name(j))) {
                drops[j] = t->drops[i]->value;
            }
        }
    }
}

static void
get_bytes(ProtobufCBinaryData data, void *p, size_t size)
{
    if (data.len) {             /* Else 'data.data' may be null. */
        memcpy(p, data.data, MIN(data.len, size));
    }
}

/* Which numbers of the window had come is not known: none comes again. */
static void
get_sequence(const Sluice__LedgerSequence *sequence, struct sequence *s)
{
    *s = (struct sequence) {
        .started = 1,
        .epoch = sequence->epoch,
        .base = sequence->before,
        .highest = sequence->highest,
    };
    memset(s->seen, 0xff, sizeof s->seen);
}

static void
get_source(const Sluice__LedgerSource *source, struct stats_source *s)
{
    get_bytes(source->vtep, s->vtep, sizeof s->vtep);
    get_bytes(source->vm, s->vm, sizeof s->vm);
    get_bytes(source->mac, s->mac, 6);
    s->ofp_port = source->ofp_port;
    s->stock = source->stock;
    s->keyed_by_mac = source->keyed_by_mac;
    if (source->n_sequences) {
        get_sequence(source->sequences[0], &s->current);
        s->seq_epoch = s->current.epoch;
        s->seq_highest = s->current.highest;
    }
    if (source->n_sequences > 1) {
        get_sequence(source->sequences[1], &s->previous);
    }
    for (size_t i = 0; i < source->n_retired; i++) {
        s->retired[s->n_retired++ % MAX_PAST_EPOCHS] = source->retired[i];
    }
    s->before = source->before;
    s->sent = source->sent;
    s->received = source->received;
    s->lost = (source->n_sequences && s->sent > s->received
               ? s->sent - s->received : 0);
    s->dropped = source->dropped;
    s->announced = source->announced;
    s->replayed = source->replayed;
    s->bytes = source->bytes;
    s->redactions = source->redactions;
    s->tls_streams = source->tls_streams;
    s->last_ns = source->last_ns;
    s->host_mismatches = source->host_mismatches;
    get_bytes(source->vm_name, s->vm_name, sizeof s->vm_name - 1);
    get_bytes(source->claimed_host, s->claimed_host,
              sizeof s->claimed_host - 1);
    s->tenant = source->tenant;
}

static void
get_tenant(const Sluice__LedgerTenant *tenant, struct stats_tenant *t)
{
    get_counters(tenant->counters, tenant->n_counters, tenant_counters,
                 t->counters, N_TENANT_COUNTERS);
    get_drops(tenant, t->drops);
    t->latest_generation = tenant->latest_generation;
    t->latest_number = tenant->latest_number;
    t->cut_lines = tenant->cut_lines;
    t->cut_from_ns = tenant->cut_from_ns;
    t->cut_to_ns = tenant->cut_to_ns;
}

void
ledger_get_intake(const Sluice__Ledger *ledger, struct intake_stats *stats)
{
    size_t n = 0;

    for (size_t i = 0; i < ledger->n_tenants; i++) {
        const Sluice__LedgerTenant *tenant = ledger->tenants[i];
        if (tenant->tenant) {
            struct stats_tenant *t = intake_stats_tenant(stats,
                                                         tenant->tenant);
            if (t) {
                get_tenant(tenant, t);
            }
        } else {
            get_counters(tenant->counters, tenant->n_counters,
                         intake_counters, stats->counters,
                         N_INTAKE_COUNTERS);
            get_drops(tenant, stats->drops);
        }
    }
    for (size_t i = 0; i < ledger->n_sources && n < STATS_MAX_SOURCES; i++) {
        if (ledger->sources[i]->tenant) {
            get_source(ledger->sources[i], &stats->sources[n++]);
        }
    }
}

void
ledger_get_queue(const Sluice__LedgerQueue *queue, struct ship_stats *s)
{
    get_counters(queue->counters, queue->n_counters, ship_counters,
                 s->counters, N_SHIP_COUNTERS);
    memcpy(s->lasting, s->counters, sizeof s->lasting);
    s->before = queue->before;
    s->journal.sent_generation = queue->sent_generation;
    s->journal.sent_number = queue->sent_number;
    s->journal.any_sent = queue->any_sent;
    s->journal.earlier_generation = queue->sent_generation;
    s->journal.earlier_number = queue->sent_number;
    s->journal.any_earlier = queue->any_sent;
}

uint64_t
ship_stats_exits(const struct ship_stats *s)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < QUEUE_N_EXITS; i++) {
        sum += stats_get(&s->counters[queue_exits[i]]);
    }
    return sum;
}
