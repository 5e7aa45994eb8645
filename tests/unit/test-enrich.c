/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "context-place.h"
#include "context-snapshot.h"
#include "context.pb-c.h"
#include "s6-enrich.h"
#include "util.h"

static const uint8_t uuid[16] = { 0x88 };
static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 8 };

struct fixture {
    char dir[64];
    char path[80];
    struct intake_stats *stats;
    struct enrich *enrich;
    long long int now_ms;
    struct stats_source source_stats; /* Of 'source'. */
    struct source source;
};

/* A VM as a test writes it. */
struct vm {
    const uint8_t *uuid;        /* May be null. */
    const uint8_t *other;       /* A UUID that it has in common with others and
                                 * no key, or null. */
    const uint8_t *mac;
    const uint8_t *ip;          /* May be null. */
    const char *name;
    uint32_t tenant;
    const uint8_t *vtep;        /* Of the host that alone knows it, or null. */
    const uint8_t *runs_at;     /* VTEP, or null. */
    uint32_t ofp_port;          /* With its MAC there, or 0. */
};

static void
add(struct snapshot_builder *builder, const struct vm *v)
{
    static char *sources[] = { (char *) "host:hv" };
    ProtobufCBinaryData others = { sizeof uuid,
                                   CONST_CAST(uint8_t *, v->other) };
    Sluice__VmContext vm = SLUICE__VM_CONTEXT__INIT;
    uint8_t record[256], place[CONTEXT_PLACE_PORT];
    ProtobufCBinaryData places[2];

    vm.place = places;
    if (v->runs_at && !v->ofp_port) {
        places[vm.n_place++] = (ProtobufCBinaryData) {
            CONTEXT_PLACE_HOST, CONST_CAST(uint8_t *, v->runs_at)
        };
    } else if (v->runs_at) {
        context_place_put(place, v->runs_at, v->mac, v->ofp_port);
        places[vm.n_place++] = (ProtobufCBinaryData) {
            CONTEXT_PLACE_PORT, place
        };
    }
    vm.vm.data = CONST_CAST(uint8_t *, v->uuid);
    vm.vm.len = v->uuid ? sizeof uuid : 0;
    vm.name = (char *) v->name;
    vm.tenant = v->tenant;
    vm.other_vm = &others;
    vm.n_other_vm = v->other != NULL;
    if (v->vtep) {
        vm.vtep.data = CONST_CAST(uint8_t *, v->vtep);
        vm.vtep.len = 16;
        vm.source = sources;
        vm.n_source = 1;
    }
    assert_true(sluice__vm_context__get_packed_size(&vm) <= sizeof record);
    size_t n = sluice__vm_context__pack(&vm, record);
    const uint8_t (*macs)[6] = (const uint8_t (*)[6]) v->mac;
    assert_int_equal(v->vtep
                     ? snapshot_builder_add_host(builder, v->vtep, v->uuid,
                                                 macs, 1, slice_of(record, n))
                     : snapshot_builder_add(builder, v->uuid, macs, 1,
                                            slice_of(record, n)), 0);
    if (v->ip) {
        assert_int_equal(snapshot_builder_add_ip(builder, v->tenant, v->ip),
                         0);
    }
}

/* Publishes what is so from 'now_ns' on, and has it mapped. */
static void
go_on(struct fixture *f, const struct vm *vms, size_t n, uint64_t now_ns)
{
    struct snapshot_builder *builder = snapshot_builder_create();
    struct snapshot *earlier;
    size_t n_dropped;

    for (size_t i = 0; i < n; i++) {
        add(builder, &vms[i]);
    }
    if (!snapshot_open(f->path, &earlier)) {
        assert_int_equal(snapshot_builder_inherit(builder, earlier, now_ns,
                                                  UINT64_MAX, &n_dropped), 0);
        snapshot_close(earlier);
    }
    assert_int_equal(snapshot_builder_publish(builder, f->path, now_ns), 0);
    snapshot_builder_destroy(builder);
    if (f->enrich) {
        f->now_ms += 1000;
        enrich_refresh(f->enrich, f->now_ms);
    } else {
        struct context_policy *policy;

        assert_int_equal(context_policy_create(NULL, 0, NULL, 0, NULL, 0,
                                               &policy), 0);
        f->enrich = enrich_create(f->path, policy, f->stats);
    }
}

#define GO_ON(NOW, ...)                                     \
    do {                                                    \
        const struct vm vms_[] = { __VA_ARGS__ };           \
        go_on(f, vms_, ARRAY_SIZE(vms_), NOW);              \
    } while (0)

/* Makes a snapshot of one VM, the tenant 'tenant''s. */
static void
start_with(struct fixture *f, uint32_t tenant, const uint8_t *other)
{
    GO_ON(1, { .uuid = uuid, .other = other, .mac = mac, .name = "secret",
               .tenant = tenant });
}

static void
start(struct fixture *f, uint32_t tenant)
{
    start_with(f, tenant, NULL);
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

/* Returns true if a line of 'tenant' gets the VM's context, its packet naming
 * the VM 'named', which may be null. */
static bool
gets_context_as(const struct fixture *f, uint32_t tenant,
                const uint8_t *named)
{
    struct stats_source stats = { .tenant = tenant };
    struct source source = { .stats = &stats };
    struct record rec = { .meta = { .vni = tenant }, .source = &source };

    memcpy(rec.inner.src_mac, mac, sizeof mac);
    if (named) {
        rec.meta.has = TUNNEL_HAS_VM;
        memcpy(rec.meta.vm, named, sizeof uuid);
    }
    enrich_run(f->enrich, &rec);
    assert_int_equal(rec.look->match == MATCH_NONE, !rec.look->context.size);
    assert_int_equal(stats.vm_name[0] != '\0', rec.look->context.size > 0);
    return rec.look->context.size > 0;
}

static bool
gets_context(const struct fixture *f, uint32_t tenant, bool by_uuid)
{
    return gets_context_as(f, tenant, by_uuid ? uuid : NULL);
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

static void
a_uuid_of_several_vms_and_a_mac_tell_which_it_is(void **state)
{
    const uint8_t bios[16] = { 0x99 }, stranger[16] = { 0x77 };
    struct fixture *f = *state;

    start_with(f, 0, bios);
    assert_true(gets_context_as(f, 7, bios));
    assert_false(gets_context_as(f, 7, stranger));
    assert_true(gets_context_as(f, 7, NULL));
}

/* Sends a line of the fixture's one source.  Returns what it gets: the name in
 * the record, or "" if it is pending. */
static const char *
name_at(struct fixture *f, uint32_t tenant, const uint8_t *mac_,
        const uint8_t *ip, uint64_t at_ns, enum context_match match)
{
    static char name[32];
    struct record rec = { .meta = { .vni = tenant }, .source = &f->source,
                          .switch_ns = at_ns };

    f->source.stats = &f->source_stats;
    f->source_stats.tenant = tenant;
    memcpy(rec.inner.src_mac, mac_, sizeof mac);
    if (ip) {
        memcpy(rec.inner.src_ip, ip, sizeof rec.inner.src_ip);
    }
    enrich_run(f->enrich, &rec);
    assert_int_equal(rec.look->match, match);
    name[0] = '\0';
    if (rec.look->context.size) {
        Sluice__VmContext *vm = sluice__vm_context__unpack(
            NULL, rec.look->context.size, rec.look->context.data);
        ovs_strlcpy(name, vm->name, sizeof name);
        sluice__vm_context__free_unpacked(vm, NULL);
    }
    return name;
}

static void
a_line_gets_what_was_so_when_the_switch_saw_it(void **state)
{
    struct fixture *f = *state;
    const uint64_t *counters = f->stats->counters;

    GO_ON(100, { .uuid = uuid, .mac = mac, .name = "old", .tenant = 7 });
    assert_string_equal(name_at(f, 7, mac, NULL, 150, MATCH_MAC), "old");
    GO_ON(200, { .uuid = uuid, .mac = mac, .name = "new", .tenant = 7 });
    for (int i = 0; i < 3; i++) {
        assert_string_equal(name_at(f, 7, mac, NULL, 199, MATCH_MAC), "old");
        assert_string_equal(name_at(f, 7, mac, NULL, 200, MATCH_MAC), "new");
        /* Rules and figures go by what it is called now. */
        assert_string_equal(f->source_stats.vm_name, "new");
    }
    assert_int_equal(counters[INTAKE_CONTEXT_EARLIER], 1);
    assert_int_equal(counters[INTAKE_CONTEXT_HIT_MAC], 3);

    /* A line that comes late under yet another snapshot names nobody. */
    GO_ON(300, { .uuid = uuid, .mac = mac, .name = "newer", .tenant = 7 });
    assert_string_equal(name_at(f, 7, mac, NULL, 250, MATCH_MAC), "new");
    assert_string_equal(f->source_stats.vm_name, "newer");
}

static void
a_mac_that_moved_is_its_first_owners_until_then(void **state)
{
    const uint8_t b[16] = { 0xb }, other_mac[6] = { 2, 0, 0, 0, 0, 9 };
    struct fixture *f = *state;

    GO_ON(100, { .uuid = uuid, .mac = mac, .name = "a", .tenant = 7 },
          { .uuid = b, .mac = other_mac, .name = "b", .tenant = 8 });
    GO_ON(200, { .uuid = uuid, .mac = other_mac, .name = "a", .tenant = 7 },
          { .uuid = b, .mac = mac, .name = "b", .tenant = 8 });
    assert_string_equal(name_at(f, 7, mac, NULL, 150, MATCH_MAC), "a");
    assert_string_equal(name_at(f, 7, mac, NULL, 250, MATCH_NONE), "");
    /* Another source. */
    memset(&f->source, 0, sizeof f->source);
    assert_string_equal(name_at(f, 7, other_mac, NULL, 250, MATCH_MAC), "a");
}

static void
a_vm_of_another_tenant_now_is_not_told_about_as_it_was(void **state)
{
    struct fixture *f = *state;

    GO_ON(100, { .uuid = uuid, .mac = mac, .name = "vm", .tenant = 7 });
    GO_ON(200, { .uuid = uuid, .mac = mac, .name = "vm", .tenant = 8 });
    assert_string_equal(name_at(f, 7, mac, NULL, 150, MATCH_NONE), "");
    assert_string_equal(name_at(f, 8, mac, NULL, 150, MATCH_NONE), "");
    assert_string_equal(name_at(f, 8, mac, NULL, 250, MATCH_MAC), "vm");
}

static void
an_ip_address_finds_vms_of_its_tenant_and_gives_no_name(void **state)
{
    const uint8_t ip_a[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };
    const uint8_t ip_b[16] = { [10] = 0xff, 0xff, 10, 0, 0, 2 };
    const uint8_t b[16] = { 0xb }, c[16] = { 0xc };
    const uint8_t mac_b[6] = { 2, 1 }, mac_c[6] = { 2, 2 };
    const uint8_t router[6] = { 2, 0xff };
    struct fixture *f = *state;

    GO_ON(100, { .uuid = uuid, .mac = mac, .ip = ip_a, .name = "a",
                 .tenant = 7 },
          { .uuid = b, .mac = mac_b, .ip = ip_b, .name = "b", .tenant = 7 },
          { .uuid = c, .mac = mac_c, .ip = ip_a, .name = "c", .tenant = 8 });
    /* Several VMs behind one router are told apart, and keep their places. */
    for (int i = 0; i < 3; i++) {
        assert_string_equal(name_at(f, 7, router, ip_a, 150, MATCH_IP), "a");
        assert_string_equal(name_at(f, 7, router, ip_b, 150, MATCH_IP), "b");
    }
    assert_string_equal(f->source_stats.vm_name, "");
    assert_int_equal(f->stats->counters[INTAKE_CONTEXT_HIT_IP], 2);
    /* MAC addresses come first. */
    memset(&f->source, 0, sizeof f->source);
    assert_string_equal(name_at(f, 7, mac_b, ip_a, 150, MATCH_MAC), "b");
    /* The same address of another tenant. */
    memset(&f->source, 0, sizeof f->source);
    assert_string_equal(name_at(f, 8, router, ip_a, 150, MATCH_IP), "c");
    assert_string_equal(name_at(f, 8, router, ip_b, 150, MATCH_NONE), "");
    memset(&f->source, 0, sizeof f->source);
    assert_string_equal(name_at(f, 9, router, ip_a, 150, MATCH_NONE), "");
}

/* Returns how many contexts are put into the batch for 'n' lines of one
 * source that come from 'n_ips' addresses in turn. */
static size_t
n_contexts(struct fixture *f, size_t n, const uint8_t (*ips)[16],
           size_t n_ips)
{
    size_t n_written = 0;

    for (size_t i = 0; i < n; i++) {
        struct record rec = { .meta = { .vni = 7 }, .source = &f->source };

        memcpy(rec.inner.src_ip, ips[i % n_ips], sizeof *ips);
        enrich_run(f->enrich, &rec);
        /* As the store does. */
        if (rec.look->batch_serial != 1) {
            rec.look->batch_serial = 1;
            n_written += rec.look->context.size > 0;
        }
        assert_int_equal(rec.look->match == MATCH_IP,
                         rec.look->context.size > 0);
    }
    return n_written;
}

/* The address is the guest's to choose. */
static void
addresses_in_turn_do_not_fill_a_batch(void **state)
{
    struct fixture *f = *state;
    enum { N = 6 };
    uint8_t ips[N][16], uuids[N][16] = { { 0 } }, macs[N][6] = { { 0 } };
    struct vm vms[N] = { { .uuid = NULL } };

    for (size_t i = 0; i < N; i++) {
        memset(ips[i], 0, sizeof ips[i]);
        ips[i][15] = uuids[i][0] = macs[i][5] = i + 1;
        vms[i] = (struct vm) { .uuid = uuids[i], .mac = macs[i],
                               .ip = ips[i], .name = "v", .tenant = 7 };
    }
    go_on(f, vms, N, 1);
    f->source.stats = &f->source_stats;
    assert_int_equal(n_contexts(f, 1000, (const uint8_t (*)[16]) ips,
                                SOURCE_LOOKS), SOURCE_LOOKS);
    memset(&f->source, 0, sizeof f->source);
    f->source.stats = &f->source_stats;
    assert_int_equal(n_contexts(f, 1000, (const uint8_t (*)[16]) ips, N),
                     2 * SOURCE_LOOKS);
    assert_true(f->stats->counters[INTAKE_CONTEXT_MISS] > 0);

    /* They get their turns after a while. */
    enrich_refresh(f->enrich, f->now_ms + 1000);
    assert_int_equal(n_contexts(f, 1000, (const uint8_t (*)[16]) ips, N),
                     SOURCE_LOOKS);
}

static void
a_port_that_names_a_vm_gets_no_other_by_address(void **state)
{
    const uint8_t ip[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };
    const uint8_t stranger[16] = { 0x77 };
    struct fixture *f = *state;
    struct record rec = { .meta = { .vni = 7, .has = TUNNEL_HAS_VM },
                          .source = &f->source };

    GO_ON(100, { .uuid = uuid, .mac = mac, .ip = ip, .name = "a",
                 .tenant = 7 });
    f->source.stats = &f->source_stats;
    memcpy(rec.meta.vm, stranger, sizeof stranger);
    memcpy(rec.inner.src_ip, ip, sizeof ip);
    enrich_run(f->enrich, &rec);
    assert_int_equal(rec.look->match, MATCH_NONE);
}

static void
a_host_speaks_for_what_comes_from_it(void **state)
{
    const uint8_t none[16] = { 0 }, other[16] = { 1 };
    struct fixture *f = *state;

    /* Packets of the test come from no VTEP. */
    GO_ON(100, { .uuid = uuid, .mac = mac, .name = "a", .vtep = none });
    assert_true(gets_context(f, 7, true));
    assert_true(gets_context(f, 7, false));
    enrich_destroy(f->enrich);
    f->enrich = NULL;
    unlink(f->path);
    GO_ON(100, { .uuid = uuid, .mac = mac, .name = "a", .vtep = other });
    assert_false(gets_context(f, 7, true));
    assert_false(gets_context(f, 7, false));
}

static const uint8_t here[16] = { 1 }, there[16] = { 2 };

/* Whether a line from that port of the host 'here' gets the VM's context. */
static bool
gets_context_from(const struct fixture *f, uint32_t ofp_port, bool by_uuid)
{
    struct stats_source stats = { .tenant = 7 };
    struct source source = { .stats = &stats };
    struct record rec = { .meta = { .vni = 7, .ofp_port = ofp_port },
                          .source = &source };

    memcpy(rec.vtep, here, sizeof rec.vtep);
    memcpy(rec.inner.src_mac, mac, sizeof mac);
    if (by_uuid) {
        rec.meta.has = TUNNEL_HAS_VM;
        memcpy(rec.meta.vm, uuid, sizeof uuid);
    }
    enrich_run(f->enrich, &rec);
    return rec.look->context.size > 0;
}

static void
a_mac_that_is_elsewhere_finds_nothing_and_is_counted(void **state)
{
    struct fixture *f = *state;
    const uint64_t *n = &f->stats->counters[INTAKE_CONTEXT_ELSEWHERE];

    GO_ON(100, { .uuid = uuid, .mac = mac, .name = "a", .runs_at = here });
    assert_true(gets_context_from(f, 3, false));
    assert_int_equal(*n, 0);
    /* It moved, or another guest took its address. */
    GO_ON(200, { .uuid = uuid, .mac = mac, .name = "a", .runs_at = there });
    assert_false(gets_context_from(f, 3, false));
    assert_int_equal(*n, 1);
    /* By what the port's configuration says it is that VM all the same. */
    assert_true(gets_context_from(f, 3, true));
    assert_int_equal(*n, 1);
}

static void
a_mac_at_another_port_of_its_host_finds_nothing(void **state)
{
    struct fixture *f = *state;
    const uint64_t *n = &f->stats->counters[INTAKE_CONTEXT_ELSEWHERE];

    GO_ON(100, { .uuid = uuid, .mac = mac, .name = "a", .runs_at = here,
                 .ofp_port = 3 });
    assert_true(gets_context_from(f, 3, false));
    assert_true(gets_context_from(f, 0, false));
    assert_false(gets_context_from(f, 4, false));
    assert_true(gets_context_from(f, 4, true));
    assert_int_equal(*n, 1);
    /* A host takes nothing from lines that come from others. */
    GO_ON(200, { .uuid = uuid, .mac = mac, .name = "a", .runs_at = there,
                 .ofp_port = 3 });
    assert_true(gets_context_from(f, 4, false));
    assert_int_equal(*n, 1);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_vm_is_found_by_uuid_or_mac),
        TEST(a_guest_with_the_mac_of_another_tenants_vm_learns_nothing),
        TEST(a_uuid_of_several_vms_and_a_mac_tell_which_it_is),
        TEST(a_line_gets_what_was_so_when_the_switch_saw_it),
        TEST(a_mac_that_moved_is_its_first_owners_until_then),
        TEST(a_vm_of_another_tenant_now_is_not_told_about_as_it_was),
        TEST(an_ip_address_finds_vms_of_its_tenant_and_gives_no_name),
        TEST(addresses_in_turn_do_not_fill_a_batch),
        TEST(a_port_that_names_a_vm_gets_no_other_by_address),
        TEST(a_host_speaks_for_what_comes_from_it),
        TEST(a_mac_that_is_elsewhere_finds_nothing_and_is_counted),
        TEST(a_mac_at_another_port_of_its_host_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
