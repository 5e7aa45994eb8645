/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "delivery.h"

#include <errno.h>
#include <stdlib.h>

static uint8_t buf[DELIVERY_MAX_SMALL];

/* Returns the content of the frame of 'size' bytes in 'buf', which must be
 * whole, and of which no part may do. */
static struct slice
take_whole(size_t size)
{
    struct slice in = slice_of(buf, size), frame = slice_of(NULL, 0);

    for (size_t n = 0; n < size; n++) {
        struct slice part = slice_of(buf, n);
        assert_int_equal(delivery_take_frame(&part, 4096, &frame), EAGAIN);
        assert_int_equal(part.size, n);
    }
    assert_int_equal(delivery_take_frame(&in, 4096, &frame), 0);
    assert_int_equal(in.size, 0);
    assert_int_equal(frame.size, size - DELIVERY_SIZE_SIZE);
    return frame;
}

static void
messages_come_out_as_they_went_in(void **state)
{
    const struct delivery_hello hello = {
        .version = 1, .tenant = 7, .recipient = { 1, [31] = 2 },
        .queue = slice_from_string("archive"),
        .elsewhere = slice_from_string("\3one\5other"),
    };
    const struct delivery_welcome welcome = {
        .version = 1, .window = 64, .max_batch = 4096,
    };
    const struct delivery_receipt receipt = {
        .status = DELIVERY_REFUSED, .stream = 0x0123456789abcdef,
        .number = 5, .n_lines = 42, .reason = slice_from_string("roll-back"),
    };
    struct delivery_hello h;
    struct delivery_welcome w;
    struct delivery_receipt r;
    struct slice reason;

    (void) state;
    struct slice frame = take_whole(delivery_put_hello(buf, &hello));
    assert_true(delivery_read_hello(frame, &h));
    assert_int_equal(h.version, 1);
    assert_int_equal(h.tenant, 7);
    assert_memory_equal(h.recipient, hello.recipient, 32);
    assert_slice_equal(h.queue, "archive");
    struct slice names = h.elsewhere, name;
    assert_true(delivery_take_name(&names, &name));
    assert_slice_equal(name, "one");
    assert_true(delivery_take_name(&names, &name));
    assert_slice_equal(name, "other");
    assert_false(delivery_take_name(&names, &name));
    assert_false(delivery_read_welcome(frame, &w));
    assert_false(delivery_read_receipt(frame, &r));

    frame = take_whole(delivery_put_welcome(buf, &welcome));
    assert_true(delivery_read_welcome(frame, &w));
    assert_int_equal(w.window, 64);
    assert_int_equal(w.max_batch, 4096);
    assert_false(delivery_read_failed(frame, &reason));
    assert_false(delivery_read_hello(frame, &h));

    frame = take_whole(delivery_put_receipt(buf, &receipt));
    assert_true(delivery_read_receipt(frame, &r));
    assert_int_equal(r.status, DELIVERY_REFUSED);
    assert_true(r.stream == receipt.stream);
    assert_int_equal(r.number, 5);
    assert_int_equal(r.n_lines, 42);
    assert_slice_equal(r.reason, "roll-back");

    frame = take_whole(delivery_put_failed(buf, slice_from_string("no")));
    assert_true(delivery_read_failed(frame, &reason));
    assert_slice_equal(reason, "no");
}

static void
they_are_laid_out_as_documented(void **state)
{
    static const uint8_t expected[] = {
        0, 0, 0, 24, 2, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5,
        0, 0, 0, 42, 'o', 'k',
    };
    const struct delivery_receipt receipt = {
        .status = DELIVERY_STORED, .stream = 9, .number = 5, .n_lines = 42,
        .reason = slice_from_string("ok"),
    };

    (void) state;
    assert_int_equal(delivery_put_receipt(buf, &receipt), sizeof expected);
    assert_memory_equal(buf, expected, sizeof expected);
}

static void
malformed_ones_are_refused(void **state)
{
    const struct delivery_receipt receipt = { .status = DELIVERY_STORED };
    const struct delivery_welcome welcome = { .version = 1, .window = 1 };
    uint8_t empty[4] = { 0 }, large[4] = { 0, 0, 16, 1 };
    struct slice in, frame;
    struct delivery_receipt r;
    struct delivery_welcome w;
    struct delivery_hello h;

    (void) state;
    in = slice_of(empty, 4);
    assert_int_equal(delivery_take_frame(&in, 4096, &frame), EMSGSIZE);
    in = slice_of(large, 4);
    assert_int_equal(delivery_take_frame(&in, 4096, &frame), EMSGSIZE);

    frame = take_whole(delivery_put_receipt(buf, &receipt));
    for (size_t n = 0; n < frame.size; n++) {
        assert_false(delivery_read_receipt(slice_of(frame.data, n), &r));
    }
    buf[5] = 0;                 /* A status that there is none. */
    assert_false(delivery_read_receipt(frame, &r));
    buf[5] = 4;
    assert_false(delivery_read_receipt(frame, &r));

    frame = take_whole(delivery_put_welcome(buf, &welcome));
    assert_true(delivery_read_welcome(frame, &w));
    buf[16] = 0;                /* The window: nothing could be sent. */
    assert_false(delivery_read_welcome(frame, &w));

    /* Names that do not add up. */
    struct delivery_hello hello = { .elsewhere = slice_from_string("\5one") };
    frame = take_whole(delivery_put_hello(buf, &hello));
    assert_false(delivery_read_hello(frame, &h));

    /* What speaks another protocol. */
    frame = slice_from_string("GET / HTTP/1.1");
    assert_false(delivery_read_hello(frame, &h));
    assert_false(delivery_read_receipt(frame, &r));
}

static void
text_is_cut_to_its_limit(void **state)
{
    char text[400];
    struct delivery_receipt r = { .status = DELIVERY_STORED };
    struct delivery_hello h = { .version = 1 };

    (void) state;
    memset(text, 'x', sizeof text);
    r.reason = h.queue = slice_of((uint8_t *) text, sizeof text);
    struct slice frame = take_whole(delivery_put_receipt(buf, &r));
    assert_true(delivery_read_receipt(frame, &r));
    assert_int_equal(r.reason.size, DELIVERY_MAX_TEXT);
    frame = take_whole(delivery_put_hello(buf, &h));
    assert_true(delivery_read_hello(frame, &h));
    assert_int_equal(h.queue.size, DELIVERY_MAX_NAME);

    uint8_t names[70];
    size_t size = delivery_add_name(names, sizeof names, 0,
                                    slice_from_string("abc"));
    assert_int_equal(size, 4);
    size = delivery_add_name(names, sizeof names, size, h.queue);
    assert_int_equal(size, 4 + 65);
    assert_int_equal(delivery_add_name(names, sizeof names, size,
                                       slice_from_string("x")), size);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_out_as_they_went_in),
        cmocka_unit_test(they_are_laid_out_as_documented),
        cmocka_unit_test(malformed_ones_are_refused),
        cmocka_unit_test(text_is_cut_to_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
