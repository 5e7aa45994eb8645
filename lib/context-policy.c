/* SPDX-License-Identifier: Apache-2.0
 *
 * The policy of context.  See context-policy.h. */
#include "context-policy.h"

#include <errno.h>
#include <stdlib.h>

#include "context-view.h"
#include "rule-match.h"
#include "wire-field.h"

enum {
    N_SEVERITIES = 8,
    N_CACHED = 1024,            /* Keys whose sets are remembered. */
    MAX_CACHED_KEY = 32,        /* Bytes: an SD-NAME. */
};

/* Bits of sets begin at 1.  This one, which no value has, makes a line's bits
 * other than 0, which stands for all. */
enum { BIT_SOME = 1 };

static const struct context_set_spec builtins[] = {
#define CONTEXT_SET(NAME, KEYS, TEXT) { NAME, KEYS },
#include "context-sets.def"
#undef CONTEXT_SET
};

static const struct context_rule_spec defaults[] = {
#define CONTEXT_DEFAULT(SEVERITIES, SETS) \
    { .severity = SEVERITIES, .sets = SETS },
#include "context-sets.def"
#undef CONTEXT_DEFAULT
};

enum {
    N_BUILTINS = sizeof builtins / sizeof builtins[0],
    N_DEFAULTS = sizeof defaults / sizeof defaults[0],
};

struct set {
    char *name;
    char *keys;                 /* What 'globs' point into. */
    struct rule_glob *globs;
    size_t n_globs;
};

/* A rule of the policy, or one of the defaults. */
struct rule {
    uint32_t tenant;            /* 0: all. */
    uint8_t severities;         /* Bits. */
    uint32_t facilities;        /* Bits. */
    char *app;                  /* What 'apps' point into. */
    struct rule_glob *apps;
    size_t n_apps;              /* 0: any. */
    uint32_t sets;              /* As a line has them. */
};

struct context_tenant {
    uint32_t tenant;            /* 0: any that has nothing of its own. */
    const struct context_policy *policy;
    uint32_t share;             /* Sets that it may see: bits. */
    struct {
        uint32_t sets;          /* Of the first rule for all lines of it. */
        uint32_t n_before;      /* Rules before that one, */
        uint16_t *before;       /* for some of them. */
    } by_severity[N_SEVERITIES];
};

struct cached {
    uint8_t size;               /* 0: this one is free. */
    uint8_t key[MAX_CACHED_KEY];
    uint32_t sets;
};

struct context_policy {
    struct set sets[N_BUILTINS + CONTEXT_MAX_SETS];
    size_t n_sets;
    struct rule *rules;
    size_t n_rules;
    struct context_tenant *tenants; /* The first is for all others. */
    size_t n_tenants;
    struct cached cache[N_CACHED];
};

const char *
context_policy_builtin(size_t i)
{
    return i < N_BUILTINS ? builtins[i].name : NULL;
}

void
context_policy_destroy(struct context_policy *p)
{
    if (!p) {
        return;
    }
    for (size_t i = 0; i < p->n_sets; i++) {
        free(p->sets[i].name);
        free(p->sets[i].globs);
        free(p->sets[i].keys);
    }
    for (size_t i = 0; i < p->n_rules; i++) {
        free(p->rules[i].apps);
        free(p->rules[i].app);
    }
    free(p->rules);
    for (size_t i = 0; i < p->n_tenants; i++) {
        for (int j = 0; j < N_SEVERITIES; j++) {
            free(p->tenants[i].by_severity[j].before);
        }
    }
    free(p->tenants);
    free(p);
}

/* Making one. */

/* Reads 's' into '*copy' and globs that point into it.  Returns 0, or an error
 * as rule_globs_parse() does. */
static int
parse_globs(const char *s, char **copy, struct rule_glob **globs, size_t *n)
{
    *copy = strdup(s);
    return *copy ? rule_globs_parse(*copy, globs, n) : ENOMEM;
}

/* Adds a set, in the place of one of the same name. */
static int
add_set(struct context_policy *p, const struct context_set_spec *spec)
{
    struct set *set = p->sets;

    while (set < p->sets + p->n_sets && strcmp(set->name, spec->name)) {
        set++;
    }
    if (set == p->sets + p->n_sets) {
        set->name = strdup(spec->name);
        if (!set->name) {
            return ENOMEM;
        }
        p->n_sets++;
    }
    free(set->globs);
    free(set->keys);
    set->globs = NULL;
    set->n_globs = 0;
    return parse_globs(spec->keys, &set->keys, &set->globs, &set->n_globs);
}

/* Reads names of sets into bits. */
static int
parse_sets(const struct context_policy *p, const char *names, uint32_t *ret)
{
    struct rule_glob *globs;
    uint32_t sets = 0;
    size_t n;

    int error = rule_globs_parse(names, &globs, &n);
    for (size_t i = 0; !error && i < n; i++) {
        size_t j = 0;

        while (j < p->n_sets
               && !slice_equal(globs[i].pattern,
                               slice_from_string(p->sets[j].name))) {
            j++;
        }
        if (j == p->n_sets) {
            free(globs);
            return EINVAL;
        }
        sets |= 2u << j;
    }
    if (!error) {
        free(globs);
        *ret = sets;
    }
    return error;
}

static int
add_rule(struct context_policy *p, const struct context_rule_spec *spec)
{
    struct rule *rule = &p->rules[p->n_rules++];

    rule->tenant = spec->tenant;
    rule->severities = UINT8_MAX;
    rule->facilities = UINT32_MAX;
    if ((spec->severity
         && !rule_parse_severities(spec->severity, &rule->severities))
        || (spec->facility
            && !rule_parse_facilities(spec->facility, &rule->facilities))) {
        return EINVAL;
    }
    int error = (spec->app ? parse_globs(spec->app, &rule->app, &rule->apps,
                                         &rule->n_apps) : 0);
    if (!error) {
        error = parse_sets(p, spec->sets, &rule->sets);
        rule->sets |= BIT_SOME;
    }
    return error;
}

/* Finds out which rules may be the first for lines of 't'. */
static int
plan_tenant(struct context_policy *p, struct context_tenant *t)
{
    for (int severity = 0; severity < N_SEVERITIES; severity++) {
        uint16_t *before = calloc(p->n_rules, sizeof *before);
        uint32_t n = 0;
        size_t i = 0;

        if (!before) {
            return ENOMEM;
        }
        t->by_severity[severity].before = before;
        /* The defaults are for everything. */
        for (;; i++) {
            const struct rule *rule = &p->rules[i];

            if ((rule->tenant && rule->tenant != t->tenant)
                || !(rule->severities & 1 << severity)) {
                continue;
            } else if (rule->facilities == UINT32_MAX && !rule->n_apps) {
                break;
            }
            before[n++] = i;
        }
        t->by_severity[severity].n_before = n;
        t->by_severity[severity].sets = p->rules[i].sets;
    }
    return 0;
}

static struct context_tenant *
find_tenant(const struct context_policy *p, uint32_t tenant)
{
    size_t i = p->n_tenants - 1;

    while (i && p->tenants[i].tenant != tenant) {
        i--;
    }
    return &p->tenants[i];
}

static struct context_tenant *
add_tenant(struct context_policy *p, uint32_t tenant)
{
    struct context_tenant *t = p->n_tenants ? find_tenant(p, tenant) : NULL;

    if (!t || t->tenant != tenant) {
        t = &p->tenants[p->n_tenants++];
        t->tenant = tenant;
        t->policy = p;
        t->share = UINT32_MAX;
    }
    return t;
}

static int
fill(struct context_policy *p,
     const struct context_set_spec *sets, size_t n_sets,
     const struct context_rule_spec *rules, size_t n_rules,
     const struct context_share_spec *shares, size_t n_shares)
{
    int error = 0;

    for (size_t i = 0; i < N_BUILTINS && !error; i++) {
        error = add_set(p, &builtins[i]);
    }
    for (size_t i = 0; i < n_sets && !error; i++) {
        error = add_set(p, &sets[i]);
    }
    for (size_t i = 0; i < n_rules && !error; i++) {
        error = add_rule(p, &rules[i]);
    }
    for (size_t i = 0; i < N_DEFAULTS && !error; i++) {
        error = add_rule(p, &defaults[i]);
    }
    add_tenant(p, 0);
    for (size_t i = 0; i < n_rules; i++) {
        if (rules[i].tenant) {
            add_tenant(p, rules[i].tenant);
        }
    }
    for (size_t i = 0; i < n_shares && !error; i++) {
        struct context_tenant *t = add_tenant(p, shares[i].tenant);
        error = parse_sets(p, shares[i].sets, &t->share);
    }
    for (size_t i = 0; i < p->n_tenants && !error; i++) {
        error = plan_tenant(p, &p->tenants[i]);
    }
    return error;
}

int
context_policy_create(const struct context_set_spec *sets, size_t n_sets,
                      const struct context_rule_spec *rules, size_t n_rules,
                      const struct context_share_spec *shares, size_t n_shares,
                      struct context_policy **ret)
{
    if (n_sets > CONTEXT_MAX_SETS || n_rules > CONTEXT_MAX_RULES) {
        return EINVAL;
    }

    struct context_policy *p = calloc(1, sizeof *p);
    int error = ENOMEM;

    if (p) {
        p->rules = calloc(n_rules + N_DEFAULTS, sizeof *p->rules);
        p->tenants = calloc(1 + n_rules + n_shares, sizeof *p->tenants);
        if (p->rules && p->tenants) {
            error = fill(p, sets, n_sets, rules, n_rules, shares, n_shares);
        }
    }
    if (error) {
        context_policy_destroy(p);
    } else {
        *ret = p;
    }
    return error;
}

/* Lines. */

const struct context_tenant *
context_policy_tenant(const struct context_policy *p, uint32_t tenant)
{
    return find_tenant(p, tenant);
}

uint32_t
context_policy_line(const struct context_tenant *t, uint8_t pri,
                    struct slice app_name)
{
    unsigned int severity = pri & 7;
    unsigned int facility = pri >> 3;
    uint32_t n = t->by_severity[severity].n_before;

    for (uint32_t i = 0; i < n; i++) {
        const struct rule *rule
            = &t->policy->rules[t->by_severity[severity].before[i]];

        if (facility < 32 && rule->facilities & 1u << facility
            && (!rule->n_apps
                || rule_globs_match(rule->apps, rule->n_apps, app_name))) {
            return rule->sets;
        }
    }
    return t->by_severity[severity].sets;
}

/* Records. */

/* Returns true if 'set' has 'key': one of its names fits, and none that is
 * left out. */
static bool
set_has(const struct set *set, struct slice key)
{
    bool has = false;

    for (size_t i = 0; i < set->n_globs; i++) {
        struct rule_glob glob = set->globs[i];
        bool out = glob.pattern.size > 1 && glob.pattern.data[0] == '!';

        if (out) {
            struct cursor c = cursor_of(glob.pattern);
            cursor_take(&c, 1);
            glob.pattern = cursor_rest(&c);
        }
        if ((out || !has) && rule_glob_match(&glob, key)) {
            if (out) {
                return false;
            }
            has = true;
        }
    }
    return has;
}

/* Returns the sets that have 'key', as bits. */
static uint32_t
find_sets(const struct context_policy *p, struct slice key)
{
    uint32_t sets = 0;

    /* That a value is stale is told beside the value. */
    if (slice_equal(key, slice_from_string(CONTEXT_STALE_KEY))) {
        return UINT32_MAX & ~BIT_SOME;
    }
    for (size_t i = 0; i < p->n_sets; i++) {
        if (set_has(&p->sets[i], key)) {
            sets |= 2u << i;
        }
    }
    return sets;
}

/* The same, remembered.  Keys are of managers' choice, and many are alike. */
static uint32_t
sets_of(struct context_policy *p, struct slice key)
{
    uint32_t hash = 2166136261;

    if (!key.size || key.size > MAX_CACHED_KEY) {
        return find_sets(p, key);
    }
    for (size_t i = 0; i < key.size; i++) {
        hash = (hash ^ key.data[i]) * 16777619;
    }
    for (size_t i = 0; i < 8; i++) {
        struct cached *c = &p->cache[(hash + i) % N_CACHED];

        if (c->size == key.size && !memcmp(c->key, key.data, key.size)) {
            return c->sets;
        } else if (!c->size) {
            c->size = key.size;
            memcpy(c->key, key.data, key.size);
            c->sets = find_sets(p, key);
            return c->sets;
        }
    }
    return find_sets(p, key);
}

/* Appends bytes.  Returns false if there is no room. */
static bool
put_bytes(uint8_t **p, size_t *left, const void *data, size_t size)
{
    if (size > *left) {
        return false;
    }
    memcpy(*p, data, size);
    *p += size;
    *left -= size;
    return true;
}

static bool
put_varint(uint8_t **p, size_t *left, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;

    for (; value >= 0x80; value >>= 7) {
        bytes[n++] = value | 0x80;
    }
    bytes[n++] = value;
    return put_bytes(p, left, bytes, n);
}

/* Appends a value with the sets that it is in, if the tenant may see one. */
static bool
put_value(struct context_policy *policy, const struct context_tenant *t,
          struct slice message, uint8_t **p, size_t *left)
{
    struct slice key = context_value_key(message);
    uint32_t sets = sets_of(policy, key);
    uint8_t bits[6] = { CONTEXT_VALUE_SETS };
    uint8_t *end = bits + 1;
    size_t room = sizeof bits - 1;

    if (!(sets & t->share)) {
        return true;
    }
    put_varint(&end, &room, sets);
    size_t n_bits = sizeof bits - room;
    return (put_varint(p, left, CONTEXT_VM_VALUE)
            && put_varint(p, left, message.size + n_bits)
            && put_bytes(p, left, message.data, message.size)
            && put_bytes(p, left, bits, n_bits));
}

size_t
context_policy_filter(struct context_policy *policy,
                      const struct context_tenant *t, struct slice record,
                      uint8_t *buf, size_t cap)
{
    struct cursor c = cursor_of(record);
    uint8_t *p = buf;
    size_t left = cap;
    struct field f;
    bool ok = true;

    while (ok && take_field(&c, &f)) {
        switch (f.tag) {
        case CONTEXT_VM_VALUE:
            ok = put_value(policy, t, f.bytes, &p, &left);
            break;
        case CONTEXT_VM_VM:
        case CONTEXT_VM_NAME:
        case CONTEXT_VM_VTEP:
            ok = (put_varint(&p, &left, f.tag)
                  && put_varint(&p, &left, f.bytes.size)
                  && put_bytes(&p, &left, f.bytes.data, f.bytes.size));
            break;
        default:
            /* Its other keys, and who knows it, are the proxy's own. */
            break;
        }
    }
    return ok && !c.failed ? cap - left : 0;
}
