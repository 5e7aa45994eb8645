/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader's end of the chain of sealed batches.  See chain.h. */
#include "chain.h"

#include <inttypes.h>
#include <stdio.h>

_Static_assert(sizeof(struct chain_stream)
               == 56 + CHAIN_HOLES * 16 + SEAL_DIGEST_SIZE
                  + CHAIN_WINDOW * CHAIN_SHORT_DIGEST,
               "it is written to files as it is");

static const struct {
    const char *name;
    enum chain_deed deed;
    bool fine;
    const char *text;
} verdicts[N_CHAIN_VERDICTS] = {
#define CHAIN_VERDICT(SYMBOL, NAME, DEED, FINE, TEXT)               \
    [CHAIN_##SYMBOL] = { NAME, CHAIN_##DEED, FINE, TEXT },
#include "chain.def"
#undef CHAIN_VERDICT
};

static const uint8_t zeros[SEAL_DIGEST_SIZE];

void
chain_init(struct chain *chain, uint32_t tenant)
{
    memset(chain, 0, sizeof *chain);
    chain->tenant = tenant;
}

const char *
chain_verdict_name(enum chain_verdict verdict)
{
    return verdicts[verdict].name;
}

enum chain_deed
chain_verdict_deed(enum chain_verdict verdict)
{
    return verdicts[verdict].deed;
}

bool
chain_verdict_is_fine(enum chain_verdict verdict)
{
    return verdicts[verdict].fine;
}

void
chain_describe(const struct chain_finding *f, char *buf, size_t size)
{
    uint64_t n = f->missing.end - f->missing.first;

    if (f->verdict == CHAIN_CUT && n == 1) {
        snprintf(buf, size, "batch %"PRIu64" of stream %016"PRIx64" is "
                 "missing before it", f->missing.first, f->stream);
    } else if (f->verdict == CHAIN_CUT && n) {
        snprintf(buf, size, "batches %"PRIu64" to %"PRIu64" of stream "
                 "%016"PRIx64" are missing before it", f->missing.first,
                 f->missing.end - 1, f->stream);
    } else if (f->verdict == CHAIN_NO_END) {
        snprintf(buf, size, "%s: stream %016"PRIx64, verdicts[f->verdict].text,
                 f->stream);
    } else {
        snprintf(buf, size, "%s", verdicts[f->verdict].text);
    }
}

static const struct chain_stream *
find_stream(const struct chain *chain, const struct seal_header *h)
{
    for (int i = 0; i < CHAIN_STREAMS; i++) {
        const struct chain_stream *s = &chain->streams[i];
        if (s->used && s->stream == h->stream && s->origin == h->origin) {
            return s;
        }
    }
    return NULL;
}

/* Returns the stream of the latest run of 'origin', or null. */
static const struct chain_stream *
find_latest(const struct chain *chain, uint64_t origin)
{
    const struct chain_stream *latest = NULL;

    for (int i = 0; i < CHAIN_STREAMS; i++) {
        const struct chain_stream *s = &chain->streams[i];
        if (s->used && s->origin == origin
            && (!latest || s->generation > latest->generation)) {
            latest = s;
        }
    }
    return latest;
}

/* Returns true if a stream of that run may have been forgotten. */
static bool
is_forgotten(const struct chain *chain, const struct seal_header *h)
{
    for (int i = 0; i < CHAIN_STREAMS; i++) {
        const struct chain_stream *s = &chain->streams[i];
        if (s->used && s->floor_generation >= h->generation
            && s->floor_generation && s->floor_origin == h->origin) {
            return true;
        }
    }
    return false;
}

static struct chain_range *
find_hole(struct chain_stream *s, uint64_t number)
{
    for (uint32_t i = 0; i < s->n_holes; i++) {
        if (number >= s->holes[i].first && number < s->holes[i].end) {
            return &s->holes[i];
        }
    }
    return NULL;
}

static bool
is_missing(const struct chain_stream *s, uint64_t number)
{
    return find_hole((struct chain_stream *) s, number) != NULL;
}

/* Of a batch whose number is below others of its stream. */
static enum chain_verdict
check_earlier(const struct chain_stream *s, const struct seal_header *h,
              const uint8_t digest[SEAL_DIGEST_SIZE])
{
    const uint8_t *seen = s->window[h->number % CHAIN_WINDOW];
    bool recovered = h->flags & SEAL_F_RECOVERED;

    if (is_missing(s, h->number)) {
        return recovered ? CHAIN_RECOVERED : CHAIN_SWAP;
    } else if (s->next - h->number > CHAIN_WINDOW
               || !memcmp(seen, zeros, CHAIN_SHORT_DIGEST)) {
        return CHAIN_REPLAY;
    }
    /* A process that dies before it knows that a batch is in the spool leaves
     * it to the next, which seals the same lines again. */
    return (recovered || !memcmp(seen, digest, CHAIN_SHORT_DIGEST)
            ? CHAIN_DUPLICATE : CHAIN_ROLL_BACK);
}

/* Of a batch of a stream that is not known. */
static void
check_new_stream(const struct chain *chain, const struct seal_header *h,
                 struct chain_finding *f)
{
    const struct chain_stream *latest = find_latest(chain, h->origin);
    bool recovered = h->flags & SEAL_F_RECOVERED;
    bool is_first = !memcmp(h->previous, zeros, sizeof h->previous);

    if (is_forgotten(chain, h)) {
        f->verdict = CHAIN_REPLAY;
    } else if (latest && h->generation <= latest->generation) {
        f->verdict = (recovered && h->generation < latest->generation
                      ? CHAIN_RECOVERED : CHAIN_OLD_RUN);
    } else if (recovered ? h->number > 0 : !is_first) {
        f->verdict = h->number ? CHAIN_CUT : CHAIN_SPLICE;
        f->missing = (struct chain_range) { 0, h->number };
    } else if (latest
               && !(latest->flags & (CHAIN_S_ENDED | CHAIN_S_RECOVERED))) {
        f->verdict = CHAIN_NO_END;
        f->stream = latest->stream;
    }
}

struct chain_finding
chain_check(const struct chain *chain, const struct seal_header *h,
            const uint8_t digest[SEAL_DIGEST_SIZE])
{
    const struct chain_stream *s = find_stream(chain, h);
    struct chain_finding f = { CHAIN_NEXT, h->stream, { 0, 0 } };

    if (h->tenant != chain->tenant) {
        f.verdict = CHAIN_FOREIGN;
    } else if (!s) {
        check_new_stream(chain, h, &f);
    } else if (h->generation != s->generation) {
        f.verdict = CHAIN_OTHER_RUN;
    } else if (h->number < s->next) {
        f.verdict = check_earlier(s, h, digest);
    } else if (s->flags & CHAIN_S_ENDED || h->number == UINT64_MAX) {
        f.verdict = CHAIN_AFTER_END;
    } else {
        bool has_link = !(h->flags & SEAL_F_RECOVERED)
                        && !(s->flags & CHAIN_S_LAST_RECOVERED);
        bool is_linked = !memcmp(h->previous, s->last, sizeof h->previous);

        if (h->number > s->next && !(has_link && is_linked)) {
            f.verdict = CHAIN_CUT;
            f.missing = (struct chain_range) { s->next, h->number };
        } else if (has_link && !is_linked) {
            f.verdict = CHAIN_SPLICE;
        }
    }
    return f;
}

/* Remembers that the numbers in 'range' have not come.  Of too many ranges the
 * lowest is forgotten. */
static void
add_hole(struct chain_stream *s, struct chain_range range)
{
    if (range.first >= range.end) {
        return;
    }
    if (s->n_holes == CHAIN_HOLES) {
        uint32_t lowest = 0;

        for (uint32_t i = 1; i < s->n_holes; i++) {
            if (s->holes[i].first < s->holes[lowest].first) {
                lowest = i;
            }
        }
        s->holes[lowest] = s->holes[--s->n_holes];
    }
    s->holes[s->n_holes++] = range;
}

/* Returns the place for a new stream, emptied: one that is free, or of what
 * was silent longest. */
static struct chain_stream *
new_stream(struct chain *chain, const struct seal_header *h)
{
    struct chain_stream *s = &chain->streams[0];

    for (int i = 1; i < CHAIN_STREAMS; i++) {
        if (chain->streams[i].used < s->used) {
            s = &chain->streams[i];
        }
    }

    uint64_t floor_origin = s->used ? s->origin : 0;
    uint32_t floor_generation = s->used ? s->generation : 0;
    if (s->used && s->floor_origin == s->origin
        && s->floor_generation > floor_generation) {
        floor_generation = s->floor_generation;
    }
    memset(s, 0, sizeof *s);
    s->origin = h->origin;
    s->stream = h->stream;
    s->generation = h->generation;
    s->floor_origin = floor_origin;
    s->floor_generation = floor_generation;
    return s;
}

unsigned int
chain_accept(struct chain *chain, const struct seal_header *h,
             const uint8_t digest[SEAL_DIGEST_SIZE])
{
    struct chain_stream *s = (struct chain_stream *) find_stream(chain, h);
    bool recovered = h->flags & SEAL_F_RECOVERED;

    if (!s) {
        s = new_stream(chain, h);
    }
    if (h->number >= s->next) {
        uint64_t n_passed = h->number - s->next;

        add_hole(s, (struct chain_range) { s->next, h->number });
        for (uint64_t i = 0; i < n_passed && i < CHAIN_WINDOW; i++) {
            memset(s->window[(h->number - 1 - i) % CHAIN_WINDOW], 0,
                   CHAIN_SHORT_DIGEST);
        }
        s->next = h->number + 1;
        memcpy(s->last, digest, sizeof s->last);
        s->flags = ((s->flags & CHAIN_S_RECOVERED)
                    | (h->flags & SEAL_F_END ? CHAIN_S_ENDED : 0)
                    | (recovered ? CHAIN_S_LAST_RECOVERED : 0));
    } else {
        struct chain_range *hole = find_hole(s, h->number);
        struct chain_range upper = { h->number + 1, hole ? hole->end : 0 };

        if (hole) {
            hole->end = h->number;
            if (hole->first == hole->end) {
                *hole = s->holes[--s->n_holes];
            }
            add_hole(s, upper);
        }
    }
    if (s->next - h->number <= CHAIN_WINDOW) {
        memcpy(s->window[h->number % CHAIN_WINDOW], digest,
               CHAIN_SHORT_DIGEST);
    }
    s->flags |= recovered ? CHAIN_S_RECOVERED : 0;
    s->used = ++chain->clock;
    return s - chain->streams;
}

bool
chain_stream_is_valid(const struct chain_stream *s)
{
    bool valid = s->n_holes <= CHAIN_HOLES && !(s->flags & ~CHAIN_S_ALL);

    for (uint32_t i = 0; valid && i < s->n_holes; i++) {
        valid = (s->holes[i].first < s->holes[i].end
                 && s->holes[i].end <= s->next);
    }
    return valid;
}
