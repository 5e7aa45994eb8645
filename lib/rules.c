/* SPDX-License-Identifier: Apache-2.0
 *
 * Client rules: the table, and its way with a line.  See rules.h.
 *
 * What is cheap narrows what is dear: which rules are for an origin is known
 * beforehand, which are for a severity and facility is a row of bits each.  Of
 * the rules that are left, the application is compared; and where one of those
 * has a pattern, one pass of Hyperscan finds all patterns in the text. */
#include "sluice-config.h"      /* For asprintf(). */

#include "rules.h"

#include <errno.h>
#include <hs.h>
#include <stdio.h>
#include <stdlib.h>

#include "rule-match.h"
#include "rules-state.h"
#include "syslog-msg.h"

static const struct {
    const char *name;
    const char *text;
    enum sluice_drop drop;
} actions[N_RULE_ACTIONS] = {
#define RULE_ACTION(SYMBOL, NAME, DROP, TEXT) \
    [RULE_##SYMBOL] = { NAME, TEXT, SLUICE_DROP_##DROP },
#include "rule-actions.def"
#undef RULE_ACTION
};

struct rule {
    char *name;
    uint64_t key;               /* Hash of the name. */
    enum rule_action action;
    uint32_t tenant;            /* 0: all. */
    char *vm_text, *app_text;   /* What the next two point into. */
    struct rule_glob *vms, *apps;
    size_t n_vms, n_apps;
    uint8_t severities;
    uint32_t facilities;
    bool has_pattern;
    uint32_t number;            /* Of the action: one in, rate or window. */
    uint32_t burst;
    bool per_tenant;
    char *destination;
};

enum { N_PRIS = SYSLOG_MAX_PRI + 1 };

struct rules {
    struct rule *rules;
    size_t n;
    size_t n_words;             /* Of bits that are in use. */
    uint64_t by_pri[N_PRIS][RULES_WORDS];
    hs_database_t *database;    /* Null: no rule has a pattern. */
    hs_scratch_t *scratch;
    uint64_t hits[RULES_WORDS]; /* Of the text at hand. */
    uint64_t matched[RULES_WORDS];
};

const char *
rule_action_name(enum rule_action action)
{
    return actions[action].name;
}

const char *
rule_action_text(enum rule_action action)
{
    return actions[action].text;
}

enum sluice_drop
rule_action_drop(enum rule_action action)
{
    return actions[action].drop;
}

bool
rule_action_find(const char *name, enum rule_action *ret)
{
    for (int i = 0; i < N_RULE_ACTIONS; i++) {
        if (!strcmp(actions[i].name, name)) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static char *
copy(const char *s)
{
    char *text = s ? strdup(s) : NULL;

    if (s && !text) {
        abort();
    }
    return text;
}

/* FNV-1a: names are the operator's own. */
static uint64_t
hash_name(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *name; name++) {
        hash = (hash ^ (uint8_t) *name) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static char *
complain(const char *name, const char *what)
{
    char *sentence;

    if (asprintf(&sentence, "rule %s: %s.", name, what) < 0) {
        abort();
    }
    return sentence;
}

/* Returns null, or a sentence. */
static char *
read_rule(const struct rules_spec *spec, struct rule *rule)
{
    rule->name = copy(spec->name);
    rule->key = hash_name(spec->name);
    rule->action = spec->action;
    rule->tenant = spec->tenant;
    rule->vm_text = copy(spec->vm);
    rule->app_text = copy(spec->app);
    rule->destination = copy(spec->destination);
    rule->severities = UINT8_MAX;
    rule->facilities = UINT32_MAX;
    rule->has_pattern = spec->pattern != NULL;
    rule->number = (spec->action == RULE_SAMPLE ? spec->one_in
                    : spec->action == RULE_RATE_LIMIT ? spec->rate
                    : spec->window_ms);
    rule->burst = spec->burst ? spec->burst : spec->rate;
    rule->per_tenant = spec->per_tenant;
    if (spec->severity
        && !rule_parse_severities(spec->severity, &rule->severities)) {
        return complain(spec->name, "its severity can't be read");
    }
    if (spec->facility
        && !rule_parse_facilities(spec->facility, &rule->facilities)) {
        return complain(spec->name, "its facility can't be read");
    }
    if (rule->vm_text && rule_globs_parse(rule->vm_text, &rule->vms,
                                          &rule->n_vms)) {
        return complain(spec->name, "its vm can't be read");
    }
    if (rule->app_text && rule_globs_parse(rule->app_text, &rule->apps,
                                           &rule->n_apps)) {
        return complain(spec->name, "its app can't be read");
    }
    return NULL;
}

static void
set_bit(uint64_t *bits, size_t i)
{
    bits[i / 64] |= UINT64_C(1) << i % 64;
}

static bool
has_bit(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> i % 64 & 1;
}

/* One match of each pattern is enough.  A '.' is any byte, since a line may
 * have a line feed in it. */
enum { PATTERN_FLAGS = HS_FLAG_SINGLEMATCH | HS_FLAG_DOTALL };

/* Compiles 'n' patterns.  Returns null, or Hyperscan's complaint. */
static char *
compile(const char *const *patterns, const unsigned int *ids, size_t n,
        hs_database_t **ret)
{
    unsigned int *flags = calloc(n, sizeof *flags);
    hs_compile_error_t *complaint = NULL;
    char *sentence = NULL;

    if (!flags) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        flags[i] = PATTERN_FLAGS;
    }
    if (hs_valid_platform() != HS_SUCCESS) {
        sentence = copy("Hyperscan needs a processor with SSSE3");
    } else if (hs_compile_multi(patterns, flags, ids, n, HS_MODE_BLOCK, NULL,
                                ret, &complaint) != HS_SUCCESS) {
        sentence = copy(!complaint ? "out of memory"
                        /* Its own sentence advises a flag of its library. */
                        : strstr(complaint->message, "empty buffer")
                        ? "the pattern matches an empty text, so that every "
                        "line has it" : complaint->message);
        /* What is made of it goes on behind it. */
        size_t size = strlen(sentence);
        if (size && sentence[size - 1] == '.') {
            sentence[size - 1] = '\0';
        }
    }
    hs_free_compile_error(complaint);
    free(flags);
    return sentence;
}

char *
rules_check_pattern(const char *pattern)
{
    const unsigned int id = 0;
    hs_database_t *database = NULL;
    char *sentence = compile(&pattern, &id, 1, &database);

    hs_free_database(database);
    return sentence;
}

static char *
compile_patterns(struct rules *r, const struct rules_spec *specs)
{
    const char **patterns = calloc(r->n + 1, sizeof *patterns);
    unsigned int *ids = calloc(r->n + 1, sizeof *ids);
    char *sentence = NULL;
    size_t n = 0;

    if (!patterns || !ids) {
        abort();
    }
    for (size_t i = 0; i < r->n; i++) {
        if (specs[i].pattern) {
            patterns[n] = specs[i].pattern;
            ids[n++] = i;
        }
    }
    char *complaint = n ? compile(patterns, ids, n, &r->database) : NULL;
    if (!complaint && n
        && hs_alloc_scratch(r->database, &r->scratch) != HS_SUCCESS) {
        complaint = copy("out of memory");
    }
    if (complaint && asprintf(&sentence, "the patterns of the rules can't be "
                              "compiled together: %s.", complaint) < 0) {
        abort();
    }
    free(complaint);
    free(patterns);
    free(ids);
    return sentence;
}

char *
rules_create(const struct rules_spec *specs, size_t n, struct rules **ret)
{
    struct rules *r = calloc(1, sizeof *r);
    char *sentence = NULL;

    if (!r || n > RULES_MAX || !(r->rules = calloc(n + 1, sizeof *r->rules))) {
        sentence = copy("there is no memory for so many rules.");
        goto out;
    }
    r->n = n;
    r->n_words = (n + 63) / 64;
    for (size_t i = 0; i < n; i++) {
        struct rule *rule = &r->rules[i];

        sentence = read_rule(&specs[i], rule);
        if (sentence) {
            goto out;
        }
        for (int pri = 0; pri < N_PRIS; pri++) {
            if (rule->severities >> (pri & 7) & 1
                && rule->facilities >> (pri >> 3) & 1) {
                set_bit(r->by_pri[pri], i);
            }
        }
    }
    sentence = compile_patterns(r, specs);
    if (!sentence) {
        *ret = r;
        r = NULL;
    }

out:
    rules_destroy(r);
    return sentence;
}

void
rules_destroy(struct rules *r)
{
    if (r) {
        for (size_t i = 0; i < r->n; i++) {
            struct rule *rule = &r->rules[i];

            free(rule->name);
            free(rule->vm_text);
            free(rule->app_text);
            free(rule->vms);
            free(rule->apps);
            free(rule->destination);
        }
        hs_free_scratch(r->scratch);
        hs_free_database(r->database);
        free(r->rules);
        free(r);
    }
}

size_t
rules_n(const struct rules *r)
{
    return r->n;
}

const char *
rules_name(const struct rules *r, size_t rule)
{
    return r->rules[rule].name;
}

enum rule_action
rules_action(const struct rules *r, size_t rule)
{
    return r->rules[rule].action;
}

const char *
rules_destination(const struct rules *r, size_t rule)
{
    return r->rules[rule].destination;
}

static bool
is_of_vm(const struct rule *rule, const struct rules_origin *origin)
{
    for (size_t i = 0; i < rule->n_vms; i++) {
        const struct rule_glob *glob = &rule->vms[i];

        if (glob->is_uuid
            ? origin->vm && !memcmp(glob->uuid, origin->vm, sizeof glob->uuid)
            : origin->name.size && rule_glob_match(glob, origin->name)) {
            return true;
        }
    }
    return !rule->n_vms;
}

void
rules_subject_init(const struct rules *r, const struct rules_state *state,
                   const struct rules_origin *origin,
                   struct rules_subject *subject)
{
    *subject = (struct rules_subject) {
        .tenant = origin->tenant,
        .id = rules_state_hash(state, origin->tenant, origin->identity),
    };
    for (size_t i = 0; i < r->n; i++) {
        const struct rule *rule = &r->rules[i];

        if ((!rule->tenant || rule->tenant == origin->tenant)
            && is_of_vm(rule, origin)) {
            set_bit(subject->candidates, i);
        }
    }
}

static int
note_hit(unsigned int id, unsigned long long from, unsigned long long to,
         unsigned int flags, void *hits)
{
    (void) from;
    (void) to;
    (void) flags;
    set_bit(hits, id);
    return 0;
}

/* Finds all patterns in 'msg'. */
static void
scan(struct rules *r, struct slice msg)
{
    memset(r->hits, 0, r->n_words * sizeof *r->hits);
    hs_scan(r->database, msg.size ? (const char *) msg.data : "", msg.size, 0,
            r->scratch, note_hit, r->hits);
}

/* Returns true if the line goes on after the action of 'rule', which matches
 * it. */
static bool
apply(struct rules *r, struct rules_state *state,
      const struct rules_line *line, unsigned int i, struct rules_verdict *v)
{
    const struct rule *rule = &r->rules[i];
    const struct rules_subject *subject = line->subject;
    bool passes = true;

    switch (rule->action) {
    case RULE_DROP:
        passes = false;
        break;
    case RULE_SAMPLE:
        passes = rules_state_sample(state, rules_mix(subject->id, rule->key),
                                    line->now_ms, rule->number);
        break;
    case RULE_RATE_LIMIT:
        passes = rules_state_rate(
            state, rules_mix(rule->per_tenant
                             ? rules_mix(subject->tenant, 1) : subject->id,
                             rule->key),
            line->now_ms, rule->number, rule->burst);
        break;
    case RULE_DEDUPLICATE:
        passes = rules_state_first(state, i, rule->key, line, rule->number);
        break;
    case RULE_VERBOSE:
        v->verbose = v->verbose == RULES_NONE ? (int) i : v->verbose;
        break;
    case RULE_ROUTE:
        v->route = v->route == RULES_NONE ? (int) i : v->route;
        break;
    case RULE_KEEP:
        return false;
    case N_RULE_ACTIONS:
    default:
        break;
    }
    if (!passes) {
        v->drop = actions[rule->action].drop;
        v->dropped_by = i;
    }
    return passes;
}

void
rules_run(struct rules *r, struct rules_state *state,
          const struct rules_line *line, struct rules_verdict *ret)
{
    const uint64_t *by_pri = r->by_pri[line->pri <= SYSLOG_MAX_PRI ? line->pri
                                       : SYSLOG_DEFAULT_PRI];
    bool scanned = false;

    *ret = (struct rules_verdict) {
        .drop = SLUICE_DROP_NONE,
        .dropped_by = RULES_NONE,
        .route = RULES_NONE,
        .verbose = RULES_NONE,
        .matched = r->matched,
    };
    memset(r->matched, 0, r->n_words * sizeof *r->matched);
    for (size_t word = 0; word < r->n_words; word++) {
        uint64_t bits = line->subject->candidates[word] & by_pri[word];

        for (; bits; bits &= bits - 1) {
            unsigned int i = word * 64 + __builtin_ctzll(bits);
            const struct rule *rule = &r->rules[i];

            if (rule->n_apps && !rule_globs_match(rule->apps, rule->n_apps,
                                                  line->app_name)) {
                continue;
            }
            if (rule->has_pattern && !scanned) {
                scan(r, line->msg);
                scanned = true;
            }
            if (rule->has_pattern && !has_bit(r->hits, i)) {
                continue;
            }
            set_bit(r->matched, i);
            if (!apply(r, state, line, i, ret)) {
                return;
            }
        }
    }
}
