/* SPDX-License-Identifier: Apache-2.0
 *
 * The static source: what the operator wrote into a file, read again whenever
 * it changes.  A file that is wrong changes nothing.
 *
 * In: sluice-context.yaml(5).  Out: a VmContext for each VM in it.
 * Runs in: sluice-context. */
#include <config.h>

#include "context-source.h"

#include <stdlib.h>

#include "context.pb-c.h"
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
    uint64_t loaded_ns;         /* When that was. */
    char *problem;              /* What is wrong with the file since. */
};

static void *
static_init(const struct context_settings *settings)
{
    if (!settings->static_file) {
        return NULL;
    }

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

/* Adds the record of 'vm' to 'builder'.  Returns 0 or a positive errno. */
static int
put_vm(const struct static_state *s, const struct static_vm *vm,
       struct snapshot_builder *builder)
{
    ProtobufCBinaryData macs[STATIC_MAX_MACS];
    Sluice__VmContext record = SLUICE__VM_CONTEXT__INIT;
    Sluice__ContextValue *values = xcalloc(vm->n_values, sizeof *values);
    Sluice__ContextValue **pointers = xcalloc(vm->n_values, sizeof *pointers);

    if (vm->has_uuid) {
        record.vm.data = CONST_CAST(uint8_t *, vm->uuid);
        record.vm.len = sizeof vm->uuid;
    }
    for (size_t i = 0; i < vm->n_macs; i++) {
        macs[i].data = vm->macs[i];
        macs[i].len = sizeof vm->macs[i];
    }
    record.mac = macs;
    record.n_mac = vm->n_macs;
    record.tenant = vm->tenant;
    if (vm->name) {
        record.name = vm->name;
    }
    for (size_t i = 0; i < vm->n_values; i++) {
        sluice__context_value__init(&values[i]);
        values[i].key = vm->values[i].key;
        values[i].value = vm->values[i].value;
        values[i].source = CONST_CAST(char *, source_static.name);
        values[i].fetched_ns = s->loaded_ns;
        pointers[i] = &values[i];
    }
    record.value = pointers;
    record.n_value = vm->n_values;

    size_t size = sluice__vm_context__get_packed_size(&record);
    uint8_t *packed = xmalloc(size);
    sluice__vm_context__pack(&record, packed);
    int error = snapshot_builder_add(builder, vm->has_uuid ? vm->uuid : NULL,
                                     (const uint8_t (*)[6]) vm->macs,
                                     vm->n_macs, slice_of(packed, size));
    free(packed);
    free(pointers);
    free(values);
    return error;
}

static char *
static_put(const void *s_, struct snapshot_builder *builder)
{
    const struct static_state *s = s_;

    for (size_t i = 0; s->context && i < s->context->n_vms; i++) {
        int error = put_vm(s, &s->context->vms[i], builder);
        if (error) {
            return xasprintf("%s: vms[%"PRIuSIZE"] can't be put into the "
                             "snapshot: %s", s->path, i, ovs_strerror(error));
        }
    }
    return NULL;
}

const struct context_source source_static = {
    .name = "static",
    .init = static_init,
    .uninit = static_uninit,
    .reload = static_reload,
    .run = static_run,
    .wait = static_wait,
    .problem = static_problem,
    .put = static_put,
};
