/* SPDX-License-Identifier: Apache-2.0
 *
 * Unit tests of adapter-frame.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapter-frame.h"
#include "unit.h"

static void
test_message_comes_back(void **state)
{
    (void) state;
    uint8_t buf[64];
    struct adapter_request r;

    size_t n = adapter_put_message(buf, sizeof buf, slice_from_string("vm"),
                                   slice_from_string("hello"));
    assert_int_equal(n, 4 + 1 + 1 + 2 + 5);
    assert_memory_equal(buf, "\0\0\0\x09\x01\x02vmhello", n);

    struct slice in = slice_of(buf, n);
    assert_int_equal(adapter_take_request(&in, &r), 0);
    assert_int_equal(r.kind, ADAPTER_MESSAGE);
    assert_slice_equal(r.key, "vm");
    assert_slice_equal(r.payload, "hello");
    assert_int_equal(in.size, 0);
}

static void
test_mark_and_replies_come_back(void **state)
{
    (void) state;
    uint8_t buf[128];
    struct adapter_request request;
    struct adapter_reply reply;

    size_t n = adapter_put_mark(buf, sizeof buf, UINT64_C(0x0102030405060708));
    assert_int_equal(n, ADAPTER_MARK_SIZE);
    struct slice in = slice_of(buf, n);
    assert_int_equal(adapter_take_request(&in, &request), 0);
    assert_int_equal(request.kind, ADAPTER_MARK);
    assert_int_equal(request.id, UINT64_C(0x0102030405060708));

    n = adapter_put_open(buf, sizeof buf);
    n += adapter_put_confirmed(buf + n, sizeof buf - n, UINT64_MAX, 3);
    n += adapter_put_progress(buf + n, sizeof buf - n);
    n += adapter_put_failed(buf + n, sizeof buf - n, "it broke");
    in = slice_of(buf, n);
    assert_int_equal(adapter_take_reply(&in, &reply), 0);
    assert_int_equal(reply.kind, ADAPTER_OPEN);
    assert_int_equal(adapter_take_reply(&in, &reply), 0);
    assert_int_equal(reply.kind, ADAPTER_CONFIRMED);
    assert_int_equal(reply.id, UINT64_MAX);
    assert_int_equal(reply.n_refused, 3);
    assert_int_equal(adapter_take_reply(&in, &reply), 0);
    assert_int_equal(reply.kind, ADAPTER_PROGRESS);
    assert_int_equal(adapter_take_reply(&in, &reply), 0);
    assert_int_equal(reply.kind, ADAPTER_FAILED);
    assert_slice_equal(reply.sentence, "it broke");
    assert_int_equal(adapter_take_reply(&in, &reply), EAGAIN);
}

static void
test_cut_frame_waits_for_the_rest(void **state)
{
    (void) state;
    uint8_t buf[64];
    struct adapter_request r;
    size_t n = adapter_put_message(buf, sizeof buf, slice_from_string("k"),
                                   slice_from_string("text"));

    for (size_t i = 0; i < n; i++) {
        struct slice in = slice_of(buf, i);
        assert_int_equal(adapter_take_request(&in, &r), EAGAIN);
        assert_int_equal(in.size, i);
    }
}

static void
test_what_can_not_be_a_frame_is_refused(void **state)
{
    (void) state;
    static const struct {
        const char *what;
        const char *bytes;
        size_t size;
    } bad[] = {
        { "size 0", "\0\0\0\0", 4 },
        { "too large, told by the size alone", "\x00\x10\x00\x01", 4 },
        { "kind 0", "\0\0\0\1\0", 5 },
        { "unknown kind", "\0\0\0\1\x07", 5 },
        { "key longer than the frame", "\0\0\0\3\1\5k", 7 },
        { "message without a key's size", "\0\0\0\1\1", 5 },
        { "short mark", "\0\0\0\3\2\0\0", 7 },
        { "long mark", "\0\0\0\x0a\2\0\0\0\0\0\0\0\0\0", 14 },
    };
    struct adapter_request r;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct slice in = slice_of(bad[i].bytes, bad[i].size);
        if (adapter_take_request(&in, &r) != EBADMSG
            || in.size != bad[i].size) {
            fail_msg("%s was taken", bad[i].what);
        }
    }

    struct adapter_reply reply;
    struct slice in = slice_of("\0\0\0\2\1\0", 6);
    assert_int_equal(adapter_take_reply(&in, &reply), EBADMSG);
    in = slice_of("\0\0\2\1\3", 5);     /* A sentence of 512 bytes. */
    assert_int_equal(adapter_take_reply(&in, &reply), EBADMSG);
}

static void
test_what_does_not_fit_is_not_put(void **state)
{
    (void) state;
    static char key[ADAPTER_MAX_KEY + 1];
    uint8_t buf[16];
    size_t max = ADAPTER_MAX_REQUEST - 2;
    uint8_t *large = calloc(1, ADAPTER_HEADER + ADAPTER_MAX_REQUEST + 1);
    uint8_t *out = calloc(1, ADAPTER_HEADER + ADAPTER_MAX_REQUEST + 1);
    struct slice none = slice_of(NULL, 0);

    assert_int_equal(adapter_put_message(buf, 9, none,
                                         slice_from_string("text")), 0);
    assert_int_equal(adapter_put_message(buf, 10, none,
                                         slice_from_string("text")), 10);
    assert_int_equal(adapter_put_message(
        out, ADAPTER_HEADER + ADAPTER_MAX_REQUEST + 1,
        slice_of(key, sizeof key), none), 0);
    assert_int_equal(adapter_put_message(
        out, ADAPTER_HEADER + ADAPTER_MAX_REQUEST + 1, none,
        slice_of(large, max + 1)), 0);
    assert_int_equal(adapter_put_message(
        out, ADAPTER_HEADER + ADAPTER_MAX_REQUEST + 1, none,
        slice_of(large, max)), ADAPTER_HEADER + ADAPTER_MAX_REQUEST);
    assert_int_equal(adapter_put_mark(buf, ADAPTER_MARK_SIZE - 1, 1), 0);
    free(large);
    free(out);
}

static void
test_long_sentence_is_cut(void **state)
{
    (void) state;
    char sentence[1000];
    uint8_t buf[ADAPTER_HEADER + ADAPTER_MAX_REPLY];
    struct adapter_reply reply;

    memset(sentence, 'x', sizeof sentence);
    sentence[sizeof sentence - 1] = '\0';
    size_t n = adapter_put_failed(buf, sizeof buf, sentence);
    assert_int_equal(n, sizeof buf);
    struct slice in = slice_of(buf, n);
    assert_int_equal(adapter_take_reply(&in, &reply), 0);
    assert_int_equal(reply.sentence.size, ADAPTER_MAX_REPLY - 1);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_comes_back),
        cmocka_unit_test(test_mark_and_replies_come_back),
        cmocka_unit_test(test_cut_frame_waits_for_the_rest),
        cmocka_unit_test(test_what_can_not_be_a_frame_is_refused),
        cmocka_unit_test(test_what_does_not_fit_is_not_put),
        cmocka_unit_test(test_long_sentence_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
