/* SPDX-License-Identifier: Apache-2.0
 *
 * What the context snapshot remembers.  VMs are told by one byte each, as are
 * their MACs. */
#include "snapshot-fixture.h"

#include "context.pb-c.h"

struct known {
    char vm;
    const char *macs;
    const char *host;
    uint64_t fetched_ns;
    const char *cpu;            /* Measured; may be null. */
};

#define IS(VM, MACS, HOST) { VM, MACS, HOST, 0, NULL }

/* Publishes 'known' as what is so from 'now_ns' on, after what 'path' has. */
static size_t
go_on(const char *path, const struct known *known, size_t n, uint64_t now_ns,
      uint64_t max_age_ns)
{
    struct snapshot_builder *b = snapshot_builder_create();
    struct snapshot *earlier;
    size_t n_dropped = 0;

    for (size_t i = 0; i < n; i++) {
        const struct known *k = &known[i];
        Sluice__ContextValue values[2];
        Sluice__ContextValue *pointers[2] = { &values[0], &values[1] };
        Sluice__VmContext vm = SLUICE__VM_CONTEXT__INIT;
        const uint8_t uuid[16] = { k->vm };
        uint8_t macs[4][6] = { { 0 } };
        uint8_t record[256];

        vm.vm.data = (uint8_t *) uuid;
        vm.vm.len = sizeof uuid;
        vm.value = pointers;
        vm.n_value = k->cpu ? 2 : 1;
        for (int j = 0; j < 2; j++) {
            sluice__context_value__init(&values[j]);
            values[j].key = (char *) (j ? "cpu-percent" : "host");
            values[j].value = (char *) (j ? k->cpu : k->host);
            values[j].source = (char *) "vc";
            values[j].fetched_ns = k->fetched_ns;
            values[j].measured = j;
        }
        for (size_t j = 0; j < strlen(k->macs); j++) {
            macs[j][5] = k->macs[j];
        }
        assert_true(sluice__vm_context__get_packed_size(&vm)
                    <= sizeof record);
        size_t size = sluice__vm_context__pack(&vm, record);
        assert_int_equal(snapshot_builder_add(b, uuid, macs,
                                              strlen(k->macs),
                                              slice_of(record, size)), 0);
    }
    if (!snapshot_open(path, &earlier)) {
        assert_int_equal(snapshot_builder_inherit(b, earlier, now_ns,
                                                  max_age_ns, &n_dropped), 0);
        snapshot_close(earlier);
    }
    assert_int_equal(snapshot_builder_publish(b, path, now_ns), 0);
    snapshot_builder_destroy(b);
    return n_dropped;
}

#define GO_ON(PATH, NOW, ...)                                       \
    do {                                                            \
        const struct known known_[] = { __VA_ARGS__ };              \
        go_on(PATH, known_, sizeof known_ / sizeof *known_, NOW,    \
              1000);                                                \
    } while (0)

/* Returns the host in a record, or null if nothing was found. */
static const char *
host_of(bool found, const struct snapshot_found *f)
{
    static char host[16];

    if (!found) {
        return "none";
    }
    Sluice__VmContext *vm
        = sluice__vm_context__unpack(NULL, f->record.size, f->record.data);
    assert_non_null(vm);
    snprintf(host, sizeof host, "%s", vm->value[0]->value);
    sluice__vm_context__free_unpacked(vm, NULL);
    return host;
}

static void
assert_vm_at(const struct snapshot *s, char vm, uint64_t at_ns,
             const char *host, uint64_t from_ns, uint64_t until_ns)
{
    const uint8_t uuid[16] = { vm };
    struct snapshot_found f;

    assert_string_equal(host_of(snapshot_find_vm_at(s, uuid, at_ns, &f), &f),
                        host);
    assert_true(f.from_ns == from_ns);
    assert_true(f.until_ns == until_ns);
}

static const char *
host_by_mac(const struct snapshot *s, char mac_, uint64_t at_ns)
{
    const uint8_t mac[6] = { [5] = mac_ };
    struct snapshot_found f;

    return host_of(snapshot_find_mac_at(s, mac, at_ns, &f), &f);
}

static void
a_vm_that_moves_is_found_where_it_was(void **state)
{
    const struct fixture *f = *state;
    struct snapshot *s;

    GO_ON(f->path, 100, IS('A', "1", "hv-1"), IS('B', "2", "hv-9"));
    GO_ON(f->path, 200, IS('A', "1", "hv-2"), IS('B', "2", "hv-9"));
    GO_ON(f->path, 300, IS('A', "1", "hv-3"), IS('B', "2", "hv-9"));

    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_int_equal(snapshot_n_vms(s), 2);
    assert_int_equal(snapshot_n_earlier(s), 2);
    assert_vm_at(s, 'A', 0, "hv-1", 0, 200);
    assert_vm_at(s, 'A', 199, "hv-1", 0, 200);
    assert_vm_at(s, 'A', 200, "hv-2", 200, 300);
    assert_vm_at(s, 'A', 300, "hv-3", 300, UINT64_MAX);
    assert_vm_at(s, 'A', UINT64_MAX, "hv-3", 300, UINT64_MAX);
    assert_string_equal(host_by_mac(s, '1', 250), "hv-2");
    assert_vm_at(s, 'B', 150, "hv-9", 0, UINT64_MAX);

    /* What was earlier is none of the records of now. */
    uint64_t position = 0;
    struct slice record;
    assert_true(snapshot_next(s, &position, &record));
    assert_true(snapshot_next(s, &position, &record));
    assert_false(snapshot_next(s, &position, &record));
    snapshot_close(s);
}

static void
measurements_and_who_says_so_make_no_version(void **state)
{
    const struct fixture *f = *state;
    struct snapshot *s;

    GO_ON(f->path, 100, { 'A', "1", "hv-1", 1, "10" });
    GO_ON(f->path, 200, { 'A', "1", "hv-1", 2, "20" });
    GO_ON(f->path, 300, { 'A', "1", "hv-1", 3, NULL });

    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_int_equal(snapshot_n_earlier(s), 0);
    assert_vm_at(s, 'A', 150, "hv-1", 0, UINT64_MAX);
    snapshot_close(s);
}

static void
a_mac_that_moves_is_told_by_the_time(void **state)
{
    const struct fixture *f = *state;
    struct snapshot *s;

    GO_ON(f->path, 100, IS('A', "1", "hv-1"), IS('B', "2", "hv-2"));
    GO_ON(f->path, 200, IS('A', "", "hv-1"), IS('B', "12", "hv-2"));

    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_string_equal(host_by_mac(s, '1', 199), "hv-1");
    assert_string_equal(host_by_mac(s, '1', 200), "hv-2");
    assert_string_equal(host_by_mac(s, '2', 0), "hv-2");
    snapshot_close(s);
}

static void
a_vm_that_is_gone_is_still_found_as_it_was(void **state)
{
    const struct fixture *f = *state;
    struct snapshot *s;

    GO_ON(f->path, 100, IS('A', "1", "hv-1"), IS('B', "2", "hv-2"));
    GO_ON(f->path, 200, IS('B', "2", "hv-2"));
    GO_ON(f->path, 300, IS('B', "2", "hv-2"));
    GO_ON(f->path, 400, IS('A', "1", "hv-4"), IS('B', "2", "hv-2"));

    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_vm_at(s, 'A', 150, "hv-1", 0, 200);
    assert_vm_at(s, 'A', 200, "none", 200, 400);
    assert_vm_at(s, 'A', 399, "none", 200, 400);
    assert_vm_at(s, 'A', 400, "hv-4", 400, UINT64_MAX);
    assert_string_equal(host_by_mac(s, '1', 399), "none");
    snapshot_close(s);

    /* What is forgotten is not made up. */
    GO_ON(f->path, 1150, IS('A', "1", "hv-4"), IS('B', "2", "hv-2"));
    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_vm_at(s, 'A', 150, "hv-1", 0, 200);
    snapshot_close(s);
    GO_ON(f->path, 1350, IS('A', "1", "hv-4"), IS('B', "2", "hv-2"));
    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_vm_at(s, 'A', 150, "none", 0, 400);
    assert_vm_at(s, 'A', 500, "hv-4", 400, UINT64_MAX);
    assert_int_equal(snapshot_n_earlier(s), 0);
    snapshot_close(s);

    /* Neither is a key kept of whom nothing is known any more. */
    GO_ON(f->path, 1400, IS('B', "2", "hv-2"));
    GO_ON(f->path, 3000, IS('B', "2", "hv-2"));
    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_vm_at(s, 'A', 1390, "none", 0, UINT64_MAX);
    snapshot_close(s);
}

static void
the_history_of_a_vm_is_bounded(void **state)
{
    const struct fixture *f = *state;
    enum { N = SNAPSHOT_MAX_VERSIONS + 4 };
    char host[8];
    struct snapshot *s;

    for (int i = 0; i < N; i++) {
        snprintf(host, sizeof host, "hv-%d", i);
        GO_ON(f->path, 100 * (i + 1), IS('A', "1", host));
    }
    assert_int_equal(snapshot_open(f->path, &s), 0);
    for (int i = 0; i < N; i++) {
        bool is_known = i >= N - 1 - SNAPSHOT_MAX_VERSIONS;
        snprintf(host, sizeof host, "hv-%d", i);
        assert_string_equal(host_by_mac(s, '1', 100 * (i + 1)),
                            is_known ? host : "none");
    }
    assert_int_equal(snapshot_n_earlier(s), SNAPSHOT_MAX_VERSIONS);
    snapshot_close(s);
}

static void
a_clock_that_is_set_back_does_not_turn_history_around(void **state)
{
    const struct fixture *f = *state;
    struct snapshot *s;

    GO_ON(f->path, 100, IS('A', "1", "hv-1"));
    GO_ON(f->path, 200, IS('A', "1", "hv-2"));
    GO_ON(f->path, 900, IS('A', "1", "hv-3"));
    GO_ON(f->path, 901, IS('A', "1", "hv-4"));
    /* What was known while the clock was ahead hides nothing that comes after
     * it was set back. */
    GO_ON(f->path, 300, IS('A', "1", "hv-5"));
    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_vm_at(s, 'A', 199, "hv-1", 0, 200);
    assert_vm_at(s, 'A', 299, "hv-2", 200, 300);
    assert_vm_at(s, 'A', 300, "hv-5", 300, UINT64_MAX);
    assert_string_equal(host_by_mac(s, '1', 310), "hv-5");
    snapshot_close(s);

    GO_ON(f->path, 310, IS('A', "1", "hv-6"));
    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_vm_at(s, 'A', 300, "hv-5", 300, 310);
    assert_vm_at(s, 'A', 310, "hv-6", 310, UINT64_MAX);
    snapshot_close(s);

    /* Nor does what did not change since. */
    GO_ON(f->path, 2000, IS('A', "1", "hv-7"));
    GO_ON(f->path, 400, IS('A', "1", "hv-7"));
    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_vm_at(s, 'A', 400, "hv-7", 400, UINT64_MAX);
    snapshot_close(s);
}

/* Every VM moves, again and again. */
static void
what_is_known_of_many_that_move_is_bounded(void **state)
{
    const struct fixture *f = *state;
    enum { N = 10000, N_MOVES = 3 };
    uint8_t (*record)[3000] = calloc(1, sizeof *record);
    size_t n_dropped = 0;
    struct snapshot *s;
    struct stat st;

    for (uint64_t i = 0; i < N_MOVES; i++) {
        struct snapshot_builder *b = snapshot_builder_create();

        (*record)[0] = i;
        for (uint32_t j = 0; j < N; j++) {
            struct vm vm = make_vm(j);
            assert_int_equal(snapshot_builder_add(
                b, vm.uuid, vm.macs, 2, slice_of(record, sizeof *record)), 0);
        }
        if (i) {
            assert_int_equal(snapshot_open(f->path, &s), 0);
            assert_int_equal(snapshot_builder_inherit(b, s, 100 * (i + 1),
                                                      UINT64_MAX,
                                                      &n_dropped), 0);
            snapshot_close(s);
        }
        assert_int_equal(snapshot_builder_publish(b, f->path, i), 0);
        snapshot_builder_destroy(b);
    }
    assert_true(n_dropped > 0);
    assert_int_equal(stat(f->path, &st), 0);
    assert_true((size_t) st.st_size < N * (sizeof *record + 512)
                             + SNAPSHOT_MAX_HISTORY);
    free(record);
}

static void
addresses_are_of_one_tenant(void **state)
{
    const struct fixture *f = *state;
    const uint8_t ip[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };
    struct snapshot_builder *b = snapshot_builder_create();
    struct snapshot_found found;
    struct snapshot *s;

    assert_int_equal(snapshot_builder_add_ip(b, 7, ip), EINVAL);
    assert_int_equal(add_vm(b, 1), 0);
    assert_int_equal(snapshot_builder_add_ip(b, 0, ip), EINVAL);
    assert_int_equal(snapshot_builder_add_ip(b, 7, ip), 0);
    assert_int_equal(add_vm(b, 2), 0);
    assert_int_equal(snapshot_builder_add_ip(b, 7, ip), EEXIST);
    assert_int_equal(snapshot_builder_add_ip(b, 8, ip), 0);
    assert_int_equal(snapshot_builder_publish(b, f->path, 1), 0);
    snapshot_builder_destroy(b);

    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_true(snapshot_has_ips(s));
    assert_true(snapshot_find_ip_at(s, 7, ip, 5, &found));
    assert_int_equal(found.record.size, 1);
    assert_true(snapshot_find_ip_at(s, 8, ip, 5, &found));
    assert_int_equal(found.record.size, 2);
    assert_false(snapshot_find_ip_at(s, 9, ip, 5, &found));
    snapshot_close(s);
    publish(f->path, 3, 1);
    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_false(snapshot_has_ips(s));
    snapshot_close(s);
}

static const uint8_t vtep_1[16] = { 1 }, vtep_2[16] = { 2 };

/* Adds a VM that the host at 'vtep' alone knows. */
static void
add_host_vm(struct snapshot_builder *b, const uint8_t *vtep, uint32_t i,
            struct slice record)
{
    struct vm vm = make_vm(i);

    assert_int_equal(snapshot_builder_add_host(b, vtep, vm.uuid, NULL, 0,
                                               record), 0);
}

static const char *
first_byte(bool found, const struct snapshot_found *f)
{
    static char text[2];

    text[0] = found ? f->record.data[0] : '-';
    return text;
}

/* A host that reports other VMs each time. */
static void
what_a_host_makes_up_leaves_room_for_others(void **state)
{
    const struct fixture *f = *state;
    enum { N = 1024, N_TIMES = 40, LATER = 10 };
    uint8_t record[3000] = { 0 };
    const struct vm vm = make_vm(1);
    struct snapshot_found found;
    size_t n_dropped = 0;
    struct snapshot *s;

    for (uint32_t i = 0; i < N_TIMES; i++) {
        struct snapshot_builder *b = snapshot_builder_create();

        /* One VM of a manager and one of another host, which changed once. */
        record[0] = i < LATER ? 'a' : 'b';
        assert_int_equal(snapshot_builder_add(b, vm.uuid, vm.macs, 2,
                                              slice_of(record, 10)), 0);
        add_host_vm(b, vtep_1, 1, slice_of(record, 10));
        for (uint32_t j = 0; j < N; j++) {
            add_host_vm(b, vtep_2, i * N + j, slice_of(record, sizeof record));
        }
        if (i) {
            assert_int_equal(snapshot_open(f->path, &s), 0);
            assert_int_equal(snapshot_builder_inherit(b, s, 100 * (i + 1),
                                                      UINT64_MAX,
                                                      &n_dropped), 0);
            snapshot_close(s);
        }
        assert_int_equal(snapshot_builder_publish(b, f->path, i), 0);
        snapshot_builder_destroy(b);
    }
    assert_true(n_dropped > 0);
    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_true(snapshot_n_earlier(s)
                <= SNAPSHOT_MAX_HOST_HISTORY / sizeof record + 2);
    assert_string_equal(first_byte(snapshot_find_vm_at(
        s, vm.uuid, 100, &found), &found), "a");
    assert_string_equal(first_byte(snapshot_find_mac_at(
        s, vm.macs[0], UINT64_MAX, &found), &found), "b");
    assert_string_equal(first_byte(snapshot_find_host_vm_at(
        s, vtep_1, vm.uuid, 100, &found), &found), "a");
    assert_string_equal(first_byte(snapshot_find_host_vm_at(
        s, vtep_1, vm.uuid, UINT64_MAX, &found), &found), "b");
    snapshot_close(s);
}

/* Who has a key next did not have it before, whatever was forgotten. */
static void
a_key_of_which_nothing_fits_is_still_nobodys(void **state)
{
    const struct fixture *f = *state;
    enum { N = 600 };
    uint8_t *record = calloc(1, SNAPSHOT_MAX_RECORD);
    const struct vm last = make_vm(N - 1);
    struct snapshot_found found;
    size_t n_dropped = 0;
    struct snapshot *s;

    /* All of them go at once; of the last ones nothing fits any more. */
    for (int i = 0; i < 4; i++) {
        struct snapshot_builder *b = snapshot_builder_create();

        for (uint32_t j = 0; j < N; j++) {
            struct vm vm = make_vm(j);

            if (!i || i == 3) {
                record[0] = i;
                assert_int_equal(snapshot_builder_add(
                    b, vm.uuid, vm.macs, 2,
                    slice_of(record, i ? 1 : SNAPSHOT_MAX_RECORD)), 0);
            }
        }
        if (i) {
            assert_int_equal(snapshot_open(f->path, &s), 0);
            assert_int_equal(snapshot_builder_inherit(b, s, 100 * (i + 1),
                                                      1000, &n_dropped), 0);
            assert_true(i != 1 || n_dropped > 0);
            snapshot_close(s);
        }
        assert_int_equal(snapshot_builder_publish(b, f->path, i), 0);
        snapshot_builder_destroy(b);
    }
    assert_int_equal(snapshot_open(f->path, &s), 0);
    size_t n_forgotten = 0;
    for (uint32_t j = 0; j < N; j++) {
        struct vm vm = make_vm(j);

        /* They are back since 400. */
        assert_true(snapshot_find_vm_at(s, vm.uuid, 400, &found));
        assert_true(found.from_ns == 400);
        n_forgotten += !snapshot_find_vm_at(s, vm.uuid, 150, &found);
        assert_false(snapshot_find_vm_at(s, vm.uuid, 399, &found));
    }
    assert_true(n_forgotten > 0);
    assert_true(snapshot_find_mac_at(s, last.macs[0], 400, &found));
    snapshot_close(s);
    free(record);
}

static void
what_a_host_adds_makes_no_version(void **state)
{
    const struct fixture *f = *state;
    struct snapshot *s;

    for (int i = 0; i < 3; i++) {
        struct snapshot_builder *b = snapshot_builder_create();
        Sluice__ContextValue values[2], *pointers[] = { &values[0],
                                                        &values[1] };
        Sluice__ContextClaim claim = SLUICE__CONTEXT_CLAIM__INIT;
        Sluice__ContextClaim *claims[] = { &claim };
        Sluice__VmContext vm = SLUICE__VM_CONTEXT__INIT;
        uint8_t uuid[16] = { 'A' }, packed[256];
        size_t n_dropped;

        for (int j = 0; j < 2; j++) {
            sluice__context_value__init(&values[j]);
            values[j].key = (char *) "host";
            values[j].value = (char *) (i && j ? "2" : "1");
            values[j].vtep.data = (uint8_t *) vtep_1;
            values[j].vtep.len = j ? sizeof vtep_1 : 0;
        }
        vm.vm.data = uuid;
        vm.vm.len = sizeof uuid;
        vm.value = pointers;
        vm.n_value = i == 2 ? 1 : 2;
        vm.claim = claims;
        vm.n_claim = i < 2;
        claim.source = i;
        size_t n = sluice__vm_context__pack(&vm, packed);
        assert_int_equal(snapshot_builder_add(b, uuid, NULL, 0,
                                              slice_of(packed, n)), 0);
        if (i) {
            assert_int_equal(snapshot_open(f->path, &s), 0);
            assert_int_equal(snapshot_builder_inherit(b, s, 100 * (i + 1),
                                                      1000, &n_dropped), 0);
            snapshot_close(s);
        }
        assert_int_equal(snapshot_builder_publish(b, f->path, i), 0);
        snapshot_builder_destroy(b);
    }
    assert_int_equal(snapshot_open(f->path, &s), 0);
    assert_int_equal(snapshot_n_earlier(s), 0);
    snapshot_close(s);
}

/* What a damaged snapshot says is taken over as far as it can be read. */
static void
a_damaged_history_never_crashes_who_takes_it_over(void **state)
{
    const struct fixture *f = *state;
    size_t size, n_dropped;
    struct snapshot *s;

    GO_ON(f->path, 100, IS('A', "1", "hv-1"), IS('B', "2", "hv-2"));
    GO_ON(f->path, 200, IS('A', "12", "hv-2"));
    GO_ON(f->path, 300, IS('A', "1", "hv-3"));
    uint8_t *file = read_file(f->path, &size);
    for (size_t i = 0; i < size * 8; i++) {
        file[i / 8] ^= 1 << i % 8;
        if (!snapshot_from_bytes(slice_of(file, size), &s)) {
            struct snapshot_builder *b = snapshot_builder_create();

            add_vm(b, 1);
            add_vm(b, 'A');
            assert_int_equal(snapshot_builder_inherit(b, s, 400, 1000,
                                                      &n_dropped), 0);
            assert_int_equal(add_vm(b, 3), EINVAL);
            snapshot_builder_destroy(b);
            exercise(slice_of(file, size));
            snapshot_close(s);
        }
        file[i / 8] ^= 1 << i % 8;
    }
    free(file);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_vm_that_moves_is_found_where_it_was),
        TEST(measurements_and_who_says_so_make_no_version),
        TEST(a_mac_that_moves_is_told_by_the_time),
        TEST(a_vm_that_is_gone_is_still_found_as_it_was),
        TEST(the_history_of_a_vm_is_bounded),
        TEST(a_clock_that_is_set_back_does_not_turn_history_around),
        TEST(what_is_known_of_many_that_move_is_bounded),
        TEST(addresses_are_of_one_tenant),
        TEST(what_a_host_makes_up_leaves_room_for_others),
        TEST(a_key_of_which_nothing_fits_is_still_nobodys),
        TEST(what_a_host_adds_makes_no_version),
        TEST(a_damaged_history_never_crashes_who_takes_it_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
