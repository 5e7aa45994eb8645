/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>

#include "inner.h"

/* A frame under construction. */
struct frame {
    uint8_t bytes[2048];
    size_t size;
};

static void
put(struct frame *f, const void *data, size_t size)
{
    memcpy(f->bytes + f->size, data, size);
    f->size += size;
}

static void
put_be16(struct frame *f, uint16_t value)
{
    put(f, (const uint8_t[]) { value >> 8, value & 0xff }, 2);
}

/* An Ethernet header without its type. */
static struct frame
ethernet(void)
{
    struct frame f = { .size = 0 };

    put(&f, "\x02\0\0\0\0\x01", 6);
    put(&f, "\x02\0\0\0\0\x02", 6);
    return f;
}

static void
put_udp(struct frame *f, const char *payload)
{
    put_be16(f, 40000);
    put_be16(f, 514);
    put_be16(f, 8 + strlen(payload));
    put_be16(f, 0);
    put(f, payload, strlen(payload));
}

/* Adds an IPv4 packet, 'n_options' words of options included. */
static void
put_ipv4(struct frame *f, size_t n_options, const char *payload)
{
    put_be16(f, 0x0800);
    put(f, (const uint8_t[]) { 0x45 + n_options, 0 }, 2);
    put_be16(f, 20 + n_options * 4 + 8 + strlen(payload));
    put(f, "\0\1\x40\0\x40\x11\0\0", 8);    /* Don't fragment; UDP. */
    put(f, "\x0a\0\0\1\xc0\0\2\1", 8);
    for (size_t i = 0; i < n_options; i++) {
        put(f, "\1\1\1\1", 4);
    }
    put_udp(f, payload);
}

/* Adds an IPv6 packet; 'extensions' of 'size' bytes stand before UDP, the
 * first of type 'next'. */
static void
put_ipv6(struct frame *f, uint8_t next, const char *extensions, size_t size,
         const char *payload)
{
    put_be16(f, 0x86dd);
    put(f, "\x60\0\0\0", 4);
    put_be16(f, size + 8 + strlen(payload));
    put(f, (const uint8_t[]) { next, 64 }, 2);
    put(f, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    put(f, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2", 16);
    put(f, extensions, size);
    put_udp(f, payload);
}

enum { ETH = 14, IPV4 = ETH, IPV4_UDP = ETH + 20, IPV6_NEXT = ETH + 40 };

static struct frame
frame_ipv4(const char *payload)
{
    struct frame f = ethernet();

    put_ipv4(&f, 0, payload);
    return f;
}

static struct frame
frame_ipv6(uint8_t next, const char *extensions, size_t size)
{
    struct frame f = ethernet();

    put_ipv6(&f, next, extensions, size, "hello");
    return f;
}

/* Parses a copy of exactly 'size' bytes, so that a sanitizer sees more. */
static enum sluice_drop
parse(const struct frame *f, size_t size, struct inner_packet *packet)
{
    static uint8_t *exact;

    free(exact);
    exact = malloc(size ? size : 1);
    assert_non_null(exact);
    memcpy(exact, f->bytes, size);
    return inner_parse(slice_of(exact, size), packet);
}

static void
assert_accepted(struct frame f, struct inner_packet *packet)
{
    assert_string_equal(sluice_drop_name(parse(&f, f.size, packet)), "none");
    assert_slice_equal(packet->payload, "hello");
    assert_int_equal(packet->src_port, 40000);
    assert_int_equal(packet->dst_port, 514);
    assert_memory_equal(packet->dst_mac, "\x02\0\0\0\0\x01", 6);
    assert_memory_equal(packet->src_mac, "\x02\0\0\0\0\x02", 6);
}

static void
assert_dropped(struct frame f, enum sluice_drop expected)
{
    struct inner_packet packet, untouched;

    memset(&packet, 0xa5, sizeof packet);
    untouched = packet;
    assert_string_equal(sluice_drop_name(parse(&f, f.size, &packet)),
                        sluice_drop_name(expected));
    assert_memory_equal(&packet, &untouched, sizeof packet);
}

static void
ipv4_is_read_with_and_without_options(void **state)
{
    (void) state;
    for (size_t n_options = 0; n_options <= 10; n_options++) {
        struct frame f = ethernet();
        struct inner_packet packet;

        put_ipv4(&f, n_options, "hello");
        assert_accepted(f, &packet);
        assert_int_equal(packet.ip_version, 4);
        assert_int_equal(packet.n_vlans, 0);
        assert_memory_equal(packet.src_ip,
                            "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1", 16);
        assert_memory_equal(packet.dst_ip,
                            "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 16);
    }
}

static void
ethernet_padding_is_ignored(void **state)
{
    struct frame f = frame_ipv4("hello");
    struct inner_packet packet;

    (void) state;
    put(&f, "\0\0\0\0\0\0\0\0\0\0\0\0\0", 13);
    assert_accepted(f, &packet);
}

static void
up_to_two_vlan_tags_are_read(void **state)
{
    struct frame f = ethernet();
    struct inner_packet packet;

    (void) state;
    put(&f, "\x81\0\xe0\x05", 4);
    put_ipv4(&f, 0, "hello");
    assert_accepted(f, &packet);
    assert_int_equal(packet.n_vlans, 1);
    assert_int_equal(packet.vlan_tci[0], 0xe005);

    f = ethernet();
    put(&f, "\x88\xa8\0\x64\x81\0\0\xc8", 8);
    put_ipv6(&f, 17, "", 0, "hello");
    assert_accepted(f, &packet);
    assert_int_equal(packet.n_vlans, 2);
    assert_int_equal(packet.vlan_tci[0], 100);
    assert_int_equal(packet.vlan_tci[1], 200);

    f = ethernet();
    put(&f, "\x88\xa8\0\x64\x81\0\0\xc8\x81\0\0\xc9", 12);
    put_ipv4(&f, 0, "hello");
    assert_dropped(f, SLUICE_DROP_INNER_ETHERTYPE);
}

static void
ipv6_is_read_with_and_without_extension_headers(void **state)
{
    static const char extensions[] =
        "\x3c\0\1\4\0\0\0\0"                    /* Hop-by-hop. */
        "\x2b\1\1\x0c\0\0\0\0\0\0\0\0\0\0\0\0"  /* Destination options. */
        "\x2c\0\0\0\0\0\0\0"                    /* Routing. */
        "\x3c\0\0\0\0\0\0\1"                    /* An atomic fragment. */
        "\x11\0\1\4\0\0\0\0";                   /* Destination options. */
    struct inner_packet packet;

    (void) state;
    assert_accepted(frame_ipv6(17, "", 0), &packet);
    assert_int_equal(packet.ip_version, 6);
    assert_memory_equal(packet.src_ip,
                        "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    assert_memory_equal(packet.dst_ip,
                        "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2", 16);
    assert_accepted(frame_ipv6(0, extensions, sizeof extensions - 1),
                    &packet);
}

static void
any_cut_of_a_frame_is_dropped(void **state)
{
    struct frame frames[3] = { frame_ipv4("hello"),
                               frame_ipv6(60, "\x11\0\1\4\0\0\0\0", 8),
                               ethernet() };

    (void) state;
    put(&frames[2], "\x88\xa8\0\x64\x81\0\0\xc8", 8);
    put_ipv4(&frames[2], 3, "hello");
    for (size_t i = 0; i < 3; i++) {
        for (size_t size = 0; size < frames[i].size; size++) {
            struct inner_packet packet;
            assert_int_equal(parse(&frames[i], size, &packet),
                             SLUICE_DROP_INNER_TRUNCATED);
        }
    }
}

static void
what_is_not_ip_is_dropped(void **state)
{
    struct frame f = frame_ipv4("hello");

    (void) state;
    f.bytes[12] = 0x08;
    f.bytes[13] = 0x06;             /* ARP. */
    assert_dropped(f, SLUICE_DROP_INNER_ETHERTYPE);
    f.bytes[12] = 0x00;
    f.bytes[13] = 0x21;             /* IEEE 802.3: a length. */
    assert_dropped(f, SLUICE_DROP_INNER_ETHERTYPE);
}

static void
malformed_ipv4_headers_are_dropped(void **state)
{
    struct frame f = frame_ipv4("hello");

    (void) state;
    f.bytes[IPV4] = 0x65;           /* Version 6. */
    assert_dropped(f, SLUICE_DROP_INNER_IP);
    f.bytes[IPV4] = 0x44;           /* A header of 16 bytes. */
    assert_dropped(f, SLUICE_DROP_INNER_IP);
    f.bytes[IPV4] = 0x45;
    f.bytes[IPV4 + 3] = 19;         /* Total length below the header's. */
    assert_dropped(f, SLUICE_DROP_INNER_IP);
    f.bytes[IPV4 + 3] = 0;          /* As segmentation offload leaves it. */
    assert_dropped(f, SLUICE_DROP_INNER_IP);
    f = frame_ipv4("hello");
    f.bytes[IPV4 + 3]++;            /* Total length beyond the frame. */
    assert_dropped(f, SLUICE_DROP_INNER_TRUNCATED);
}

/* For any payload. */
static void
accept(struct frame f, struct inner_packet *packet)
{
    assert_string_equal(sluice_drop_name(parse(&f, f.size, packet)), "none");
}

static void
ipv4_fragments_are_told_apart(void **state)
{
    struct frame f = frame_ipv4("hello");
    struct inner_packet packet;

    (void) state;
    f.bytes[IPV4 + 6] = 0x20;       /* More follow, but it ends within 8. */
    assert_dropped(f, SLUICE_DROP_INNER_FRAGMENT);
    f.bytes[IPV4 + 6] = 0x1f;       /* Beyond the largest packet. */
    f.bytes[IPV4 + 7] = 0xff;
    assert_dropped(f, SLUICE_DROP_INNER_FRAGMENT);
    f = frame_ipv4("12345678");
    f.bytes[IPV4 + 6] = 0x20;
    f.bytes[IPV4 + 7] = 0x10;
    accept(f, &packet);
    assert_int_equal(packet.kind, INNER_FRAGMENT);
    assert_int_equal(packet.fragment_id, 1);
    assert_int_equal(packet.fragment_offset, 128);
    assert_true(packet.fragment_more);
    assert_int_equal(packet.fragment_next, 17);
    assert_int_equal(packet.payload.size, 16);
    f.bytes[IPV4 + 6] = 0x00;       /* The last one. */
    accept(f, &packet);
    assert_false(packet.fragment_more);
    f.bytes[IPV4 + 7] = 0x00;
    accept(f, &packet);
    assert_int_equal(packet.kind, INNER_UDP);
}

/* A segment to port 514 with number 1001, acknowledging. */
static struct frame
frame_tcp(const char *payload)
{
    struct frame f = ethernet();

    put_be16(&f, 0x0800);
    put(&f, "\x45\0", 2);
    put_be16(&f, 40 + strlen(payload));
    put(&f, "\0\1\x40\0\x40\x06\0\0", 8);
    put(&f, "\x0a\0\0\1\xc0\0\2\1", 8);
    put(&f, "\x9c\x40\x02\x02\0\0\x03\xe9\0\0\0\0\x50\x10\0\0", 16);
    put(&f, "\0\0\0\0", 4);
    put(&f, payload, strlen(payload));

    /* RFC 1071 over the pseudo-header and the segment. */
    uint32_t sum = 0x0a00 + 1 + 0xc000 + 0x0201 + 6 + 20 + strlen(payload);
    for (size_t i = IPV4 + 20; i < f.size; i += 2) {
        sum += f.bytes[i] << 8 | (i + 1 < f.size ? f.bytes[i + 1] : 0);
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    f.bytes[IPV4 + 36] = ~sum >> 8;
    f.bytes[IPV4 + 37] = ~sum;
    return f;
}

static void
tcp_segments_are_read_if_their_checksum_is_right(void **state)
{
    static const char *const payloads[] = { "", "x", "<13>hello\n" };
    struct inner_packet packet;

    (void) state;
    for (size_t i = 0; i < 3; i++) {
        struct frame f = frame_tcp(payloads[i]);
        accept(f, &packet);
        assert_int_equal(packet.kind, INNER_TCP);
        assert_int_equal(packet.src_port, 40000);
        assert_int_equal(packet.dst_port, 514);
        assert_int_equal(packet.tcp_seq, 1001);
        assert_int_equal(packet.tcp_flags, INNER_TCP_ACK);
        assert_int_equal(packet.payload.size, strlen(payloads[i]));
        for (size_t j = IPV4 + 12; j < f.size; j++) {
            if (j != IPV4 + 32) {       /* Size of the header. */
                f.bytes[j] ^= 0x04;
                assert_dropped(f, SLUICE_DROP_INNER_CHECKSUM);
                f.bytes[j] ^= 0x04;
            }
        }
        f.bytes[IPV4 + 32] = 0x40;
        assert_dropped(f, SLUICE_DROP_INNER_TCP);
        f.bytes[IPV4 + 32] = 0xf0;
        assert_dropped(f, SLUICE_DROP_INNER_TCP);
    }
}

static void
what_fragments_carried_is_read_as_a_whole(void **state)
{
    static const uint8_t udp[] = {
        0x9c, 0x40, 0x02, 0x02, 0, 10, 0, 0, 'h', 'i',
    };
    static const uint8_t extended[] = {
        17, 0, 1, 4, 0, 0, 0, 0,
        0x9c, 0x40, 0x02, 0x02, 0, 10, 0, 0, 'h', 'i',
    };
    struct inner_packet packet = {
        .kind = INNER_FRAGMENT, .ip_version = 4, .fragment_next = 17,
    };

    (void) state;
    assert_int_equal(inner_parse_whole(slice_of(udp, 10), &packet), 0);
    assert_int_equal(packet.kind, INNER_UDP);
    assert_slice_equal(packet.payload, "hi");
    packet.ip_version = 6;
    packet.fragment_next = 60;
    assert_int_equal(inner_parse_whole(slice_of(extended, 18), &packet), 0);
    assert_slice_equal(packet.payload, "hi");
    packet.fragment_next = 44;      /* Fragments of fragments. */
    assert_int_equal(inner_parse_whole(slice_of(extended, 18), &packet),
                     SLUICE_DROP_INNER_IP);
    assert_slice_equal(packet.payload, "hi");
}

static void
malformed_ipv6_headers_are_dropped(void **state)
{
    struct frame f = frame_ipv6(17, "", 0);

    (void) state;
    f.bytes[ETH] = 0x40;
    assert_dropped(f, SLUICE_DROP_INNER_IP);
    /* An extension header beyond the payload. */
    assert_dropped(frame_ipv6(60, "\x11\2\1\4\0\0\0\0", 8),
                   SLUICE_DROP_INNER_IP);
    /* Hop-by-hop options anywhere but in front. */
    assert_dropped(frame_ipv6(60, "\0\0\1\4\0\0\0\0\x11\0\1\4\0\0\0\0", 16),
                   SLUICE_DROP_INNER_IP);

    /* Eight extension headers are enough. */
    char extensions[9 * 8];
    for (int i = 0; i < 9; i++) {
        memcpy(extensions + i * 8, "\x3c\0\1\4\0\0\0\0", 8);
    }
    extensions[8 * 8] = 17;
    assert_dropped(frame_ipv6(60, extensions, 9 * 8), SLUICE_DROP_INNER_IP);
    extensions[7 * 8] = 17;
    struct inner_packet packet;
    assert_accepted(frame_ipv6(60, extensions, 8 * 8), &packet);
}

static void
ipv6_fragments_are_told_apart(void **state)
{
    struct inner_packet packet;

    (void) state;
    assert_dropped(frame_ipv6(44, "\x11\0\0\1\0\0\0\1", 8),
                   SLUICE_DROP_INNER_FRAGMENT);
    accept(frame_ipv6(44, "\x11\0\0\x08\1\2\3\4", 8), &packet);
    assert_int_equal(packet.kind, INNER_FRAGMENT);
    assert_int_equal(packet.fragment_id, 0x01020304);
    assert_int_equal(packet.fragment_offset, 8);
    assert_false(packet.fragment_more);
    assert_int_equal(packet.fragment_next, 17);
}

static void
what_is_neither_udp_nor_tcp_is_dropped(void **state)
{
    struct frame f = frame_ipv4("hello");

    (void) state;
    f.bytes[IPV4 + 9] = 1;
    assert_dropped(f, SLUICE_DROP_INNER_PROTOCOL);
    assert_dropped(frame_ipv6(58, "", 0), SLUICE_DROP_INNER_PROTOCOL);
    assert_dropped(frame_ipv6(59, "", 0), SLUICE_DROP_INNER_PROTOCOL);
    assert_dropped(frame_ipv6(60, "\x3a\0\1\4\0\0\0\0", 8),
                   SLUICE_DROP_INNER_PROTOCOL);
}

static void
udp_lengths_that_do_not_add_up_are_dropped(void **state)
{
    (void) state;
    for (int length = 0; length < 32; length++) {
        struct frame f = frame_ipv4("hello");

        f.bytes[IPV4_UDP + 5] = length;
        if (length != 13) {
            assert_dropped(f, SLUICE_DROP_INNER_UDP);
        }
        f = frame_ipv6(17, "", 0);
        f.bytes[IPV6_NEXT + 5] = length;
        if (length != 13) {
            assert_dropped(f, SLUICE_DROP_INNER_UDP);
        }
    }

    /* An IP packet too short for a UDP header. */
    struct frame f = frame_ipv4("hello");
    f.bytes[IPV4 + 3] = 27;
    assert_dropped(f, SLUICE_DROP_INNER_UDP);
}

static void
a_datagram_without_payload_is_dropped(void **state)
{
    (void) state;
    assert_dropped(frame_ipv4(""), SLUICE_DROP_INNER_EMPTY);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_is_read_with_and_without_options),
        cmocka_unit_test(ethernet_padding_is_ignored),
        cmocka_unit_test(up_to_two_vlan_tags_are_read),
        cmocka_unit_test(ipv6_is_read_with_and_without_extension_headers),
        cmocka_unit_test(any_cut_of_a_frame_is_dropped),
        cmocka_unit_test(what_is_not_ip_is_dropped),
        cmocka_unit_test(malformed_ipv4_headers_are_dropped),
        cmocka_unit_test(ipv4_fragments_are_told_apart),
        cmocka_unit_test(tcp_segments_are_read_if_their_checksum_is_right),
        cmocka_unit_test(what_fragments_carried_is_read_as_a_whole),
        cmocka_unit_test(malformed_ipv6_headers_are_dropped),
        cmocka_unit_test(ipv6_fragments_are_told_apart),
        cmocka_unit_test(what_is_neither_udp_nor_tcp_is_dropped),
        cmocka_unit_test(udp_lengths_that_do_not_add_up_are_dropped),
        cmocka_unit_test(a_datagram_without_payload_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
