/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "batch.h"
#include "cursor.h"
#include "ship-batch.h"

enum { TENANT = 7 };

static const struct ship_form syslog_form = {
    .format = SHIP_RFC5424, .framing = SHIP_OCTET_COUNTED
};
static struct seal_key *key;
static struct sealer *sealer;

static int
setup(void **state)
{
    (void) state;
    char dir[] = "/tmp/sluice-test-ship-batch.XXXXXX";
    char secret[64], public[64];
    uint8_t recipient[32];

    assert_non_null(mkdtemp(dir));
    snprintf(secret, sizeof secret, "%s/ship.key", dir);
    snprintf(public, sizeof public, "%s/key.pub", dir);
    assert_int_equal(seal_key_generate(secret, public), 0);
    assert_int_equal(seal_key_read(secret, &key), 0);
    assert_int_equal(seal_public_key_read(public, recipient), 0);
    sealer = sealer_create(recipient, 65536);
    unlink(secret);
    unlink(public);
    return rmdir(dir);
}

static int
teardown(void **state)
{
    (void) state;
    sealer_destroy(sealer);
    seal_key_destroy(key);
    return 0;
}

/* A body under construction. */
static uint8_t raw[65536];
static size_t raw_size;

static void
put_source(uint32_t id, uint32_t tenant)
{
    struct batch_source s = { .id = id, .tenant = tenant };

    raw_size += batch_put_source(raw + raw_size, sizeof raw - raw_size, &s);
}

static void
put_line(uint32_t source, const char *msg)
{
    struct batch_line l = {
        .source = source, .pri = 14, .msg = slice_from_string(msg),
    };
    raw_size += batch_put_line(raw + raw_size, sizeof raw - raw_size, &l);
}

/* Seals the body, and begins a new one. */
static struct slice
seal_body(uint32_t n_lines)
{
    struct seal_header h = { .tenant = TENANT, .n_lines = n_lines };
    struct slice file;

    assert_int_equal(sealer_run(sealer, &h, slice_of(raw, raw_size), &file),
                     0);
    raw_size = 0;
    return file;
}

/* Seals and opens the body, and begins a new one. */
static int
open_body(uint32_t n_lines, struct ship_batch **ret, char reason[128])
{
    return ship_batch_open(seal_body(n_lines), TENANT, key, "sluice@32473",
                           &syslog_form, ret, reason, 128);
}

static void
expect_refusal(uint32_t n_lines, const char *why)
{
    struct ship_batch *b = NULL;
    char reason[128];

    assert_int_equal(open_body(n_lines, &b, reason), EBADMSG);
    assert_null(b);
    assert_string_equal(reason, why);
}

static void
lines_come_out_in_order_in_whole_frames(void **state)
{
    (void) state;
    struct ship_batch *b;
    char reason[128], text[4096];
    size_t n = 0, size;

    put_source(1, TENANT);
    put_line(1, "alpha");
    put_source(2, TENANT);
    put_line(2, "beta");
    put_line(1, "gamma");
    assert_int_equal(open_body(3, &b, reason), 0);

    /* A buffer that holds one frame at a time, or little more. */
    while ((size = ship_batch_render(b, (uint8_t *) text + n, 400))) {
        char *end;
        unsigned long length = strtoul(text + n, &end, 10);
        assert_int_equal(*end, ' ');
        assert_true(end + 1 + length <= text + n + size);
        n += size;
    }
    text[n] = '\0';
    char *alpha = strstr(text, "alpha");
    char *beta = strstr(text, "beta");
    char *gamma = strstr(text, "gamma");
    assert_true(alpha && beta && gamma);
    assert_true(alpha < beta && beta < gamma);
    assert_int_equal(ship_batch_n_lines(b), 3);
    assert_int_equal(ship_batch_n_dropped(b), 0);
    ship_batch_destroy(b);
}

static void
a_line_too_large_for_any_buffer_is_dropped(void **state)
{
    (void) state;
    struct ship_batch *b;
    char reason[128], long_msg[2000];
    uint8_t buf[1000];

    memset(long_msg, 'x', sizeof long_msg - 1);
    long_msg[sizeof long_msg - 1] = '\0';
    put_source(1, TENANT);
    put_line(1, "before");
    put_line(1, long_msg);
    put_line(1, "behind");
    assert_int_equal(open_body(3, &b, reason), 0);
    while (ship_batch_render(b, buf, sizeof buf)) {
        continue;
    }
    assert_int_equal(ship_batch_n_lines(b), 3);
    assert_int_equal(ship_batch_n_dropped(b), 1);
    ship_batch_destroy(b);
}

static void
every_mention_of_the_tenant_must_agree(void **state)
{
    (void) state;
    struct seal_header h = { .tenant = TENANT + 1 };
    struct ship_batch *b = NULL;
    struct slice file;
    char reason[128];

    put_source(1, TENANT);
    put_line(1, "ours");
    put_source(2, TENANT + 1);
    expect_refusal(1, "it has lines of tenant 8");

    assert_int_equal(sealer_run(sealer, &h, slice_of(NULL, 0), &file), 0);
    assert_int_equal(ship_batch_open(file, TENANT, key, "s@1", &syslog_form,
                                     &b, reason, sizeof reason), EBADMSG);
    assert_string_equal(reason, "it is of tenant 8");
}

static void
what_does_not_add_up_is_refused_before_the_first_line(void **state)
{
    (void) state;
    put_line(1, "of nobody");
    expect_refusal(1, "it has a line of no source");

    put_source(1, TENANT);
    put_source(1, TENANT);
    expect_refusal(0, "its sources are not numbered from 1");
    put_source(0, TENANT);
    expect_refusal(0, "its sources are not numbered from 1");
    put_source(UINT32_MAX, TENANT);
    expect_refusal(0, "its sources are not numbered from 1");

    put_source(1, TENANT);
    put_line(1, "one");
    expect_refusal(2, "it has 1 lines where its header says 2");
    put_source(1, TENANT);
    put_line(1, "one");
    expect_refusal(0, "it has 1 lines where its header says 0");

    put_source(1, TENANT);
    put_line(1, "cut");
    raw_size--;
    expect_refusal(1, "it has a malformed entry");
}

static void
lines_of_a_newer_kind_count_as_dropped(void **state)
{
    (void) state;
    struct ship_batch *b;
    char reason[128];

    put_source(1, TENANT);
    put_line(1, "known");
    memcpy(raw + raw_size, "\x0a\x02\x1a\x00", 4);
    raw_size += 4;
    assert_int_equal(open_body(2, &b, reason), 0);
    assert_int_equal(ship_batch_n_lines(b), 2);
    assert_int_equal(ship_batch_n_dropped(b), 1);
    ship_batch_destroy(b);
}

/* Renders the body in 'form' into 'text'.  Returns the size. */
static size_t
render_body(uint32_t n_lines, struct ship_form form, uint8_t *text,
            size_t cap, size_t step)
{
    struct ship_batch *b;
    char reason[128];
    size_t n = 0, size;

    assert_int_equal(ship_batch_open(seal_body(n_lines), TENANT, key,
                                     "sluice@32473", &form, &b, reason,
                                     sizeof reason), 0);
    while ((size = ship_batch_render(b, text + n,
                                     step < cap - n ? step : cap - n))) {
        n += size;
    }
    assert_int_equal(ship_batch_n_dropped(b), 0);
    ship_batch_destroy(b);
    return n;
}

static void
with_lf_a_line_stays_one_line(void **state)
{
    (void) state;
    const struct ship_form form = {
        .format = SHIP_RFC5424, .framing = SHIP_LF
    };
    uint8_t text[4096];

    put_source(1, TENANT);
    put_line(1, "one\ntwo\n\n");
    put_line(1, "three");
    size_t n = render_body(2, form, text, sizeof text - 1, sizeof text);
    text[n] = '\0';

    char *end = strchr((char *) text, '\n');
    assert_non_null(end);
    assert_memory_equal(text, "<14>1 ", 6);
    assert_memory_equal(end - 18, "one#012two#012#012\n", 19);
    assert_memory_equal(end + 1, "<14>1 ", 6);
    assert_string_equal(text + n - 7, " three\n");
}

static void
a_record_has_its_size_and_whose_it_is(void **state)
{
    (void) state;
    static const char uuid[] = "a0000000-0000-4000-8000-000000000701";
    const struct ship_form form = {
        .format = SHIP_RFC5424, .framing = SHIP_RECORD
    };
    static const uint8_t vtep[4] = { 192, 0, 2, 1 };
    struct batch_source with_vm = {
        .id = 1, .tenant = TENANT, .has_vm = true,
        .vm = { 0xa0, [6] = 0x40, [8] = 0x80, [14] = 7, 1 },
    };
    struct batch_source without = {
        .id = 2, .tenant = TENANT, .ofp_port = 44,
        .vtep = slice_of(vtep, sizeof vtep),
    };
    uint8_t text[4096];

    raw_size += batch_put_source(raw, sizeof raw, &with_vm);
    raw_size += batch_put_source(raw + raw_size, sizeof raw - raw_size,
                                 &without);
    put_line(1, "of a VM");
    put_line(2, "of a port");
    size_t n = render_body(2, form, text, sizeof text, sizeof text);
    struct cursor c = cursor_of(slice_of(text, n));

    struct cursor record = cursor_of(cursor_take(&c, cursor_be(&c, 4)));
    struct slice name = cursor_take(&record, cursor_be(&record, 1));
    assert_true(slice_equal(name, slice_from_string(uuid)));
    assert_memory_equal(record.p, "<14>1 ", 6);
    assert_memory_equal(record.p + record.left - 8, " of a VM", 8);

    record = cursor_of(cursor_take(&c, cursor_be(&c, 4)));
    name = cursor_take(&record, cursor_be(&record, 1));
    assert_true(slice_equal(name, slice_from_string("192.0.2.1/44")));
    assert_memory_equal(record.p + record.left - 10, " of a port", 10);
    assert_int_equal(c.left, 0);
    assert_false(c.failed);
}

static void
a_sealed_batch_goes_as_it_is(void **state)
{
    (void) state;
    const struct ship_form form = {
        .format = SHIP_RFC5424, .framing = SHIP_SEALED
    };
    struct seal_header h = { .tenant = TENANT, .n_lines = 3 };
    struct ship_batch *b;
    struct slice file;
    uint8_t text[4096];
    char reason[128];
    size_t n = 0, size;

    assert_int_equal(sealer_run(sealer, &h, slice_from_string("anything"),
                                &file), 0);
    /* Without a key: whom it is for is no concern of the shipper's. */
    assert_int_equal(ship_batch_open(file, TENANT, NULL, "s@1", &form, &b,
                                     reason, sizeof reason), 0);
    while ((size = ship_batch_render(b, text + n, 7))) {
        n += size;
    }
    assert_int_equal(n, 4 + file.size);
    assert_int_equal(text[2] << 8 | text[3], file.size);
    assert_memory_equal(text + 4, file.data, file.size);
    assert_int_equal(ship_batch_n_lines(b), 3);
    ship_batch_destroy(b);

    assert_int_equal(ship_batch_open(file, TENANT + 1, NULL, "s@1", &form, &b,
                                     reason, sizeof reason), EBADMSG);
    assert_string_equal(reason, "it is of tenant 7");
}

static void
a_routed_line_goes_to_that_destination_alone(void **state)
{
    (void) state;
    static char near[] = "near", far[] = "far";
    char *others[] = { near, far };
    const struct ship_form form = {
        .format = SHIP_RAW, .framing = SHIP_LF,
        .elsewhere = others, .n_elsewhere = 2,
    };
    static const char *const routes[] = { "", "near", "ours", "far", "gone" };
    struct ship_batch *b;
    char text[256], reason[128];
    size_t n = 0, size;

    put_source(1, TENANT);
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        struct batch_line l = {
            .source = 1, .msg = slice_from_string(*routes[i] ? routes[i]
                                                  : "all"),
            .route = slice_from_string(routes[i]),
        };
        raw_size += batch_put_line(raw + raw_size, sizeof raw - raw_size, &l);
    }
    assert_int_equal(ship_batch_open(seal_body(5), TENANT, key, "s@1", &form,
                                     &b, reason, sizeof reason), 0);
    while ((size = ship_batch_render(b, (uint8_t *) text + n,
                                     sizeof text - n))) {
        n += size;
    }
    text[n] = '\0';
    /* A destination that nobody has any more must not swallow lines. */
    assert_string_equal(text, "all\nours\ngone\n");
    assert_int_equal(ship_batch_n_lines(b), 5);
    assert_int_equal(ship_batch_n_routed(b), 2);
    assert_int_equal(ship_batch_n_dropped(b), 0);
    ship_batch_destroy(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_in_order_in_whole_frames),
        cmocka_unit_test(a_line_too_large_for_any_buffer_is_dropped),
        cmocka_unit_test(every_mention_of_the_tenant_must_agree),
        cmocka_unit_test(
            what_does_not_add_up_is_refused_before_the_first_line),
        cmocka_unit_test(lines_of_a_newer_kind_count_as_dropped),
        cmocka_unit_test(with_lf_a_line_stays_one_line),
        cmocka_unit_test(a_record_has_its_size_and_whose_it_is),
        cmocka_unit_test(a_sealed_batch_goes_as_it_is),
        cmocka_unit_test(a_routed_line_goes_to_that_destination_alone),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
