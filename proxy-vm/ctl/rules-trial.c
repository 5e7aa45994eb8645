/* SPDX-License-Identifier: Apache-2.0
 *
 * 'sluicectl rules test'.  See rules-trial.h. */
#include <config.h>

#include "rules-trial.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gap.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "printable.h"
#include "rule-match.h"
#include "stats.h"
#include "svec.h"
#include "table.h"
#include "util.h"

enum { MAX_TEXT = 160 };        /* Bytes of a line that people are shown. */

struct rules_trial {
    struct trial trial;
    uint64_t n_lines, n_dropped, n_announced;
    struct ds *out;
    struct json *lines;         /* Null: a table is wanted. */
};

/* Puts the names of the rules that 'rec' is about into '*names'. */
static void
list_rules(const struct rules_trial *t, const struct record *rec, bool is_line,
           struct svec *names)
{
    const struct rules *rules;
    const struct rules_verdict *v = pipeline_explain(t->trial.pipeline, &rules);

    if (rec->gap) {
        if (rec->gap->rule) {
            svec_add(names, rec->gap->rule);
        }
        return;
    }
    for (size_t i = 0; is_line && i < rules_n(rules); i++) {
        if (v->matched[i / 64] >> i % 64 & 1) {
            svec_add(names, rules_name(rules, i));
        }
    }
}

static void
put_text(struct json *object, const char *name, struct slice s)
{
    char *text = make_printable((const char *) s.data, s.size);

    json_object_put_string(object, name, text);
    free(text);
}

/* Adds 'rec' to the lines that become JSON. */
static void
add_json(struct rules_trial *t, const struct record *rec, enum sluice_drop drop,
         const struct svec *names, bool is_line)
{
    struct json *object = json_object_create();
    struct json *list = json_array_create_empty();

    json_object_put(object, "number", json_integer_create(t->trial.number));
    json_object_put(object, "tenant", json_integer_create(rec->meta.vni));
    json_object_put_string(object, "verdict", (drop ? "dropped"
                                               : rec->gap ? "announced"
                                               : "ships"));
    if (drop) {
        json_object_put_string(object, "reason", sluice_drop_name(drop));
    }
    if (rec->gap) {
        json_object_put_string(object, "reason",
                               gap_reason_name(rec->gap->reason));
        json_object_put(object, "lines",
                        json_integer_create(rec->gap->lines));
    }
    for (size_t i = 0; i < names->n; i++) {
        json_array_add(list, json_string_create(names->names[i]));
    }
    json_object_put(object, "rules", list);
    if (is_line) {
        json_object_put_string(object, "severity", rule_severity_name(
                                   syslog_severity(rec->msg.pri)));
        json_object_put_string(object, "facility",
                               rule_facility_name(rec->msg.pri >> 3));
        put_text(object, "app", rec->msg.app_name);
        put_text(object, "text", rec->msg.msg);
        if (!drop && rec->route) {
            json_object_put_string(object, "route", rec->route);
        }
        if (!drop && rec->verbose) {
            json_object_put(object, "verbose", json_boolean_create(true));
        }
    }
    json_array_add(t->lines, object);
}

/* Adds 'rec' to the table of lines. */
static void
add_row(struct rules_trial *t, const struct record *rec, enum sluice_drop drop,
        const struct svec *names, bool is_line)
{
    struct slice app = is_line ? rec->msg.app_name : slice_of("", 0);
    struct slice msg = is_line ? rec->msg.msg : slice_of("", 0);
    char *app_text = make_printable((const char *) app.data, app.size);
    char *text = make_printable((const char *) msg.data,
                                MIN(msg.size, MAX_TEXT));
    char *matched = svec_join(names, ",", "");
    char *what = (drop ? xstrdup(sluice_drop_name(drop))
                  : rec->gap ? xstrdup("announced")
                  : xasprintf("ships%s%s%s", rec->verbose ? " verbose" : "",
                              rec->route ? " to " : "",
                              rec->route ? rec->route : ""));

    ds_put_format(t->out, "%6"PRIu64"  %-18s  %-24s  %s%s%s\n", t->trial.number,
                  what, matched[0] ? matched : "-", app_text,
                  app_text[0] ? ": " : "", text);
    free(what);
    free(text);
    free(app_text);
    free(matched);
}

static void
show(void *t_, const struct record *rec, enum sluice_drop drop)
{
    struct rules_trial *t = t_;
    struct svec names = SVEC_EMPTY_INITIALIZER;
    bool is_line = trial_was_parsed(drop);

    list_rules(t, rec, is_line, &names);
    t->n_lines += !rec->gap;
    t->n_announced += rec->gap != NULL;
    t->n_dropped += drop != SLUICE_DROP_NONE;
    if (t->lines) {
        add_json(t, rec, drop, &names, is_line);
    } else {
        add_row(t, rec, drop, &names, is_line);
    }
    svec_destroy(&names);
}

static void
put_totals(struct rules_trial *t)
{
    static const struct table_column columns[] = {
        { "RULE", TABLE_LEFT },
        { "ACTION", TABLE_LEFT },
        { "MATCHED", TABLE_RIGHT },
        { "DROPPED", TABLE_RIGHT },
    };
    const struct rules *rules;
    struct table table;

    pipeline_explain(t->trial.pipeline, &rules);
    ds_put_char(t->out, '\n');
    table_init(&table, columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < rules_n(rules); i++) {
        /* Rules that begin together have their slots in order. */
        const struct stats_rule *s = &t->trial.stats->rules[i];
        table_add(&table, "%s", rules_name(rules, i));
        table_add(&table, "%s", rule_action_name(rules_action(rules, i)));
        table_add(&table, "%"PRIu64, s->matched);
        table_add(&table, "%"PRIu64, s->dropped);
    }
    table_format(&table, "There is no rule.", t->out);
    table_destroy(&table);
    ds_put_format(t->out, "\nlines: %"PRIu64", ship: %"PRIu64", dropped: "
                  "%"PRIu64", records that announce: %"PRIu64"\n", t->n_lines,
                  t->n_lines - t->n_dropped, t->n_dropped, t->n_announced);
}

static void
put_json(struct rules_trial *t)
{
    struct json *object = json_object_create();
    struct json *list = json_array_create_empty();
    const struct rules *rules;

    pipeline_explain(t->trial.pipeline, &rules);
    for (size_t i = 0; i < rules_n(rules); i++) {
        const struct stats_rule *s = &t->trial.stats->rules[i];
        struct json *rule = json_object_create();
        json_object_put_string(rule, "name", rules_name(rules, i));
        json_object_put_string(rule, "action",
                               rule_action_name(rules_action(rules, i)));
        json_object_put(rule, "matched", json_integer_create(s->matched));
        json_object_put(rule, "dropped", json_integer_create(s->dropped));
        json_array_add(list, rule);
    }
    json_object_put(object, "rules", list);
    json_object_put(object, "lines", t->lines);
    t->lines = NULL;
    json_object_put(object, "received", json_integer_create(t->n_lines));
    json_object_put(object, "dropped", json_integer_create(t->n_dropped));
    json_object_put(object, "announced", json_integer_create(t->n_announced));
    json_to_ds(object, JSSF_PRETTY | JSSF_SORT, t->out);
    ds_put_char(t->out, '\n');
    json_destroy(object);
}

char *
rules_trial(const struct trial_options *options, bool json, struct ds *out)
{
    struct rules_trial t = {
        .out = out,
        .lines = json ? json_array_create_empty() : NULL,
    };
    char *sentence = trial_open(&t.trial, options, show, &t);

    if (!sentence && !json) {
        ds_put_format(t.out, "%6s  %-18s  %-24s  %s\n", "LINE", "VERDICT",
                      "RULES", "TEXT");
    }
    if (!sentence) {
        sentence = trial_run(&t.trial);
    }
    if (!sentence && json) {
        put_json(&t);
    } else if (!sentence) {
        put_totals(&t);
    }
    trial_close(&t.trial);
    json_destroy(t.lines);
    return sentence;
}
