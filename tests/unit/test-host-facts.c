/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "context-snapshot.h"
#include "context.pb-c.h"
#include "host-facts.h"
#include "host-report.h"
#include "util.h"

static const uint8_t uuid[16] = { 0xa0, [15] = 1 };
static const uint8_t mac[6] = { 2, 0, 0, 0, 7, 1 };
static const uint8_t vtep[16] = { [10] = 0xff, 0xff, 198, 18, 0, 1 };
static const uint32_t tenants[] = { 7, 8 };

static const struct host_origin origin = {
    .name = "hv-1", .ip = "198.18.0.1", .vtep = vtep,
    .tenants = tenants, .n_tenants = ARRAY_SIZE(tenants),
};

/* A report of one VM with one port, in one piece. */
struct fixture {
    Sluice__HostReport report;
    Sluice__HostFigures host;
    Sluice__HostShare cpu, memory;
    Sluice__HostVm vm, *vms[1];
    Sluice__HostPort port, *ports[1];
    Sluice__HostOwner owner;
    struct snapshot *snapshot;
    Sluice__VmContext *found;   /* That was looked up last. */
};

static int
set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);

    sluice__host_report__init(&f->report);
    sluice__host_figures__init(&f->host);
    sluice__host_share__init(&f->cpu);
    sluice__host_share__init(&f->memory);
    sluice__host_vm__init(&f->vm);
    sluice__host_port__init(&f->port);
    sluice__host_owner__init(&f->owner);
    f->port.name = CONST_CAST(char *, "vnet0");
    f->port.tenant = 7;
    f->port.mac.data = CONST_CAST(uint8_t *, mac);
    f->port.mac.len = sizeof mac;
    f->ports[0] = &f->port;
    f->vm.port = f->ports;
    f->vm.n_port = 1;
    f->vm.vm.data = CONST_CAST(uint8_t *, uuid);
    f->vm.vm.len = sizeof uuid;
    f->vms[0] = &f->vm;
    f->report.vm = f->vms;
    f->report.n_vm = 1;
    f->report.host = &f->host;
    f->report.interval_ms = 1000;
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->found) {
        sluice__vm_context__free_unpacked(f->found, NULL);
    }
    snapshot_close(f->snapshot);
    free(f);
    return 0;
}

/* Makes a snapshot of the report, and returns how many VMs are in it. */
static size_t
publish(struct fixture *f)
{
    struct snapshot_builder *builder = snapshot_builder_create();
    struct merge *merge = merge_create();
    struct merge_counts counts;
    char path[64];

    snprintf(path, sizeof path, "/tmp/sluice-host-facts.%ld",
             (long int) getpid());
    merge_begin(merge, "host:hv-1", RANK_HOST, false);
    host_facts_put(&origin, &f->report, 100, merge);
    assert_null(merge_finish(merge, builder, &counts));
    merge_destroy(merge);
    assert_int_equal(snapshot_builder_publish(builder, path, 1), 0);
    snapshot_builder_destroy(builder);
    snapshot_close(f->snapshot);
    assert_int_equal(snapshot_open(path, &f->snapshot), 0);
    unlink(path);
    return snapshot_n_vms(f->snapshot);
}

/* Returns the value under 'key' of the VM that is found by its UUID, or with
 * 'by_mac' by its MAC address; null if there is none. */
static const char *
value(struct fixture *f, bool by_mac, const char *key)
{
    struct snapshot_found found;

    if (by_mac ? !snapshot_find_host_mac_at(f->snapshot, vtep, mac, UINT64_MAX,
                                            &found)
        : !snapshot_find_host_vm_at(f->snapshot, vtep, uuid, UINT64_MAX,
                                    &found)) {
        return NULL;
    }
    if (f->found) {
        sluice__vm_context__free_unpacked(f->found, NULL);
    }
    f->found = sluice__vm_context__unpack(NULL, found.record.size,
                                           found.record.data);
    for (size_t i = 0; i < f->found->n_value; i++) {
        if (!strcmp(f->found->value[i]->key, key)) {
            assert_int_equal(f->found->value[i]->fetched_ns, 100);
            return f->found->value[i]->value;
        }
    }
    return NULL;
}

static void
a_report_becomes_facts(void **state)
{
    struct fixture *f = *state;

    f->cpu.permille = 5;
    f->memory.permille = 1000;
    f->host.cpu = f->vm.cpu = &f->cpu;
    f->vm.memory = &f->memory;
    f->port.rx_dropped = 3;
    f->port.tx_dropped = 4;
    f->owner.uid = 1000;
    f->owner.process = CONST_CAST(char *, "nginx");
    f->vm.owner = &f->owner;
    assert_int_equal(publish(f), 1);
    assert_string_equal(value(f, false, "host"), "hv-1");
    assert_string_equal(value(f, false, "host-ip"), "198.18.0.1");
    assert_string_equal(value(f, false, "switch-port"), "vnet0");
    assert_string_equal(value(f, false, "cpu-percent"), "0.5");
    assert_string_equal(value(f, false, "memory-percent"), "100.0");
    assert_string_equal(value(f, false, "host-cpu-percent"), "0.5");
    assert_null(value(f, false, "host-memory-percent"));
    assert_null(value(f, false, "host-load"));
    assert_string_equal(value(f, false, "port-dropped"), "7");
    assert_string_equal(value(f, false, "process"), "nginx");
    assert_string_equal(value(f, false, "process-uid"), "1000");
    assert_null(value(f, false, "process-pid"));
    assert_int_equal(f->found->tenant, 0);
    assert_memory_equal(f->found->vtep.data, vtep, sizeof vtep);
}

static void
a_vm_with_a_uuid_is_not_found_by_mac(void **state)
{
    struct fixture *f = *state;

    publish(f);
    assert_null(value(f, true, "host"));
    f->vm.vm.len = 0;
    publish(f);
    assert_non_null(value(f, true, "host"));
}

static void
a_host_speaks_of_its_own_tenants_alone(void **state)
{
    struct fixture *f = *state;
    struct host_origin any = origin;

    f->port.tenant = 9;
    assert_false(host_facts_allow(&origin, &f->vm));
    assert_int_equal(publish(f), 0);
    any.n_tenants = 0;
    assert_true(host_facts_allow(&any, &f->vm));
    f->port.tenant = 8;
    assert_true(host_facts_allow(&origin, &f->vm));
    /* Nobody's VM, as a host says, may be another's to us. */
    f->port.tenant = 0;
    assert_false(host_facts_allow(&origin, &f->vm));
    assert_true(host_facts_allow(&any, &f->vm));
    f->vm.n_port = 0;
    assert_false(host_facts_allow(&origin, &f->vm));
}

static void
names_can_not_forge_anything(void **state)
{
    struct fixture *f = *state;

    f->port.name = CONST_CAST(char *, "v\n\x1b[2J\"]");
    f->vm.name = CONST_CAST(char *, "a\xe2\x80\xae" "b\xff");
    publish(f);
    assert_string_equal(value(f, false, "switch-port"), "v??[2J\"]");
    assert_null(strchr(f->found->name, '\xff'));
    assert_null(strstr(f->found->name, "\xe2\x80\xae"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
        TEST(a_report_becomes_facts),
        TEST(a_vm_with_a_uuid_is_not_found_by_mac),
        TEST(a_host_speaks_of_its_own_tenants_alone),
        TEST(names_can_not_forge_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
