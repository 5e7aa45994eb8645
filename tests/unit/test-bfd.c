/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "bfd.h"

static const uint8_t sender[16] = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 1 };
static const uint8_t other[16] = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 2 };

enum { POLL = 0x20, FINAL = 0x10, CONTROL = 0x08, AUTH = 0x04, DEMAND = 0x02 };

/* What Open vSwitch sends through a tunnel port, and what comes back. */
struct message {
    uint32_t vni;
    uint8_t ttl;
    uint8_t version;
    uint8_t diag;
    enum bfd_state state;
    uint8_t flags;
    uint8_t multiplier;
    uint8_t length;
    uint32_t my_disc;
    uint32_t your_disc;
    uint32_t min_tx_us;
    uint32_t min_rx_us;
};

static const struct message template = {
    .ttl = 255, .version = 1, .state = BFD_DOWN, .multiplier = 3,
    .length = BFD_SIZE, .my_disc = 0x1234, .min_tx_us = 200000,
    .min_rx_us = 200000,
};

static uint8_t *
put_be(uint8_t *p, uint64_t value, size_t n)
{
    for (size_t i = n; i-- > 0; ) {
        *p++ = value >> (8 * i);
    }
    return p;
}

static uint64_t
get_be(const uint8_t *p, size_t n)
{
    uint64_t value = 0;

    for (size_t i = 0; i < n; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

static struct slice
encode(const struct message *m, uint8_t buf[BFD_TUNNELLED_SIZE])
{
    static const uint8_t macs[12] = {
        0x00, 0x23, 0x20, 0x00, 0x00, 0x01, 0xaa, 0x55, 0xaa, 0x55, 0, 0,
    };
    uint8_t *p = put_be(buf, 0x6558, 4);

    p = put_be(p, m->vni << 8, 4);
    memcpy(p, macs, sizeof macs);
    p = put_be(p + sizeof macs, 0x0800, 2);
    p = put_be(p, 0x45c00034, 4);
    p = put_be(p, 0, 4);
    p = put_be(p, m->ttl, 1);
    p = put_be(p, 17, 1);
    p = put_be(p, 0, 2);
    p = put_be(p, 0xa9fe0101, 4);
    p = put_be(p, 0xa9fe0100, 4);
    p = put_be(p, 49153, 2);
    p = put_be(p, BFD_UDP_PORT, 2);
    p = put_be(p, 32, 2);
    p = put_be(p, 0, 2);
    p = put_be(p, m->version << 5 | m->diag, 1);
    p = put_be(p, m->state << 6 | m->flags, 1);
    p = put_be(p, m->multiplier, 1);
    p = put_be(p, m->length, 1);
    p = put_be(p, m->my_disc, 4);
    p = put_be(p, m->your_disc, 4);
    p = put_be(p, m->min_tx_us, 4);
    p = put_be(p, m->min_rx_us, 4);
    p = put_be(p, 0, 4);
    assert_ptr_equal(p, buf + BFD_TUNNELLED_SIZE);
    return slice_of(buf, BFD_TUNNELLED_SIZE);
}

static struct message
decode(const uint8_t *p)
{
    return (struct message) {
        .vni = get_be(p + 4, 3),
        .ttl = p[30],
        .version = p[50] >> 5,
        .diag = p[50] & 0x1f,
        .state = p[51] >> 6,
        .flags = p[51] & 0x3f,
        .multiplier = p[52],
        .length = p[53],
        .my_disc = get_be(p + 54, 4),
        .your_disc = get_be(p + 58, 4),
        .min_tx_us = get_be(p + 62, 4),
        .min_rx_us = get_be(p + 66, 4),
    };
}

/* Sends 'm' and returns the answer, which there must be. */
static struct message
ask(struct bfd *bfd, const struct message *m, uint64_t now_ms)
{
    uint8_t buf[BFD_TUNNELLED_SIZE];
    struct bfd_answer answer;
    struct slice packet = encode(m, buf);

    assert_true(bfd_is_control(packet));
    assert_int_equal(bfd_run(bfd, packet, sender, now_ms, &answer),
                     BFD_ANSWERED);
    struct message in = decode(answer.packet);
    assert_int_equal(in.state, answer.state);
    return in;
}

/* Sends 'm' and asserts the verdict, which is not an answer. */
static void
assert_verdict(struct bfd *bfd, const struct message *m, uint64_t now_ms,
               enum bfd_verdict verdict)
{
    uint8_t buf[BFD_TUNNELLED_SIZE];
    struct bfd_answer answer, untouched;

    memset(&answer, 0x5a, sizeof answer);
    untouched = answer;
    assert_int_equal(bfd_run(bfd, encode(m, buf), sender, now_ms, &answer),
                     verdict);
    assert_memory_equal(&answer, &untouched, sizeof answer);
}

/* Brings a session up.  Returns what the sender says from then on. */
static struct message
bring_up(struct bfd *bfd, uint64_t now_ms)
{
    struct message m = template;

    m.your_disc = ask(bfd, &m, now_ms).my_disc;
    m.state = BFD_INIT;
    assert_int_equal(ask(bfd, &m, now_ms + 200).state, BFD_UP);
    m.state = BFD_UP;
    return m;
}

static void
a_session_comes_up_in_three_steps(void **state)
{
    (void) state;
    struct bfd *bfd = bfd_create(1, BFD_MAX_SESSIONS);
    struct message m = template;

    m.vni = 0xabcdef;
    struct message a = ask(bfd, &m, 1000);
    assert_int_equal(a.state, BFD_INIT);
    assert_int_equal(a.version, 1);
    assert_int_equal(a.vni, 0xabcdef);
    assert_int_equal(a.ttl, 255);
    assert_int_equal(a.length, BFD_SIZE);
    assert_int_equal(a.flags, 0);
    assert_int_equal(a.your_disc, 0x1234);
    assert_int_not_equal(a.my_disc, 0);
    assert_true(a.min_tx_us >= 1000000);        /* RFC 5880, 6.8.3. */

    m.state = BFD_INIT;
    m.your_disc = a.my_disc;
    assert_int_equal(ask(bfd, &m, 1200).state, BFD_UP);
    m.state = BFD_UP;
    a = ask(bfd, &m, 1400);
    assert_int_equal(a.state, BFD_UP);
    assert_int_equal(a.diag, 0);
    assert_int_equal(a.min_tx_us, m.min_tx_us); /* He is answered as often. */
    bfd_destroy(bfd);
}

static void
the_sender_going_down_is_followed(void **state)
{
    (void) state;
    static const enum bfd_state downs[] = { BFD_DOWN, BFD_ADMIN_DOWN };

    for (size_t i = 0; i < 2; i++) {
        struct bfd *bfd = bfd_create(1, BFD_MAX_SESSIONS);
        struct message m = bring_up(bfd, 1000);

        m.state = downs[i];
        struct message a = ask(bfd, &m, 1400);
        assert_int_equal(a.state, BFD_DOWN);
        assert_int_equal(a.diag, 3);
        m.your_disc = 0;
        m.state = BFD_DOWN;
        assert_int_equal(ask(bfd, &m, 1600).state, BFD_INIT);
        bfd_destroy(bfd);
    }
}

static void
silence_for_the_detection_time_takes_a_session_down(void **state)
{
    (void) state;
    struct bfd *bfd = bfd_create(1, BFD_MAX_SESSIONS);
    struct message m = bring_up(bfd, 1000);

    assert_int_equal(ask(bfd, &m, 1800).state, BFD_UP);     /* 3 * 200 ms. */
    struct message a = ask(bfd, &m, 2401);
    assert_int_equal(a.state, BFD_DOWN);
    assert_int_equal(a.diag, 1);
    bfd_destroy(bfd);
}

static void
a_poll_is_answered_at_once_with_final(void **state)
{
    (void) state;
    struct bfd *bfd = bfd_create(1, BFD_MAX_SESSIONS);
    struct message m = bring_up(bfd, 1000);

    m.flags = POLL;
    m.min_rx_us = 0;
    struct message a = ask(bfd, &m, 1210);
    assert_int_equal(a.flags, FINAL);
    assert_int_equal(a.state, BFD_UP);
    bfd_destroy(bfd);
}

static void
answers_are_as_rare_as_the_sender_wants(void **state)
{
    (void) state;
    struct bfd *bfd = bfd_create(1, BFD_MAX_SESSIONS);
    struct message m = bring_up(bfd, 1000);

    assert_verdict(bfd, &m, 1349, BFD_LIMITED);
    ask(bfd, &m, 1350);                         /* 3/4 of 200 ms. */
    m.min_rx_us = 0;                            /* Never. */
    assert_verdict(bfd, &m, 1700, BFD_LIMITED);
    m.flags = POLL;
    ask(bfd, &m, 1900);
    assert_verdict(bfd, &m, 1904, BFD_LIMITED); /* Not even polls. */
    ask(bfd, &m, 1905);
    bfd_destroy(bfd);
}

static void
what_rfc_5880_discards_is_ignored(void **state)
{
    (void) state;
    struct bfd *bfd = bfd_create(1, BFD_MAX_SESSIONS);
    struct message m;

#define ASSERT_IGNORED(MEMBER, VALUE) \
    m = template; \
    m.MEMBER = VALUE; \
    assert_verdict(bfd, &m, 1000, BFD_IGNORED);
    ASSERT_IGNORED(version, 0);
    ASSERT_IGNORED(version, 2);
    ASSERT_IGNORED(length, BFD_SIZE - 1);
    ASSERT_IGNORED(length, BFD_SIZE + 1);
    ASSERT_IGNORED(multiplier, 0);
    ASSERT_IGNORED(flags, 0x01);                /* Multipoint. */
    ASSERT_IGNORED(flags, AUTH);
    ASSERT_IGNORED(my_disc, 0);
    ASSERT_IGNORED(state, BFD_INIT);            /* Without your_disc. */
    ASSERT_IGNORED(state, BFD_UP);
    ASSERT_IGNORED(your_disc, 5);               /* No session has that. */
    ASSERT_IGNORED(ttl, 254);

    m = bring_up(bfd, 2000);
    m.your_disc++;
    assert_verdict(bfd, &m, 4000, BFD_IGNORED);
    bfd_destroy(bfd);
}

static void
each_proper_prefix_is_left_alone(void **state)
{
    (void) state;
    uint8_t buf[BFD_TUNNELLED_SIZE];
    struct bfd *bfd = bfd_create(1, BFD_MAX_SESSIONS);
    struct slice packet = encode(&template, buf);
    struct bfd_answer answer;

    for (size_t n = 0; n < packet.size; n++) {
        uint8_t *copy = memcpy(test_malloc(n + 1), buf, n);
        assert_false(bfd_is_control(slice_of(copy, n)));
        assert_int_equal(bfd_run(bfd, slice_of(copy, n), sender, 1000,
                                 &answer), BFD_IGNORED);
        test_free(copy);
    }
    bfd_destroy(bfd);
}

static void
log_packets_are_not_taken_for_bfd(void **state)
{
    (void) state;
    static const struct { size_t ofs; uint8_t value; } changes[] = {
        { 0, 0x01 },            /* Options. */
        { 0, 0x40 },            /* Version. */
        { 2, 0x08 },            /* Protocol type. */
        { 20, 0x86 },           /* EtherType. */
        { 22, 0x46 },           /* IP options. */
        { 31, 6 },              /* TCP. */
        { 44, 0x02 },           /* Port. */
    };
    uint8_t buf[BFD_TUNNELLED_SIZE];

    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct slice packet = encode(&template, buf);

        buf[changes[i].ofs] = changes[i].value;
        assert_false(bfd_is_control(packet));
    }
}

static void
senders_and_vnis_have_sessions_of_their_own(void **state)
{
    (void) state;
    struct bfd *bfd = bfd_create(1, BFD_MAX_SESSIONS);
    struct message m = bring_up(bfd, 1000);
    uint8_t buf[BFD_TUNNELLED_SIZE];
    struct bfd_answer answer;

    m.vni = 1;
    assert_verdict(bfd, &m, 3000, BFD_IGNORED);
    struct message down = template;
    assert_int_equal(bfd_run(bfd, encode(&down, buf), other, 3000, &answer),
                     BFD_ANSWERED);
    assert_int_equal(answer.state, BFD_INIT);
    assert_true(answer.state_changed);
    assert_int_not_equal(decode(answer.packet).my_disc, m.your_disc);
    bfd_destroy(bfd);
}

static void
the_table_is_bounded_and_old_sessions_make_room(void **state)
{
    (void) state;
    struct bfd *bfd = bfd_create(1, BFD_MAX_SESSIONS);
    struct message m = template;

    m.multiplier = 255;                         /* Claims hours. */
    m.min_tx_us = UINT32_MAX;
    for (m.vni = 0; m.vni < BFD_MAX_SESSIONS; m.vni++) {
        ask(bfd, &m, 1000);
    }
    assert_verdict(bfd, &m, 1000, BFD_LIMITED);
    assert_verdict(bfd, &m, 61000, BFD_LIMITED);
    ask(bfd, &m, 61001);
    bfd_destroy(bfd);
}

static void
answers_a_second_are_bounded(void **state)
{
    (void) state;
    struct bfd *bfd = bfd_create(1, BFD_MAX_SESSIONS);
    struct message m = template;
    uint8_t buf[BFD_TUNNELLED_SIZE];
    struct bfd_answer answer;
    int n = 0;

    m.flags = POLL;
    for (uint64_t now_ms = 1000; now_ms < 2000; now_ms += 5) {
        for (m.vni = 0; m.vni < BFD_MAX_SESSIONS; m.vni++) {
            n += bfd_run(bfd, encode(&m, buf), sender, now_ms, &answer)
                 == BFD_ANSWERED;
        }
    }
    assert_int_equal(n, BFD_MAX_ANSWERS_PER_S);
    bfd_destroy(bfd);
}

static void
the_answer_is_one_that_open_vswitch_takes(void **state)
{
    (void) state;
    struct bfd *bfd = bfd_create(1, BFD_MAX_SESSIONS);
    uint8_t buf[BFD_TUNNELLED_SIZE];
    struct bfd_answer answer;
    struct slice packet = encode(&template, buf);

    assert_int_equal(bfd_run(bfd, packet, sender, 1000, &answer),
                     BFD_ANSWERED);
    const uint8_t *p = answer.packet;
    assert_true(bfd_is_control(slice_of(p, sizeof answer.packet)));
    assert_memory_equal(p + 8, buf + 14, 6);    /* To the sender's MAC, */
    assert_memory_equal(p + 34, buf + 38, 4);   /* addresses swapped. */
    assert_memory_equal(p + 38, buf + 34, 4);
    uint32_t sum = 0;
    for (size_t i = 22; i < 42; i += 2) {
        sum += get_be(p + i, 2);
    }
    assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
    assert_true(get_be(p + 42, 2) >= 49152);    /* RFC 5881 section 4. */
    bfd_destroy(bfd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_comes_up_in_three_steps),
        cmocka_unit_test(the_sender_going_down_is_followed),
        cmocka_unit_test(silence_for_the_detection_time_takes_a_session_down),
        cmocka_unit_test(a_poll_is_answered_at_once_with_final),
        cmocka_unit_test(answers_are_as_rare_as_the_sender_wants),
        cmocka_unit_test(what_rfc_5880_discards_is_ignored),
        cmocka_unit_test(each_proper_prefix_is_left_alone),
        cmocka_unit_test(log_packets_are_not_taken_for_bfd),
        cmocka_unit_test(senders_and_vnis_have_sessions_of_their_own),
        cmocka_unit_test(the_table_is_bounded_and_old_sessions_make_room),
        cmocka_unit_test(answers_a_second_are_bounded),
        cmocka_unit_test(the_answer_is_one_that_open_vswitch_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
