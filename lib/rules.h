/* SPDX-License-Identifier: Apache-2.0
 *
 * Client rules: decide by origin, severity, facility, application and text
 * what becomes of a line.  They are compiled once, all patterns into one
 * Hyperscan database; their memory of lines is of fixed size, and no line
 * allocates any.
 *
 * In: what is known of one line, redacted and parsed; the time.
 * Out: a verdict; records of repeated lines, once their window ends.
 * Runs in: sluice-intake; 'sluicectl rules test'.
 *
 * The rules are looked at in their order.  Each that matches does its action;
 * 'drop', 'keep' and the actions that drop some lines end it where they do
 * so, and of several routes the first counts. */
#ifndef SLUICE_RULES_H
#define SLUICE_RULES_H 1

#include "drop.h"
#include "slice.h"

enum rule_action {
#define RULE_ACTION(SYMBOL, NAME, DROP, TEXT) RULE_##SYMBOL,
#include "rule-actions.def"
#undef RULE_ACTION
    N_RULE_ACTIONS
};

const char *rule_action_name(enum rule_action);
const char *rule_action_text(enum rule_action);
/* Why it drops lines; SLUICE_DROP_NONE: it drops none. */
enum sluice_drop rule_action_drop(enum rule_action);
/* Returns true and '*ret', or false if no action has that name. */
bool rule_action_find(const char *name, enum rule_action *ret);

enum {
    RULES_MAX = 1024,
    RULES_WORDS = RULES_MAX / 64,
    RULES_MAX_PATTERN = 1024,   /* Bytes. */
};

/* One rule as it is configured.  What is null, or a tenant of 0, is for every
 * line; see rule-match.h for the words. */
struct rules_spec {
    const char *name;
    uint32_t tenant;
    const char *vm;             /* Names by context, or UUIDs of the port. */
    const char *app;
    const char *facility;
    const char *severity;
    const char *pattern;        /* Of MSG. */
    enum rule_action action;
    uint32_t one_in;            /* RULE_SAMPLE. */
    uint32_t rate;              /* RULE_RATE_LIMIT: lines per second, */
    uint32_t burst;             /* and at once; 0: as many. */
    bool per_tenant;            /* Ditto: not per VM. */
    uint32_t window_ms;         /* RULE_DEDUPLICATE. */
    const char *destination;    /* RULE_ROUTE. */
};

struct rules;

/* Compiles 'n' rules, at most RULES_MAX, whose words are right.  Returns null
 * and '*ret', which the caller owns and which copied what it needs, or a
 * malloc()ed sentence. */
char *rules_create(const struct rules_spec *, size_t n, struct rules **ret);
void rules_destroy(struct rules *);

size_t rules_n(const struct rules *);
const char *rules_name(const struct rules *, size_t rule);
enum rule_action rules_action(const struct rules *, size_t rule);
const char *rules_destination(const struct rules *, size_t rule);

/* Compiles 'pattern' alone, to find out whether it can be.  Returns null or
 * Hyperscan's complaint, malloc()ed. */
char *rules_check_pattern(const char *pattern);

/* What rules remember of lines: positions of samples, buckets of rates, and
 * texts that may repeat.  It goes on with other rules, by their names. */
struct rules_state;

enum { RULES_KEY_SIZE = 16 };

/* 'key' is random, so that no guest can choose whom it shares memory with.
 * Returns null if there is no memory. */
struct rules_state *rules_state_create(const uint8_t key[RULES_KEY_SIZE]);
void rules_state_destroy(struct rules_state *);

/* Which rules may match lines of one origin: found out once for each, and
 * again with other rules or another name of the VM. */
struct rules_subject {
    uint32_t tenant;
    uint64_t id;                /* Keyed hash of who it is. */
    uint64_t candidates[RULES_WORDS];
};

struct rules_origin {
    uint32_t tenant;
    const uint8_t *vm;          /* UUID of 16 bytes, or null. */
    struct slice name;          /* Of the VM, by context; may be empty. */
    struct slice identity;      /* What tells it from others of the tenant. */
};

void rules_subject_init(const struct rules *, const struct rules_state *,
                        const struct rules_origin *, struct rules_subject *);

/* One line. */
struct rules_line {
    const struct rules_subject *subject;
    uint8_t pri;                /* At most SYSLOG_MAX_PRI. */
    struct slice app_name;
    struct slice msg;
    uint64_t now_ms;            /* Of a clock that does not go back. */
    uint64_t time_ns;           /* To be told in a record of repeats, as */
    uint32_t owner;             /* whatever the caller knows the origin by. */
};

enum { RULES_NONE = -1 };

struct rules_verdict {
    enum sluice_drop drop;      /* Or SLUICE_DROP_NONE. */
    int dropped_by;             /* Rules, or RULES_NONE. */
    int route;
    int verbose;
    const uint64_t *matched;    /* Bits of rules, valid until the next call. */
};

void rules_run(struct rules *, struct rules_state *, const struct rules_line *,
               struct rules_verdict *ret);

/* Lines that were dropped because they repeat one that was not. */
struct rules_repeats {
    size_t slot;                /* For the functions below. */
    unsigned int rule;
    uint32_t tenant;
    uint32_t owner;
    uint32_t n;
    uint64_t from_ns, to_ns;    /* Times of the first and the last of them. */
    struct slice app_name;
    struct slice text;          /* Its beginning. */
};

enum { RULES_REPEATS_TEXT = 128 };

/* Returns true and repeats whose window is over at 'now_ms' (UINT64_MAX: any),
 * or false.  They must be told, or put off until 'until_ms'; with rules that
 * are replaced, before that. */
bool rules_repeats_due(struct rules_state *, uint64_t now_ms,
                       struct rules_repeats *ret);
void rules_repeats_told(struct rules_state *, size_t slot);
void rules_repeats_put_off(struct rules_state *, size_t slot,
                           uint64_t until_ms);

#endif /* lib/rules.h */
