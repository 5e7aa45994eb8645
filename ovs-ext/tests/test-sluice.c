/* SPDX-License-Identifier: Apache-2.0
 *
 * Test of the port registry and of what is done before tnl_push: what takes
 * too long, too many packets, or a driver, to see from outside. */

#include <config.h>
#undef NDEBUG

#include "sluice/port-registry.h"

#include <netinet/in.h>
#include <netinet/ip6.h>

#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "ovstest.h"
#include "packets.h"
#include "sluice/activity.h"
#include "sluice/odp-log-tunnel.h"
#include "sluice/push-ready.h"
#include "sluice/rendezvous.h"
#include "unaligned.h"
#include "util.h"

/* Asserts that packet 'index' of 'port' has 'number' in the epoch 'n_epochs'
 * behind the one of its first packet. */
static void
check_sequence(const struct sluice_port *port, uint64_t index,
               uint32_t n_epochs, uint32_t number)
{
    uint32_t first_epoch, got_epoch, got_number;

    sluice_port_sequence(port, 0, &first_epoch, &got_number);
    ovs_assert(got_number == 1);
    sluice_port_sequence(port, index, &got_epoch, &got_number);
    ovs_assert(got_epoch == first_epoch + n_epochs);
    ovs_assert(got_number == number);

    /* The way of a batch, from one packet to the next, is the same. */
    if (index) {
        sluice_port_sequence(port, index - 1, &got_epoch, &got_number);
        uint64_t next = sluice_port_next((uint64_t) got_epoch << 32
                                         | got_number);
        ovs_assert(next >> 32 == first_epoch + n_epochs);
        ovs_assert((uint32_t) next == number);
    }
}

/* Numbers follow each other without a gap, begin with 1 in each epoch, and the
 * epoch changes when they wrap. */
static void
test_sequence_wraps(void)
{
    struct sluice_port *port = sluice_port_create("br0", "p0", u16_to_ofp(1));

    ovs_assert(sluice_port_take(port, UINT32_MAX - 1, 0) == 0);
    uint64_t index = sluice_port_take(port, 3, 0);
    check_sequence(port, index - 1, 0, UINT32_MAX - 1);
    check_sequence(port, index, 0, UINT32_MAX);
    check_sequence(port, index + 1, 1, 1);
    check_sequence(port, index + 2, 1, 2);
    check_sequence(port, UINT64_C(3) * UINT32_MAX, 3, 1);
    sluice_port_destroy(port);
}

/* A port that is made anew never sees an epoch again, however far the one
 * before had come, and has another id. */
static void
test_epochs_do_not_recur(void)
{
    uint32_t last_epoch = 0;
    uint32_t last_id = 0;

    for (int i = 0; i < 3; i++) {
        struct sluice_port *port = sluice_port_create("br0", "p0",
                                                      u16_to_ofp(1));
        uint32_t epoch, number;

        sluice_port_sequence(port, 0, &epoch, &number);
        ovs_assert(number == 1);
        ovs_assert(epoch > last_epoch);
        ovs_assert(sluice_port_id(port) > last_id);
        ovs_assert(sluice_port_find(sluice_port_id(port)) == port);

        uint64_t index = sluice_port_take(port, UINT64_C(1) << 34, 0);
        index += (UINT64_C(1) << 34) - 1;
        sluice_port_sequence(port, index, &last_epoch, &number);
        ovs_assert(last_epoch > epoch);
        last_id = sluice_port_id(port);
        sluice_port_destroy(port);
        ovs_assert(!sluice_port_find(last_id));
    }
}

/* What is written in a datapath flow is found by name again. */
static void
test_reasons_have_names(void)
{
    for (int i = 0; i < SLUICE_N_DROP_REASONS; i++) {
        enum sluice_drop_reason reason;

        ovs_assert(sluice_drop_reason_from_name(sluice_drop_reason_name(i),
                                                &reason));
        ovs_assert(reason == i);
        ovs_assert(*sluice_drop_reason_text(i));
    }
}

/* Asserts what is shown of 'port'. */
static void
check_shown(struct sluice_port *port, uint64_t taken, uint64_t sent,
            uint64_t n_refused, uint64_t n_lost, uint32_t number)
{
    struct sluice_port_status status;

    sluice_port_read(port, &status);
    ovs_assert(status.figures.taken == taken);
    ovs_assert(status.figures.bytes == taken * 10);
    ovs_assert(status.figures.sent == sent);
    ovs_assert(status.figures.drops[SLUICE_DROP_REFUSED] == n_refused);
    ovs_assert(status.figures.drops[SLUICE_DROP_PUSH] == n_lost);
    ovs_assert(status.number == number);
}

/* A reset lets the figures begin from zero, and leaves the sequence alone. */
static void
test_reset_keeps_the_sequence(void)
{
    struct sluice_port *port = sluice_port_create("br0", "p0", u16_to_ofp(1));

    sluice_port_take(port, 4, 40);
    sluice_port_count_sent(port, 2);
    sluice_port_count_drop(port, SLUICE_DROP_REFUSED, 1);
    check_shown(port, 4, 2, 1, 1, 4);
    sluice_port_reset(port);
    check_shown(port, 0, 0, 0, 0, 4);

    uint64_t index = sluice_port_take(port, 1, 10);
    check_sequence(port, index, 0, 5);
    sluice_port_count_drop(port, SLUICE_DROP_REFUSED, 1);
    check_shown(port, 1, 0, 1, 0, 5);
    sluice_port_reset(port);
    sluice_port_reset(port);
    check_shown(port, 0, 0, 0, 0, 5);
    sluice_port_destroy(port);
}

/* What a meter dropped is told from what was lost behind it. */
static void
test_meter_drops(void)
{
    struct sluice_port *port = sluice_port_create("br0", "p0", u16_to_ofp(1));
    struct sluice_port_status status;

    sluice_port_take(port, 3, 0);
    sluice_port_count_sent(port, 2);
    sluice_port_take(port, 7, 0);
    sluice_port_count_metered(port, 7);
    sluice_port_count_passed(port, 4);
    sluice_port_count_sent(port, 1);
    sluice_port_read(port, &status);
    ovs_assert(status.figures.taken == 10);
    ovs_assert(status.figures.sent == 3);
    ovs_assert(status.figures.drops[SLUICE_DROP_METER] == 3);
    ovs_assert(status.figures.drops[SLUICE_DROP_PUSH] == 4);

    /* One passed the meter just after a reset. */
    sluice_port_reset(port);
    sluice_port_count_passed(port, 1);
    sluice_port_count_sent(port, 1);
    sluice_port_read(port, &status);
    ovs_assert(status.figures.taken == 1);
    ovs_assert(status.figures.sent == 1);
    ovs_assert(status.figures.drops[SLUICE_DROP_METER] == 0);
    ovs_assert(status.figures.drops[SLUICE_DROP_PUSH] == 0);
    sluice_port_destroy(port);
}

/* Packets on their way during a reset are shown after it, so that what was
 * sent and dropped still adds up to what was taken. */
static void
test_reset_amid_packets(void)
{
    struct sluice_port *port = sluice_port_create("br0", "p0", u16_to_ofp(1));
    struct sluice_port_status status;

    sluice_port_take(port, 5, 0);
    sluice_port_reset(port);
    sluice_port_count_sent(port, 3);
    sluice_port_read(port, &status);
    ovs_assert(status.figures.taken == 3);
    ovs_assert(status.figures.sent == 3);
    ovs_assert(status.figures.drops[SLUICE_DROP_PUSH] == 0);

    /* The other two were lost indeed, and before the reset. */
    sluice_port_take(port, 1, 0);
    sluice_port_read(port, &status);
    ovs_assert(status.figures.taken == 4);
    ovs_assert(status.figures.sent == 3);
    ovs_assert(status.figures.drops[SLUICE_DROP_PUSH] == 1);
    sluice_port_destroy(port);
}

/* Makes a frame with UDP or TCP, whose checksum is wrong. */
static struct dp_packet *
make_packet(bool is_ipv6, uint8_t protocol, size_t headroom, size_t tailroom)
{
    static const struct eth_addr mac = ETH_ADDR_C(02,00,00,00,00,01);
    static const struct in6_addr ip6 = IN6ADDR_LOOPBACK_INIT;
    const size_t l4_size = (protocol == IPPROTO_TCP
                            ? TCP_HEADER_LEN : UDP_HEADER_LEN) + 33;
    struct dp_packet *packet
        = dp_packet_new_with_headroom(512 + tailroom, headroom);

    eth_compose(packet, mac, mac, is_ipv6 ? ETH_TYPE_IPV6 : ETH_TYPE_IP, 0);
    if (is_ipv6) {
        struct ovs_16aligned_ip6_hdr *nh
            = dp_packet_put_zeros(packet, sizeof *nh);

        put_16aligned_be32(&nh->ip6_flow, htonl(6 << 28));
        nh->ip6_plen = htons(l4_size);
        nh->ip6_nxt = protocol;
        memcpy(&nh->ip6_src, &ip6, sizeof ip6);
        memcpy(&nh->ip6_dst, &ip6, sizeof ip6);
    } else {
        struct ip_header *nh = dp_packet_put_zeros(packet, sizeof *nh);

        nh->ip_ihl_ver = IP_IHL_VER(5, 4);
        nh->ip_tot_len = htons(IP_HEADER_LEN + l4_size);
        nh->ip_proto = protocol;
        put_16aligned_be32(&nh->ip_src, htonl(0x0a000001));
        put_16aligned_be32(&nh->ip_dst, htonl(0x0a000002));
    }
    dp_packet_set_l4(packet, dp_packet_tail(packet));
    memset(dp_packet_put_uninit(packet, l4_size), 0x5a, l4_size);
    dp_packet_put_zeros(packet, 3);             /* Padding. */
    dp_packet_set_l2_pad_size(packet, 3);
    return packet;
}

/* Returns the sum over pseudo-header and L4 of 'packet', which is 0 if its
 * checksum is right. */
static ovs_be16
l4_sum(struct dp_packet *packet, bool is_ipv6)
{
    uint32_t sum = (is_ipv6
                    ? packet_csum_pseudoheader6(dp_packet_l3(packet))
                    : packet_csum_pseudoheader(dp_packet_l3(packet)));

    return csum_finish(csum_continue(sum, dp_packet_l4(packet),
                                     dp_packet_l4_size(packet)));
}

/* Checksums that a guest left to hardware are completed. */
static void
test_checksums_are_completed(void)
{
    for (int i = 0; i < 6; i++) {
        bool is_ipv6 = i & 1;
        bool is_tcp = i >= 2;
        struct dp_packet *packet
            = make_packet(is_ipv6, is_tcp ? IPPROTO_TCP : IPPROTO_UDP, 0, 0);

        ovs_assert(!sluice_push_is_offloaded(packet));
        if (i >= 4) {
            dp_packet_hwol_set_tcp_seg(packet);
        } else if (is_tcp) {
            dp_packet_hwol_set_csum_tcp(packet);
        } else {
            dp_packet_hwol_set_csum_udp(packet);
        }
        ovs_assert(sluice_push_is_offloaded(packet));
        ovs_assert(l4_sum(packet, is_ipv6) != 0);
        ovs_assert(sluice_push_complete_checksum(packet));
        ovs_assert(l4_sum(packet, is_ipv6) == 0);
        ovs_assert(!sluice_push_is_offloaded(packet));
        dp_packet_delete(packet);
    }

    /* What has neither header can't be completed. */
    struct dp_packet *packet = make_packet(false, IPPROTO_UDP, 0, 0);

    dp_packet_hwol_set_csum_sctp(packet);
    ovs_assert(!sluice_push_complete_checksum(packet));
    dp_packet_hwol_set_csum_udp(packet);
    dp_packet_set_size(packet, packet->l4_ofs + 7);
    dp_packet_set_l2_pad_size(packet, 0);
    ovs_assert(!sluice_push_complete_checksum(packet));
    dp_packet_delete(packet);
}

/* Returns the headroom that a header of 'header_len' bytes needs where 'tags'
 * VLAN tags are put before it by the underlay. */
static size_t
headroom_for(uint32_t header_len, int tags)
{
    const struct ovs_action_push_tnl push = { .header_len = header_len };
    const struct ovs_action_push_vlan vlan = { .vlan_tci = htons(VLAN_CFI) };
    struct ofpbuf actions;

    ofpbuf_init(&actions, 0);
    nl_msg_put_u32(&actions, OVS_ACTION_ATTR_METER, 1);
    sluice_odp_put(&actions, 1, SLUICE_ODP_PASS, 0);
    odp_put_tnl_push_action(&actions, CONST_CAST(struct ovs_action_push_tnl *,
                                                 &push));
    sluice_odp_put(&actions, 1, SLUICE_ODP_STAMP, 82);
    for (int i = 0; i < tags; i++) {
        nl_msg_put_unspec(&actions, OVS_ACTION_ATTR_PUSH_VLAN, &vlan,
                          sizeof vlan);
    }
    nl_msg_put_odp_port(&actions, OVS_ACTION_ATTR_OUTPUT, u32_to_odp(1));
    nl_msg_put_odp_port(&actions, OVS_ACTION_ATTR_OUTPUT, u32_to_odp(2));

    size_t headroom = sluice_push_headroom(actions.data, actions.size);
    ofpbuf_uninit(&actions);
    return headroom;
}

/* The usual header fits into what DPDK leaves before a packet, if nothing else
 * is put there. */
static void
test_usual_header_needs_no_room(void)
{
    ovs_assert(headroom_for(126, 0) == 126);
    ovs_assert(headroom_for(126, 1) >= 126 + VLAN_HEADER_LEN);
    ovs_assert(headroom_for(178, 2) >= 178 + 2 * VLAN_HEADER_LEN);
}

/* A packet in a driver's memory gets room for our header, by moving within
 * that memory or out of it. */
static void
test_room_is_made(void)
{
    enum { HEADROOM = 190 };

    for (int i = 0; i < 2; i++) {
        struct dp_packet *packet = make_packet(false, IPPROTO_UDP, 128,
                                               i ? 0 : HEADROOM);
        struct dp_packet *copy = dp_packet_clone(packet);

        if (i) {
            dp_packet_put_zeros(packet, dp_packet_tailroom(packet));
            dp_packet_set_size(copy, 0);
            dp_packet_put(copy, dp_packet_data(packet),
                          dp_packet_size(packet));
        }
        ovs_assert(sluice_push_has_room(packet, HEADROOM));
        packet->source = DPBUF_STUB;
        ovs_assert(sluice_push_has_room(packet, dp_packet_headroom(packet)));
        ovs_assert(!sluice_push_has_room(packet, HEADROOM));
        struct dp_packet *roomy = sluice_push_make_room(packet, HEADROOM);

        ovs_assert(i || roomy == packet);
        ovs_assert(dp_packet_headroom(roomy) >= HEADROOM);
        ovs_assert(dp_packet_equal(roomy, copy));
        ovs_assert(roomy->l3_ofs == copy->l3_ofs);
        ovs_assert(roomy->l4_ofs == copy->l4_ofs);
        roomy->source = DPBUF_MALLOC;
        dp_packet_delete(roomy);
        dp_packet_delete(copy);
    }
}

static int
compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, SLUICE_TLV_SIZE_ACTIVITY);
}

/* No two new activity ids are the same, within a batch or not, in one thread
 * or several. */
static void
test_new_ids_differ(void)
{
    enum { N_THREADS = 4, N_BATCHES = 1000, N = 32, SIZE = 16 };
    const size_t n_ids = N_THREADS * N_BATCHES * N;
    uint8_t *ids = xmalloc(n_ids * SIZE), *id = ids;
    uint64_t last_first = 0;

    for (int i = 0; i < N_THREADS; i++) {
        struct sluice_random random = { .s = { 0 } };

        for (int j = 0; j < N_BATCHES; j++) {
            struct sluice_new_ids new_ids;

            sluice_new_ids_init(&new_ids, &random);
            ovs_assert(new_ids.next[0] && new_ids.next[0] != last_first);
            last_first = new_ids.next[0];
            for (int k = 0; k < N; k++, id += SIZE) {
                memcpy(id, new_ids.next, SIZE);
                sluice_new_ids_step(&new_ids);
            }
        }
    }
    qsort(ids, n_ids, SIZE, compare_ids);
    for (size_t i = 1; i < n_ids; i++) {
        ovs_assert(compare_ids(ids + (i - 1) * SIZE, ids + i * SIZE));
    }

    /* Who takes the second halves alone has different ones, too. */
    for (size_t i = 0; i < n_ids; i++) {
        memset(ids + i * SIZE, 0, SIZE / 2);
    }
    qsort(ids, n_ids, SIZE, compare_ids);
    for (size_t i = 1; i < n_ids; i++) {
        ovs_assert(compare_ids(ids + (i - 1) * SIZE, ids + i * SIZE));
    }
    free(ids);
}

/* Returns the entry for packets of 'port' to 'ip':'udp_port'. */
static struct sluice_port *
entry_for(struct sluice_port *port, const char *ip, uint16_t udp_port)
{
    struct sluice_destination destination = { .udp_port = udp_port };
    uint32_t id;

    ovs_assert(ipv6_parse(ip, &destination.ip));
    ovs_assert(sluice_port_find_destination(port, &destination, &id));
    return sluice_port_find(id);
}

/* The first destination is counted by the port's own entry, each other one by
 * an entry with its own sequence, in an epoch that no other one has. */
static void
test_destinations_have_sequences_of_their_own(void)
{
    struct sluice_port *port = sluice_port_create("br0", "p0", u16_to_ofp(1));
    struct sluice_port *a = entry_for(port, "::1", 6081);
    struct sluice_port *b = entry_for(port, "::2", 6081);
    struct sluice_port *c = entry_for(port, "::1", 6082);
    struct sluice_port_status status;
    uint32_t epochs[3], number;
    size_t n;

    ovs_assert(a == port && b != a && c != a && c != b);
    ovs_assert(entry_for(port, "::1", 6081) == a);
    ovs_assert(entry_for(port, "::2", 6081) == b);
    ovs_assert(entry_for(port, "::1", 6082) == c);

    ovs_assert(sluice_port_take(a, 5, 50) == 0);
    ovs_assert(sluice_port_take(b, 3, 30) == 0);
    ovs_assert(sluice_port_take(b, 1, 10) == 3);
    sluice_port_count_sent(a, 5);
    sluice_port_count_sent(b, 4);
    sluice_port_sequence(a, 0, &epochs[0], &number);
    sluice_port_sequence(b, 0, &epochs[1], &number);
    sluice_port_sequence(c, 0, &epochs[2], &number);
    ovs_assert(epochs[0] < epochs[1] && epochs[1] < epochs[2]);
    check_sequence(b, 3, 0, 4);

    /* The port shows the sum, and is one port. */
    check_shown(port, 9, 9, 0, 0, 5);
    struct sluice_destination_status *list
        = sluice_port_read_destinations(port, &n);
    ovs_assert(n == 3);
    ovs_assert(list[1].figures.sent == 4 && list[1].number == 4);
    ovs_assert(!list[2].number && !*list[2].tunnel_name && !list[2].is_live);
    for (size_t i = 0; i < n; i++) {
        free(list[i].tunnel_name);
    }
    free(list);
    sluice_port_reset(port);
    sluice_port_read(port, &status);
    ovs_assert(!status.figures.taken && status.is_used && status.number == 5);

    /* All go with it. */
    uint32_t ids[] = { sluice_port_id(a), sluice_port_id(b),
                       sluice_port_id(c) };
    sluice_port_destroy(port);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        ovs_assert(!sluice_port_find(ids[i]));
    }
    port = sluice_port_create("br0", "p0", u16_to_ofp(1));
    uint32_t epoch;
    sluice_port_sequence(port, 0, &epoch, &number);
    ovs_assert(epoch > epochs[2]);
    sluice_port_destroy(port);
}

/* There is a limit, which those that are there do not feel. */
static void
test_destinations_are_limited(void)
{
    struct sluice_port *port = sluice_port_create("br0", "p0", u16_to_ofp(1));
    struct sluice_destination destination = { .udp_port = 6081 };
    uint32_t id, first_id;

    ovs_assert(sluice_port_find_destination(port, &destination, &first_id));
    for (int i = 1; i < SLUICE_MAX_DESTINATIONS; i++) {
        destination.udp_port++;
        ovs_assert(sluice_port_find_destination(port, &destination, &id));
    }
    destination.udp_port++;
    ovs_assert(!sluice_port_find_destination(port, &destination, &id));
    destination.udp_port = 6081;
    ovs_assert(sluice_port_find_destination(port, &destination, &id));
    ovs_assert(id == first_id);
    sluice_port_destroy(port);
}

/* Each proxy gets its share of VMs; one that dies moves that and no other. */
static void
test_rendezvous_moves_one_share(void)
{
    enum { N_VMS = 10000, N_PROXIES = 5 };
    unsigned int shares[N_PROXIES] = { 0 };

    for (uint32_t vm = 0; vm < N_VMS; vm++) {
        uint64_t weights[N_PROXIES];
        int best = 0, best_without_2 = 0;

        for (uint32_t proxy = 0; proxy < N_PROXIES; proxy++) {
            weights[proxy] = sluice_rendezvous_weight(&vm, sizeof vm, &proxy,
                                                      sizeof proxy);
            best = weights[proxy] > weights[best] ? proxy : best;
            if (proxy != 2 && weights[proxy] > weights[best_without_2]) {
                best_without_2 = proxy;
            }
        }
        shares[best]++;
        ovs_assert(best == 2 || best == best_without_2);
    }
    for (int i = 0; i < N_PROXIES; i++) {
        ovs_assert(shares[i] > N_VMS / N_PROXIES * 9 / 10);
        ovs_assert(shares[i] < N_VMS / N_PROXIES * 11 / 10);
    }

    /* What other switches, and later versions, must agree on. */
    ovs_assert(sluice_rendezvous_weight("vm", 2, "proxy", 5)
               == UINT64_C(0x7e916926bf4b37aa));
}

static void
test_sluice_main(int argc OVS_UNUSED, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    test_sequence_wraps();
    test_epochs_do_not_recur();
    test_reasons_have_names();
    test_reset_keeps_the_sequence();
    test_reset_amid_packets();
    test_meter_drops();
    test_checksums_are_completed();
    test_usual_header_needs_no_room();
    test_room_is_made();
    test_new_ids_differ();
    test_destinations_have_sequences_of_their_own();
    test_destinations_are_limited();
    test_rendezvous_moves_one_share();
}

OVSTEST_REGISTER("test-sluice", test_sluice_main);
