/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 2: whose packets are let in.  They are made with the switch's
 * encoder. */
#include <config.h>

#include "unit.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key-file.h"
#include "s2-decap.h"
#include "signed-packet.h"
#include "util.h"

#define KEY_FILE_A "test-decap.key-a"
#define KEY_FILE_B "test-decap.key-b"

/* Hosts 192.0.2.1 and .2 have keys, .3 has none. */
static const uint8_t key_a[16] = { 0xaa, 1 };
static const uint8_t key_b[16] = { 0xbb, 2 };
static const uint8_t key_c[16] = { 0xcc, 3 };

struct fixture {
    struct config *config;
    struct decap decap;
};

static void
write_keys(const char *path, const uint8_t *first, const uint8_t *second)
{
    unlink(path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fchmod(fileno(f), 0600), 0);
    for (int i = 0; i < 2; i++) {
        const uint8_t *key = i ? second : first;
        for (int j = 0; key && j < 16; j++) {
            fprintf(f, "%02x", key[j]);
        }
        fputc('\n', f);
    }
    assert_int_equal(fclose(f), 0);
}

static int
set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);
    char *cwd = getcwd(NULL, 0);
    char *text = xasprintf(
        "hosts:\n"
        "- {name: a, vtep: 192.0.2.1, key-file: %s/"KEY_FILE_A", "
            "tenants: [7]}\n"
        "- {name: c, vtep: 192.0.2.3}\n"
        "- {name: b, vtep: 192.0.2.2, key-file: %s/"KEY_FILE_B"}\n"
        "tenants:\n"
        "- {id: 7, name: seven, server: 'h:514'}\n"
        "- {id: 8, name: eight, server: 'h:514'}\n", cwd, cwd);

    write_keys(KEY_FILE_A, key_a, NULL);
    write_keys(KEY_FILE_B, key_b, NULL);
    assert_null(config_parse("f", text, strlen(text), &f->config));
    assert_null(decap_configure(&f->decap, SLUICE_TLV_CLASS, f->config));
    free(text);
    free(cwd);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    decap_uninit(&f->decap);
    config_destroy(f->config);
    free(f);
    unlink(KEY_FILE_A);
    unlink(KEY_FILE_B);
    return 0;
}

/* What becomes of 'p' from 192.0.2.'host'. */
static enum sluice_drop
fate(const struct fixture *f, const struct signed_packet *p, uint8_t host)
{
    uint8_t *exact = xmemdup(p->bytes, p->size);
    struct record rec = {
        .packet = slice_of(exact, p->size),
        .vtep = { [10] = 0xff, 0xff, 192, 0, 2, host },
    };
    enum sluice_drop drop = decap_run(&f->decap, &rec).origin;

    free(exact);
    return drop;
}

/* The same for a packet of 'tenant' with AUTH under 'key', or without, and
 * without TENANT, which changes nothing if the VNI says the same. */
static enum sluice_drop
fate_of(const struct fixture *f, uint8_t host, uint32_t tenant,
        const uint8_t *key)
{
    struct signed_packet_spec spec = {
        .vni = tenant, .ofp_port = 3, .number = 1, .key = key,
    };
    struct signed_packet p;

    signed_packet_make(&p, &spec);
    enum sluice_drop drop = fate(f, &p, host);

    spec.tenant = tenant;
    signed_packet_make(&p, &spec);
    assert_int_equal(fate(f, &p, host), drop);
    return drop;
}

static void
a_host_with_a_key_has_to_use_it(void **state)
{
    const struct fixture *f = *state;

    assert_int_equal(fate_of(f, 1, 7, key_a), SLUICE_DROP_NONE);
    assert_int_equal(fate_of(f, 2, 7, key_b), SLUICE_DROP_NONE);
    assert_int_equal(fate_of(f, 1, 7, NULL), SLUICE_DROP_AUTH_MISSING);
    assert_int_equal(fate_of(f, 1, 7, key_c), SLUICE_DROP_AUTH_BAD);
    assert_int_equal(fate_of(f, 1, 7, key_b), SLUICE_DROP_AUTH_BAD);
    assert_int_equal(fate_of(f, 2, 7, key_a), SLUICE_DROP_AUTH_BAD);
}

static void
a_host_without_a_key_may_send_any_auth(void **state)
{
    const struct fixture *f = *state;

    assert_int_equal(fate_of(f, 3, 7, NULL), SLUICE_DROP_NONE);
    assert_int_equal(fate_of(f, 3, 8, key_c), SLUICE_DROP_NONE);
}

static void
a_key_does_not_help_an_unknown_host_or_another_tenant(void **state)
{
    const struct fixture *f = *state;

    assert_int_equal(fate_of(f, 4, 7, key_a), SLUICE_DROP_HOST_UNKNOWN);
    assert_int_equal(fate_of(f, 1, 8, key_a), SLUICE_DROP_HOST_TENANT);
    assert_int_equal(fate_of(f, 1, 9, key_a), SLUICE_DROP_TENANT_UNKNOWN);
}

static void
auth_is_verified_before_what_the_packet_says_counts(void **state)
{
    const struct fixture *f = *state;

    assert_int_equal(fate_of(f, 1, 8, key_c), SLUICE_DROP_AUTH_BAD);
    assert_int_equal(fate_of(f, 1, 9, NULL), SLUICE_DROP_AUTH_MISSING);
}

static void
every_bit_of_the_packet_is_covered(void **state)
{
    const struct fixture *f = *state;
    const struct signed_packet_spec spec = {
        .vni = 7, .ofp_port = 3, .number = 1, .key = key_a,
    };
    struct signed_packet p;

    signed_packet_make(&p, &spec);
    for (size_t i = 0; i < 8 * p.size; i++) {
        p.bytes[i / 8] ^= 1 << i % 8;
        assert_int_not_equal(fate(f, &p, 1), SLUICE_DROP_NONE);
        p.bytes[i / 8] ^= 1 << i % 8;
    }
    assert_int_equal(fate(f, &p, 1), SLUICE_DROP_NONE);

    /* Nor can anything be put behind it, or taken away. */
    p.bytes[p.size++] = 0;
    assert_int_equal(fate(f, &p, 1), SLUICE_DROP_AUTH_BAD);
    p.size -= 2;
    assert_int_equal(fate(f, &p, 1), SLUICE_DROP_AUTH_BAD);
}

static void
auth_counts_as_zeros_wherever_it_stands(void **state)
{
    const struct fixture *f = *state;
    const struct signed_packet_spec spec = {
        .vni = 7, .ofp_port = 3, .number = 1, .key = key_a,
    };
    struct signed_packet p;
    uint8_t auth[SLUICE_TLV_WHOLE(AUTH)];

    /* Last option to first. */
    signed_packet_make(&p, &spec);
    size_t ofs = p.auth_ofs - SLUICE_TLV_OPT_HEADER_SIZE;
    memcpy(auth, p.bytes + ofs, sizeof auth);
    memmove(p.bytes + 8 + sizeof auth, p.bytes + 8, ofs - 8);
    memcpy(p.bytes + 8, auth, sizeof auth);
    p.auth_ofs = 8 + SLUICE_TLV_OPT_HEADER_SIZE;
    assert_int_equal(fate(f, &p, 1), SLUICE_DROP_AUTH_BAD);
    signed_packet_sign(&p, key_a);
    assert_int_equal(fate(f, &p, 1), SLUICE_DROP_NONE);
}

static void
a_key_is_replaced_by_way_of_both(void **state)
{
    struct fixture *f = *state;

    write_keys(KEY_FILE_A, key_c, key_a);
    assert_int_equal(fate_of(f, 1, 7, key_c), SLUICE_DROP_AUTH_BAD);
    assert_null(decap_configure(&f->decap, SLUICE_TLV_CLASS, f->config));
    assert_int_equal(fate_of(f, 1, 7, key_c), SLUICE_DROP_NONE);
    assert_int_equal(fate_of(f, 1, 7, key_a), SLUICE_DROP_NONE);

    write_keys(KEY_FILE_A, key_c, NULL);
    assert_null(decap_configure(&f->decap, SLUICE_TLV_CLASS, f->config));
    assert_int_equal(fate_of(f, 1, 7, key_c), SLUICE_DROP_NONE);
    assert_int_equal(fate_of(f, 1, 7, key_a), SLUICE_DROP_AUTH_BAD);
}

static void
a_bad_key_file_changes_nothing_and_names_the_host(void **state)
{
    struct fixture *f = *state;

    write_keys(KEY_FILE_A, key_c, NULL);
    assert_int_equal(chmod(KEY_FILE_B, 0644), 0);
    char *sentence = decap_configure(&f->decap, 0xff54, f->config);
    assert_non_null(sentence);
    assert_int_equal(strncmp(sentence, "host b: /", 9), 0);
    assert_non_null(strstr(sentence, "chmod 0600"));
    free(sentence);
    assert_int_equal(fate_of(f, 1, 7, key_a), SLUICE_DROP_NONE);
    assert_int_equal(fate_of(f, 1, 7, key_c), SLUICE_DROP_AUTH_BAD);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_host_with_a_key_has_to_use_it),
        TEST(a_host_without_a_key_may_send_any_auth),
        TEST(a_key_does_not_help_an_unknown_host_or_another_tenant),
        TEST(auth_is_verified_before_what_the_packet_says_counts),
        TEST(every_bit_of_the_packet_is_covered),
        TEST(auth_counts_as_zeros_wherever_it_stands),
        TEST(a_key_is_replaced_by_way_of_both),
        TEST(a_bad_key_file_changes_nothing_and_names_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
