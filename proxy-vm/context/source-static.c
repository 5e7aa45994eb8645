/* SPDX-License-Identifier: Apache-2.0
 *
 * The static source: what the operator wrote into a file, read again whenever
 * it changes.  A file that is wrong changes nothing.
 *
 * In: sluice-context.yaml(5).  Out: the facts about each VM in it.
 * Runs in: sluice-context. */
#include <config.h>

#include "context-source.h"

#include <stdlib.h>

#include "file-watch.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "static-context.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(source_static);

struct static_state {
    char *path;
    struct file_watch *watch;
    bool is_due;                /* The file is to be read. */
    struct static_context *context; /* The latest that was right, or null. */
    uint64_t loaded_ns;         /* When that was: Unix epoch... */
    long long int loaded_at;    /* ...and time_msec(); 0: never. */
    char *problem;              /* What is wrong with the file since. */
};

static char *
static_settings_of(const struct context_settings *settings, size_t i)
{
    return i ? NULL : nullable_xstrdup(settings->static_file);
}

static void *
static_init(const struct context_settings *settings, size_t i OVS_UNUSED)
{
    struct static_state *s = xzalloc(sizeof *s);
    s->path = xstrdup(settings->static_file);
    /* Watched before it is read, so that no change falls between. */
    s->watch = file_watch_create(s->path);
    s->is_due = true;
    return s;
}

static void
static_uninit(void *s_)
{
    struct static_state *s = s_;

    file_watch_destroy(s->watch);
    static_context_destroy(s->context);
    free(s->problem);
    free(s->path);
    free(s);
}

static void
static_reload(void *s_)
{
    struct static_state *s = s_;

    s->is_due = true;
}

static bool
static_run(void *s_)
{
    struct static_state *s = s_;

    if (file_watch_run(s->watch)) {
        s->is_due = true;
    }
    if (!s->is_due) {
        return false;
    }
    s->is_due = false;

    struct static_context *context;
    char *sentence = static_context_load(s->path, &context);
    if (sentence) {
        VLOG_WARN("%s  What is known stays as it was.", sentence);
    } else {
        VLOG_INFO("%s: loaded, %"PRIuSIZE" VMs", s->path, context->n_vms);
        static_context_destroy(s->context);
        s->context = context;
        s->loaded_at = time_msec();
        s->loaded_ns = time_wall_usec() * UINT64_C(1000);
    }
    free(s->problem);
    s->problem = sentence;
    return !sentence;
}

static void
static_wait(void *s_)
{
    struct static_state *s = s_;

    file_watch_wait(s->watch);
    if (s->is_due) {
        poll_immediate_wake();
    }
}

static const char *
static_problem(const void *s_)
{
    const struct static_state *s = s_;

    return s->problem;
}

static long long int
static_heard_at(const void *s_)
{
    const struct static_state *s = s_;

    return s->loaded_at;
}

static void
put_vm(const struct static_state *s, const struct static_vm *vm,
       struct merge *merge)
{
    struct fact *facts = xcalloc(vm->n_values, sizeof *facts);

    for (size_t i = 0; i < vm->n_values; i++) {
        facts[i] = (struct fact) {
            .key = vm->values[i].key,
            .value = vm->values[i].value,
            .fetched_ns = s->loaded_ns,
        };
    }
    merge_add(merge, &(struct vm_facts) {
        .uuids = &vm->uuid,
        .n_uuids = vm->has_uuid,
        .macs = (const uint8_t (*)[6]) vm->macs,
        .n_macs = vm->n_macs,
        .ips = (const uint8_t (*)[16]) vm->ips,
        .n_ips = vm->n_ips,
        .name = vm->name,
        .tenant = vm->tenant,
        .facts = facts,
        .n_facts = vm->n_values,
    });
    free(facts);
}

static void
static_put(const void *s_, struct merge *merge)
{
    const struct static_state *s = s_;

    for (size_t i = 0; s->context && i < s->context->n_vms; i++) {
        put_vm(s, &s->context->vms[i], merge);
    }
}

BUILD_ASSERT_DECL((int) STATIC_MAX_MACS <= (int) MERGE_MAX_MACS);
BUILD_ASSERT_DECL((int) STATIC_MAX_IPS <= (int) MERGE_MAX_IPS);

const struct context_source source_static = {
    .name = "static",
    .rank = RANK_OPERATOR,
    .settings_of = static_settings_of,
    .init = static_init,
    .uninit = static_uninit,
    .reload = static_reload,
    .run = static_run,
    .wait = static_wait,
    .problem = static_problem,
    .heard_at = static_heard_at,
    .put = static_put,
};
