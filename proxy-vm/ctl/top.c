/* SPDX-License-Identifier: Apache-2.0
 *
 * See top.h. */
#include <config.h>

#include "top.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "control-frame.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "render-json.h"
#include "screen.h"
#include "table.h"
#include "timeval.h"
#include "util.h"
#include "watch.h"

enum {
#define RATE(FIELD, NAME, HEADING) RATE_##FIELD,
#include "top.def"
#undef RATE
    N_RATES,
    LAG = N_RATES,              /* By which rows can be sorted, too. */
    N_KEYS
};

static const char *const key_names[N_KEYS] = {
#define RATE(FIELD, NAME, HEADING) NAME,
#include "top.def"
#undef RATE
    "lag",
};

/* Who sends. */
struct row {
    uint32_t tenant;
    char *vm;                   /* UUID, or empty, as of a whole tenant. */
    char *name;
    char *host;
    uint32_t port;
    unsigned int n_vms;
    uint64_t counts[N_RATES];
    uint64_t last_ns;           /* Unix epoch: when the latest packet came. */
    double keys[N_KEYS];        /* Rates, each second since the look before;
                                 * and in seconds, how long the tenant's oldest
                                 * batch waits for its servers. */
};

/* A look at all of them. */
struct look {
    struct shash rows;          /* Of "struct row", by who it is. */
    long long int at_ms;
};

static void
look_destroy(struct look *look)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &look->rows) {
        struct row *row = node->data;
        free(row->vm);
        free(row->name);
        free(row->host);
    }
    shash_destroy_free_data(&look->rows);
}

static char *
row_key(const Sluice__Vm *vm, const char *uuid, const char *mac,
        bool by_tenant)
{
    return (by_tenant ? xasprintf("%"PRIu32, vm->tenant)
            : xasprintf("%"PRIu32" %s %s %s %"PRIu32, vm->tenant, uuid, mac,
                        vm->vtep, vm->ofp_port));
}

static void
add_vm(struct look *look, const Sluice__Vm *vm, bool by_tenant)
{
    char *uuid = format_id(vm->vm), *mac = format_id(vm->mac);
    char *key = row_key(vm, uuid, mac, by_tenant);
    struct row *row = shash_find_data(&look->rows, key);

    if (!row) {
        row = xzalloc(sizeof *row);
        row->tenant = vm->tenant;
        row->vm = xstrdup(by_tenant ? "" : uuid);
        row->name = xstrdup(by_tenant ? "" : vm->name);
        row->host = xstrdup(by_tenant ? "" : vm->vtep);
        row->port = by_tenant ? 0 : vm->ofp_port;
        shash_add_nocopy(&look->rows, key, row);
    } else {
        free(key);
    }
    row->n_vms++;
    row->last_ns = MAX(row->last_ns, vm->last_ns);
#define RATE(FIELD, NAME, HEADING) row->counts[RATE_##FIELD] += vm->FIELD;
#include "top.def"
#undef RATE
    free(uuid);
    free(mac);
}

/* Asks sluiced.  Returns null and '*ret', or a malloc()ed sentence. */
static char *
ask(const struct top_options *o, Sluice__Verb verb, Sluice__Response **ret)
{
    char *sentence = client_ask(o->socket, verb, ret);

    if (!sentence && (*ret)->error[0]) {
        sentence = xstrdup((*ret)->error);
        control_free_response(*ret);
        *ret = NULL;
    }
    return sentence;
}

/* Sets the lag of each row to that of its tenant's queues that is longest, and
 * the name of a whole tenant. */
static void
add_tenants(struct look *look, const Sluice__Response *tenants, bool by_tenant)
{
    uint64_t now_ns = time_wall_usec() * 1000ULL;
    struct shash_node *node;

    SHASH_FOR_EACH (node, &look->rows) {
        struct row *row = node->data;

        for (size_t i = 0; i < tenants->n_tenants; i++) {
            const Sluice__Tenant *t = tenants->tenants[i];
            if (t->id != row->tenant) {
                continue;
            } else if (by_tenant && !row->name[0]) {
                free(row->name);
                row->name = xstrdup(t->name);
            }
            /* A clock may have been set back. */
            if (t->oldest_ns && t->oldest_ns < now_ns) {
                row->keys[LAG] = MAX(row->keys[LAG],
                                     (now_ns - t->oldest_ns) / 1e9);
            }
        }
    }
}

/* Takes a look.  Returns null and '*look', or a malloc()ed sentence. */
static char *
take_look(const struct top_options *o, struct look *look)
{
    Sluice__Response *response = NULL, *tenants = NULL;
    char *sentence = ask(o, SLUICE__VERB__VMS, &response);

    if (!sentence) {
        sentence = ask(o, SLUICE__VERB__TENANTS, &tenants);
    }
    if (!sentence) {
        look->at_ms = time_msec();
        shash_init(&look->rows);
        for (size_t i = 0; i < response->n_vms; i++) {
            if (!o->tenant || response->vms[i]->tenant == o->tenant) {
                add_vm(look, response->vms[i], o->by_tenant);
            }
        }
        add_tenants(look, tenants, o->by_tenant);
    }
    if (response) {
        control_free_response(response);
    }
    if (tenants) {
        control_free_response(tenants);
    }
    return sentence;
}

/* Works out the rates of 'now', a look after 'before'.  Who is new since then
 * began with nothing, and so did who has less now than before. */
static void
compare(const struct look *before, struct look *now)
{
    double s = MAX(now->at_ms - before->at_ms, 1) / 1e3;
    struct shash_node *node;

    SHASH_FOR_EACH (node, &now->rows) {
        const struct row *old = shash_find_data(&before->rows, node->name);
        struct row *row = node->data;

        for (int i = 0; i < N_RATES; i++) {
            uint64_t start = old ? old->counts[i] : 0;
            row->keys[i] = (row->counts[i] - (start <= row->counts[i]
                                               ? start : 0)) / s;
        }
    }
}

/* What rows are sorted by, for qsort(). */
static int sort_key;

static int
compare_rows(const void *a_, const void *b_)
{
    const struct shash_node *const *a = a_, *const *b = b_;
    const struct row *x = (*a)->data, *y = (*b)->data;
    double difference = y->keys[sort_key] - x->keys[sort_key];

    return (difference ? (difference < 0 ? -1 : 1)
            : strcmp((*a)->name, (*b)->name));
}

/* Returns the rows of 'look', to be freed; null if there are none. */
static const struct shash_node **
sort_rows(const struct look *look, int key)
{
    const struct shash_node **nodes = shash_sort(&look->rows);

    sort_key = key;
    if (nodes) {
        qsort(nodes, shash_count(&look->rows), sizeof *nodes, compare_rows);
    }
    return nodes;
}

static void
put_table(const struct top_options *o, const struct shash_node **nodes,
          size_t n, struct ds *out)
{
    static const struct table_column columns[] = {
        { "TENANT", TABLE_RIGHT },
#define RATE(FIELD, NAME, HEADING) { HEADING, TABLE_RIGHT },
#include "top.def"
#undef RATE
        { "LAG", TABLE_RIGHT },
        { "LATEST", TABLE_RIGHT },
        { "VMS", TABLE_RIGHT },
        { "NAME", TABLE_LEFT },
        { "HOST", TABLE_LEFT },
        { "PORT", TABLE_RIGHT },
        { "VM", TABLE_LEFT },
    };
    uint64_t now_ns = time_wall_usec() * 1000ULL;
    struct table t;

    table_init(&t, columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < n; i++) {
        const struct row *row = nodes[i]->data;

        table_add(&t, "%"PRIu32, row->tenant);
        for (int j = 0; j < N_RATES; j++) {
            if (j == RATE_bytes) {
                table_add_bytes(&t, row->keys[j]);
            } else {
                table_add(&t, "%.1f", row->keys[j]);
            }
        }
        char *lag = format_duration(row->keys[LAG] * 1e9);
        table_add(&t, "%s", lag);
        free(lag);
        table_add_age(&t, row->last_ns, now_ns);
        table_add(&t, "%u", row->n_vms);
        table_add(&t, "%s", row->name);
        table_add(&t, "%s", row->host);
        if (o->by_tenant) {
            table_add(&t, "%s", "");
        } else {
            table_add(&t, "%"PRIu32, row->port);
        }
        table_add(&t, "%s", row->vm);
    }
    table_format(&t, "No virtual machine has sent anything yet.", out);
    table_destroy(&t);
}

static void
put_json(const struct shash_node **nodes, size_t n, struct ds *out)
{
    struct json *rows = json_array_create_empty();
    struct json *all = json_object_create();

    for (size_t i = 0; i < n; i++) {
        const struct row *row = nodes[i]->data;
        struct json *json = json_object_create();

        json_object_put(json, "tenant", json_integer_create(row->tenant));
        json_object_put(json, "vms", json_integer_create(row->n_vms));
        json_object_put_string(json, "vm", row->vm);
        json_object_put_string(json, "name", row->name);
        json_object_put_string(json, "host", row->host);
        json_object_put(json, "port", json_integer_create(row->port));
        json_object_put(json, "last_ns", json_integer_create(row->last_ns));
        for (int j = 0; j < N_RATES; j++) {
            json_object_put(json, key_names[j],
                            json_real_create(row->keys[j]));
        }
        json_object_put(json, "lag_s", json_real_create(row->keys[LAG]));
        json_array_add(rows, json);
    }
    json_object_put(all, "time_ns",
                    json_integer_create(time_wall_usec() * 1000LL));
    json_object_put(all, "top", rows);
    json_to_ds(all, JSSF_SORT, out);
    ds_put_char(out, '\n');
    json_destroy(all);
}

static char *
find_key(const char *name, int *ret)
{
    struct ds known = DS_EMPTY_INITIALIZER;

    for (int i = 0; i < N_KEYS; i++) {
        if (!name || !strcmp(name, key_names[i])) {
            ds_destroy(&known);
            *ret = i;
            return NULL;
        }
        ds_put_format(&known, "%s%s", !i ? "" : i + 1 < N_KEYS ? ", " : " or ",
                      key_names[i]);
    }
    char *sentence = xasprintf("--sort: there is no \"%s\"; sort by %s.", name,
                               ds_cstr(&known));
    ds_destroy(&known);
    return sentence;
}

/* Shows 'look'.  Returns false if standard output can't be written. */
static bool
show(const struct top_options *o, const struct look *look, int key)
{
    const struct shash_node **nodes = sort_rows(look, key);
    size_t n = shash_count(&look->rows);
    struct ds out = DS_EMPTY_INITIALIZER;

    n = o->rows && n > o->rows ? o->rows : n;
    if (o->json) {
        put_json(nodes, n, &out);
    } else {
        put_table(o, nodes, n, &out);
    }
    if (!o->json && screen_is_there()) {
        screen_show(ds_cstr(&out));
    } else {
        fputs(ds_cstr(&out), stdout);
    }
    bool ok = !fflush(stdout) && !ferror(stdout);
    ds_destroy(&out);
    free(nodes);
    return ok;
}

char *
top_run(const struct top_options *o)
{
    struct look looks[2];
    struct look *before = &looks[0], *now = &looks[1];
    bool ok = true;
    int key = 0;

    char *sentence = find_key(o->sort, &key);
    if (!sentence) {
        sentence = take_look(o, before);
    }
    if (sentence) {
        return sentence;
    }
    watch_end_by_interrupt();
    for (unsigned int i = 0; ok && !sentence && (!o->count || i < o->count);
         i++) {
        xnanosleep(o->interval_s * UINT64_C(1000000000));
        sentence = take_look(o, now);
        if (!sentence) {
            struct look *next = before;

            compare(before, now);
            ok = show(o, now, key);
            look_destroy(before);
            before = now;
            now = next;
        }
    }
    look_destroy(before);
    return (sentence || ok ? sentence
            : xstrdup("standard output can't be written; make room for it."));
}
