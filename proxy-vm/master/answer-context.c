/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers what is known about VMs: "context get", "stats", "refresh" and
 * "diff", from the snapshot that sluice-context wrote and sluice-intake looks
 * things up in.  See answer-private.h.
 *
 * A snapshot is our own file, but what stands in it others said: nothing in it
 * is trusted, and it is made printable. */
#include <config.h>

#include "answer-private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "context-diff.h"
#include "context-status.h"
#include "context-view.h"
#include "context.pb-c.h"
#include "packets.h"
#include "printable.h"
#include "supervisor.h"
#include "uuid-bytes.h"

enum {
    MAX_GET = 64,               /* VMs of one name. */
    MAX_CHANGES_SIZE = 4 * 1024 * 1024, /* Bytes of the records of a diff. */
    MAX_TEXT = 64 * 1024,
};

/* Records. */

static void
add_key(struct draft *d, Sluice__ContextVm *v, const char *kind,
        const ProtobufCBinaryData *bytes)
{
    if (!bytes->len) {
        return;
    }

    Sluice__ContextKey *k = own(d, xmalloc(sizeof *k));

    sluice__context_key__init(k);
    k->kind = own_string(d, kind);
    k->key.len = bytes->len;
    k->key.data = own(d, xmemdup(bytes->data, bytes->len));
    v->keys[v->n_keys++] = k;
}

static void
set_keys(struct draft *d, Sluice__ContextVm *v, const Sluice__VmContext *vm)
{
    size_t n = 1 + vm->n_other_vm + vm->n_mac + vm->n_ip;

    v->keys = own(d, xcalloc(n, sizeof *v->keys));
    if (vm->vm.len) {
        add_key(d, v, "uuid", &vm->vm);
    }
    for (size_t i = 0; i < vm->n_other_vm; i++) {
        add_key(d, v, "other-uuid", &vm->other_vm[i]);
    }
    for (size_t i = 0; i < vm->n_mac; i++) {
        add_key(d, v, "mac", &vm->mac[i]);
    }
    for (size_t i = 0; i < vm->n_ip; i++) {
        add_key(d, v, "ip", &vm->ip[i]);
    }
}

static Sluice__ContextFact *
add_fact(struct draft *d, Sluice__ContextVm *v, const char *key,
         const char *value)
{
    Sluice__ContextFact *f = own(d, xmalloc(sizeof *f));

    sluice__context_fact__init(f);
    f->key = own_printable(d, key, MAX_TEXT);
    f->value = own_printable(d, value, MAX_TEXT);
    v->facts[v->n_facts++] = f;
    return f;
}

static void
set_said(struct draft *d, Sluice__ContextFact *f,
         const Sluice__ContextValue *value)
{
    f->source = own_printable(d, value->source, MAX_TEXT);
    f->fetched_ns = value->fetched_ns;
    f->stale = value->stale;
}

/* Appends an answer about the VM of 'vm', without facts, for which there is
 * room for 'n_facts'. */
static Sluice__ContextVm *
add_vm(struct draft *d, const Sluice__VmContext *vm, size_t n_facts)
{
    Sluice__ContextVm *v = ADD(d, Sluice__ContextVm, context,
                               allocated_context);

    sluice__context_vm__init(v);
    v->name = own_printable(d, vm->name, MAX_TEXT);
    v->tenant = vm->tenant;
    v->facts = own(d, xcalloc(n_facts + 1, sizeof *v->facts));
    set_keys(d, v, vm);
    return v;
}

static Sluice__VmContext *
unpack(struct slice record)
{
    return (record.size
            ? sluice__vm_context__unpack(NULL, record.size, record.data)
            : NULL);
}

/* Opens the snapshot, or says in 'd' why it can't be. */
static struct snapshot *
open_snapshot(const struct master *m, struct draft *d)
{
    char *path = config_path_snapshot(m->config);
    struct snapshot *s = NULL;
    int error = snapshot_open(path, &s);

    if (error) {
        d->response.error = own(d, xasprintf(
            "%s: %s; look into the log of sluice-context.", path,
            error == EINVAL ? "this is no snapshot of this version"
            : ovs_strerror(error)));
    }
    free(path);
    return error ? NULL : s;
}

/* "context get". */

struct query {
    const char *vm;
    uint64_t at_ns;             /* UINT64_MAX: now. */
    uint8_t uuid[16];
    bool is_uuid;
    struct eth_addr mac;
    bool is_mac;
};

static void
parse_query(const Sluice__ContextQuery *q, struct query *ret)
{
    *ret = (struct query) {
        .vm = q->vm, .at_ns = q->at_ns ? q->at_ns : UINT64_MAX,
    };
    ret->is_uuid = uuid_bytes_parse(q->vm, ret->uuid);
    ret->is_mac = (strlen(q->vm) == 17
                   && eth_addr_from_string(q->vm, &ret->mac));
}

static void
add_found(struct draft *d, const struct snapshot_found *found)
{
    Sluice__VmContext *vm = unpack(found->record);

    if (vm) {
        Sluice__ContextVm *v = add_vm(d, vm, vm->n_value);

        v->from_ns = found->from_ns;
        v->until_ns = found->until_ns == UINT64_MAX ? 0 : found->until_ns;
        for (size_t i = 0; i < vm->n_value; i++) {
            set_said(d, add_fact(d, v, vm->value[i]->key,
                                 vm->value[i]->value), vm->value[i]);
        }
        sluice__vm_context__free_unpacked(vm, NULL);
    }
}

/* What the VM of 'record', which is known now, was at the time of 'q'. */
static void
add_by_record(struct draft *d, const struct snapshot *s,
              struct slice record, const struct query *q)
{
    struct snapshot_found found;
    Sluice__VmContext *vm = unpack(record);

    if (vm
        && snapshot_find_first_at(
            s, slice_of(vm->vtep.data, vm->vtep.len),
            slice_of(vm->vm.data, vm->vm.len),
            vm->n_mac ? slice_of(vm->mac[0].data, vm->mac[0].len)
            : slice_of(NULL, 0), q->at_ns, &found)) {
        add_found(d, &found);
    }
    sluice__vm_context__free_unpacked(vm, NULL);
}

/* Finds VMs by the name that they have now. */
static void
get_by_name(struct draft *d, const struct snapshot *s, const struct query *q)
{
    struct slice name = slice_from_string(q->vm), record;
    struct context_view view;
    uint64_t position = 0;

    while (d->response.n_context < MAX_GET
           && snapshot_next(s, &position, &record)) {
        if (context_view(record, NULL, &view)
            && slice_equal(view.name, name)) {
            add_by_record(d, s, record, q);
        }
    }
}

static bool
has_mac(struct slice record, struct slice mac)
{
    Sluice__VmContext *vm = unpack(record);
    bool found = false;

    for (size_t i = 0; vm && i < vm->n_mac && !found; i++) {
        found = slice_equal(mac, slice_of(vm->mac[i].data, vm->mac[i].len));
    }
    sluice__vm_context__free_unpacked(vm, NULL);
    return found;
}

/* Finds what hosts alone say, each for itself, of a VM by its UUID or MAC. */
static void
get_of_hosts(struct draft *d, const struct snapshot *s, const struct query *q)
{
    struct context_view view;
    struct slice record;
    uint64_t position = 0;

    while (d->response.n_context < MAX_GET
           && snapshot_next(s, &position, &record)) {
        if (context_view(record, q->is_uuid ? q->uuid : NULL, &view)
            && view.vtep.size
            && (q->is_uuid ? view.has_vm
                : has_mac(record, slice_of(q->mac.ea, sizeof q->mac.ea)))) {
            add_by_record(d, s, record, q);
        }
    }
}

static void
answer_get(struct master *m, const Sluice__ContextQuery *query,
           struct draft *d)
{
    struct snapshot *s = open_snapshot(m, d);
    struct snapshot_found found;
    struct query q;

    if (!s) {
        return;
    }
    parse_query(query, &q);
    if (q.is_uuid ? snapshot_find_vm_at(s, q.uuid, q.at_ns, &found)
        : q.is_mac && snapshot_find_mac_at(s, q.mac.ea, q.at_ns, &found)) {
        add_found(d, &found);
    } else if (q.is_uuid || q.is_mac) {
        get_of_hosts(d, s, &q);
    } else {
        get_by_name(d, s, &q);
    }
    if (!d->response.n_context) {
        char *printable = make_printable(query->vm, 100);
        d->response.error = own(d, xasprintf(
            "%s: no such VM %s known%s.", printable,
            q.at_ns == UINT64_MAX ? "is" : "was",
            q.is_uuid || q.is_mac ? "" : "; give a UUID, a MAC address or a "
            "name"));
        free(printable);
    }
    snapshot_close(s);
}

/* "context stats". */

/* Adds the sources, from the status: reading through the snapshot would keep
 * everybody else waiting. */
static void
add_sources(struct draft *d, const char *path)
{
    size_t n;
    struct context_source_status *status = context_status_read(path, &n);

    for (size_t i = 0; i < n; i++) {
        const struct context_source_status *s = &status[i];
        Sluice__ContextSource *x = ADD(d, Sluice__ContextSource, sources,
                                       allocated_sources);

        sluice__context_source__init(x);
        x->name = own_string(d, s->name);
        x->state = own_string(d, s->state);
        x->problem = own_string(d, s->problem);
        x->heard_ns = s->heard_ns;
        x->vms = s->vms;
        x->values = s->values;
        x->stale_values = s->stale_values;
        x->oldest_ns = s->oldest_ns;
    }
    context_status_free(status, n);
}

static void
add_snapshot(struct draft *d, const char *path, const struct snapshot *s)
{
    Sluice__ContextSnapshot *x = ADD(d, Sluice__ContextSnapshot, snapshots,
                                     allocated_snapshots);
    struct stat st;

    sluice__context_snapshot__init(x);
    x->generation = snapshot_generation(s);
    x->vms = snapshot_n_vms(s);
    x->earlier = snapshot_n_earlier(s);
    if (!stat(path, &st)) {
        x->bytes = st.st_size;
        x->published_ns = (st.st_mtim.tv_sec * UINT64_C(1000000000)
                           + st.st_mtim.tv_nsec);
    }
}

/* Leaves those counters that are about context. */
static void
filter_counters(struct draft *d)
{
    Sluice__Response *r = &d->response;
    size_t n = 0;

    for (size_t i = 0; i < r->n_counters; i++) {
        if (!strncmp(r->counters[i]->name, "context-", 8)
            && !r->counters[i]->tenant) {
            r->counters[n++] = r->counters[i];
        }
    }
    r->n_counters = n;
}

static void
answer_stats(struct master *m, struct draft *d)
{
    char *path = config_path_snapshot(m->config);
    struct snapshot *s = NULL;

    /* Before there is one there are sources, too. */
    if (!snapshot_open(path, &s)) {
        add_snapshot(d, path, s);
        snapshot_close(s);
    }
    add_sources(d, path);
    answer_counters(m, d);
    filter_counters(d);
    free(path);
}

/* "context diff". */

static const Sluice__ContextValue *
find_value(const Sluice__VmContext *vm, const char *key)
{
    for (size_t i = 0; vm && i < vm->n_value; i++) {
        if (!strcmp(vm->value[i]->key, key)) {
            return vm->value[i];
        }
    }
    return NULL;
}

/* Adds what 'after', null if the VM is gone, says otherwise than 'before',
 * null if it is new.  What was measured is not compared. */
static void
add_changes(struct draft *d, Sluice__ContextVm *v,
            const Sluice__VmContext *before, const Sluice__VmContext *after)
{
    for (size_t i = 0; after && i < after->n_value; i++) {
        const Sluice__ContextValue *now = after->value[i];
        const Sluice__ContextValue *then = find_value(before, now->key);

        if (!now->measured && !(then && !strcmp(then->value, now->value))) {
            Sluice__ContextFact *f = add_fact(d, v, now->key, now->value);

            set_said(d, f, now);
            f->before = own_printable(d, then ? then->value : "", MAX_TEXT);
        }
    }
    for (size_t i = 0; before && i < before->n_value; i++) {
        const Sluice__ContextValue *then = before->value[i];

        if (!then->measured && !find_value(after, then->key)) {
            Sluice__ContextFact *f = add_fact(d, v, then->key, "");

            set_said(d, f, then);
            f->before = own_printable(d, then->value, MAX_TEXT);
        }
    }
    if (before && after && strcmp(before->name, after->name)) {
        add_fact(d, v, "name", after->name)->before
            = own_printable(d, before->name, MAX_TEXT);
    }
    if (before && after && before->tenant != after->tenant) {
        char *now = xasprintf("%"PRIu32, after->tenant);

        add_fact(d, v, "tenant", now)->before
            = own(d, xasprintf("%"PRIu32, before->tenant));
        free(now);
    }
}

/* A diff while it is made. */
struct diff {
    struct draft *draft;
    size_t size;                /* Bytes of the records so far. */
};

static bool
add_change(struct slice before_, struct slice after_, void *diff_)
{
    struct diff *diff = diff_;
    struct draft *d = diff->draft;

    diff->size += before_.size + after_.size;
    if (diff->size > MAX_CHANGES_SIZE) {
        d->response.cut = true;
        return false;
    }

    Sluice__VmContext *before = unpack(before_), *after = unpack(after_);

    if (before || after) {
        size_t n = ((before ? before->n_value : 0)
                    + (after ? after->n_value : 0) + 2);
        Sluice__ContextVm *v = add_vm(d, after ? after : before, n);

        v->change = own_string(d, !before ? "new" : !after ? "gone"
                               : "changed");
        add_changes(d, v, before, after);
    }
    sluice__vm_context__free_unpacked(before, NULL);
    sluice__vm_context__free_unpacked(after, NULL);
    return true;
}

static void
answer_diff(struct master *m, const Sluice__ContextQuery *q, struct draft *d)
{
    struct snapshot *s = open_snapshot(m, d), *previous;
    struct diff diff = { .draft = d };

    if (s && q->since_ns) {
        context_diff_since(s, q->since_ns, add_change, &diff);
    } else if (s) {
        char *path = config_path_snapshot(m->config);
        char *previous_path = xasprintf("%s.previous", path);

        if (!snapshot_open(previous_path, &previous)) {
            context_diff(previous, s, add_change, &diff);
            snapshot_close(previous);
        }
        free(previous_path);
        free(path);
    }
    snapshot_close(s);
}

/* "context refresh". */
static void
answer_refresh(struct master *m, struct draft *d)
{
    struct child *context = supervisor_find(&m->supervisor, "context");

    if (context && context->pid) {
        child_signal(context, SIGUSR1);
    } else {
        d->response.error = own_string(d, "sluice-context does not run; see "
                                       "\"sluicectl status\".");
    }
}

void
answer_context(struct master *m, const Sluice__Request *request,
               struct draft *d)
{
    static const Sluice__ContextQuery none = SLUICE__CONTEXT_QUERY__INIT;
    const Sluice__ContextQuery *q = request->context ? request->context
                                    : &none;

    switch ((int) request->verb) {
    case SLUICE__VERB__CONTEXT_GET:
        answer_get(m, q, d);
        break;
    case SLUICE__VERB__CONTEXT_STATS:
        answer_stats(m, d);
        break;
    case SLUICE__VERB__CONTEXT_REFRESH:
        answer_refresh(m, d);
        break;
    case SLUICE__VERB__CONTEXT_DIFF:
        answer_diff(m, q, d);
        break;
    default:
        OVS_NOT_REACHED();
    }
}
