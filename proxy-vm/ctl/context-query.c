/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known about VMs.  See context-query.h. */
#include <config.h>

#include "context-query.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "context-status.h"
#include "control-frame.h"
#include "openvswitch/dynamic-string.h"
#include "render-json.h"
#include "table.h"
#include "timeval.h"
#include "util.h"

static const struct verb {
    const char *name;
    bool takes_vm;
    Sluice__Verb verb;
    const char *list;           /* Of the answer. */
    void (*render)(const Sluice__Response *, uint64_t now_ns, struct ds *);
} verbs[] = {
#define CONTEXT_VERB(SYMBOL, NAME, DOES, ARGUMENTS, HELP)               \
    { #NAME, sizeof ARGUMENTS > 1, SLUICE__VERB__CONTEXT_##SYMBOL,      \
      LIST_##SYMBOL, render_context_##NAME },
#define LIST_GET "context"
#define LIST_STATS "sources"
#define LIST_REFRESH "sources"
#define LIST_DIFF "context"
#include "context-verbs.def"
#undef CONTEXT_VERB
};

/* Rendering. */

static void
finish(struct table *t, const char *empty, struct ds *out)
{
    table_format(t, empty, out);
    table_destroy(t);
}

/* The time, malloc()ed. */
static char *
format_time(uint64_t ns)
{
    return xastrftime_msec("%Y-%m-%dT%H:%M:%SZ", ns / 1000000, true);
}

static char *
format_key(const Sluice__ContextKey *k)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr addr;

    if (strcmp(k->kind, "ip") || k->key.len != sizeof addr) {
        return format_id(k->key);
    }
    memcpy(&addr, k->key.data, sizeof addr);
    inet_ntop(AF_INET6, &addr, text, sizeof text);
    return xstrdup(strncmp(text, "::ffff:", 7) ? text : text + 7);
}

static void
put_head(const Sluice__ContextVm *v, struct ds *out)
{
    ds_put_cstr(out, v->name[0] ? v->name : "(no name)");
    if (v->tenant) {
        ds_put_format(out, ", of tenant %"PRIu32, v->tenant);
    }
    if (v->change[0]) {
        ds_put_format(out, ": %s", v->change);
    }
    ds_put_char(out, '\n');
}

static void
put_keys(const Sluice__ContextVm *v, struct ds *out)
{
    for (size_t i = 0; i < v->n_keys; i++) {
        char *key = format_key(v->keys[i]);
        ds_put_format(out, "  %s %s\n", v->keys[i]->kind, key);
        free(key);
    }
}

void
render_context_get(const Sluice__Response *r, uint64_t now_ns, struct ds *out)
{
    static const struct table_column columns[] = {
        { "KEY", TABLE_LEFT },
        { "VALUE", TABLE_LEFT },
        { "SOURCE", TABLE_LEFT },
        { "AGE", TABLE_RIGHT },
        { "", TABLE_LEFT },
    };

    for (size_t i = 0; i < r->n_context; i++) {
        const Sluice__ContextVm *v = r->context[i];
        struct table t;

        ds_put_cstr(out, i ? "\n" : "");
        put_head(v, out);
        put_keys(v, out);
        if (v->from_ns) {
            char *from = format_time(v->from_ns);
            ds_put_format(out, "  so since %s\n", from);
            free(from);
        }
        if (v->until_ns) {
            char *until = format_time(v->until_ns);
            ds_put_format(out, "  so until %s\n", until);
            free(until);
        }
        ds_put_char(out, '\n');
        table_init(&t, columns, ARRAY_SIZE(columns));
        for (size_t j = 0; j < v->n_facts; j++) {
            const Sluice__ContextFact *f = v->facts[j];
            table_add(&t, "%s", f->key);
            table_add(&t, "%s", f->value);
            table_add(&t, "%s", f->source);
            table_add_age(&t, f->fetched_ns, now_ns);
            table_add(&t, "%s", f->stale ? "stale" : "");
        }
        finish(&t, "Nothing else is known of it.", out);
    }
}

static uint64_t
counter_of(const Sluice__Response *r, const char *name)
{
    for (size_t i = 0; i < r->n_counters; i++) {
        if (!strcmp(r->counters[i]->name, name)) {
            return r->counters[i]->value;
        }
    }
    return 0;
}

static void
put_snapshot(const Sluice__Response *r, uint64_t now_ns, struct ds *out)
{
    for (size_t i = 0; i < r->n_snapshots; i++) {
        const Sluice__ContextSnapshot *s = r->snapshots[i];
        char *age = format_duration(now_ns > s->published_ns
                                    ? now_ns - s->published_ns : 0);

        ds_put_format(out, "Generation %"PRIu64", published %s ago: %"PRIu64
                      " VMs, %"PRIu64" earlier records, %"PRIu64" bytes\n",
                      s->generation, age, s->vms, s->earlier, s->bytes);
        free(age);
    }
    if (!r->n_snapshots) {
        ds_put_cstr(out, "There is no snapshot yet.\n");
    }
}

void
render_context_stats(const Sluice__Response *r, uint64_t now_ns,
                     struct ds *out)
{
    static const struct table_column columns[] = {
        { "SOURCE", TABLE_LEFT },
        { "STATE", TABLE_LEFT },
        { "HEARD OF", TABLE_RIGHT },
        { "VMS", TABLE_RIGHT },
        { "VALUES", TABLE_RIGHT },
        { "STALE", TABLE_RIGHT },
        { "OLDEST", TABLE_RIGHT },
        { "PROBLEM", TABLE_LEFT },
    };
    struct table t;

    put_snapshot(r, now_ns, out);
    ds_put_format(out, "Look-ups answered by UUID %"PRIu64", by MAC %"PRIu64
                  ", by IP %"PRIu64"; as of earlier %"PRIu64"; not answered "
                  "%"PRIu64"\n\n", counter_of(r, "context-hit-vm"),
                  counter_of(r, "context-hit-mac"),
                  counter_of(r, "context-hit-ip"),
                  counter_of(r, "context-earlier"),
                  counter_of(r, "context-miss"));
    table_init(&t, columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < r->n_sources; i++) {
        const Sluice__ContextSource *s = r->sources[i];
        table_add(&t, "%s", s->name);
        table_add(&t, "%s", s->state);
        table_add_age(&t, s->heard_ns, now_ns);
        table_add(&t, "%"PRIu64, s->vms);
        table_add(&t, "%"PRIu64, s->values);
        table_add(&t, "%"PRIu64, s->stale_values);
        table_add_age(&t, s->oldest_ns, now_ns);
        table_add(&t, "%s", s->problem);
    }
    finish(&t, "There is no source.", out);
}

void
render_context_refresh(const Sluice__Response *r OVS_UNUSED,
                       uint64_t now_ns OVS_UNUSED, struct ds *out)
{
    ds_put_cstr(out, "All sources are asked anew.\n");
}

void
render_context_diff(const Sluice__Response *r, uint64_t now_ns OVS_UNUSED,
                    struct ds *out)
{
    static const struct table_column columns[] = {
        { "KEY", TABLE_LEFT },
        { "BEFORE", TABLE_LEFT },
        { "NOW", TABLE_LEFT },
        { "SOURCE", TABLE_LEFT },
    };

    for (size_t i = 0; i < r->n_context; i++) {
        const Sluice__ContextVm *v = r->context[i];
        struct table t;

        ds_put_cstr(out, i ? "\n" : "");
        put_head(v, out);
        put_keys(v, out);
        table_init(&t, columns, ARRAY_SIZE(columns));
        for (size_t j = 0; j < v->n_facts; j++) {
            const Sluice__ContextFact *f = v->facts[j];
            table_add(&t, "%s", f->key);
            table_add(&t, "%s", f->before);
            table_add(&t, "%s", f->value);
            table_add(&t, "%s", f->source);
        }
        if (v->n_facts) {
            table_format(&t, "", out);
        }
        table_destroy(&t);
    }
    if (!r->n_context) {
        ds_put_cstr(out, "Nothing changed.\n");
    }
    if (r->cut) {
        ds_put_cstr(out, "\nThere are more changes than are told; ask for "
                    "those since a later time, or for single VMs.\n");
    }
}

/* Asking. */

/* Prints the answer to 'verb'. */
static int
show(const struct context_options *o, const struct verb *verb,
     const Sluice__Request *request)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    Sluice__Response *r;
    int status = EXIT_SUCCESS;

    char *sentence = client_request(o->socket, request, &r);
    if (sentence) {
        fprintf(stderr, "sluicectl: %s\n", sentence);
        free(sentence);
        return EXIT_FAILURE;
    }
    if (o->json) {
        render_json(r, verb->list, &text);
    } else if (!r->error[0]) {
        verb->render(r, time_wall_usec() * 1000ULL, &text);
    }
    if (r->error[0]) {
        fprintf(stderr, "sluicectl: %s\n", r->error);
        status = EXIT_FAILURE;
    }
    control_free_response(r);
    fputs(ds_cstr(&text), stdout);
    ds_destroy(&text);
    return status;
}

/* Reads the time that option 'name' has, if it has one. */
static bool
take_time(const char *name, const char *s, uint64_t *ret)
{
    *ret = s ? context_parse_when(s, time_wall_usec() * 1000ULL) : 0;
    if (s && !*ret) {
        fprintf(stderr, "sluicectl: --%s: \"%s\" is not a time; write it as "
                "2026-11-27T17:00:00Z, or 10m for ten minutes ago.\n", name,
                s);
        return false;
    }
    return true;
}

int
context_query_run(const struct context_options *o, int argc, char *argv[])
{
    Sluice__ContextQuery query = SLUICE__CONTEXT_QUERY__INIT;
    Sluice__Request request = SLUICE__REQUEST__INIT;
    const struct verb *verb = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (!strcmp(argv[0], verbs[i].name)) {
            verb = &verbs[i];
        }
    }
    if (!verb) {
        fprintf(stderr, "sluicectl: there is no command \"context %s\"; see "
                "'sluicectl --help'.\n", argv[0]);
        return EXIT_USAGE;
    } else if (argc != 1 + verb->takes_vm) {
        fprintf(stderr, verb->takes_vm
                ? "sluicectl: context %s: give one VM: its UUID, a MAC "
                "address or its name.\n"
                : "sluicectl: context %s: it takes nothing else.\n",
                verb->name);
        return EXIT_USAGE;
    } else if (!take_time("at", o->at, &query.at_ns)
               || !take_time("since", o->since, &query.since_ns)) {
        return EXIT_USAGE;
    }
    if (verb->takes_vm) {
        query.vm = argv[1];
    }
    request.verb = verb->verb;
    request.context = &query;
    return show(o, verb, &request);
}
