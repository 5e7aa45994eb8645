/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>

#include "inet-sum.h"
#include "outer.h"

/* Who asks, and who we are. */
static const struct outer_self peer4 = {
    .mac = { 0x02, 0, 0, 0, 0, 9 },
    .ip = { [10] = 0xff, [11] = 0xff, [12] = 198, 18, 0, 1 },
    .port = 6081,
};
static const struct outer_self peer6 = {
    .mac = { 0x02, 0, 0, 0, 0, 9 },
    .ip = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 },
    .port = 6081,
};
static struct outer_self self4 = {
    .ip = { [10] = 0xff, [11] = 0xff, [12] = 198, 18, 0, 2 },
    .port = 6081,
};
static struct outer_self self6 = {
    .ip = { 0x20, 0x01, 0x0d, 0xb8, [13] = 0xab, 0xcd, 2 },
    .port = 6081,
};

struct frame {
    uint8_t data[4096];
    size_t size;
};

static enum outer_verdict
read_as(const struct outer_self *self, const struct frame *f,
        struct outer_packet *packet, struct frame *answer)
{
    /* Of the exact size: reads past the end show. */
    uint8_t *exact = malloc(f->size ? f->size : 1);

    memcpy(exact, f->data, f->size);
    enum outer_verdict verdict = outer_read(slice_of(exact, f->size), self,
                                            packet, answer->data,
                                            &answer->size);
    if (verdict == OUTER_TUNNEL) {
        static uint8_t payload[4096];

        memcpy(payload, packet->payload.data, packet->payload.size);
        packet->payload.data = payload;
    }
    free(exact);
    return verdict;
}

static enum outer_verdict
verdict(const struct outer_self *self, const struct frame *f)
{
    struct outer_packet packet;
    struct frame answer;

    return read_as(self, f, &packet, &answer);
}

static struct frame
tunnel_frame(const struct outer_self *from, const struct outer_self *to,
             const char *text)
{
    struct frame f;

    f.size = outer_write(from, to->mac, to->ip, slice_from_string(text),
                         f.data);
    return f;
}

static int
set_up(void **state)
{
    (void) state;
    outer_default_mac(self4.ip, self4.mac);
    outer_default_mac(self6.ip, self6.mac);
    return 0;
}

static void
expect_payload(const struct outer_self *from, const struct outer_self *to)
{
    struct frame f = tunnel_frame(from, to, "geneve"), answer;
    struct outer_packet packet;

    assert_int_equal(read_as(to, &f, &packet, &answer), OUTER_TUNNEL);
    assert_slice_equal(packet.payload, "geneve");
    assert_memory_equal(packet.src_mac, from->mac, 6);
    assert_memory_equal(packet.src_ip, from->ip, 16);
}

static void
what_is_written_is_read(void **state)
{
    (void) state;
    expect_payload(&peer4, &self4);
    expect_payload(&peer6, &self6);
}

static void
padding_behind_the_packet_is_ignored(void **state)
{
    struct frame f = tunnel_frame(&peer4, &self4, "geneve");

    (void) state;
    memset(f.data + f.size, 0xee, 20);
    f.size += 20;
    assert_int_equal(verdict(&self4, &f), OUTER_TUNNEL);
}

static void
a_wrong_checksum_drops_the_packet(void **state)
{
    (void) state;
    for (size_t i = 14; i < 14 + 28 + 6; i++) {
        struct frame f = tunnel_frame(&peer4, &self4, "geneve");

        f.data[i] ^= 0x10;
        assert_int_not_equal(verdict(&self4, &f), OUTER_TUNNEL);
    }
    for (size_t i = 14 + 40; i < 14 + 48 + 6; i++) {
        struct frame f = tunnel_frame(&peer6, &self6, "geneve");

        f.data[i] ^= 0x10;
        assert_int_not_equal(verdict(&self6, &f), OUTER_TUNNEL);
    }
}

static void
udp_without_checksum_is_taken_over_ipv4_alone(void **state)
{
    struct frame f = tunnel_frame(&peer4, &self4, "geneve");

    (void) state;
    memset(f.data + 14 + 20 + 6, 0, 2);
    assert_int_equal(verdict(&self4, &f), OUTER_TUNNEL);
    f = tunnel_frame(&peer6, &self6, "geneve");
    memset(f.data + 14 + 40 + 6, 0, 2);
    assert_int_equal(verdict(&self6, &f), OUTER_CHECKSUM);
}

/* Sets the checksum of the IPv4 header of 'f' right. */
static void
mend(struct frame *f)
{
    memset(f->data + 24, 0, 2);
    uint16_t sum = ~inet_sum_fold(inet_sum(slice_of(f->data + 14, 20)));
    memcpy(f->data + 24, &sum, 2);
}

static void
each_reason_has_its_frame(void **state)
{
    const struct frame good = tunnel_frame(&peer4, &self4, "geneve");
    struct frame f;

    (void) state;
    f = good;
    f.size = 13;
    assert_int_equal(verdict(&self4, &f), OUTER_MALFORMED);
    f = good;
    f.data[6] |= 1;             /* From a group. */
    assert_int_equal(verdict(&self4, &f), OUTER_MALFORMED);
    f = good;
    f.data[39]++;               /* UDP length. */
    assert_int_equal(verdict(&self4, &f), OUTER_MALFORMED);
    f = good;
    memcpy(f.data + 12, "\x81\x00", 2);
    assert_int_equal(verdict(&self4, &f), OUTER_TYPE);
    f = good;
    f.data[5] ^= 1;             /* Another's MAC address, */
    assert_int_equal(verdict(&self4, &f), OUTER_ELSEWHERE);
    f = good;
    memset(f.data, 0xff, 6);    /* everybody's, */
    assert_int_equal(verdict(&self4, &f), OUTER_ELSEWHERE);
    f = good;
    f.data[33]++;               /* and another's IP address. */
    assert_int_equal(verdict(&self4, &f), OUTER_ELSEWHERE);
    f = good;
    f.data[20] = 0x20;          /* More fragments. */
    f.size -= 6;
    f.data[17] -= 6;            /* Units of 8 bytes. */
    mend(&f);
    assert_int_equal(verdict(&self4, &f), OUTER_FRAGMENT);
    f = good;
    f.data[37]++;               /* Port. */
    assert_int_equal(verdict(&self4, &f), OUTER_PROTOCOL);
    f = good;
    f.data[23] = 47;
    mend(&f);
    assert_int_equal(verdict(&self4, &f), OUTER_PROTOCOL);
    f = good;
    f.data[22]--;               /* Time to live. */
    assert_int_equal(verdict(&self4, &f), OUTER_CHECKSUM);
}

static struct frame
arp_request(uint8_t last_byte)
{
    static const uint8_t kind[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 };
    struct frame f = { .size = 42 };

    memset(f.data, 0xff, 6);
    memcpy(f.data + 6, peer4.mac, 6);
    memcpy(f.data + 12, kind, sizeof kind);
    memcpy(f.data + 22, peer4.mac, 6);
    memcpy(f.data + 28, peer4.ip + 12, 4);
    memcpy(f.data + 38, self4.ip + 12, 3);
    f.data[41] = last_byte;
    return f;
}

static void
arp_for_our_address_is_answered_and_no_other(void **state)
{
    static const uint8_t expected[] = {
        0x02, 0, 0, 0, 0, 9, 0x02, 0x53, 198, 18, 0, 2, 8, 6,
        0, 1, 8, 0, 6, 4, 0, 2,
        0x02, 0x53, 198, 18, 0, 2, 198, 18, 0, 2,
        0x02, 0, 0, 0, 0, 9, 198, 18, 0, 1,
    };
    struct frame f = arp_request(2), answer;
    struct outer_packet packet;

    (void) state;
    assert_int_equal(read_as(&self4, &f, &packet, &answer), OUTER_ANSWERED);
    assert_int_equal(answer.size, sizeof expected);
    assert_memory_equal(answer.data, expected, sizeof expected);
    f = arp_request(3);
    assert_int_equal(verdict(&self4, &f), OUTER_ELSEWHERE);
    f = arp_request(2);
    f.data[21] = 2;             /* A reply. */
    assert_int_equal(verdict(&self4, &f), OUTER_ELSEWHERE);
    f = arp_request(2);
    f.size--;
    assert_int_equal(verdict(&self4, &f), OUTER_MALFORMED);
    assert_int_equal(verdict(&self6, &f), OUTER_MALFORMED);
}

/* Makes of 'f', a datagram of UDP, one of ICMP over IPv6 with the bytes of
 * 'icmp'. */
static struct frame
icmp6(const struct outer_self *from, const uint8_t to_mac[6],
      const uint8_t to_ip[16], uint8_t hop_limit, const uint8_t *icmp,
      size_t size)
{
    struct frame f = { .size = 54 + size };

    memcpy(f.data, to_mac, 6);
    memcpy(f.data + 6, from->mac, 6);
    memcpy(f.data + 12, "\x86\xdd\x60\0\0\0", 6);
    f.data[19] = size;
    f.data[20] = 58;
    f.data[21] = hop_limit;
    memcpy(f.data + 22, from->ip, 16);
    memcpy(f.data + 38, to_ip, 16);
    memcpy(f.data + 54, icmp, size);
    memset(f.data + 56, 0, 2);
    uint16_t sum = ~inet_sum_fold(inet_sum(slice_of(f.data + 54, size))
                                  + inet_sum_pseudo(from->ip, to_ip, size,
                                                    58));
    memcpy(f.data + 56, &sum, 2);
    return f;
}

static struct frame
solicitation(uint8_t hop_limit)
{
    static const uint8_t group_mac[6] = { 0x33, 0x33, 0xff, 0xab, 0xcd, 2 };
    static const uint8_t group[16] = {
        0xff, 2, [11] = 1, 0xff, [13] = 0xab, 0xcd, 2,
    };
    uint8_t icmp[32] = { 135 };

    memcpy(icmp + 8, self6.ip, 16);
    memcpy(icmp + 24, "\1\1", 2);
    memcpy(icmp + 26, peer6.mac, 6);
    return icmp6(&peer6, group_mac, group, hop_limit, icmp, sizeof icmp);
}

static void
a_neighbour_solicitation_is_answered(void **state)
{
    uint8_t expected[32] = { 136, [4] = 0x60, [24] = 2, 1 };
    struct frame f = solicitation(255), answer;
    struct outer_packet packet;

    (void) state;
    assert_int_equal(read_as(&self6, &f, &packet, &answer), OUTER_ANSWERED);
    memcpy(expected + 8, self6.ip, 16);
    memcpy(expected + 26, self6.mac, 6);
    struct frame whole = icmp6(&self6, peer6.mac, peer6.ip, 255, expected,
                               sizeof expected);
    assert_int_equal(answer.size, whole.size);
    assert_memory_equal(answer.data, whole.data, whole.size);

    f = solicitation(254);      /* It came through a router. */
    assert_int_equal(verdict(&self6, &f), OUTER_MALFORMED);
    f = solicitation(255);
    f.data[56] ^= 1;
    assert_int_equal(verdict(&self6, &f), OUTER_CHECKSUM);
    f = solicitation(255);
    memset(f.data + 22, 0, 16); /* Who looks whether the address is free; */
    f.data[56] ^= 0xff;         /* whose checksum is another. */
    assert_int_not_equal(verdict(&self6, &f), OUTER_ANSWERED);
}

static void
a_ping_is_answered(void **state)
{
    uint8_t echo[40] = { 128, [5] = 7, [8] = 'x' };
    struct frame f = icmp6(&peer6, self6.mac, self6.ip, 64, echo,
                           sizeof echo), answer;
    struct outer_packet packet;

    (void) state;
    assert_int_equal(read_as(&self6, &f, &packet, &answer), OUTER_ANSWERED);
    echo[0] = 129;
    struct frame whole = icmp6(&self6, peer6.mac, peer6.ip, 64, echo,
                               sizeof echo);
    assert_int_equal(answer.size, whole.size);
    assert_memory_equal(answer.data, whole.data, whole.size);

    f = tunnel_frame(&peer4, &self4, "pingping");
    f.data[23] = 1;
    mend(&f);
    memcpy(f.data + 34, "\x08\0\0\0\0\1\0\2", 8);
    uint16_t sum = ~inet_sum_fold(inet_sum(slice_of(f.data + 34, 16)));
    memcpy(f.data + 36, &sum, 2);
    assert_int_equal(read_as(&self4, &f, &packet, &answer), OUTER_ANSWERED);
    assert_int_equal(answer.size, f.size);
    assert_int_equal(answer.data[34], 0);
    assert_memory_equal(answer.data + 38, f.data + 38, 12);
    assert_int_equal(inet_sum_fold(inet_sum(slice_of(answer.data + 34, 16))),
                     0xffff);
    assert_int_equal(inet_sum_fold(inet_sum(slice_of(answer.data + 14, 20))),
                     0xffff);
    f.data[34] = 13;            /* Another question. */
    assert_int_equal(verdict(&self4, &f), OUTER_PROTOCOL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(padding_behind_the_packet_is_ignored),
        cmocka_unit_test(a_wrong_checksum_drops_the_packet),
        cmocka_unit_test(udp_without_checksum_is_taken_over_ipv4_alone),
        cmocka_unit_test(each_reason_has_its_frame),
        cmocka_unit_test(arp_for_our_address_is_answered_and_no_other),
        cmocka_unit_test(a_neighbour_solicitation_is_answered),
        cmocka_unit_test(a_ping_is_answered),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
