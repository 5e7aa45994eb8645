/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads redaction rules from YAML.  See redact-rules.h.
 *
 * A text is one mapping: "rules", a list of mappings whose keys are in
 * 'rule_keys'; "enable" and "disable", lists of ids; "allow", a list of values
 * that are no secrets; "actions", a mapping from ids, or "all", to actions. */
#include "sluice-config.h"       /* For vasprintf(). */

#include "redact-rules.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "redact-example.h"
#include "utf8.h"

#define MAX_RULES 1024
#define MAX_LITERALS_PER_RULE 64
#define MAX_ID 48
#define MAX_LITERAL 64
#define MAX_ALLOW 1024

/* A text while it is read. */
struct reader {
    struct redact_rules *rules;
    const char *path;
    bool builtin;
    yaml_document_t doc;
    char *sentence;             /* The first complaint. */
};

static void
__attribute__((format(printf, 3, 4)))
complain(struct reader *r, const yaml_node_t *node, const char *format, ...)
{
    char *what;
    va_list args;

    if (r->sentence) {
        return;
    }
    va_start(args, format);
    int n = vasprintf(&what, format, args);
    va_end(args);
    if (n >= 0) {
        /* It may quote the file, which is a tenant's. */
        utf8_make_printable(what);
    }
    if (n < 0 || asprintf(&r->sentence, "%s:%zu: %s", r->path,
                          node ? node->start_mark.line + 1 : 1, what) < 0) {
        abort();
    }
    free(what);
}

static void *
must(void *p)
{
    if (!p) {
        abort();
    }
    return p;
}

/* Returns the text of 'node', or null and complains. */
static const char *
text_of(struct reader *r, const yaml_node_t *node, const char *key)
{
    if (node->type != YAML_SCALAR_NODE) {
        complain(r, node, "%s is not a single value; give one.", key);
        return NULL;
    }
    const char *s = (const char *) node->data.scalar.value;
    if (strlen(s) != node->data.scalar.length) {
        complain(r, node, "%s holds a zero byte; leave it out.", key);
        return NULL;
    } else if (!*s) {
        complain(r, node, "%s is empty; give a value or leave it out.", key);
        return NULL;
    }
    return s;
}

/* Reads a list of strings, at most 'max'. */
static void
read_list(struct reader *r, const yaml_node_t *node, const char *key,
          size_t max, char ***list, size_t *n)
{
    if (node->type != YAML_SEQUENCE_NODE) {
        complain(r, node, "%s is not a list; write it as [a, b].", key);
        return;
    }
    for (yaml_node_item_t *i = node->data.sequence.items.start;
         i < node->data.sequence.items.top; i++) {
        const yaml_node_t *item = yaml_document_get_node(&r->doc, *i);
        const char *s = text_of(r, item, key);
        if (!s) {
            return;
        } else if (*n >= max) {
            complain(r, item, "%s has more than %zu entries; give fewer.",
                     key, max);
            return;
        }
        *list = must(realloc(*list, (*n + 1) * sizeof **list));
        (*list)[(*n)++] = must(strdup(s));
    }
}

static void
set_bool(struct reader *r, struct redact_rule *rule, const yaml_node_t *node,
         const char *key, size_t offset)
{
    const char *s = text_of(r, node, key);
    bool *flag = (bool *) ((char *) rule + offset);

    if (s && strcmp(s, "true") && strcmp(s, "false")) {
        complain(r, node, "%s is \"%s\"; give true or false.", key, s);
    } else if (s) {
        *flag = !strcmp(s, "true");
    }
}

static void
set_text(struct reader *r, struct redact_rule *rule, const yaml_node_t *node,
         const char *key, size_t offset)
{
    const char *s = text_of(r, node, key);

    if (s) {
        char **text = (char **) ((char *) rule + offset);
        free(*text);
        *text = must(strdup(s));
    }
}

static void
set_id(struct reader *r, struct redact_rule *rule, const yaml_node_t *node,
       const char *key, size_t offset)
{
    const char *s = text_of(r, node, key);

    if (s && (strlen(s) > MAX_ID
              || strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-")
                 != strlen(s))) {
        complain(r, node, "the id \"%.100s\" is not of lower-case letters, "
                 "digits and '-', at most %d; change it.", s, MAX_ID);
        return;
    }
    set_text(r, rule, node, key, offset);
}

static void
set_literals(struct reader *r, struct redact_rule *rule,
             const yaml_node_t *node, const char *key, size_t offset)
{
    (void) offset;
    size_t first = rule->n_literals;

    read_list(r, node, key, MAX_LITERALS_PER_RULE, &rule->literals,
              &rule->n_literals);
    for (size_t i = first; i < rule->n_literals; i++) {
        size_t n = strlen(rule->literals[i]);
        if (n < 2 || n > MAX_LITERAL) {
            complain(r, node, "the literal \"%.100s\" has not 2 to %d bytes; "
                     "change it.", rule->literals[i], MAX_LITERAL);
        }
    }
}

static void
set_examples(struct reader *r, struct redact_rule *rule,
             const yaml_node_t *node, const char *key, size_t offset)
{
    bool match = offset == offsetof(struct redact_rule, examples);

    read_list(r, node, key, 64, match ? &rule->examples : &rule->others,
              match ? &rule->n_examples : &rule->n_others);
}

static void
set_pattern(struct reader *r, struct redact_rule *rule,
            const yaml_node_t *node, const char *key, size_t offset)
{
    struct redact_pattern *pattern
        = (struct redact_pattern *) ((char *) rule + offset);
    const char *s = text_of(r, node, key);

    if (s && redact_pattern_parse(pattern, s)) {
        complain(r, node, "%s \"%.100s\" is no pattern as "
                 "sluice-redaction(5) has it, of at most %d items; correct "
                 "it.", key, s, REDACT_MAX_ITEMS);
    } else if (s && pattern == &rule->before) {
        for (size_t i = 0; i < pattern->n_items; i++) {
            if (pattern->items[i].max > REDACT_MAX_BEFORE) {
                complain(r, node, "before \"%.100s\" has an item without a "
                         "bound, or one over %d; give a smaller one.", s,
                         REDACT_MAX_BEFORE);
            }
        }
    }
}

static void
set_match(struct reader *r, struct redact_rule *rule, const yaml_node_t *node,
          const char *key, size_t offset)
{
    static const struct {
        const char *name;
        redact_matcher *matcher;
    } matchers[] = {
        { "shape", redact_match_shape },
        { "value", redact_match_value },
        { "option", redact_match_option },
        { "authorization", redact_match_authorization },
        { "cookie", redact_match_cookie },
        { "url", redact_match_url },
        { "pem", redact_match_pem },
        { "card", redact_match_card },
        { "iban", redact_match_iban },
        { "ssn", redact_match_ssn },
        { "email", redact_match_email },
    };
    const char *s = text_of(r, node, key);

    (void) offset;
    for (size_t i = 0; s && i < sizeof matchers / sizeof *matchers; i++) {
        if (!strcmp(s, matchers[i].name)) {
            rule->matcher = matchers[i].matcher;
            return;
        }
    }
    if (s) {
        complain(r, node, "match is \"%.100s\"; give shape, value, option or "
                 "another of sluice-redaction(5).", s);
    }
}

static void
set_validator(struct reader *r, struct redact_rule *rule,
              const yaml_node_t *node, const char *key, size_t offset)
{
    static const struct {
        const char *name;
        redact_validator *validator;
    } validators[] = {
        { "basic", redact_valid_basic },
        { "opaque", redact_valid_opaque },
        { "mixed", redact_valid_mixed },
        { "phone", redact_valid_phone },
    };
    const char *s = text_of(r, node, key);

    (void) offset;
    for (size_t i = 0; s && i < sizeof validators / sizeof *validators; i++) {
        if (!strcmp(s, validators[i].name)) {
            rule->validator = validators[i].validator;
            return;
        }
    }
    if (s) {
        complain(r, node, "validator is \"%.100s\"; give basic, opaque, mixed "
                 "or phone.", s);
    }
}

/* Returns whether 's' names an action, and it in '*ret'. */
static bool
parse_action(const char *s, enum redact_action *ret)
{
    static const char *const names[] = {
        [REDACT_MASK] = "mask",
        [REDACT_PSEUDONYM] = "pseudonym",
        [REDACT_DROP_FIELD] = "drop-field",
        [REDACT_DROP_MESSAGE] = "drop-message",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!strcmp(s, names[i])) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static void
set_action(struct reader *r, struct redact_rule *rule,
           const yaml_node_t *node, const char *key, size_t offset)
{
    const char *s = text_of(r, node, key);

    (void) offset;
    if (s && !parse_action(s, &rule->action)) {
        complain(r, node, "%s is \"%.100s\"; give mask, pseudonym, drop-field "
                 "or drop-message.", key, s);
    }
}

static const struct rule_key {
    const char *name;
    void (*set)(struct reader *, struct redact_rule *, const yaml_node_t *,
                const char *key, size_t offset);
    size_t offset;
} rule_keys[] = {
#define KEY(NAME, SET, MEMBER)                                  \
    { NAME, set_##SET, offsetof(struct redact_rule, MEMBER) },
    KEY("id", id, id)
    KEY("description", text, description)
    KEY("match", match, matcher)
    KEY("literals", literals, literals)
    KEY("caseless", bool, caseless)
    KEY("whole", bool, whole)
    KEY("boundary", bool, boundary)
    KEY("enabled", bool, enabled)
    KEY("option", text, option)
    KEY("before", pattern, before)
    KEY("pattern", pattern, pattern)
    KEY("validator", validator, validator)
    KEY("action", action, action)
    KEY("match-examples", examples, examples)
    KEY("other-examples", examples, others)
#undef KEY
};

static void
rule_uninit(struct redact_rule *rule)
{
    for (size_t i = 0; i < rule->n_literals; i++) {
        free(rule->literals[i]);
    }
    for (size_t i = 0; i < rule->n_examples; i++) {
        free(rule->examples[i]);
    }
    for (size_t i = 0; i < rule->n_others; i++) {
        free(rule->others[i]);
    }
    free(rule->literals);
    free(rule->examples);
    free(rule->others);
    free(rule->id);
    free(rule->description);
    free(rule->option);
}

/* Checks what concerns several keys of a rule. */
static void
check_rule(struct reader *r, const struct redact_rule *rule,
           const yaml_node_t *node)
{
    redact_matcher *m = rule->matcher;
    bool scanned = m == redact_match_card || m == redact_match_iban
                   || m == redact_match_ssn || m == redact_match_email;

    if (!rule->id) {
        complain(r, node, "a rule has no id; give it one.");
    } else if (redact_rules_find(r->rules, rule->id)) {
        complain(r, node, "rule %s: there is a rule of this id already; give "
                 "it another, or disable nothing and change its action under "
                 "\"actions\".", rule->id);
    } else if (!scanned && !rule->n_literals) {
        complain(r, node, "rule %s has no literals; give those that lead to "
                 "the secret.", rule->id);
    } else if (m == redact_match_option && !rule->option) {
        complain(r, node, "rule %s has no option; give it, as \"-p\".",
                 rule->id);
    } else if ((m == redact_match_shape || m == redact_match_option)
               && !rule->pattern.n_items) {
        complain(r, node, "rule %s has no pattern; give what stands behind "
                 "the literal.", rule->id);
    }
    for (size_t i = 0; i < rule->n_examples + rule->n_others; i++) {
        const char *s = (i < rule->n_examples ? rule->examples[i]
                         : rule->others[i - rule->n_examples]);
        struct redact_example example;
        if (!redact_example_make(s, 0, &example)) {
            complain(r, node, "rule %s: the example \"%.100s\" has braces "
                     "that say nothing; correct it.", rule->id, s);
        }
    }
}

static void
read_rule(struct reader *r, const yaml_node_t *node, struct redact_rule *rule)
{
    if (node->type != YAML_MAPPING_NODE) {
        complain(r, node, "a rule is not a mapping; give it keys such as id "
                 "and literals.");
        return;
    }
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start;
         p < node->data.mapping.pairs.top && !r->sentence; p++) {
        const yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
        const char *name = text_of(r, key, "a key");
        size_t i = 0;

        while (name && i < sizeof rule_keys / sizeof *rule_keys
               && strcmp(name, rule_keys[i].name)) {
            i++;
        }
        if (name && i == sizeof rule_keys / sizeof *rule_keys) {
            complain(r, key, "a rule has no key \"%.100s\"; "
                     "sluice-redaction(5) lists the keys.", name);
        } else if (name) {
            rule_keys[i].set(r, rule, yaml_document_get_node(&r->doc,
                                                             p->value),
                             name, rule_keys[i].offset);
        }
    }
    if (!r->sentence) {
        check_rule(r, rule, node);
    }
}

/* Reads the list of rules; they go before those that are there. */
static void
read_rules(struct reader *r, const yaml_node_t *node)
{
    if (node->type != YAML_SEQUENCE_NODE) {
        complain(r, node, "rules is not a list; begin each rule with \"- \".");
        return;
    }
    size_t n_new = 0;
    for (yaml_node_item_t *i = node->data.sequence.items.start;
         i < node->data.sequence.items.top && !r->sentence; i++, n_new++) {
        struct redact_rules *rules = r->rules;
        struct redact_rule rule = {
            .matcher = redact_match_shape, .enabled = true,
            .builtin = r->builtin
        };

        if (rules->n_rules == MAX_RULES) {
            complain(r, node, "there are more than %d rules; give fewer.",
                     MAX_RULES);
            return;
        }
        read_rule(r, yaml_document_get_node(&r->doc, *i), &rule);
        if (rules->n_rules == rules->n_allocated) {
            rules->n_allocated = rules->n_allocated * 2 + 16;
            rules->rules = must(realloc(rules->rules, rules->n_allocated
                                        * sizeof *rules->rules));
        }
        memmove(&rules->rules[n_new + 1], &rules->rules[n_new],
                (rules->n_rules - n_new) * sizeof *rules->rules);
        rules->rules[n_new] = rule;
        rules->n_rules++;
    }
}

/* Enables or disables the rules whose ids are listed. */
static void
read_switch(struct reader *r, const yaml_node_t *node, const char *key,
            bool enabled)
{
    char **ids = NULL;
    size_t n = 0;

    read_list(r, node, key, MAX_RULES, &ids, &n);
    for (size_t i = 0; i < n; i++) {
        struct redact_rule *rule = redact_rules_find(r->rules, ids[i]);

        if (rule) {
            rule->enabled = enabled;
        } else {
            complain(r, node, "%s: there is no rule %.100s; correct it.", key,
                     ids[i]);
        }
        free(ids[i]);
    }
    free(ids);
}

static void
read_actions(struct reader *r, const yaml_node_t *node)
{
    if (node->type != YAML_MAPPING_NODE) {
        complain(r, node, "actions is not a mapping; write \"id: mask\".");
        return;
    }
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start;
         p < node->data.mapping.pairs.top && !r->sentence; p++) {
        const yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
        const yaml_node_t *value = yaml_document_get_node(&r->doc, p->value);
        const char *id = text_of(r, key, "an id");
        struct redact_rule *rule = id ? redact_rules_find(r->rules, id) : NULL;

        if (rule) {
            set_action(r, rule, value, id, 0);
        } else if (id && !strcmp(id, "all")) {
            for (size_t i = 0; i < r->rules->n_rules; i++) {
                set_action(r, &r->rules->rules[i], value, id, 0);
            }
        } else if (id) {
            complain(r, key, "actions: there is no rule %.100s; correct it.",
                     id);
        }
    }
}

/* Reads the sections of a text in the order in which they depend on each
 * other, whatever their order there. */
static void
read_sections(struct reader *r, const yaml_node_t *root)
{
    static const char *const names[] = {
        "rules", "enable", "disable", "actions", "allow"
    };
    enum { N = sizeof names / sizeof *names };
    const yaml_node_t *sections[N] = { NULL };

    for (yaml_node_pair_t *p = root->data.mapping.pairs.start;
         p < root->data.mapping.pairs.top && !r->sentence; p++) {
        const yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
        const char *name = text_of(r, key, "a key");
        size_t i = 0;

        while (name && i < N && strcmp(name, names[i])) {
            i++;
        }
        if (name && i == N) {
            complain(r, key, "there is no section \"%.100s\"; there are "
                     "rules, enable, disable, actions and allow.", name);
        } else if (name && sections[i]) {
            complain(r, key, "%s stands twice; join them.", name);
        } else if (name) {
            sections[i] = yaml_document_get_node(&r->doc, p->value);
        }
    }
    for (size_t i = 0; i < N && !r->sentence; i++) {
        if (!sections[i]) {
            continue;
        }
        switch (i) {
        case 0:
            read_rules(r, sections[i]);
            break;
        case 1:
        case 2:
            read_switch(r, sections[i], names[i], i == 1);
            break;
        case 3:
            read_actions(r, sections[i]);
            break;
        default:
            read_list(r, sections[i], names[i], MAX_ALLOW, &r->rules->allow,
                      &r->rules->n_allow);
            break;
        }
    }
}

char *
redact_rules_add(struct redact_rules *rules, const char *path,
                 const char *text, size_t size)
{
    struct reader r = {
        .rules = rules, .path = path, .builtin = text == redact_builtin_text
    };
    yaml_parser_t parser;

    must(yaml_parser_initialize(&parser) ? &parser : NULL);
    yaml_parser_set_input_string(&parser, (const unsigned char *) text, size);
    if (!yaml_parser_load(&parser, &r.doc)) {
        if (asprintf(&r.sentence, "%s:%zu: this is not YAML: %s; correct the "
                     "line.", path, parser.problem_mark.line + 1,
                     parser.problem ? parser.problem : "it can't be read")
            < 0) {
            abort();
        }
    } else {
        const yaml_node_t *root = yaml_document_get_root_node(&r.doc);

        if (root && root->type == YAML_MAPPING_NODE) {
            read_sections(&r, root);
        } else if (root) {
            complain(&r, root, "the file is not a mapping; begin it with "
                     "\"rules:\" or another section.");
        }
        yaml_document_delete(&r.doc);
    }
    yaml_parser_delete(&parser);
    return r.sentence;
}

void
redact_rules_destroy(struct redact_rules *rules)
{
    for (size_t i = 0; i < rules->n_rules; i++) {
        rule_uninit(&rules->rules[i]);
    }
    for (size_t i = 0; i < rules->n_allow; i++) {
        free(rules->allow[i]);
    }
    free(rules->rules);
    free(rules->allow);
    *rules = (struct redact_rules) { .rules = NULL };
}

struct redact_rule *
redact_rules_find(struct redact_rules *rules, const char *id)
{
    for (size_t i = 0; i < rules->n_rules; i++) {
        if (rules->rules[i].id && !strcmp(rules->rules[i].id, id)) {
            return &rules->rules[i];
        }
    }
    return NULL;
}

char *
redactor_try_examples(struct redactor *r)
{
    const struct redact_rules *rules = redactor_rules(r);
    size_t n = rules->n_rules;
    uint64_t *hits = calloc(n + 1, sizeof *hits);
    struct redact_example *e = malloc(sizeof *e);
    char *sentence = NULL;

    if (!hits || !e) {
        abort();
    }
    for (size_t i = 0; i < n && !sentence; i++) {
        const struct redact_rule *rule = &rules->rules[i];

        for (size_t j = 0; j < rule->n_examples + rule->n_others
                           && !rule->builtin && rule->enabled && !sentence;
             j++) {
            bool must = j < rule->n_examples;
            const char *s = (must ? rule->examples[j]
                             : rule->others[j - rule->n_examples]);
            struct redact_result result;

            hits[i] = 0;
            redact_example_make(s, j, e);
            redactor_run(r, slice_of(e->text, e->size), hits, &result);
            if (!hits[i] == must
                && asprintf(&sentence, "rule %s: the example \"%.200s\" %s; "
                            "correct the rule or the example.", rule->id, s,
                            must ? "does not match" : "matches") < 0) {
                abort();
            }
            if (sentence) {
                utf8_make_printable(sentence);
            }
        }
    }
    free(e);
    free(hits);
    return sentence;
}
