/* SPDX-License-Identifier: Apache-2.0
 *
 * What client rules remember of lines.  See rules-state.h. */
#include "rules-state.h"

#include <stdlib.h>

#include "siphash.h"
#include "syslog-msg.h"

enum {
    N_METER_SETS = 8192,
    METERS_IN_SET = 8,
    N_DUPLICATE_SETS = 1024,
    DUPLICATES_IN_SET = 16,
    N_DUPLICATES = N_DUPLICATE_SETS * DUPLICATES_IN_SET,
    LINE_COST = 1000,           /* Of a token bucket, whose unit is so small
                                 * that a millisecond adds 'rate' of it. */
};

struct meter {
    uint64_t id;                /* 0: free. */
    uint64_t at_ms;             /* Latest use. */
    uint64_t tokens;            /* Of a rate. */
    uint64_t position;          /* In a sample: lines since the last that went
                                 * on. */
};

struct duplicate {
    uint64_t id;                /* 0: free. */
    uint64_t end_ms;            /* Of the window. */
    uint64_t from_ns, to_ns;    /* Of the repeats. */
    uint32_t n;                 /* Repeats that nobody was told of. */
    uint32_t tenant;
    uint32_t owner;
    uint16_t rule;
    uint8_t app_size;
    uint8_t text_size;
};

struct text {
    uint8_t app_name[SYSLOG_MAX_APP_NAME];
    uint8_t text[RULES_REPEATS_TEXT];
};

struct rules_state {
    uint8_t key[RULES_KEY_SIZE];
    struct meter meters[N_METER_SETS][METERS_IN_SET];
    struct duplicate duplicates[N_DUPLICATES];
    struct text texts[N_DUPLICATES];
    size_t n_repeating;         /* Duplicates with repeats. */
    uint64_t next_end_ms;       /* None of those ends before. */
    size_t scanned;             /* Duplicates before this one are not due. */
};

struct rules_state *
rules_state_create(const uint8_t key[RULES_KEY_SIZE])
{
    struct rules_state *s = calloc(1, sizeof *s);

    if (s) {
        memcpy(s->key, key, sizeof s->key);
        s->next_end_ms = UINT64_MAX;
    }
    return s;
}

void
rules_state_destroy(struct rules_state *s)
{
    free(s);
}

uint64_t
rules_state_hash(const struct rules_state *s, uint32_t tenant,
                 struct slice identity)
{
    struct siphash h;
    uint8_t out[SIPHASH_SIZE];

    siphash_init(&h, s->key);
    siphash_update(&h, &tenant, sizeof tenant);
    siphash_update(&h, identity.data, identity.size);
    siphash_final(&h, out);
    return siphash_get(out);
}

/* Returns the meter of 'id', which is 'new' if there was none. */
static struct meter *
find_meter(struct rules_state *s, uint64_t id, bool *new)
{
    struct meter *set = s->meters[id % N_METER_SETS];
    struct meter *oldest = set;

    id |= UINT64_C(1) << 63;    /* Not 0. */
    for (size_t i = 0; i < METERS_IN_SET; i++) {
        if (set[i].id == id) {
            *new = false;
            return &set[i];
        }
        if (set[i].at_ms < oldest->at_ms) {
            oldest = &set[i];
        }
    }
    *oldest = (struct meter) { .id = id };
    *new = true;
    return oldest;
}

bool
rules_state_sample(struct rules_state *s, uint64_t id, uint64_t now_ms,
                   uint32_t one_in)
{
    bool new;
    struct meter *m = find_meter(s, id, &new);
    bool passes = m->position == 0;

    m->at_ms = now_ms;
    m->position = m->position + 1 < one_in ? m->position + 1 : 0;
    return passes;
}

bool
rules_state_rate(struct rules_state *s, uint64_t id, uint64_t now_ms,
                 uint32_t rate, uint32_t burst)
{
    uint64_t cap = (uint64_t) burst * LINE_COST;
    bool new;
    struct meter *m = find_meter(s, id, &new);

    if (new) {
        m->tokens = cap;
    } else if (now_ms > m->at_ms) {
        /* More milliseconds than that fill any bucket. */
        uint64_t elapsed = now_ms - m->at_ms;
        elapsed = elapsed < cap ? elapsed : cap;
        m->tokens += elapsed * rate;
    }
    m->tokens = m->tokens < cap ? m->tokens : cap;
    m->at_ms = now_ms > m->at_ms ? now_ms : m->at_ms;
    if (m->tokens < LINE_COST) {
        return false;
    }
    m->tokens -= LINE_COST;
    return true;
}

/* Copies as much of 's' as has room, but no part of a character of UTF-8.
 * Returns its size. */
static size_t
keep_text(uint8_t *to, size_t room, struct slice s)
{
    size_t n = s.size < room ? s.size : room;

    while (n && n < s.size && (s.data[n] & 0xc0) == 0x80) {
        n--;
    }
    if (n) {
        memcpy(to, s.data, n);
    }
    return n;
}

/* Finds the place of text 'id' among those of who has 'set', or one for it;
 * null if all there have something to tell. */
static struct duplicate *
find_duplicate(struct duplicate *set, uint64_t id)
{
    struct duplicate *oldest = NULL;

    for (size_t i = 0; i < DUPLICATES_IN_SET; i++) {
        if (set[i].id == id) {
            return &set[i];
        }
        if (!set[i].n && (!oldest || set[i].end_ms < oldest->end_ms)) {
            oldest = &set[i];
        }
    }
    return oldest;
}

static void
begin_window(struct rules_state *s, struct duplicate *d, uint64_t id,
             unsigned int rule, const struct rules_line *line,
             uint32_t window_ms)
{
    struct text *text = &s->texts[d - s->duplicates];

    *d = (struct duplicate) {
        .id = id,
        .end_ms = line->now_ms + window_ms,
        .tenant = line->subject->tenant,
        .owner = line->owner,
        .rule = rule,
    };
    d->app_size = keep_text(text->app_name, sizeof text->app_name,
                            line->app_name);
    d->text_size = keep_text(text->text, sizeof text->text, line->msg);
}

bool
rules_state_first(struct rules_state *s, unsigned int rule, uint64_t rule_key,
                  const struct rules_line *line, uint32_t window_ms)
{
    uint64_t subject = line->subject->id;
    const uint64_t head[] = {
        rule_key, subject, line->app_name.size << 8 | (line->pri & 7)
    };
    struct siphash h;
    uint8_t out[SIPHASH_SIZE];

    siphash_init(&h, s->key);
    siphash_update(&h, head, sizeof head);
    siphash_update(&h, line->app_name.data, line->app_name.size);
    siphash_update(&h, line->msg.data, line->msg.size);
    siphash_final(&h, out);
    uint64_t id = siphash_get(out) | UINT64_C(1) << 63;

    /* The set is the VM's, not the text's: so nobody's texts push out those
     * of others, but for who shares a set by chance. */
    struct duplicate *d = find_duplicate(
        &s->duplicates[subject % N_DUPLICATE_SETS * DUPLICATES_IN_SET], id);
    if (!d) {
        return true;
    }
    if (d->id != id || (!d->n && line->now_ms >= d->end_ms)) {
        begin_window(s, d, id, rule, line, window_ms);
        return true;
    }
    if (!d->n++) {
        s->n_repeating++;
        d->from_ns = line->time_ns;
        s->next_end_ms = (d->end_ms < s->next_end_ms ? d->end_ms
                          : s->next_end_ms);
    }
    d->to_ns = line->time_ns;
    return false;
}

static void
get_repeats(const struct rules_state *s, size_t slot,
            struct rules_repeats *ret)
{
    const struct duplicate *d = &s->duplicates[slot];
    const struct text *text = &s->texts[slot];

    *ret = (struct rules_repeats) {
        .slot = slot,
        .rule = d->rule,
        .tenant = d->tenant,
        .owner = d->owner,
        .n = d->n,
        .from_ns = d->from_ns,
        .to_ns = d->to_ns,
        .app_name = slice_of(text->app_name, d->app_size),
        .text = slice_of(text->text, d->text_size),
    };
}

bool
rules_repeats_due(struct rules_state *s, uint64_t now_ms,
                  struct rules_repeats *ret)
{
    if (!s->n_repeating || now_ms < s->next_end_ms) {
        return false;
    }
    for (;;) {
        bool whole = !s->scanned;
        uint64_t next_end_ms = UINT64_MAX;

        for (size_t i = s->scanned; i < N_DUPLICATES; i++) {
            const struct duplicate *d = &s->duplicates[i];

            if (d->n && d->end_ms <= now_ms) {
                s->scanned = i;
                get_repeats(s, i, ret);
                return true;
            } else if (d->n && d->end_ms < next_end_ms) {
                next_end_ms = d->end_ms;
            }
        }
        s->scanned = 0;
        if (whole) {
            s->next_end_ms = next_end_ms;
            return false;
        }
    }
}

void
rules_repeats_told(struct rules_state *s, size_t slot)
{
    struct duplicate *d = &s->duplicates[slot];

    if (d->n) {
        s->n_repeating--;
        *d = (struct duplicate) { .id = 0 };
    }
}

void
rules_repeats_put_off(struct rules_state *s, size_t slot, uint64_t until_ms)
{
    s->duplicates[slot].end_ms = until_ms;
}
