/* SPDX-License-Identifier: Apache-2.0
 *
 * The redactor: finds literals, numbers and '@', asks the rules' matchers,
 * puts together what they find and writes the message anew.
 *
 * In: a message.  Out: it without its secrets.
 * Runs in: sluice-intake. */
#include "sluice-config.h"       /* For asprintf(). */

#include "redact-rules.h"

#include <errno.h>
#include <hs.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define N_WORDS (REDACT_CAP / 64 + 1)

/* What looking at a literal costs, in bytes looked at. */
#define HIT_COST 32

/* Bytes that matchers may look at: one for so many bytes of the message, and
 * so many for any.  What is beyond is masked; that is what bounds the time
 * that a hostile message takes. */
#define BYTES_PER_BUDGET 2
#define BUDGET_ANY 16384

/* Shadows of shadows of the message, at most. */
#define MAX_SHADOWS 3

static const char over_cap_mark[] =
    REDACT_MARK_PREFIX "over-cap" REDACT_MARK_SUFFIX;
#define OVER_CAP_SIZE (sizeof over_cap_mark - 1)

/* Instead of a rule: the beginning of a mark that is not ours. */
#define FORGED UINT16_MAX

#define PSEUDONYM_SIZE 8        /* Bytes: 16 hexadecimal digits. */

/* Rules that a receipt names; what others did is summed up. */
#define MAX_TALLY 16

/* A literal of a rule. */
struct literal {
    uint32_t size;
    uint16_t rule;              /* Or FORGED. */
};

/* The match kept for the byte at which it starts. */
struct slot {
    uint32_t end;
    uint16_t rule;
    uint8_t ending, quote, n_escapes;
};

/* What is needed while a message is scanned, and may be shared by redactors
 * that never run at the same time. */
struct engine {
    size_t n_users;
    hs_scratch_t *scratch;
    struct redact_state *states;    /* For the redactor with most rules. */
    size_t n_states;

    struct redact_scan scan;
    uint64_t n_run;
    uint64_t budget;            /* What 'scan.n_examined' must not pass. */
    uint32_t cap;               /* Of the redactor at work. */
    uint32_t limit;             /* What is there and beyond was not looked
                                 * at. */
    const struct redact_shadow *shadow;     /* What 'scan' is about, or null:
                                             * the message. */
    struct redact_bitmaps maps;     /* Of 'scan'. */
    uint64_t map_words[9][N_WORDS];
    uint64_t starts[N_WORDS];   /* Which of 'slots' hold a match. */
    bool found;                 /* Any does. */
    struct slot slots[REDACT_CAP];

    /* The text under scan, with zeros around it.  Hyperscan 5.4 reads up to
     * 31 bytes past the end of its input on processors with AVX-512 VBMI
     * (VectorCamp/vectorscan issue 322), so it never sees a caller's. */
    uint8_t in[REDACT_PADDING + REDACT_CAP + REDACT_PADDING];

    struct redact_shadow shadows[2];        /* The last two. */

    uint8_t out[REDACT_CAP];
    size_t out_size;

    struct tally {
        uint16_t rule;
        uint32_t n;
    } tally[MAX_TALLY];
    size_t n_tally;
    char receipt[MAX_TALLY * 64 + 64];
};

struct redactor {
    struct engine *engine;
    struct redact_rules rules;
    size_t card, ssn, iban, email;  /* Rules that no literal leads to, or
                                     * SIZE_MAX. */
    struct literal *literals;
    size_t n_literals;
    hs_database_t *database;
    const uint8_t *key;         /* Borrowed; null: none. */
    uint32_t cap;
};

void
redactor_set_key(struct redactor *r, const uint8_t key[REDACT_KEY_SIZE])
{
    r->key = key;
}

size_t
redactor_n_rules(const struct redactor *r)
{
    return r->rules.n_rules;
}

const char *
redactor_rule_id(const struct redactor *r, size_t rule)
{
    return r->rules.rules[rule].id;
}

const struct redact_rules *
redactor_rules(const struct redactor *r)
{
    return &r->rules;
}

uint64_t
redactor_n_examined(const struct redactor *r)
{
    return r->engine->scan.n_examined;
}

/* Compiles the literals of the rules that are enabled for Hyperscan. */
static int
compile(struct redactor *r)
{
    size_t n = 1;
    int error = ENOMEM;

    for (size_t i = 0; i < r->rules.n_rules; i++) {
        n += r->rules.rules[i].n_literals;
    }
    const char **texts = calloc(n, sizeof *texts);
    size_t *sizes = calloc(n, sizeof *sizes);
    unsigned int *flags = calloc(n, sizeof *flags);
    unsigned int *ids = calloc(n, sizeof *ids);
    r->literals = calloc(n, sizeof *r->literals);
    if (!texts || !sizes || !flags || !ids || !r->literals) {
        goto out;
    }

    texts[0] = REDACT_MARK_PREFIX;
    sizes[0] = strlen(REDACT_MARK_PREFIX);
    r->literals[0] = (struct literal) { .size = sizes[0], .rule = FORGED };
    n = 1;
    for (size_t i = 0; i < r->rules.n_rules; i++) {
        const struct redact_rule *rule = &r->rules.rules[i];

        for (size_t j = 0; j < rule->n_literals && rule->enabled; j++, n++) {
            texts[n] = rule->literals[j];
            sizes[n] = strlen(rule->literals[j]);
            flags[n] = rule->caseless ? HS_FLAG_CASELESS : 0;
            ids[n] = n;
            r->literals[n] = (struct literal) { .size = sizes[n], .rule = i };
        }
    }
    r->n_literals = n;

    hs_compile_error_t *complaint = NULL;
    hs_error_t e = hs_compile_lit_multi(texts, flags, ids, sizes, n,
                                        HS_MODE_BLOCK, NULL, &r->database,
                                        &complaint);
    hs_free_compile_error(complaint);
    if (e == HS_SUCCESS) {
        e = hs_alloc_scratch(r->database, &r->engine->scratch);
    }
    error = e == HS_SUCCESS ? 0 : e == HS_NOMEM ? ENOMEM : EINVAL;

out:
    free(texts);
    free(sizes);
    free(flags);
    free(ids);
    return error;
}

/* Finds the rules that no literal leads to. */
static void
find_scanned(struct redactor *r)
{
    r->card = r->ssn = r->iban = r->email = SIZE_MAX;
    for (size_t i = 0; i < r->rules.n_rules; i++) {
        const struct redact_rule *rule = &r->rules.rules[i];
        size_t *place = (rule->matcher == redact_match_card ? &r->card
                         : rule->matcher == redact_match_ssn ? &r->ssn
                         : rule->matcher == redact_match_iban ? &r->iban
                         : rule->matcher == redact_match_email ? &r->email
                         : NULL);
        if (place && rule->enabled && *place == SIZE_MAX) {
            *place = i;
        }
    }
}

static int
join_engine(struct redactor *r, struct redactor *share)
{
    struct engine *e = share ? share->engine : calloc(1, sizeof *e);

    if (!e) {
        return ENOMEM;
    }
    r->engine = e;
    e->n_users++;
    e->maps = (struct redact_bitmaps) {
        .card = e->map_words[0], .ssn = e->map_words[1],
        .iban = e->map_words[2], .at = e->map_words[3],
        .escape = e->map_words[4], .base64_text = e->map_words[5],
        .hex_text = e->map_words[6], .base64 = e->map_words[7],
        .hex = e->map_words[8],
    };
    if (e->n_states < r->rules.n_rules) {
        struct redact_state *states = realloc(e->states, r->rules.n_rules
                                              * sizeof *states);
        if (!states) {
            return ENOMEM;
        }
        memset(states + e->n_states, 0,
               (r->rules.n_rules - e->n_states) * sizeof *states);
        e->states = states;
        e->n_states = r->rules.n_rules;
    }
    return 0;
}

/* Reads the texts.  Returns null or a sentence. */
static char *
read_texts(struct redactor *r, const struct redact_options *options)
{
    char *sentence = redact_rules_add(&r->rules, "built-in rules",
                                      redact_builtin_text,
                                      strlen(redact_builtin_text));

    for (size_t i = 0; i < options->n_texts && !sentence; i++) {
        const struct redact_text *text = &options->texts[i];
        sentence = redact_rules_add(&r->rules, text->path, text->data,
                                    text->size);
    }
    for (size_t i = 0; i < r->rules.n_rules && !sentence; i++) {
        struct redact_rule *rule = &r->rules.rules[i];

        rule->enabled |= options->enable_all;
        if (rule->action == REDACT_PSEUDONYM && !options->has_key
            && asprintf(&sentence, "%s: the action of rule %s is pseudonym, "
                        "which needs a key; give redaction-key-file.",
                        options->n_texts ? options->texts[0].path : "rules",
                        rule->id) < 0) {
            abort();
        }
    }
    return sentence;
}

/* Returns 0 and the redactor, or a positive errno; EINVAL comes with a
 * sentence about a text, which may be null. */
static int
create(const struct redact_options *options, struct redactor **ret,
       char **ret_sentence)
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
    r->cap = options->cap ? options->cap : REDACT_CAP;
    *ret_sentence = read_texts(r, options);
    error = *ret_sentence ? EINVAL : join_engine(r, options->share);
    if (!error) {
        find_scanned(r);
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

int
redactor_create(struct redactor **ret)
{
    const struct redact_options options = { .n_texts = 0 };
    char *sentence = NULL;
    int error = create(&options, ret, &sentence);

    free(sentence);
    return error;
}

char *
redactor_create_with(const struct redact_options *options,
                     struct redactor **ret)
{
    char *sentence = NULL;
    int error = create(options, ret, &sentence);

    if (error && !sentence
        && asprintf(&sentence, "the redaction rules can't be compiled: %s",
                    error == ENOTSUP
                    ? "Hyperscan needs a processor with SSSE3"
                    : strerror(error)) < 0) {
        abort();
    }
    return sentence;
}

void
redactor_destroy(struct redactor *r)
{
    if (!r) {
        return;
    }
    struct engine *e = r->engine;
    if (e && !--e->n_users) {
        hs_free_scratch(e->scratch);
        free(e->states);
        free(e);
    }
    hs_free_database(r->database);
    redact_rules_destroy(&r->rules);
    free(r->literals);
    free(r);
}

/* Keeps 'm' as a match of rule 'rule', unless a longer one starts there. */
static void
keep(struct engine *e, uint16_t rule, const struct redact_match *m)
{
    uint64_t bit = UINT64_C(1) << m->start % 64;
    uint64_t *word = &e->starts[m->start / 64];
    struct slot *slot = &e->slots[m->start];

    if (!(*word & bit)) {
        *slot = (struct slot) { .end = 0 };
    }
    *word |= bit;
    e->found = true;
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

/* Returns whether the value 's' is on the list of those that are none. */
static bool
is_allowed(const struct redactor *r, struct slice s)
{
    for (size_t i = 0; i < r->rules.n_allow; i++) {
        if (slice_equal(s, slice_from_string(r->rules.allow[i]))) {
            return true;
        }
    }
    return false;
}

/* Masks what stands at 'pos' of the message and behind. */
static void
stop_at(struct engine *e, uint32_t pos)
{
    uint32_t limit = pos > REDACT_OVERLAP ? pos - REDACT_OVERLAP : 0;

    e->limit = limit < e->limit ? limit : e->limit;
}

/* Returns where in the message the match 'm' in a shadow comes from.  It does
 * not go on into the next island, whose bytes come from before its own. */
static struct redact_match
find_origin(struct engine *e, const struct redact_match *m)
{
    const struct redact_shadow *s = e->shadow;
    uint32_t last = m->start;

    while (last + 1 < m->end && s->start[last + 1] >= s->start[last]) {
        last++;
    }
    e->scan.n_examined += last - m->start;
    return (struct redact_match) {
        .start = s->start[m->start], .end = s->end[last]
    };
}

/* Asks rule 'rule' about the literal at [start, end).  Returns false if the
 * budget is used up. */
static bool
check(const struct redactor *r, size_t rule, uint32_t start, uint32_t end)
{
    struct engine *e = r->engine;
    const struct redact_rule *rr = &r->rules.rules[rule];
    struct redact_state *state = &e->states[rule];
    struct redact_match m = { .start = 0 };

    e->scan.n_examined += HIT_COST;
    if (state->n_run != e->n_run) {
        *state = (struct redact_state) { .n_run = e->n_run };
    }
    if (rr->matcher(&e->scan, rr, state, start, end, &m)) {
        struct slice secret = slice_of(e->scan.data + m.start,
                                       m.end - m.start);
        if ((!rr->validator || rr->validator(secret.data, secret.size))
            && !(r->rules.n_allow && is_allowed(r, secret))) {
            if (e->shadow) {
                m = find_origin(e, &m);
            }
            keep(e, rule, &m);
        }
    }
    if (e->scan.n_examined > e->budget) {
        stop_at(e, e->shadow ? e->shadow->first : start);
        return false;
    }
    return true;
}

static int
on_literal(unsigned int id, unsigned long long from, unsigned long long to,
           unsigned int flags, void *r_)
{
    const struct redactor *r = r_;
    const struct engine *e = r->engine;
    const struct literal *literal = &r->literals[id];

    (void) from;
    (void) flags;
    if (literal->rule == FORGED && e->shadow) {
        return 0;
    } else if (literal->rule == FORGED) {
        struct redact_match m = { .start = to - literal->size, .end = to };
        keep(r->engine, FORGED, &m);
        return 0;
    }
    return !check(r, literal->rule, to - literal->size, to);
}

/* Asks rule 'rule' about each place in a bitmap. */
static void
check_bitmap(const struct redactor *r, size_t rule, const uint64_t *bits)
{
    size_t n_words = (r->engine->scan.size + 63) / 64;

    for (size_t i = 0; i < n_words && rule != SIZE_MAX; i++) {
        for (uint64_t w = bits[i]; w; w &= w - 1) {
            uint32_t pos = i * 64 + __builtin_ctzll(w);
            if (!check(r, rule, pos, pos + 1)) {
                return;
            }
        }
    }
}

/* Finds all matches in the text under scan, up to 'e->limit', which it may
 * bring down. */
static void
scan_text(struct redactor *r)
{
    struct engine *e = r->engine;

    redact_scan_bytes(e->scan.data, e->scan.size, &e->maps);
    hs_error_t error = hs_scan(r->database, (const char *) e->scan.data,
                               e->scan.size, 0, e->scratch, on_literal, r);
    if (error != HS_SUCCESS && error != HS_SCAN_TERMINATED) {
        e->limit = 0;
    }
    /* Now, as a URL's password takes its '@' away from e-mail. */
    check_bitmap(r, r->card, e->maps.card);
    check_bitmap(r, r->ssn, e->maps.ssn);
    check_bitmap(r, r->iban, e->maps.iban);
    check_bitmap(r, r->email, e->maps.at);
}

/* Finds all matches in the message and in its shadows. */
static void
find_matches(struct redactor *r)
{
    struct engine *e = r->engine;
    uint64_t budget = BUDGET_ANY + e->scan.size / BYTES_PER_BUDGET;
    uint32_t first = 0;

    e->shadow = NULL;
    e->budget = e->scan.n_examined + budget;
    scan_text(r);

    /* What is masked anyway needs no shadow. */
    struct redact_text_map text = {
        .data = e->scan.data,
        .size = (e->scan.size - e->limit > REDACT_OVERLAP
                 ? e->limit + REDACT_OVERLAP : e->scan.size)
    };
    e->budget = e->scan.n_examined + budget;
    for (int i = 0; i < MAX_SHADOWS; i++) {
        struct redact_shadow *shadow = &e->shadows[i & 1];
        bool fits = redact_shadow_make(&text, &e->maps, shadow);

        first = i ? first : shadow->first;
        shadow->first = first;
        if (!fits) {
            stop_at(e, first);
            break;
        } else if (!shadow->size) {
            break;
        }
        text = (struct redact_text_map) {
            .data = shadow->data, .size = shadow->size,
            .start = shadow->start, .end = shadow->end
        };
        e->shadow = shadow;
        e->scan.data = shadow->data;
        e->scan.size = shadow->size;
        e->scan.n_examined += shadow->size / BYTES_PER_BUDGET;
        e->n_run++;
        scan_text(r);
        if (e->scan.n_examined > e->budget) {
            stop_at(e, first);
            break;
        }
    }
}

/* Appends 'size' bytes to the output, or as many as leave room for the
 * over-cap mark.  Returns whether all of them. */
static bool
put(struct engine *e, const void *data, size_t size)
{
    size_t room = e->cap - OVER_CAP_SIZE - e->out_size;
    size_t n = size < room ? size : room;

    memcpy(e->out + e->out_size, data, n);
    e->out_size += n;
    return n == size;
}

/* Appends the mark of rule 'rule' for 'secret' whole.  Returns whether it
 * fitted. */
static bool
put_mark(struct redactor *r, const struct redact_rule *rule,
         struct slice secret)
{
    struct engine *e = r->engine;
    char pseudonym[1 + 2 * PSEUDONYM_SIZE + 1] = "";
    size_t size = strlen(REDACT_MARK_PREFIX REDACT_MARK_SUFFIX)
                  + strlen(rule->id);

    if (rule->action == REDACT_PSEUDONYM && r->key) {
        uint8_t hash[crypto_generichash_BYTES_MIN];

        crypto_generichash(hash, sizeof hash, secret.data, secret.size,
                           r->key, REDACT_KEY_SIZE);
        pseudonym[0] = ':';
        sodium_bin2hex(pseudonym + 1, sizeof pseudonym - 1, hash,
                       PSEUDONYM_SIZE);
        size += strlen(pseudonym);
    }
    return size <= e->cap - OVER_CAP_SIZE - e->out_size
           && put(e, REDACT_MARK_PREFIX, strlen(REDACT_MARK_PREFIX))
           && put(e, rule->id, strlen(rule->id))
           && put(e, pseudonym, strlen(pseudonym))
           && put(e, REDACT_MARK_SUFFIX, strlen(REDACT_MARK_SUFFIX));
}

/* Notes for the receipt that rule 'rule' took out a secret. */
static void
add_tally(struct engine *e, uint16_t rule)
{
    size_t i = 0;

    while (i < e->n_tally && e->tally[i].rule != rule) {
        i++;
    }
    if (i == e->n_tally && i < MAX_TALLY) {
        e->tally[e->n_tally++] = (struct tally) { .rule = rule };
    }
    if (i < MAX_TALLY) {
        e->tally[i].n++;
    }
}

/* Puts the receipt together: 'n' redactions in all. */
static struct slice
write_receipt(const struct redactor *r, uint32_t n, bool over_cap)
{
    struct engine *e = r->engine;
    size_t size = 0;

    for (size_t i = 0; i < e->n_tally; i++) {
        size += snprintf(e->receipt + size, sizeof e->receipt - size,
                         "%s%s:%u", size ? "," : "",
                         r->rules.rules[e->tally[i].rule].id, e->tally[i].n);
        n -= e->tally[i].n;
    }
    if (over_cap) {
        size += snprintf(e->receipt + size, sizeof e->receipt - size,
                         "%sover-cap:1", size ? "," : "");
        n--;
    }
    if (n) {
        size += snprintf(e->receipt + size, sizeof e->receipt - size,
                         ",other:%u", n);
    }
    return slice_of(e->receipt, size);
}

/* Writing a message anew. */
struct writer {
    uint64_t *hits;
    struct redact_result *result;
    uint32_t copied;            /* Input up to here is written or masked. */
};

/* Writes what comes before 'm', and a mark for it.  Returns false if there is
 * no room. */
static bool
write_mark(struct redactor *r, struct writer *w, const struct redact_match *m,
           uint16_t rule)
{
    struct engine *e = r->engine;

    const struct redact_rule *rr
        = rule == FORGED ? NULL : &r->rules.rules[rule];
    uint32_t start = m->start < w->copied ? w->copied : m->start;
    uint32_t end = m->end < w->copied ? w->copied : m->end;

    if (rr && rr->action == REDACT_DROP_FIELD) {
        redact_field_of(&e->scan, &start, &end);
        start = start < w->copied ? w->copied : start;
    }
    if (!put(e, e->scan.data + w->copied, start - w->copied)) {
        return false;
    }
    if (!rr) {
        size_t n = strlen(REDACT_FORGED_PREFIX);
        if (n > e->cap - OVER_CAP_SIZE - e->out_size
            || !put(e, REDACT_FORGED_PREFIX, n)) {
            return false;
        }
        w->copied = end;
        return true;
    }
    if (rr->action != REDACT_DROP_FIELD
        && !put_mark(r, rr, slice_of(e->scan.data + start, end - start))) {
        return false;
    }
    w->copied = end;
    w->result->n_redactions++;
    w->result->drop |= rr->action == REDACT_DROP_MESSAGE;
    add_tally(e, rule);
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
    struct engine *e = r->engine;
    struct redact_match m = { .start = 0 };
    uint16_t rule = 0;
    size_t n_words = (e->scan.size + 63) / 64;

    for (size_t i = 0; i < n_words; i++) {
        for (uint64_t bits = e->starts[i]; bits; bits &= bits - 1) {
            uint32_t start = i * 64 + __builtin_ctzll(bits);
            const struct slot *slot = &e->slots[start];

            /* A match that takes a value's terminator continues the value. */
            if (start < m.end
                || (start == m.end && m.ending != REDACT_END_FIXED)) {
                if (slot->end > m.end) {
                    m.end = redact_value_end(&e->scan, &m, slot->end);
                }
                rule = rule == FORGED ? slot->rule : rule;
                continue;
            }
            if (m.end && !write_mark(r, w, &m, rule)) {
                return false;
            }
            if (start >= e->limit) {
                return true;
            }
            m = (struct redact_match) {
                .start = start, .ending = slot->ending, .quote = slot->quote,
                .n_escapes = slot->n_escapes
            };
            m.end = redact_value_end(&e->scan, &m, slot->end);
            rule = slot->rule;
        }
    }
    return !m.end || write_mark(r, w, &m, rule);
}

/* Writes 'message', whose matches are found, up to the limit. */
static void
write_message(struct redactor *r, struct slice message, uint64_t *hits,
              struct redact_result *result)
{
    struct engine *e = r->engine;
    bool over_cap = e->limit < message.size;
    struct writer w = { .hits = hits, .result = result };

    e->out_size = 0;
    e->n_tally = 0;
    bool fits = write_marks(r, &w);
    if (fits && w.copied < e->limit) {
        fits = put(e, message.data + w.copied, e->limit - w.copied);
    }
    if (over_cap || !fits) {
        memcpy(e->out + e->out_size, over_cap_mark, OVER_CAP_SIZE);
        e->out_size += OVER_CAP_SIZE;
        result->n_redactions++;
        result->over_cap = true;
    }
    result->text = slice_of(e->out, e->out_size);
    if (result->n_redactions) {
        result->receipt = write_receipt(r, result->n_redactions,
                                        result->over_cap);
    }
}

void
redactor_run(struct redactor *r, struct slice message, uint64_t *hits,
             struct redact_result *ret)
{
    struct engine *e = r->engine;
    struct redact_result result = { .text = message };
    uint8_t *in = e->in + REDACT_PADDING;
    /* What is looked at reaches beyond what is kept. */
    uint32_t most = (r->cap < REDACT_CAP - REDACT_OVERLAP
                     ? r->cap + REDACT_OVERLAP : REDACT_CAP);
    uint32_t size = message.size < most ? message.size : most;

    if (!message.size) {
        *ret = result;
        return;
    }
    memcpy(in, message.data, size);
    memset(in + size, 0, REDACT_PADDING);
    e->scan.data = in;
    e->scan.size = size;
    e->scan.at = e->maps.at;
    e->n_run++;
    e->found = false;
    e->cap = r->cap;
    e->limit = (message.size <= r->cap ? message.size
                : most - REDACT_OVERLAP);
    find_matches(r);
    e->scan.data = in;
    e->scan.size = size;
    if (e->found || e->limit < message.size) {
        write_message(r, message, hits, &result);
        memset(e->starts, 0, (size + 63) / 64 * sizeof *e->starts);
    }
    *ret = result;
}
