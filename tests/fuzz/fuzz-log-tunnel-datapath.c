/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the datapath half of log_tunnel, as odp-execute.c runs it: "take",
 * tnl_push, "stamp" and output, on hostile frames and with hostile actions.
 *
 * The first byte of the input says which; see enum mode.  SENT has a header as
 * translation makes it, and frames of any bytes and size: what comes out must be
 * within the MTU, correct to the last checksum, and the same frames again, or
 * a drop that was counted.  RAW executes an action of any bytes on packets of
 * any bytes, which may only end in order.  TEXT reads an action and writes it.
 *
 * Needs a libopenvswitch that has the action.  The files under test are
 * compiled along, so that they are instrumented. */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "csum.h"
#include "dp-packet.h"
#include "netdev-native-tnl.h"
#include "netlink.h"
#include "odp-execute.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "seq.h"
#include "sluice/auth-key.h"
#include "sluice/odp-log-tunnel.h"
#include "sluice/odp-split.h"
#include "sluice/port-registry.h"
#include "sluice/tlv.h"
#include "smap.h"
#include "netdev.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum mode { MODE_SENT, MODE_RAW, MODE_TEXT, N_MODES };

/* In the second byte of SENT. */
enum {
    F_IPV6 = 1 << 0,
    F_CSUM = 1 << 1,
    F_AUTH = 1 << 2,
    F_VM = 1 << 3,
    F_KEEP = 1 << 4,            /* The batch is not ours to steal. */
};

static const char key_text[] = "000102030405060708090a0b0c0d0e0f\n";
static struct sluice_port *port;

/* What is left of the input; zeros once there is nothing. */
struct input {
    const uint8_t *p;
    size_t left;
};

/* The frames of a batch, and how far they came out. */
struct run {
    unsigned int flags;
    uint16_t mtu;
    size_t n;
    struct frame {
        uint8_t *bytes;
        size_t size;
        size_t done;            /* Bytes that came out. */
        unsigned int n_parts;   /* Parts that did. */
        uint32_t number;        /* Their number. */
    } frames[NETDEV_MAX_BURST];
    size_t first;               /* Frame that an outer packet may be of. */
};

static void
check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static uint32_t
take_number(struct input *in, size_t n_bytes)
{
    uint32_t value = 0;

    for (; n_bytes; n_bytes--) {
        value = value << 8 | (in->left ? *in->p : 0);
        in->p += in->left > 0;
        in->left -= in->left > 0;
    }
    return value;
}

/* Makes what lives as long as the process. */
static void
set_up(void)
{
    char path[] = "/tmp/fuzz-log-tunnel.XXXXXX";
    struct smap config = SMAP_INITIALIZER(&config);
    int fd = mkstemp(path);

    tnl_conf_seq = seq_create();
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    check(fd >= 0 && write(fd, key_text, strlen(key_text)) > 0);
    close(fd);
    smap_add(&config, "sluice-key-file", path);
    sluice_auth_configure(&config);
    smap_destroy(&config);
    unlink(path);
    check(sluice_auth_key() != NULL);
    port = sluice_port_create("br0", "p1", 1);

    /* The numbers of some batch are of two epochs. */
    sluice_port_take(port, UINT32_MAX - 40, 0);
}

/* Fills 'push' as translation does. */
static size_t
make_header(const struct run *run, struct ovs_action_push_tnl *push)
{
    struct sluice_tlv_constants c = {
        .opt_class = SLUICE_TLV_CLASS,
        .has_vm = run->flags & F_VM,
        .has_auth = run->flags & F_AUTH,
    };
    struct eth_header *eth = (struct eth_header *) push->header;
    uint8_t *l3 = (uint8_t *) (eth + 1);
    struct udp_header *udp;

    memset(push, 0, sizeof *push);
    if (run->flags & F_IPV6) {
        struct ovs_16aligned_ip6_hdr *ip6 = (void *) l3;

        eth->eth_type = htons(ETH_TYPE_IPV6);
        put_16aligned_be32(&ip6->ip6_flow, htonl(0x60000000));
        ip6->ip6_nxt = IPPROTO_UDP;
        udp = (void *) (ip6 + 1);
    } else {
        struct ip_header *ip = (void *) l3;

        eth->eth_type = htons(ETH_TYPE_IP);
        ip->ip_ihl_ver = IP_IHL_VER(5, 4);
        ip->ip_proto = IPPROTO_UDP;
        ip->ip_csum = csum(ip, sizeof *ip);
        udp = (void *) (ip + 1);
    }
    udp->udp_dst = htons(SLUICE_TLV_UDP_PORT);
    udp->udp_csum = run->flags & F_CSUM ? htons(0xffff) : 0;

    uint8_t *geneve = (uint8_t *) (udp + 1);
    uint8_t *options = geneve + SLUICE_TLV_BASE_SIZE;
    size_t options_size = sluice_tlv_encode(options, &c);

    geneve[0] = options_size / 4;
    geneve[2] = 0x65;
    geneve[3] = 0x58;
    geneve[6] = 7;
    push->header_len = options + options_size - (uint8_t *) push->header;
    push->tnl_type = OVS_VPORT_TYPE_GENEVE;
    return options + sluice_tlv_stamp_offset(&c) - (uint8_t *) push->header;
}

/* Checks the outer headers of 'packet' and returns its UDP header. */
static const uint8_t *
check_outer(const struct run *run, const struct dp_packet *packet)
{
    const uint8_t *l3 = dp_packet_l3(packet);
    const struct udp_header *udp = dp_packet_l4(packet);
    const size_t udp_size = ((uint8_t *) dp_packet_tail(packet)
                             - (uint8_t *) udp);
    uint32_t pseudo;

    check(!run->mtu
          || dp_packet_size(packet) <= (size_t) ETH_HEADER_LEN + run->mtu);
    if (udp_size > UINT16_MAX - IP_HEADER_LEN) {
        return NULL;            /* tnl_push cannot say its length, either. */
    }
    if (run->flags & F_IPV6) {
        const struct ovs_16aligned_ip6_hdr *ip6 = (const void *) l3;

        check(ntohs(ip6->ip6_plen) == udp_size);
        pseudo = packet_csum_pseudoheader6(ip6);
    } else {
        const struct ip_header *ip = (const void *) l3;

        check(ntohs(ip->ip_tot_len) == IP_HEADER_LEN + udp_size);
        check(!csum(ip, sizeof *ip));
        pseudo = packet_csum_pseudoheader(ip);
    }
    check(ntohs(udp->udp_len) == udp_size);
    check(!udp->udp_csum == !(run->flags & F_CSUM));
    check(!udp->udp_csum
          || !csum_finish(csum_continue(pseudo, udp, udp_size)));
    return (const uint8_t *) udp;
}

/* What there is in the options of a packet. */
struct options {
    uint32_t number;
    const uint8_t *split, *auth;
    const uint8_t *inner;
};

static void
read_options(const uint8_t *geneve, struct options *o)
{
    const uint8_t *p = geneve + SLUICE_TLV_BASE_SIZE;

    o->number = 0;
    o->split = o->auth = NULL;
    o->inner = p + (geneve[0] & 0x3f) * 4;
    while (p < o->inner) {
        check(p[0] == SLUICE_TLV_CLASS >> 8);
        const uint8_t *value = p + SLUICE_TLV_OPT_HEADER_SIZE;

        if (p[2] == SLUICE_TLV_TYPE_SEQUENCE) {
            o->number = ((uint32_t) value[4] << 24 | value[5] << 16
                         | value[6] << 8 | value[7]);
        } else if (p[2] == SLUICE_TLV_TYPE_AUTH) {
            o->auth = value;
        } else if (p[2] == SLUICE_TLV_TYPE_SPLIT) {
            check(!o->split && value + SLUICE_TLV_SIZE_SPLIT == o->inner);
            o->split = value;
        }
        p = value + p[3] * 4;
    }
    check(p == o->inner);
    check(!(geneve[1] & SLUICE_TLV_C_BIT) == !o->split);
}

/* Takes the frame, or the part of one, that 'packet' carries. */
static void
take_output(struct run *run, const struct dp_packet *packet)
{
    const uint8_t *udp = check_outer(run, packet);
    struct options o;

    if (!udp) {
        return;
    }
    const uint8_t *geneve = udp + UDP_HEADER_LEN;
    const uint8_t *end = dp_packet_tail(packet);

    read_options(geneve, &o);
    check(!o.auth == !(run->flags & F_AUTH));
    if (o.auth) {
        uint8_t auth[SLUICE_TLV_SIZE_AUTH];

        sluice_tlv_auth(sluice_auth_key(), geneve, end - geneve,
                        o.auth - geneve, auth);
        check(!memcmp(auth, o.auth, sizeof auth));
    }

    /* All parts of a frame but the last come before that; frames are whole in
     * their order. */
    struct frame *f = NULL;
    for (size_t i = 0; i < run->n && !f; i++) {
        if (run->frames[i].number == o.number) {
            f = &run->frames[i];
        }
    }
    check(f != NULL);
    check(f->done + (end - o.inner) <= f->size);
    check(!memcmp(f->bytes + f->done, o.inner, end - o.inner));
    f->done += end - o.inner;
    if (o.split) {
        check((uint32_t) (o.split[0] << 8 | o.split[1])
              == (o.number & UINT16_MAX));
        check(o.split[2] == f->n_parts);
        f->n_parts++;
        check((f->done == f->size) == (f->n_parts == o.split[3]));
    } else {
        check(!f->n_parts && f->done == f->size);
    }
    if (f->done == f->size) {
        check((size_t) (f - run->frames) >= run->first);
        run->first = f - run->frames + 1;
    }
}

/* The datapath's part: tnl_push and output. */
static void
execute(void *run, struct dp_packet_batch *batch, const struct nlattr *a,
        bool should_steal)
{
    struct dp_packet *packet;

    check(dp_packet_batch_size(batch) <= NETDEV_MAX_BURST);
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        if (nl_attr_type(a) == OVS_ACTION_ATTR_TUNNEL_PUSH) {
            netdev_tnl_push_udp_header(NULL, packet, nl_attr_get(a));
        } else if (run) {
            take_output(run, packet);
        }
    }
    dp_packet_delete_batch(batch, should_steal);
}

/* Returns a packet with 'size' bytes, the input over and over. */
static struct dp_packet *
make_packet(struct input *in, size_t size)
{
    struct dp_packet *packet = dp_packet_new_with_headroom(size, 512);
    const uint32_t seed = take_number(in, 1);
    const size_t wanted = 1 + take_number(in, 1);
    const size_t period = MIN(in->left, wanted);
    uint8_t *bytes = dp_packet_put_uninit(packet, size);

    for (size_t i = 0; i < size; i++) {
        bytes[i] = (period ? in->p[i % period] : 0) + seed * i;
    }
    dp_packet_set_rss_hash(packet, seed);
    return packet;
}

static void
fuzz_sent(struct input *in)
{
    struct run run = { .flags = take_number(in, 1) };
    struct ovs_action_push_tnl push;
    struct sluice_port_status before, after;
    struct dp_packet_batch batch;
    struct ofpbuf actions;

    run.mtu = take_number(in, 2);
    run.n = 1 + take_number(in, 1) % NETDEV_MAX_BURST;
    if (run.flags & F_KEEP) {
        run.n = 1;
    }
    const size_t max_size = run.n > 4 ? 3000 : 65400;

    dp_packet_batch_init(&batch);
    sluice_port_read(port, &before);
    uint64_t sequence = (uint64_t) before.epoch << 32 | before.number;
    for (size_t i = 0; i < run.n; i++) {
        struct frame *f = &run.frames[i];

        f->size = 14 + take_number(in, 2) % (max_size - 14);
        struct dp_packet *packet = make_packet(in, f->size);
        f->bytes = xmemdup(dp_packet_data(packet), f->size);
        sequence = sluice_port_next(sequence);
        f->number = sequence;
        dp_packet_batch_add(&batch, packet);
    }

    ofpbuf_init(&actions, 0);
    size_t stamp_ofs = make_header(&run, &push);
    sluice_odp_put(&actions, sluice_port_id(port), SLUICE_ODP_TAKE, 0);
    odp_put_tnl_push_action(&actions, &push);
    size_t stamp_at = actions.size;
    sluice_odp_put(&actions, sluice_port_id(port), SLUICE_ODP_STAMP,
                   stamp_ofs);
    sluice_odp_set_mtu(&actions, stamp_at, run.mtu);
    nl_msg_put_odp_port(&actions, OVS_ACTION_ATTR_OUTPUT, u32_to_odp(1));
    odp_execute_actions(&run, &batch, !(run.flags & F_KEEP), actions.data,
                        actions.size, execute);
    if (run.flags & F_KEEP) {
        dp_packet_delete_batch(&batch, true);
    }
    ofpbuf_uninit(&actions);

    sluice_port_read(port, &after);
    uint64_t n_sent = after.figures.sent - before.figures.sent;
    uint64_t n_dropped = (after.figures.drops[SLUICE_DROP_TOO_LARGE]
                          - before.figures.drops[SLUICE_DROP_TOO_LARGE]);
    size_t n_whole = 0, n_none = 0;
    for (size_t i = 0; i < run.n; i++) {
        n_whole += run.frames[i].done == run.frames[i].size;
        n_none += !run.frames[i].done;
        free(run.frames[i].bytes);
    }
    check(n_sent + n_dropped == run.n);
    check(n_whole == n_sent || !run.mtu);
    check(n_none == n_dropped || !run.mtu);
}

static void
fuzz_raw(struct input *in)
{
    struct ovs_action_log_tunnel a = { .port_id = sluice_port_id(port) };
    const size_t n = 1 + take_number(in, 1) % 4;
    const bool was_taken = take_number(in, 1);
    struct dp_packet_batch batch;
    struct dp_packet *packet;
    struct ofpbuf actions;

    a.op = take_number(in, 1) % 8;
    a.arg = take_number(in, 2);
    a.mtu = take_number(in, 2);
    dp_packet_batch_init(&batch);
    for (size_t i = 0; i < n; i++) {
        uint16_t l3_ofs = take_number(in, 2);
        uint16_t l4_ofs = take_number(in, 2);
        size_t size = 14 + take_number(in, 2) % 3000;

        packet = dp_packet_new_with_headroom(size, 8);
        for (size_t j = 0; j < size; j++) {
            dp_packet_put(packet, &(uint8_t) { take_number(in, 1) }, 1);
        }
        /* Offsets that the datapath did not find in the packet there are
         * none. */
        packet->l3_ofs = l3_ofs < size ? l3_ofs : UINT16_MAX;
        packet->l4_ofs = (size_t) l4_ofs + UDP_HEADER_LEN <= size ? l4_ofs
                         : UINT16_MAX;
        dp_packet_batch_add(&batch, packet);
    }

    ofpbuf_init(&actions, 0);
    if (was_taken) {
        sluice_odp_put(&actions, a.port_id, SLUICE_ODP_TAKE, 0);
    }
    nl_msg_put_unspec(&actions, OVS_ACTION_ATTR_LOG_TUNNEL, &a, sizeof a);
    nl_msg_put_odp_port(&actions, OVS_ACTION_ATTR_OUTPUT, u32_to_odp(1));
    odp_execute_actions(NULL, &batch, true, actions.data, actions.size,
                        execute);
    ofpbuf_uninit(&actions);
}

static void
fuzz_text(const struct input *in)
{
    char *s = xmemdup0((const char *) in->p, in->left);
    struct ofpbuf actions, again;
    struct ds ds = DS_EMPTY_INITIALIZER;

    ofpbuf_init(&actions, 0);
    ofpbuf_init(&again, 0);
    int n = sluice_odp_parse(s, &actions);
    check(n <= (int) in->left);
    if (n > 0) {
        sluice_odp_format(nl_attr_get(actions.data), &ds);
        check(sluice_odp_parse(ds_cstr(&ds), &again) == (int) ds.length);
        check(again.size == actions.size
              && !memcmp(again.data, actions.data, again.size));
    } else {
        check(!actions.size);
    }
    ds_destroy(&ds);
    ofpbuf_uninit(&again);
    ofpbuf_uninit(&actions);
    free(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { .p = data, .left = size };

    if (!port) {
        set_up();
    }
    switch ((enum mode) (take_number(&in, 1) % N_MODES)) {
    case MODE_SENT:
        fuzz_sent(&in);
        break;
    case MODE_RAW:
        fuzz_raw(&in);
        break;
    case MODE_TEXT:
        fuzz_text(&in);
        break;
    case N_MODES:
        break;
    }
    return 0;
}
