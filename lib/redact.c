/* SPDX-License-Identifier: Apache-2.0
 *
 * The redactor: finds literals, digits and '@', asks the rules' matchers, puts
 * together what they find and writes the message anew.
 *
 * In: a message.  Out: it without its secrets.
 * Runs in: sluice-intake. */
#include "redact-internal.h"

#include <errno.h>
#include <hs.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_LITERALS 256
#define N_WORDS (REDACT_CAP / 64 + 1)

static const char over_cap_mark[] =
    REDACT_MARK_PREFIX "over-cap" REDACT_MARK_SUFFIX;
#define OVER_CAP_SIZE (sizeof over_cap_mark - 1)

static const struct redact_rule rule_table[] = {
#define RULE(ID, MATCHER, CASELESS, LITERALS, PATTERN, VALIDATOR,       \
             EXAMPLE, COUNTEREXAMPLE, DESCRIPTION)                      \
    { .id = ID, .matcher = redact_match_##MATCHER,                      \
      .caseless = CASELESS, .literals = LITERALS, .regex = PATTERN,     \
      .validator = VALIDATOR },
#include "redact-rules.def"
#undef RULE
};
#define N_RULES (sizeof rule_table / sizeof rule_table[0])

/* A literal of a rule. */
struct literal {
    const char *text;
    uint32_t size;
    uint32_t rule;
};

/* The match kept for the byte at which it starts. */
struct slot {
    uint32_t end;
    uint16_t rule;
    uint8_t ending, quote, n_escapes;
};

struct redactor {
    struct redact_rule rules[N_RULES];
    struct redact_state states[N_RULES];
    size_t card, email;         /* Rules that no literal leads to. */
    struct literal literals[MAX_LITERALS];
    size_t n_literals;
    char *literal_text;         /* Owned: backs 'literals'. */
    hs_database_t *database;
    hs_scratch_t *scratch;

    /* While a message is scanned. */
    struct redact_scan scan;
    uint64_t n_run;
    uint64_t digit[N_WORDS], at[N_WORDS];
    uint64_t starts[N_WORDS];   /* Which of 'slots' hold a match. */
    bool found;                 /* Any does. */
    struct slot slots[REDACT_CAP];

    /* The text under scan, with zeros around it.  Hyperscan 5.4 reads up to
     * 31 bytes past the end of its input on processors with AVX-512 VBMI
     * (VectorCamp/vectorscan issue 322), so it never sees a caller's. */
    uint8_t in[REDACT_PADDING + REDACT_CAP + REDACT_PADDING];

    uint8_t out[REDACT_CAP];
    size_t out_size;
};

size_t
redactor_n_rules(const struct redactor *r)
{
    (void) r;
    return N_RULES;
}

const char *
redactor_rule_id(const struct redactor *r, size_t rule)
{
    return r->rules[rule].id;
}

uint64_t
redactor_n_examined(const struct redactor *r)
{
    return r->scan.n_examined;
}

/* Splits the literals of all rules into 'r->literals'. */
static int
collect_literals(struct redactor *r)
{
    size_t size = 0;

    for (size_t i = 0; i < N_RULES; i++) {
        size += r->rules[i].literals ? strlen(r->rules[i].literals) + 1 : 0;
    }
    r->literal_text = malloc(size);
    if (!r->literal_text) {
        return ENOMEM;
    }

    char *p = r->literal_text;
    for (size_t i = 0; i < N_RULES; i++) {
        const char *s = r->rules[i].literals;

        while (s && *s) {
            size_t n = strcspn(s, "|");
            if (!n || r->n_literals == MAX_LITERALS) {
                return EINVAL;
            }
            memcpy(p, s, n);
            p[n] = '\0';
            r->literals[r->n_literals++] = (struct literal) {
                .text = p, .size = n, .rule = i
            };
            p += n + 1;
            s += n + (s[n] == '|');
        }
    }
    return 0;
}

/* Compiles the literals for Hyperscan. */
static int
compile(struct redactor *r)
{
    const char *texts[MAX_LITERALS];
    size_t sizes[MAX_LITERALS];
    unsigned int flags[MAX_LITERALS];
    unsigned int ids[MAX_LITERALS];
    hs_compile_error_t *error = NULL;

    for (size_t i = 0; i < r->n_literals; i++) {
        bool caseless = r->rules[r->literals[i].rule].caseless;

        texts[i] = r->literals[i].text;
        sizes[i] = r->literals[i].size;
        flags[i] = caseless ? HS_FLAG_CASELESS : 0;
        ids[i] = i;
    }
    hs_error_t e = hs_compile_lit_multi(texts, flags, ids, sizes,
                                        r->n_literals, HS_MODE_BLOCK, NULL,
                                        &r->database, &error);
    hs_free_compile_error(error);
    if (e == HS_SUCCESS) {
        e = hs_alloc_scratch(r->database, &r->scratch);
    }
    return e == HS_SUCCESS ? 0 : e == HS_NOMEM ? ENOMEM : EINVAL;
}

/* Returns 0 and the redactor, ENOTSUP on a processor that Hyperscan cannot
 * run on, ENOMEM, or EINVAL if a row of the table is malformed. */
int
redactor_create(struct redactor **ret)
{
    struct redactor *r = NULL;
    int error = ENOTSUP;

    if (hs_valid_platform() != HS_SUCCESS) {
        goto out;
    }
    error = ENOMEM;
    r = calloc(1, sizeof *r);
    if (!r) {
        goto out;
    }
    memcpy(r->rules, rule_table, sizeof rule_table);
    for (size_t i = 0; i < N_RULES; i++) {
        struct redact_rule *rule = &r->rules[i];

        if (rule->regex) {
            error = redact_pattern_parse(&rule->pattern, rule->regex);
            if (error) {
                goto out;
            }
        }
        r->card = rule->matcher == redact_match_card ? i : r->card;
        r->email = rule->matcher == redact_match_email ? i : r->email;
    }
    error = collect_literals(r);
    if (!error) {
        error = compile(r);
    }
    if (!error) {
        *ret = r;
        r = NULL;
    }

out:
    redactor_destroy(r);
    return error;
}

void
redactor_destroy(struct redactor *r)
{
    if (r) {
        hs_free_scratch(r->scratch);
        hs_free_database(r->database);
        free(r->literal_text);
        free(r);
    }
}

/* Keeps 'm' as a match of rule 'rule', unless a longer one starts there. */
static void
keep(struct redactor *r, size_t rule, const struct redact_match *m)
{
    uint64_t bit = UINT64_C(1) << m->start % 64;
    uint64_t *word = &r->starts[m->start / 64];
    struct slot *slot = &r->slots[m->start];

    if (!(*word & bit)) {
        *slot = (struct slot) { .end = 0 };
    }
    *word |= bit;
    r->found = true;
    if (m->end > slot->end || (m->end == slot->end && rule < slot->rule)) {
        slot->end = m->end;
        slot->rule = rule;
    }
    if (m->ending != REDACT_END_FIXED) {
        slot->ending = m->ending;
        slot->quote = m->quote;
        slot->n_escapes = m->n_escapes;
    }
}

/* Asks rule 'rule' about the literal at [start, end). */
static void
check(struct redactor *r, size_t rule, uint32_t start, uint32_t end)
{
    const struct redact_rule *rr = &r->rules[rule];
    struct redact_state *state = &r->states[rule];
    struct redact_match m = { .start = 0 };

    r->scan.n_examined++;
    if (state->n_run != r->n_run) {
        *state = (struct redact_state) { .n_run = r->n_run };
    }
    if (rr->matcher(&r->scan, rr, state, start, end, &m)
        && (!rr->validator || rr->validator(r->scan.data + m.start,
                                            m.end - m.start))) {
        keep(r, rule, &m);
    }
}

static int
on_literal(unsigned int id, unsigned long long from, unsigned long long to,
           unsigned int flags, void *r_)
{
    struct redactor *r = r_;
    const struct literal *literal = &r->literals[id];

    (void) from;
    (void) flags;
    check(r, literal->rule, to - literal->size, to);
    return 0;
}

/* Finds all matches in the text under scan.  Returns false if it could not be
 * searched. */
static bool
find_matches(struct redactor *r)
{
    size_t n_words = (r->scan.size + 63) / 64;

    redact_scan_bytes(r->scan.data, r->scan.size, r->digit, r->at);
    if (hs_scan(r->database, (const char *) r->scan.data, r->scan.size, 0,
                r->scratch, on_literal, r) != HS_SUCCESS) {
        return false;
    }
    /* Now, as a URL's password takes its '@' away from e-mail. */
    for (size_t i = 0; i < n_words; i++) {
        for (uint64_t w = r->digit[i]; w; w &= w - 1) {
            uint32_t pos = i * 64 + __builtin_ctzll(w);
            check(r, r->card, pos, pos + 1);
        }
        for (uint64_t w = r->at[i]; w; w &= w - 1) {
            uint32_t pos = i * 64 + __builtin_ctzll(w);
            check(r, r->email, pos, pos + 1);
        }
    }
    return true;
}

/* Returns the size of the mark at the start of 'text', one that a redactor
 * could have written, or 0. */
static size_t
mark_size(const struct redactor *r, struct slice text)
{
    const size_t prefix = strlen(REDACT_MARK_PREFIX);

    if (text.size >= OVER_CAP_SIZE
        && !memcmp(text.data, over_cap_mark, OVER_CAP_SIZE)) {
        return OVER_CAP_SIZE;
    }
    if (text.size <= prefix
        || memcmp(text.data, REDACT_MARK_PREFIX, prefix)) {
        return 0;
    }
    for (size_t i = 0; i < N_RULES; i++) {
        size_t n = strlen(r->rules[i].id);

        if (text.size > prefix + n
            && !memcmp(text.data + prefix, r->rules[i].id, n)
            && text.data[prefix + n] == REDACT_MARK_SUFFIX[0]) {
            return prefix + n + 1;
        }
    }
    return 0;
}

/* Returns whether 'text' consists of marks: it was redacted before. */
static bool
is_marks(const struct redactor *r, struct slice text)
{
    while (text.size) {
        size_t n = mark_size(r, text);
        if (!n) {
            return false;
        }
        text = slice_of(text.data + n, text.size - n);
    }
    return true;
}

/* Appends 'size' bytes to the output, or as many as leave room for the
 * over-cap mark.  Returns whether all of them. */
static bool
put(struct redactor *r, const void *data, size_t size)
{
    size_t room = REDACT_CAP - OVER_CAP_SIZE - r->out_size;
    size_t n = size < room ? size : room;

    memcpy(r->out + r->out_size, data, n);
    r->out_size += n;
    return n == size;
}

/* Appends the mark of rule 'rule' whole.  Returns whether it fitted. */
static bool
put_mark(struct redactor *r, size_t rule)
{
    const char *id = r->rules[rule].id;
    size_t size = strlen(REDACT_MARK_PREFIX REDACT_MARK_SUFFIX) + strlen(id);

    return size <= REDACT_CAP - OVER_CAP_SIZE - r->out_size
           && put(r, REDACT_MARK_PREFIX, strlen(REDACT_MARK_PREFIX))
           && put(r, id, strlen(id))
           && put(r, REDACT_MARK_SUFFIX, strlen(REDACT_MARK_SUFFIX));
}

/* Writing a message anew. */
struct writer {
    uint64_t *hits;
    struct redact_result *result;
    uint32_t copied;            /* Input up to here is written or masked. */
    uint32_t limit;             /* Input from here on is masked whole. */
};

/* Writes what comes before 'm', and a mark for it.  Returns false if there is
 * no room. */
static bool
write_mark(struct redactor *r, struct writer *w, const struct redact_match *m,
           size_t rule)
{
    const uint8_t *data = r->scan.data;

    if (is_marks(r, slice_of(data + m->start, m->end - m->start))) {
        return true;
    }
    if (!put(r, data + w->copied, m->start - w->copied)
        || !put_mark(r, rule)) {
        return false;
    }
    w->copied = m->end;
    w->result->n_redactions++;
    if (w->hits) {
        w->hits[rule]++;
    }
    return true;
}

/* Writes all marks and what is between them, leftmost and longest first.  A
 * match that begins inside another and reaches further makes that one longer:
 * its rest would be a secret laid bare.  Returns false if there is no room. */
static bool
write_marks(struct redactor *r, struct writer *w)
{
    struct redact_match m = { .start = 0 };
    size_t rule = 0;
    size_t n_words = (r->scan.size + 63) / 64;

    for (size_t i = 0; i < n_words; i++) {
        for (uint64_t bits = r->starts[i]; bits; bits &= bits - 1) {
            uint32_t start = i * 64 + __builtin_ctzll(bits);
            const struct slot *slot = &r->slots[start];

            /* A match that takes a value's terminator continues the value. */
            if (start < m.end
                || (start == m.end && m.ending != REDACT_END_FIXED)) {
                if (slot->end > m.end) {
                    m.end = redact_value_end(&r->scan, &m, slot->end);
                }
                continue;
            }
            if (m.end && !write_mark(r, w, &m, rule)) {
                return false;
            }
            if (start >= w->limit) {
                return true;
            }
            m = (struct redact_match) {
                .start = start, .ending = slot->ending, .quote = slot->quote,
                .n_escapes = slot->n_escapes
            };
            m.end = redact_value_end(&r->scan, &m, slot->end);
            rule = slot->rule;
        }
    }
    return !m.end || write_mark(r, w, &m, rule);
}

/* Writes 'message', whose matches are found, up to 'limit'. */
static void
write_message(struct redactor *r, struct slice message, uint32_t limit,
              uint64_t *hits, struct redact_result *result)
{
    bool over_cap = limit < message.size;
    struct writer w = { .hits = hits, .result = result, .limit = limit };

    r->out_size = 0;
    bool fits = write_marks(r, &w);
    if (fits && !over_cap && !w.copied) {
        return;                 /* All that was found were marks. */
    }
    if (fits && w.copied < w.limit) {
        fits = put(r, message.data + w.copied, w.limit - w.copied);
    }
    if (over_cap || !fits) {
        memcpy(r->out + r->out_size, over_cap_mark, OVER_CAP_SIZE);
        r->out_size += OVER_CAP_SIZE;
        result->n_redactions++;
        result->over_cap = true;
    }
    result->text = slice_of(r->out, r->out_size);
}

void
redactor_run(struct redactor *r, struct slice message, uint64_t *hits,
             struct redact_result *ret)
{
    struct redact_result result = { .text = message };
    uint8_t *in = r->in + REDACT_PADDING;
    uint32_t size = message.size < REDACT_CAP ? message.size : REDACT_CAP;
    uint32_t limit = message.size <= REDACT_CAP ? message.size
                                                : REDACT_CAP - REDACT_OVERLAP;

    if (!message.size) {
        *ret = result;
        return;
    }
    memcpy(in, message.data, size);
    memset(in + size, 0, REDACT_PADDING);
    r->scan.data = in;
    r->scan.size = size;
    r->scan.at = r->at;
    r->n_run++;
    r->found = false;
    if (!find_matches(r)) {
        limit = 0;
    }
    if (r->found || limit < message.size) {
        write_message(r, message, limit, hits, &result);
        memset(r->starts, 0, (size + 63) / 64 * sizeof *r->starts);
    }
    *ret = result;
}
