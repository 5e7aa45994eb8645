/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "context-snapshot.h"
#include "context.pb-c.h"
#include "s6-enrich.h"

static const uint8_t uuid[16] = { 0x88 };
static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 8 };

struct fixture {
    char dir[64];
    char path[80];
    struct intake_stats *stats;
    struct enrich *enrich;
};

/* Makes a snapshot of one VM, the tenant 'tenant''s. */
static void
start(struct fixture *f, uint32_t tenant)
{
    struct snapshot_builder *builder = snapshot_builder_create();
    Sluice__VmContext vm = SLUICE__VM_CONTEXT__INIT;
    uint8_t record[256];

    vm.vm.data = (uint8_t *) uuid;
    vm.vm.len = sizeof uuid;
    vm.name = (char *) "secret";
    vm.tenant = tenant;
    assert_true(sluice__vm_context__get_packed_size(&vm) <= sizeof record);
    size_t n = sluice__vm_context__pack(&vm, record);
    assert_int_equal(snapshot_builder_add(builder, uuid, &mac, 1,
                                          slice_of(record, n)), 0);
    assert_int_equal(snapshot_builder_publish(builder, f->path, 1), 0);
    snapshot_builder_destroy(builder);
    f->enrich = enrich_create(f->path, f->stats);
}

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    snprintf(f->dir, sizeof f->dir, "/tmp/sluice-test-enrich.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/snapshot", f->dir);
    f->stats = calloc(1, sizeof *f->stats);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    enrich_destroy(f->enrich);
    unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0);
    free(f->stats);
    free(f);
    return 0;
}

/* Returns true if a line of 'tenant' gets the VM's context. */
static bool
gets_context(const struct fixture *f, uint32_t tenant, bool by_uuid)
{
    struct stats_source stats = { .tenant = tenant };
    struct source source = { .stats = &stats };
    struct record rec = { .meta = { .vni = tenant }, .source = &source };

    memcpy(rec.inner.src_mac, mac, sizeof mac);
    if (by_uuid) {
        rec.meta.has = TUNNEL_HAS_VM;
        memcpy(rec.meta.vm, uuid, sizeof uuid);
    }
    enrich_run(f->enrich, &rec);
    assert_int_equal(source.context_pending, !source.context.size);
    assert_int_equal(stats.vm_name[0] != '\0', source.context.size > 0);
    return source.context.size > 0;
}

static void
a_vm_is_found_by_uuid_or_mac(void **state)
{
    struct fixture *f = *state;

    start(f, 0);
    assert_true(gets_context(f, 7, true));
    assert_true(gets_context(f, 7, false));
}

static void
a_guest_with_the_mac_of_another_tenants_vm_learns_nothing(void **state)
{
    struct fixture *f = *state;

    start(f, 8);
    assert_true(gets_context(f, 8, true));
    assert_true(gets_context(f, 8, false));
    assert_false(gets_context(f, 7, true));
    assert_false(gets_context(f, 7, false));
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_vm_is_found_by_uuid_or_mac),
        TEST(a_guest_with_the_mac_of_another_tenants_vm_learns_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
