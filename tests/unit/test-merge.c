/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "context-place.h"
#include "context.pb-c.h"
#include "earlier.h"
#include "merge.h"
#include "openvswitch/shash.h"
#include "util.h"

/* A VM as a test writes it: UUIDs and MACs are told by one byte each. */
struct vm {
    const char *name;
    const char *uuids;          /* "AB": that of A, and that of B. */
    const char *macs;
    const char *ips;            /* Likewise. */
    uint32_t tenant;
    const uint8_t *vtep;
    uint32_t ofp_port;          /* Of its first MAC, or 0. */
    struct fact facts[4];
};

static const uint8_t vtep_1[16] = { [10] = 0xff, 0xff, 198, 18, 0, 1 };
static const uint8_t vtep_2[16] = { [10] = 0xff, 0xff, 198, 18, 0, 2 };

struct fixture {
    char path[64];
    struct merge *merge;
    struct merge_counts counts;
    struct snapshot *snapshot;
    Sluice__VmContext *vm;      /* That was looked up last. */
};

static int
set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);

    snprintf(f->path, sizeof f->path, "/tmp/sluice-merge.%ld",
             (long int) getpid());
    f->merge = merge_create();
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->vm) {
        sluice__vm_context__free_unpacked(f->vm, NULL);
    }
    merge_destroy(f->merge);
    snapshot_close(f->snapshot);
    unlink(f->path);
    free(f);
    return 0;
}

static void
add(struct fixture *f, const struct vm *vm)
{
    uint8_t uuids[8][16] = { { 0 } };
    uint8_t macs[8][6] = { { 0 } };
    uint8_t ips[8][16] = { { 0 } };
    struct vm_facts facts = {
        .uuids = (const uint8_t (*)[16]) uuids,
        .n_uuids = vm->uuids ? strlen(vm->uuids) : 0,
        .macs = (const uint8_t (*)[6]) macs,
        .n_macs = vm->macs ? strlen(vm->macs) : 0,
        .ips = (const uint8_t (*)[16]) ips,
        .n_ips = vm->ips ? strlen(vm->ips) : 0,
        .name = vm->name,
        .tenant = vm->tenant,
        .vtep = vm->vtep,
        .facts = vm->facts,
    };

    struct vm_port port = { .ofp_port = vm->ofp_port };

    facts.ports = &port;
    facts.n_ports = vm->ofp_port != 0;
    for (size_t i = 0; i < facts.n_uuids; i++) {
        uuids[i][0] = vm->uuids[i];
    }
    for (size_t i = 0; i < facts.n_macs; i++) {
        macs[i][5] = vm->macs[i];
    }
    memcpy(port.mac, macs[0], sizeof port.mac);
    for (size_t i = 0; i < facts.n_ips; i++) {
        ips[i][15] = vm->ips[i];
    }
    while (facts.n_facts < ARRAY_SIZE(vm->facts)
           && vm->facts[facts.n_facts].key) {
        facts.n_facts++;
    }
    merge_add(f->merge, &facts);
}

#define ADD(...) add(f, &(struct vm) { __VA_ARGS__ })

static void
finish(struct fixture *f)
{
    struct snapshot_builder *builder = snapshot_builder_create();

    assert_null(merge_finish(f->merge, builder, &f->counts));
    assert_int_equal(snapshot_builder_publish(builder, f->path, 1), 0);
    snapshot_builder_destroy(builder);
    snapshot_close(f->snapshot);
    assert_int_equal(snapshot_open(f->path, &f->snapshot), 0);
}

/* Begins anew; the snapshot stays. */
static void
start_over(struct fixture *f)
{
    merge_destroy(f->merge);
    f->merge = merge_create();
}

/* Adds what 'source' said, as the snapshot has it. */
static void
put_earlier(struct fixture *f, const char *source, enum source_rank rank)
{
    struct earlier *earlier = earlier_read(f->snapshot, &source, 1);

    earlier_put(earlier, source, rank, f->merge);
    earlier_destroy(earlier);
}

static const Sluice__VmContext *
take(struct fixture *f, struct slice record)
{
    if (f->vm) {
        sluice__vm_context__free_unpacked(f->vm, NULL);
    }
    f->vm = sluice__vm_context__unpack(NULL, record.size, record.data);
    assert_non_null(f->vm);
    return f->vm;
}

/* Look up the VM that is told by 'c', which may be null. */
static const Sluice__VmContext *
by_uuid(struct fixture *f, char c)
{
    const uint8_t uuid[16] = { c };
    struct slice record;

    return (snapshot_find_vm(f->snapshot, uuid, &record) ? take(f, record)
            : NULL);
}

static const Sluice__VmContext *
by_mac(struct fixture *f, char c)
{
    const uint8_t mac[6] = { [5] = c };
    struct slice record;

    return (snapshot_find_mac(f->snapshot, mac, &record) ? take(f, record)
            : NULL);
}

/* Returns the value under 'key', or null. */
static const Sluice__ContextValue *
value(const Sluice__VmContext *vm, const char *key)
{
    assert_non_null(vm);
    for (size_t i = 0; i < vm->n_value; i++) {
        if (!strcmp(vm->value[i]->key, key)) {
            return vm->value[i];
        }
    }
    return NULL;
}

static void
assert_value(const Sluice__VmContext *vm, const char *key, const char *text,
             const char *source, uint64_t fetched_ns)
{
    const Sluice__ContextValue *v = value(vm, key);

    assert_non_null(v);
    assert_string_equal(v->value, text);
    assert_string_equal(v->source, source);
    assert_int_equal(v->fetched_ns, fetched_ns);
}

static void
values_come_from_the_source_of_most_precedence(void **state)
{
    struct fixture *f = *state;

    merge_begin(f->merge, "static", RANK_OPERATOR, false);
    ADD(.name = "web", .uuids = "A", .tenant = 7,
        .facts = { { "owner", "shop", 10, false },
                   { "host", "hv-1", 10, false } });
    merge_begin(f->merge, "vc", RANK_MANAGER, false);
    ADD(.name = "web-vm", .uuids = "AB", .macs = "1",
        .facts = { { "host", "hv-2", 20, false },
                   { "cluster", "blue", 21, false } });
    merge_begin(f->merge, "hostd", RANK_HOST, false);
    ADD(.uuids = "B", .vtep = vtep_1,
        .facts = { { "cluster", "red", 30, false },
                   { "cpu-percent", "5", 31, true } });
    finish(f);

    assert_int_equal(snapshot_n_vms(f->snapshot), 1);
    assert_non_null(by_uuid(f, 'A'));
    assert_non_null(by_mac(f, '1'));
    const Sluice__VmContext *vm = by_uuid(f, 'B');
    assert_string_equal(vm->name, "web");
    assert_int_equal(vm->tenant, 7);
    assert_int_equal(vm->vm.data[0], 'A');
    assert_int_equal(vm->n_other_vm, 1);
    assert_int_equal(vm->other_vm[0].data[0], 'B');
    assert_int_equal(vm->n_source, 3);
    assert_int_equal(vm->n_value, 4);
    assert_value(vm, "owner", "shop", "static", 10);
    assert_value(vm, "host", "hv-1", "static", 10);
    assert_value(vm, "cluster", "blue", "vc", 21);
    assert_value(vm, "cpu-percent", "5", "hostd", 31);
}

static void
a_mac_address_joins_where_one_side_has_no_uuid(void **state)
{
    struct fixture *f = *state;

    merge_begin(f->merge, "static", RANK_OPERATOR, false);
    ADD(.name = "a", .macs = "1", .tenant = 7);
    ADD(.name = "b", .uuids = "B", .macs = "2", .tenant = 8);
    merge_begin(f->merge, "vc", RANK_MANAGER, false);
    ADD(.name = "vc-a", .uuids = "A", .macs = "1",
        .facts = { { "host", "hv-1", 1, false } });
    ADD(.name = "vc-c", .uuids = "C", .macs = "2");
    finish(f);

    const Sluice__VmContext *vm = by_uuid(f, 'A');
    assert_string_equal(vm->name, "a");
    assert_int_equal(vm->tenant, 7);
    assert_value(vm, "host", "hv-1", "vc", 1);
    /* The UUIDs say that these are two. */
    assert_string_equal(by_uuid(f, 'C')->name, "vc-c");
    assert_string_equal(by_mac(f, '2')->name, "b");
    assert_int_equal(f->counts.contested_keys, 1);
}

/* Returns the name of the VM of a tenant with that address, or null. */
static const char *
by_ip(struct fixture *f, uint32_t tenant, char c)
{
    const uint8_t ip[16] = { [15] = c };
    struct snapshot_found found;

    return (snapshot_find_ip_at(f->snapshot, tenant, ip, UINT64_MAX, &found)
            ? take(f, found.record)->name : NULL);
}

static void
addresses_are_keys_within_the_operators_tenant(void **state)
{
    struct fixture *f = *state;

    merge_begin(f->merge, "static", RANK_OPERATOR, false);
    ADD(.name = "a", .uuids = "A", .tenant = 7);
    ADD(.name = "b", .uuids = "B", .ips = "24", .tenant = 7);
    ADD(.name = "c", .uuids = "C", .ips = "1", .tenant = 8);
    merge_begin(f->merge, "vc", RANK_MANAGER, false);
    ADD(.name = "a-vm", .uuids = "A", .ips = "134");
    ADD(.name = "d", .uuids = "D", .ips = "5");
    finish(f);

    assert_string_equal(by_ip(f, 7, '1'), "a");
    assert_string_equal(by_ip(f, 7, '3'), "a");
    assert_string_equal(by_ip(f, 7, '2'), "b");
    assert_string_equal(by_ip(f, 8, '1'), "c");
    /* Two of one tenant have it: neither is found. */
    assert_null(by_ip(f, 7, '4'));
    assert_int_equal(f->counts.ambiguous_ips, 1);
    /* Nobody knows whose VM it is. */
    assert_null(by_ip(f, 7, '5'));
    assert_int_equal(by_uuid(f, 'A')->n_ip, 2);
    assert_int_equal(by_uuid(f, 'D')->n_ip, 1);
    start_over(f);

    /* What was known in an earlier run. */
    merge_begin(f->merge, "static", RANK_OPERATOR, false);
    ADD(.name = "d", .uuids = "D", .tenant = 7);
    merge_begin(f->merge, "vc", RANK_MANAGER, false);
    put_earlier(f, "vc", RANK_MANAGER);
    finish(f);
    assert_string_equal(by_ip(f, 7, '5'), "d");
}

static void
it_is_told_where_a_vm_ran_of_late(void **state)
{
    static const struct {
        const char *host;
        uint64_t hour;
        const char *told;
    } steps[] = {
        { "hv-1", 0, NULL },
        { "hv-1", 1, NULL },
        { "hv-2", 2, "1970-01-01T02:00:00Z hv-1 > hv-2" },
        { NULL, 3, "1970-01-01T02:00:00Z hv-1 > hv-2" },
        { "hv-2", 4, "1970-01-01T02:00:00Z hv-1 > hv-2" },
        { "hv-3", 5, "1970-01-01T05:00:00Z hv-2 > hv-3; "
                     "1970-01-01T02:00:00Z hv-1 > hv-2" },
        { "hv-4", 6, "1970-01-01T06:00:00Z hv-3 > hv-4; "
                     "1970-01-01T05:00:00Z hv-2 > hv-3; "
                     "1970-01-01T02:00:00Z hv-1 > hv-2" },
        { "hv-5", 7, "1970-01-01T07:00:00Z hv-4 > hv-5; "
                     "1970-01-01T06:00:00Z hv-3 > hv-4; "
                     "1970-01-01T05:00:00Z hv-2 > hv-3" },
        { "hv-5", 30, "1970-01-02T07:00:00Z" },
        { "hv-5", 32, NULL },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        start_over(f);
        merge_begin(f->merge, "vc", RANK_MANAGER, false);
        ADD(.name = "a", .uuids = i % 2 ? "AX" : "A", .macs = "1",
            .facts = { { steps[i].host ? "host" : "rack",
                         steps[i].host ? steps[i].host : "r", 1, false } });
        merge_remember(f->merge, f->snapshot,
                       steps[i].hour * 3600 * 1000000000);
        finish(f);
        const Sluice__ContextValue *v = value(by_uuid(f, 'A'), "migrations");
        if (i == 8) {
            assert_string_equal(v->value, "1970-01-01T07:00:00Z hv-4 > hv-5; "
                                "1970-01-01T06:00:00Z hv-3 > hv-4");
        } else if (steps[i].told) {
            assert_string_equal(v->value, steps[i].told);
            assert_string_equal(v->source, "sluice");
        } else {
            assert_null(v);
        }
    }
}

static void
where_the_vm_of_another_tenant_ran_is_not_told(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 3; i++) {
        start_over(f);
        merge_begin(f->merge, "static", RANK_OPERATOR, false);
        ADD(.name = "a", .uuids = "A", .macs = "1", .tenant = i < 2 ? 7 : 8,
            .facts = { { "host", i ? "hv-2" : "hv-1", 1, false } });
        merge_remember(f->merge, f->snapshot, i * UINT64_C(3600000000000));
        finish(f);
        const Sluice__ContextValue *v = value(by_uuid(f, 'A'), "migrations");
        assert_int_equal(v != NULL, i == 1);
    }
}

static void
clones_are_told_apart(void **state)
{
    struct fixture *f = *state;

    /* One name, one UUID of the BIOS, and a MAC address that one of them took
     * from the other. */
    for (int i = 0; i < 2; i++) {
        start_over(f);
        merge_begin(f->merge, "vc", RANK_MANAGER, false);
        ADD(.name = "web", .uuids = "AX", .macs = i ? "" : "1",
            .facts = { { "host", "hv-1", 1, false } });
        ADD(.name = "web", .uuids = "BX", .macs = i ? "12" : "2",
            .facts = { { "host", "hv-2", 1, false } });
        finish(f);
        assert_value(by_uuid(f, 'A'), "host", "hv-1", "vc", 1);
        assert_value(by_uuid(f, 'B'), "host", "hv-2", "vc", 1);
        assert_null(by_uuid(f, 'X'));
        assert_value(by_mac(f, '1'), "host", i ? "hv-2" : "hv-1", "vc", 1);
        assert_value(by_mac(f, '2'), "host", "hv-2", "vc", 1);
    }
}

static void
a_uuid_of_two_vms_belongs_to_neither(void **state)
{
    struct fixture *f = *state;

    /* Clones: A and B are their own, X is that of their BIOS. */
    merge_begin(f->merge, "vc", RANK_MANAGER, false);
    ADD(.name = "a", .uuids = "AX", .macs = "1");
    ADD(.name = "b", .uuids = "BX", .macs = "2");
    ADD(.name = "lost", .uuids = "X", .macs = "");
    finish(f);

    assert_null(by_uuid(f, 'X'));
    assert_string_equal(by_uuid(f, 'A')->name, "a");
    assert_string_equal(by_uuid(f, 'B')->name, "b");
    /* Said all the same, so that a packet with X and MAC 2 is that of b. */
    const Sluice__VmContext *vm = by_mac(f, '2');
    assert_string_equal(vm->name, "b");
    assert_int_equal(vm->n_other_vm, 1);
    assert_int_equal(vm->other_vm[0].data[0], 'X');
    assert_int_equal(f->counts.ambiguous_uuids, 1);
    assert_int_equal(f->counts.keyless_vms, 1);
    assert_int_equal(snapshot_n_vms(f->snapshot), 2);
}

static void
two_managers_that_claim_one_vm_override_nothing(void **state)
{
    struct fixture *f = *state;

    merge_begin(f->merge, "static", RANK_OPERATOR, false);
    ADD(.name = "web", .uuids = "A", .macs = "1", .tenant = 7,
        .facts = { { "owner", "shop", 1, false } });
    merge_begin(f->merge, "vc-1", RANK_MANAGER, false);
    ADD(.name = "x", .uuids = "A", .tenant = 8,
        .facts = { { "owner", "thief", 2, false } });
    merge_begin(f->merge, "vc-2", RANK_MANAGER, false);
    ADD(.name = "y", .uuids = "A", .macs = "1", .tenant = 9,
        .facts = { { "host", "hv-9", 3, false } });
    finish(f);

    const Sluice__VmContext *vm = by_uuid(f, 'A');
    assert_string_equal(vm->name, "web");
    assert_int_equal(vm->tenant, 7);
    assert_value(vm, "owner", "shop", "static", 1);
    assert_null(value(vm, "host"));
    assert_int_equal(by_mac(f, '1')->tenant, 7);
    assert_int_equal(f->counts.ambiguous_uuids, 1);
    assert_int_equal(f->counts.refused_tenants, 2);
}

static void
a_manager_cannot_take_the_address_of_another_vm(void **state)
{
    struct fixture *f = *state;

    merge_begin(f->merge, "static", RANK_OPERATOR, false);
    ADD(.name = "a", .uuids = "A", .macs = "1", .tenant = 7);
    ADD(.name = "b", .uuids = "B", .macs = "2", .tenant = 8);
    merge_begin(f->merge, "vc", RANK_MANAGER, false);
    ADD(.name = "liar", .uuids = "ABC", .macs = "12");
    finish(f);

    assert_string_equal(by_uuid(f, 'A')->name, "a");
    assert_string_equal(by_uuid(f, 'B')->name, "b");
    assert_string_equal(by_mac(f, '1')->name, "a");
    assert_string_equal(by_mac(f, '2')->name, "b");
    assert_string_equal(by_uuid(f, 'C')->name, "liar");
    assert_int_equal(by_uuid(f, 'C')->tenant, 0);
    assert_int_equal(f->counts.contested_keys, 4);
}

static void
what_is_stale_says_so_and_loses_its_measurements(void **state)
{
    struct fixture *f = *state;

    merge_begin(f->merge, "static", RANK_OPERATOR, false);
    ADD(.name = "a", .uuids = "A", .facts = { { "owner", "me", 1, false } });
    merge_begin(f->merge, "vc", RANK_MANAGER, true);
    ADD(.uuids = "A", .facts = { { "host", "hv-1", 2, false },
                                 { "cpu-percent", "99", 2, true } });
    finish(f);

    const Sluice__VmContext *vm = by_uuid(f, 'A');
    assert_false(value(vm, "owner")->stale);
    assert_true(value(vm, "host")->stale);
    assert_null(value(vm, "cpu-percent"));
    assert_value(vm, "context-stale", "vc", "vc", 2);
    assert_int_equal(f->counts.stale_values, 1);
}

static void
an_earlier_run_speaks_for_a_source_that_does_not(void **state)
{
    struct fixture *f = *state;

    merge_begin(f->merge, "static", RANK_OPERATOR, false);
    ADD(.name = "a", .uuids = "A", .tenant = 7);
    ADD(.name = "s", .macs = "3", .tenant = 9);
    merge_begin(f->merge, "vc", RANK_MANAGER, false);
    ADD(.name = "a", .uuids = "AB", .macs = "1",
        .facts = { { "host", "hv-1", 2, false },
                   { "cpu-percent", "99", 2, true } });
    finish(f);
    start_over(f);

    /* The file has another owner now; the manager is away. */
    merge_begin(f->merge, "static", RANK_OPERATOR, false);
    ADD(.name = "new", .uuids = "A", .tenant = 8);
    merge_begin(f->merge, "vc", RANK_MANAGER, true);
    put_earlier(f, "vc", RANK_MANAGER);
    finish(f);
    const Sluice__VmContext *vm = by_uuid(f, 'B');
    assert_string_equal(vm->name, "new");
    assert_int_equal(vm->tenant, 8);
    assert_true(value(vm, "host")->stale);
    assert_null(value(vm, "cpu-percent"));
    assert_null(by_mac(f, '3'));
    start_over(f);

    /* The file is gone, too. */
    merge_begin(f->merge, "static", RANK_OPERATOR, false);
    put_earlier(f, "static", RANK_OPERATOR);
    merge_begin(f->merge, "vc", RANK_MANAGER, true);
    put_earlier(f, "vc", RANK_MANAGER);
    finish(f);
    vm = by_mac(f, '1');
    assert_int_equal(vm->tenant, 8);
    assert_value(vm, "host", "hv-1", "vc", 2);
    assert_int_equal(f->counts.refused_tenants, 0);
}

static void
a_vm_with_too_much_to_say_is_cut_short(void **state)
{
    struct fixture *f = *state;
    enum { N = 100 };
    char *text = xzalloc(513);
    struct fact facts[N];
    const uint8_t uuid[16] = { 'A' };

    memset(text, 'x', 512);
    for (size_t i = 0; i < N; i++) {
        facts[i] = (struct fact) { .key = xasprintf("key-%"PRIuSIZE, i),
                                   .value = text };
    }
    merge_begin(f->merge, "vc", RANK_MANAGER, false);
    merge_add(f->merge, &(struct vm_facts) {
        .uuids = &uuid, .n_uuids = 1, .facts = facts, .n_facts = N });
    finish(f);

    const Sluice__VmContext *vm = by_uuid(f, 'A');
    assert_non_null(value(vm, "key-0"));
    assert_null(value(vm, "key-99"));
    assert_int_equal(vm->n_value + f->counts.dropped_values, N);
    for (size_t i = 0; i < N; i++) {
        free(CONST_CAST(char *, facts[i].key));
    }
    free(text);
}

/* Whoever comes first: what is known anew owns what is stale. */
static void
a_stale_manager_takes_no_key_of_another(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 2; i++) {
        start_over(f);
        for (int j = 0; j < 2; j++) {
            bool is_stale = i == j;

            merge_begin(f->merge, is_stale ? "old" : "new", RANK_MANAGER,
                        is_stale);
            ADD(.name = is_stale ? "old" : "new", .uuids = "A", .macs = "1");
            if (is_stale) {
                ADD(.name = "clone", .uuids = "A");
            }
        }
        finish(f);
        assert_string_equal(by_uuid(f, 'A')->name, "new");
        assert_string_equal(by_mac(f, '1')->name, "new");
        assert_int_equal(snapshot_n_vms(f->snapshot), 1);
        assert_int_equal(f->counts.ambiguous_uuids, 0);
        assert_int_equal(f->counts.ambiguous_macs, 0);
        assert_int_equal(f->counts.contested_keys, 0);
    }
}

/* Returns true if the VM of 'uuid' is at 'vtep', as far as its record says, with
 * the first MAC of 'macs' at that port. */
static bool
is_at(struct fixture *f, char uuid, const uint8_t *vtep, char mac,
      uint32_t ofp_port)
{
    const struct context_origin origin = {
        .vtep = vtep, .mac = (const uint8_t[6]) { [5] = mac },
        .ofp_port = ofp_port,
    };
    const uint8_t key[16] = { uuid };
    struct slice record;

    assert_true(snapshot_find_vm(f->snapshot, key, &record));
    return context_is_at(record, &origin);
}

static void
a_vm_is_where_its_manager_says_that_it_runs(void **state)
{
    struct fixture *f = *state;
    struct shash vteps = SHASH_INITIALIZER(&vteps);

    shash_add(&vteps, "hv-1", vtep_1);
    shash_add(&vteps, "hv-2", vtep_2);
    for (int is_stale = 0; is_stale < 2; is_stale++) {
        start_over(f);
        merge_begin(f->merge, "vc", RANK_MANAGER, is_stale);
        ADD(.uuids = "A", .macs = "1", .facts = {{ "host", "hv-1", 1, 0 }});
        ADD(.uuids = "B", .macs = "2", .facts = {{ "host", "other", 1, 0 }});
        ADD(.uuids = "C", .macs = "3");
        merge_begin(f->merge, "host:hv-2", RANK_HOST, false);
        ADD(.uuids = "C", .vtep = vtep_2, .facts = {{ "host", "hv-2", 1, 0 }});
        merge_locate(f->merge, &vteps);
        finish(f);
        assert_true(is_at(f, 'A', vtep_1, '1', 5));
        /* It may have moved since nobody heard of the manager. */
        assert_int_equal(is_at(f, 'A', vtep_2, '1', 5), is_stale);
        assert_true(is_at(f, 'B', vtep_2, '2', 5));
        /* A host's word takes nothing from others. */
        assert_true(is_at(f, 'C', vtep_1, '3', 5));
    }
    shash_destroy(&vteps);
}

static void
a_mac_is_at_the_port_that_its_host_names(void **state)
{
    struct fixture *f = *state;

    for (int is_stale = 0; is_stale < 2; is_stale++) {
        start_over(f);
        merge_begin(f->merge, "vc", RANK_MANAGER, false);
        ADD(.uuids = "A", .macs = "1");
        merge_begin(f->merge, "host:hv-1", RANK_HOST, is_stale);
        ADD(.uuids = "A", .macs = "1", .vtep = vtep_1, .ofp_port = 5);
        finish(f);
        assert_true(is_at(f, 'A', vtep_1, '1', 5));
        assert_int_equal(is_at(f, 'A', vtep_1, '1', 6), is_stale);
        assert_true(is_at(f, 'A', vtep_1, '2', 6));
        assert_true(is_at(f, 'A', vtep_2, '1', 6));
    }
}

/* Look up what a host alone says. */
static const Sluice__VmContext *
by_host_uuid(struct fixture *f, const uint8_t *vtep, char c)
{
    const uint8_t uuid[16] = { c };
    struct snapshot_found found;

    return (snapshot_find_host_vm_at(f->snapshot, vtep, uuid, UINT64_MAX,
                                     &found) ? take(f, found.record) : NULL);
}

static const Sluice__VmContext *
by_host_mac(struct fixture *f, const uint8_t *vtep, char c)
{
    const uint8_t mac[6] = { [5] = c };
    struct snapshot_found found;

    return (snapshot_find_host_mac_at(f->snapshot, vtep, mac, UINT64_MAX,
                                      &found) ? take(f, found.record) : NULL);
}

/* Returns the value of 'vm' under 'key' for lines from 'vtep', or null. */
static const char *
value_for(const Sluice__VmContext *vm, const uint8_t *vtep, const char *key)
{
    for (size_t i = 0; i < vm->n_value; i++) {
        const Sluice__ContextValue *v = vm->value[i];

        if (!strcmp(v->key, key)
            && (vtep ? v->vtep.len == 16 && !memcmp(v->vtep.data, vtep, 16)
                : !v->vtep.len)) {
            return v->value;
        }
    }
    return NULL;
}

static void
what_a_host_says_is_bound_to_its_vtep(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 2; i++) {
        if (!i) {
            merge_begin(f->merge, "vc", RANK_MANAGER, false);
            ADD(.uuids = "A", .facts = { { "cluster", "blue", 1, false } });
            merge_begin(f->merge, "host:hv", RANK_HOST, false);
            ADD(.name = "mine", .uuids = "A", .vtep = vtep_1, .tenant = 9,
                .facts = { { "cpu-percent", "5", 2, true } });
            ADD(.name = "only-mine", .uuids = "B", .vtep = vtep_1,
                .facts = { { "cpu-percent", "7", 2, true } });
        } else {
            /* And once more after a restart. */
            start_over(f);
            merge_begin(f->merge, "vc", RANK_MANAGER, false);
            put_earlier(f, "vc", RANK_MANAGER);
            merge_begin(f->merge, "host:hv", RANK_HOST, false);
            put_earlier(f, "host:hv", RANK_HOST);
        }
        finish(f);
        assert_int_equal(f->counts.refused_tenants, i ? 0 : 1);

        const Sluice__VmContext *vm = by_uuid(f, 'A');
        assert_string_equal(vm->name, "");
        assert_int_equal(vm->tenant, 0);
        assert_int_equal(vm->vtep.len, 0);
        assert_string_equal(value_for(vm, vtep_1, "cpu-percent"), "5");
        assert_string_equal(value_for(vm, NULL, "cluster"), "blue");
        assert_null(by_host_uuid(f, vtep_1, 'A'));

        assert_null(by_uuid(f, 'B'));
        assert_null(by_host_uuid(f, vtep_2, 'B'));
        vm = by_host_uuid(f, vtep_1, 'B');
        assert_string_equal(vm->name, "only-mine");
        assert_memory_equal(vm->vtep.data, vtep_1, sizeof vtep_1);
        assert_string_equal(value_for(vm, NULL, "cpu-percent"), "7");
    }
}

/* Whoever is broken, or moves a VM. */
static void
a_host_takes_nothing_away_from_another(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 4; i++) {
        bool is_first = i & 1, is_stale = i & 2;

        start_over(f);
        merge_begin(f->merge, "vc", RANK_MANAGER, false);
        ADD(.name = "a", .uuids = "A", .macs = "1",
            .facts = { { "folder", "/f", 1, false } });
        for (int j = 0; j < 2; j++) {
            if (j == is_first) {
                merge_begin(f->merge, "host:a", RANK_HOST, is_stale);
                ADD(.name = "a", .uuids = "A", .vtep = vtep_1,
                    .facts = { { "switch-port", "vnet1", 1, false } });
                ADD(.name = "b", .uuids = "B", .vtep = vtep_1,
                    .facts = { { "switch-port", "vnet2", 1, false } });
                ADD(.name = "c", .macs = "34", .vtep = vtep_1,
                    .facts = { { "switch-port", "vnet3", 1, false } });
            } else {
                merge_begin(f->merge, "host:bad", RANK_HOST, false);
                ADD(.name = "x", .uuids = "A", .vtep = vtep_2,
                    .facts = { { "switch-port", "bad1", 1, false } });
                ADD(.name = "x", .uuids = "B", .vtep = vtep_2,
                    .facts = { { "switch-port", "bad2", 1, false } });
                ADD(.name = "x", .macs = "35", .vtep = vtep_2,
                    .facts = { { "switch-port", "bad3", 1, false } });
            }
        }
        finish(f);
        assert_int_equal(f->counts.ambiguous_uuids, 0);
        assert_int_equal(f->counts.ambiguous_macs, 0);
        assert_int_equal(f->counts.keyless_vms, 0);

        const Sluice__VmContext *vm = by_uuid(f, 'A');
        assert_string_equal(vm->name, "a");
        assert_string_equal(value_for(vm, NULL, "folder"), "/f");
        assert_string_equal(value_for(vm, vtep_1, "switch-port"), "vnet1");
        assert_string_equal(value_for(vm, vtep_2, "switch-port"), "bad1");
        assert_string_equal(by_host_uuid(f, vtep_1, 'B')->name, "b");
        assert_string_equal(by_host_uuid(f, vtep_2, 'B')->name, "x");
        assert_string_equal(by_host_mac(f, vtep_1, '3')->name, "c");
        assert_string_equal(by_host_mac(f, vtep_1, '4')->name, "c");
        assert_string_equal(by_host_mac(f, vtep_2, '3')->name, "x");
        assert_null(by_host_mac(f, vtep_1, '5'));
    }
}

static void
a_host_that_names_a_vm_twice_has_no_key_for_it(void **state)
{
    struct fixture *f = *state;

    merge_begin(f->merge, "host:a", RANK_HOST, false);
    ADD(.name = "a", .uuids = "A", .vtep = vtep_1);
    ADD(.name = "b", .uuids = "A", .vtep = vtep_1);
    ADD(.name = "c", .macs = "1", .vtep = vtep_1);
    ADD(.name = "d", .macs = "12", .vtep = vtep_1);
    finish(f);
    assert_null(by_host_uuid(f, vtep_1, 'A'));
    assert_null(by_host_mac(f, vtep_1, '1'));
    assert_string_equal(by_host_mac(f, vtep_1, '2')->name, "d");
    assert_int_equal(f->counts.ambiguous_uuids, 1);
    assert_int_equal(f->counts.ambiguous_macs, 1);
    assert_int_equal(f->counts.keyless_vms, 3);
}

/* Lines from there would get what others say about the VM. */
static void
a_host_brings_no_key_into_what_others_say(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 2; i++) {
        start_over(f);
        merge_begin(f->merge, "vc", RANK_MANAGER, false);
        if (!i) {
            ADD(.name = "victim", .uuids = "A", .macs = "1",
                .facts = { { "folder", "/secret", 1, false } });
        } else {
            put_earlier(f, "vc", RANK_MANAGER);
        }
        merge_begin(f->merge, "host:bad", RANK_HOST, false);
        if (!i) {
            ADD(.name = "bad", .macs = "1X", .vtep = vtep_1,
                .facts = { { "host", "bad", 1, false } });
        } else {
            put_earlier(f, "host:bad", RANK_HOST);
        }
        finish(f);
        assert_null(by_mac(f, 'X'));
        assert_null(by_host_mac(f, vtep_1, 'X'));
        assert_string_equal(by_mac(f, '1')->name, "victim");
        assert_string_equal(value_for(by_uuid(f, 'A'), vtep_1, "host"),
                            "bad");
    }

    /* Nor is what the manager named the host's when that is gone. */
    start_over(f);
    merge_begin(f->merge, "host:bad", RANK_HOST, false);
    put_earlier(f, "host:bad", RANK_HOST);
    finish(f);
    assert_null(by_host_uuid(f, vtep_1, 'A'));
    assert_string_equal(by_host_mac(f, vtep_1, 'X')->name, "");
    assert_int_equal(by_host_mac(f, vtep_1, '1')->n_mac, 2);
}

/* However many claim it, and whoever is not heard of. */
static void
only_so_many_hosts_add_to_a_vm(void **state)
{
    struct fixture *f = *state;
    enum { N = MERGE_MAX_HOSTS + 2 };
    uint8_t vteps[N][16] = { { 0 } };
    char *text = xzalloc(3001);

    memset(text, 'x', 3000);
    merge_begin(f->merge, "vc", RANK_MANAGER, false);
    ADD(.name = "a", .uuids = "A");
    for (int i = 0; i < N; i++) {
        char name[16];

        snprintf(name, sizeof name, "host:%d", i);
        vteps[i][0] = i;
        merge_begin(f->merge, name, RANK_HOST, i < 2);
        ADD(.uuids = "A", .vtep = vteps[i],
            .facts = { { "a", "1", 1, false }, { "b", text, 1, false },
                       { "c", text, 1, false } });
    }
    finish(f);

    const Sluice__VmContext *vm = by_uuid(f, 'A');
    for (int i = 0; i < N; i++) {
        assert_int_equal(value_for(vm, vteps[i], "b") != NULL, i >= 2);
        assert_null(value_for(vm, vteps[i], "c"));
    }
    assert_int_equal(f->counts.dropped_values, MERGE_MAX_HOSTS + 2 * 3);
    free(text);
}

/* Lines of one do not show the other's, nor that the other's is stale. */
static void
what_is_stale_is_told_for_each_host_by_itself(void **state)
{
    struct fixture *f = *state;

    merge_begin(f->merge, "vc", RANK_MANAGER, true);
    ADD(.uuids = "A", .facts = { { "folder", "/f", 100, false } });
    merge_begin(f->merge, "host:a", RANK_HOST, true);
    ADD(.uuids = "A", .vtep = vtep_1,
        .facts = { { "switch-port", "vnet1", 50, false } });
    merge_begin(f->merge, "host:b", RANK_HOST, false);
    ADD(.uuids = "A", .vtep = vtep_2,
        .facts = { { "switch-port", "vnet1", 50, false } });
    finish(f);

    const Sluice__VmContext *vm = by_uuid(f, 'A');
    assert_string_equal(value_for(vm, NULL, "context-stale"), "vc");
    assert_string_equal(value_for(vm, vtep_1, "context-stale"), "host:a");
    assert_null(value_for(vm, vtep_2, "context-stale"));
}

/* Of many sources that have said nothing yet, too. */
static void
what_was_said_earlier_is_read_once(void **state)
{
    struct fixture *f = *state;
    enum { N_VMS = 200, N_SOURCES = 2000 };
    const char *names[N_SOURCES];
    struct earlier *earlier;

    merge_begin(f->merge, "vc", RANK_MANAGER, false);
    for (int i = 0; i < N_VMS; i++) {
        const uint8_t uuid[16] = { i, 1 };

        merge_add(f->merge, &(struct vm_facts) {
            .uuids = &uuid, .n_uuids = 1,
            .facts = &(struct fact) { "host", "hv", 1, false },
            .n_facts = 1 });
    }
    finish(f);
    start_over(f);
    for (int i = 0; i < N_SOURCES; i++) {
        names[i] = i ? xasprintf("host:%d", i) : xstrdup("vc");
    }
    earlier = earlier_read(f->snapshot, names, N_SOURCES);
    snapshot_close(f->snapshot);
    f->snapshot = NULL;
    for (int i = 0; i < N_SOURCES; i++) {
        enum source_rank rank = i ? RANK_HOST : RANK_MANAGER;

        merge_begin(f->merge, names[i], rank, false);
        earlier_put(earlier, names[i], rank, f->merge);
        free(CONST_CAST(char *, names[i]));
    }
    earlier_destroy(earlier);
    finish(f);
    assert_int_equal(snapshot_n_vms(f->snapshot), N_VMS);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(values_come_from_the_source_of_most_precedence),
        TEST(a_mac_address_joins_where_one_side_has_no_uuid),
        TEST(addresses_are_keys_within_the_operators_tenant),
        TEST(it_is_told_where_a_vm_ran_of_late),
        TEST(where_the_vm_of_another_tenant_ran_is_not_told),
        TEST(clones_are_told_apart),
        TEST(a_uuid_of_two_vms_belongs_to_neither),
        TEST(two_managers_that_claim_one_vm_override_nothing),
        TEST(a_manager_cannot_take_the_address_of_another_vm),
        TEST(what_is_stale_says_so_and_loses_its_measurements),
        TEST(an_earlier_run_speaks_for_a_source_that_does_not),
        TEST(a_vm_with_too_much_to_say_is_cut_short),
        TEST(a_stale_manager_takes_no_key_of_another),
        TEST(what_a_host_says_is_bound_to_its_vtep),
        TEST(a_host_takes_nothing_away_from_another),
        TEST(a_host_that_names_a_vm_twice_has_no_key_for_it),
        TEST(a_host_brings_no_key_into_what_others_say),
        TEST(only_so_many_hosts_add_to_a_vm),
        TEST(what_is_stale_is_told_for_each_host_by_itself),
        TEST(what_was_said_earlier_is_read_once),
        TEST(a_vm_is_where_its_manager_says_that_it_runs),
        TEST(a_mac_is_at_the_port_that_its_host_names),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
