/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host-channel.h"
#include "seal.h"

enum { ROOM = 4096 };

/* Both ends, and what passed between them. */
struct fixture {
    struct seal_key *host_key, *proxy_key;
    uint8_t host_public[32], proxy_public[32];
    uint8_t hello[HOST_CHANNEL_HELLO_SIZE];
    uint8_t welcome[HOST_CHANNEL_WELCOME_SIZE];
    uint8_t start[HOST_CHANNEL_START_SIZE];
    struct host_channel *host, *proxy;
};

static struct seal_key *
make_key(const char *name, uint8_t public[32])
{
    char secret_path[64], public_path[80];
    struct seal_key *key;

    snprintf(secret_path, sizeof secret_path, "/tmp/sluice-channel.%ld.%s",
             (long int) getpid(), name);
    snprintf(public_path, sizeof public_path, "%s.pub", secret_path);
    assert_int_equal(seal_key_generate(secret_path, public_path), 0);
    assert_int_equal(seal_key_read(secret_path, &key), 0);
    seal_key_public(key, public);
    unlink(secret_path);
    unlink(public_path);
    return key;
}

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->host_key = make_key("host", f->host_public);
    f->proxy_key = make_key("proxy", f->proxy_public);
    *state = f;
    return 0;
}

static void
hang_up(struct fixture *f)
{
    host_channel_destroy(f->host);
    host_channel_destroy(f->proxy);
    f->host = f->proxy = NULL;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    hang_up(f);
    seal_key_destroy(f->host_key);
    seal_key_destroy(f->proxy_key);
    free(f);
    return 0;
}

static void
greet(struct fixture *f)
{
    assert_int_equal(host_channel_greet(f->host_key, f->proxy_public,
                                        f->hello, &f->host), 0);
}

static int
answer(struct fixture *f)
{
    uint8_t claim[32];

    assert_true(host_channel_read_hello(f->hello, claim));
    return host_channel_answer(f->proxy_key, f->host_public, f->hello,
                               f->welcome, &f->proxy);
}

static void
shake_hands(struct fixture *f)
{
    greet(f);
    assert_int_equal(answer(f), 0);
    assert_int_equal(host_channel_take_welcome(f->host, f->host_key,
                                               f->welcome, f->start), 0);
    assert_true(host_channel_take_start(f->proxy, f->start));
}

static size_t
seal(struct fixture *f, const char *text, uint8_t frame[ROOM])
{
    return host_channel_seal(f->host, slice_from_string(text), frame);
}

/* Expects that the proxy reads 'text' in the frame; null: nothing. */
static void
expect(struct fixture *f, const uint8_t *frame, size_t size,
       const char *text)
{
    uint8_t message[ROOM];
    size_t n = 0;

    assert_int_equal(host_channel_open(f->proxy, slice_of(frame, size),
                                       message, &n), text != NULL);
    if (text) {
        assert_slice_equal(slice_of(message, n), text);
    }
}

static void
messages_come_as_they_were_sent(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[ROOM];

    shake_hands(f);
    static const char *const texts[] = { "one", "", "two", "three" };
    for (size_t i = 0; i < 4; i++) {
        size_t size = seal(f, texts[i], frame);

        assert_int_equal(size, strlen(texts[i]) + HOST_CHANNEL_OVERHEAD);
        assert_int_equal(host_channel_frame_size(frame),
                         size - HOST_CHANNEL_SIZE_SIZE);
        expect(f, frame, size, texts[i]);
    }
}

static void
a_hello_tells_which_host_claims_to_greet(void **state)
{
    struct fixture *f = *state;
    uint8_t claim[32];

    greet(f);
    assert_true(host_channel_read_hello(f->hello, claim));
    assert_memory_equal(claim, f->host_public, sizeof claim);
    f->hello[7]++;              /* The version. */
    assert_false(host_channel_read_hello(f->hello, claim));
}

static void
a_host_without_the_key_is_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t other_public[32];
    struct seal_key *other = make_key("other", other_public);

    /* It says that it is our host. */
    assert_int_equal(host_channel_greet(other, f->proxy_public, f->hello,
                                        &f->host), 0);
    memcpy(f->hello + 8, f->host_public, sizeof f->host_public);
    assert_int_equal(answer(f), EBADMSG);
    hang_up(f);

    /* It says that it is itself, but is taken for our host. */
    assert_int_equal(host_channel_greet(other, f->proxy_public, f->hello,
                                        &f->host), 0);
    assert_int_equal(answer(f), EBADMSG);
    seal_key_destroy(other);
}

static void
a_proxy_without_the_key_is_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t other_public[32];
    struct seal_key *other = make_key("other", other_public);

    greet(f);
    assert_int_equal(host_channel_answer(other, f->host_public, f->hello,
                                         f->welcome, &f->proxy), EBADMSG);
    assert_null(f->proxy);
    /* A welcome that anybody can make. */
    randombytes_buf(f->welcome, sizeof f->welcome);
    assert_int_equal(host_channel_take_welcome(f->host, f->host_key,
                                               f->welcome, f->start),
                     EBADMSG);
    seal_key_destroy(other);
}

static void
no_bit_of_the_handshake_can_be_flipped(void **state)
{
    struct fixture *f = *state;

    for (size_t bit = 0; bit < 8 * HOST_CHANNEL_HELLO_SIZE; bit++) {
        uint8_t claim[32];

        greet(f);
        f->hello[bit / 8] ^= 1 << bit % 8;
        if (host_channel_read_hello(f->hello, claim)) {
            assert_int_equal(answer(f), EBADMSG);
        }
        hang_up(f);
    }
    for (size_t bit = 0; bit < 8 * HOST_CHANNEL_WELCOME_SIZE; bit++) {
        greet(f);
        assert_int_equal(answer(f), 0);
        f->welcome[bit / 8] ^= 1 << bit % 8;
        assert_int_equal(host_channel_take_welcome(f->host, f->host_key,
                                                   f->welcome, f->start),
                         EBADMSG);
        hang_up(f);
    }
}

static void
no_bit_of_start_and_frame_can_be_flipped(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[ROOM];

    for (size_t bit = 0; bit < 8 * HOST_CHANNEL_START_SIZE; bit++) {
        greet(f);
        assert_int_equal(answer(f), 0);
        assert_int_equal(host_channel_take_welcome(f->host, f->host_key,
                                                   f->welcome, f->start), 0);
        f->start[bit / 8] ^= 1 << bit % 8;
        assert_false(host_channel_take_start(f->proxy, f->start));
        hang_up(f);
    }
    shake_hands(f);
    size_t size = seal(f, "text", frame);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        frame[bit / 8] ^= 1 << bit % 8;
        expect(f, frame, size, NULL);
        frame[bit / 8] ^= 1 << bit % 8;
    }
    expect(f, frame, size, "text");
}

static void
a_frame_that_is_cut_is_none(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[ROOM];

    shake_hands(f);
    size_t size = seal(f, "text", frame);
    for (size_t n = 0; n < size; n++) {
        expect(f, frame, n, NULL);
    }
}

static void
frames_can_be_neither_repeated_nor_left_out(void **state)
{
    struct fixture *f = *state;
    uint8_t first[ROOM], second[ROOM];

    shake_hands(f);
    size_t n_first = seal(f, "first", first);
    size_t n_second = seal(f, "second", second);
    expect(f, second, n_second, NULL);
    expect(f, first, n_first, "first");
    expect(f, first, n_first, NULL);
    expect(f, second, n_second, "second");
}

static void
a_session_that_was_recorded_says_nothing_again(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[ROOM], start[HOST_CHANNEL_START_SIZE];

    shake_hands(f);
    size_t size = seal(f, "text", frame);
    expect(f, frame, size, "text");
    memcpy(start, f->start, sizeof start);
    hang_up(f);

    /* The hello is the host's, and is answered; what follows is of another
     * session. */
    assert_int_equal(answer(f), 0);
    assert_false(host_channel_take_start(f->proxy, start));
    expect(f, frame, size, NULL);
}

static void
sizes_of_frames_are_bounded(void **state)
{
    static const struct {
        uint8_t bytes[HOST_CHANNEL_SIZE_SIZE];
        size_t size;
    } sizes[] = {
        { { 0, 0, 0, 0 }, 0 },
        { { 0, 0, 0, 16 }, 0 },
        { { 0, 0, 0, 17 }, 17 },
        { { 0, 0x10, 0, 17 }, HOST_CHANNEL_MAX_MESSAGE + 17 },
        { { 0, 0x10, 0, 18 }, 0 },
        { { 0xff, 0xff, 0xff, 0xff }, 0 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(host_channel_frame_size(sizes[i].bytes),
                         sizes[i].size);
    }
}

static void
a_key_of_small_order_is_none(void **state)
{
    struct fixture *f = *state;
    static const uint8_t zero[32];

    assert_int_equal(host_channel_greet(f->host_key, zero, f->hello,
                                        &f->host), EINVAL);
    greet(f);
    memset(f->hello + 40, 0, 32);
    assert_int_equal(answer(f), EBADMSG);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
        TEST(messages_come_as_they_were_sent),
        TEST(a_hello_tells_which_host_claims_to_greet),
        TEST(a_host_without_the_key_is_refused),
        TEST(a_proxy_without_the_key_is_refused),
        TEST(no_bit_of_the_handshake_can_be_flipped),
        TEST(no_bit_of_start_and_frame_can_be_flipped),
        TEST(a_frame_that_is_cut_is_none),
        TEST(frames_can_be_neither_repeated_nor_left_out),
        TEST(a_session_that_was_recorded_says_nothing_again),
        TEST(sizes_of_frames_are_bounded),
        TEST(a_key_of_small_order_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
