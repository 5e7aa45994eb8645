/* SPDX-License-Identifier: Apache-2.0
 *
 * The passive end of BFD.  See bfd.h. */
#include "bfd.h"

#include <stdlib.h>

#include "cursor.h"

enum {
    PROTO_ETHERNET = 0x6558,    /* GENEVE protocol type. */
    ETHERTYPE_IPV4 = 0x0800,
    IP_PROTO_UDP = 17,
    IP_TTL = 255,               /* RFC 5881 section 5: both ways. */
    IP_TOS = 0xc0,              /* Internetwork control. */
    SOURCE_PORT = 49152,        /* RFC 5881 section 4. */

    VERSION = 1,
    MULTIPLIER = 3,             /* Ours: the sender's detection time is so
                                 * many of our intervals. */
    FLAG_POLL = 0x20,
    FLAG_FINAL = 0x10,
    FLAG_AUTH = 0x04,
    FLAG_MULTIPOINT = 0x01,

    DIAG_NONE = 0,
    DIAG_EXPIRED = 1,
    DIAG_NEIGHBOR_DOWN = 3,

    MIN_RX_US = 100000,         /* We take packets as often as this. */
    DOWN_MIN_TX_US = 1000000,   /* RFC 5880 section 6.8.3: not below that,
                                 * unless Up. */
    MIN_GAP_MS = 5,             /* Between any two answers of a session. */
    MAX_DETECTION_MS = 60000,   /* A session is not kept for longer without a
                                 * packet, whatever the sender claims. */
};

/* What a packet says. */
struct control {
    uint8_t eth_src[6];
    uint8_t ip_src[4];
    uint8_t ip_dst[4];
    uint32_t vni;
    uint8_t flags;
    uint8_t multiplier;
    enum bfd_state state;
    uint32_t my_disc;
    uint32_t your_disc;
    uint32_t min_tx_us;
    uint32_t min_rx_us;
};

/* In the terms of RFC 5880 section 6.8.1. */
struct session {
    uint8_t sender[16];
    uint32_t vni;
    enum bfd_state state;
    uint8_t diag;
    uint32_t local_disc;
    uint32_t remote_disc;
    uint64_t expires_ms;        /* When the detection time is over. */
    uint64_t answered_ms;       /* Latest answer. */
};

struct bfd {
    uint64_t random;
    uint64_t budget_ms;         /* Start of the second that 'n_answers' is */
    uint32_t n_answers;         /* of. */
    size_t max_sessions;
    size_t n_sessions;          /* Entries in use, from the first on. */
    struct session sessions[BFD_MAX_SESSIONS];
};

struct bfd *
bfd_create(uint64_t seed, size_t max_sessions)
{
    struct bfd *bfd = calloc(1, sizeof *bfd);

    if (bfd) {
        bfd->random = seed;
        bfd->max_sessions = (max_sessions < BFD_MAX_SESSIONS
                             ? max_sessions : BFD_MAX_SESSIONS);
    }
    return bfd;
}

void
bfd_destroy(struct bfd *bfd)
{
    free(bfd);
}

bool
bfd_is_control(struct slice packet)
{
    struct cursor c = cursor_of(packet);

    if (packet.size < BFD_TUNNELLED_SIZE) {
        return false;
    }
    bool is_plain = cursor_be(&c, 1) == 0;      /* Version 0, no options. */
    cursor_take(&c, 1);
    bool is_ethernet = cursor_be(&c, 2) == PROTO_ETHERNET;
    cursor_take(&c, 4 + 12);
    bool is_ip = cursor_be(&c, 2) == ETHERTYPE_IPV4;
    bool has_no_options = cursor_be(&c, 1) == 0x45;
    cursor_take(&c, 8);
    bool is_udp = cursor_be(&c, 1) == IP_PROTO_UDP;
    cursor_take(&c, 2 + 8 + 2);
    bool is_bfd = cursor_be(&c, 2) == BFD_UDP_PORT;
    return (is_plain && is_ethernet && is_ip && has_no_options && is_udp
            && is_bfd);
}

/* Takes GENEVE, Ethernet, IPv4 and UDP.  Returns false if they are not what
 * must be around a control packet. */
static bool
parse_tunnel(struct cursor *c, struct control *ret)
{
    cursor_take(c, 4);                          /* As bfd_is_control() says. */
    ret->vni = cursor_be(c, 3);
    cursor_take(c, 1);

    cursor_take(c, 6);
    cursor_copy(c, ret->eth_src, sizeof ret->eth_src);
    cursor_take(c, 2);

    size_t available = c->left;
    cursor_take(c, 2);
    size_t total_size = cursor_be(c, 2);
    cursor_take(c, 2);
    uint16_t fragment = cursor_be(c, 2);
    uint8_t ttl = cursor_be(c, 1);
    cursor_take(c, 1 + 2);
    cursor_copy(c, ret->ip_src, sizeof ret->ip_src);
    cursor_copy(c, ret->ip_dst, sizeof ret->ip_dst);

    cursor_take(c, 4);
    size_t udp_size = cursor_be(c, 2);
    cursor_take(c, 2);
    return (!c->failed && total_size <= available
            && total_size >= 20 + 8 + BFD_SIZE
            && udp_size >= 8 + BFD_SIZE && udp_size <= total_size - 20
            && !(fragment & 0x3fff) && ttl == IP_TTL);
}

/* Parses 'packet'.  Returns false if RFC 5880 section 6.8.6 has it discarded
 * before a session is looked for. */
static bool
parse(struct slice packet, struct control *ret)
{
    struct cursor c = cursor_of(packet);

    if (!parse_tunnel(&c, ret)) {
        return false;
    }

    uint8_t version = cursor_be(&c, 1) >> 5;
    uint8_t state_flags = cursor_be(&c, 1);
    ret->state = state_flags >> 6;
    ret->flags = state_flags & 0x3f;
    ret->multiplier = cursor_be(&c, 1);
    uint8_t size = cursor_be(&c, 1);
    ret->my_disc = cursor_be(&c, 4);
    ret->your_disc = cursor_be(&c, 4);
    ret->min_tx_us = cursor_be(&c, 4);
    ret->min_rx_us = cursor_be(&c, 4);
    cursor_take(&c, 4);                         /* Echo: we have none. */
    return (!c.failed && version == VERSION && size == BFD_SIZE
            && ret->multiplier && ret->my_disc
            && !(ret->flags & (FLAG_AUTH | FLAG_MULTIPOINT))
            && (ret->your_disc || ret->state <= BFD_DOWN));
}

/* Returns a discriminator that is not 0 and that no session has: SplitMix64,
 * by Steele, Lea and Flood. */
static uint32_t
new_discriminator(struct bfd *bfd)
{
    for (;;) {
        uint64_t z = bfd->random += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        uint32_t disc = z >> 32;
        bool taken = !disc;

        for (size_t i = 0; i < bfd->n_sessions; i++) {
            taken |= bfd->sessions[i].local_disc == disc;
        }
        if (!taken) {
            return disc;
        }
    }
}

/* Finds the session of 'sender' and 'vni', or makes one if there is none and
 * 'may_create': in the first place that is free, or whose session expired
 * long ago. */
static struct session *
find_session(struct bfd *bfd, const uint8_t sender[16], uint32_t vni,
             uint64_t now_ms, bool may_create)
{
    struct session *place = NULL;

    for (size_t i = 0; i < bfd->n_sessions; i++) {
        struct session *s = &bfd->sessions[i];

        if (s->vni == vni && !memcmp(s->sender, sender, sizeof s->sender)) {
            return s;
        }
        if (!place && now_ms > s->expires_ms) {
            place = s;
        }
    }
    if (!may_create) {
        return NULL;
    }
    if (bfd->n_sessions < bfd->max_sessions) {
        place = &bfd->sessions[bfd->n_sessions++];
    }
    if (place) {
        memset(place, 0, sizeof *place);
        memcpy(place->sender, sender, sizeof place->sender);
        place->vni = vni;
        place->state = BFD_DOWN;
        place->local_disc = new_discriminator(bfd);
    }
    return place;
}

static void
set_state(struct session *s, enum bfd_state state, uint8_t diag)
{
    s->state = state;
    s->diag = diag;
}

/* RFC 5880 section 6.8.6, from "If the received state is AdminDown" on. */
static void
step(struct session *s, enum bfd_state remote)
{
    switch (s->state) {
    case BFD_DOWN:
        if (remote == BFD_DOWN) {
            set_state(s, BFD_INIT, s->diag);
        } else if (remote == BFD_INIT) {
            set_state(s, BFD_UP, DIAG_NONE);
        }
        break;
    case BFD_INIT:
        if (remote == BFD_INIT || remote == BFD_UP) {
            set_state(s, BFD_UP, DIAG_NONE);
        } else if (remote == BFD_ADMIN_DOWN) {
            set_state(s, BFD_DOWN, DIAG_NEIGHBOR_DOWN);
        }
        break;
    case BFD_UP:
        if (remote == BFD_DOWN || remote == BFD_ADMIN_DOWN) {
            set_state(s, BFD_DOWN, DIAG_NEIGHBOR_DOWN);
        }
        break;
    case BFD_ADMIN_DOWN:        /* We never are. */
        break;
    }
}

static uint32_t
max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Returns how often the sender is to hear from us: as often as he sends. */
static uint32_t
our_min_tx_us(const struct session *s, const struct control *in)
{
    uint32_t us = max_u32(in->min_tx_us, MIN_RX_US);

    return s->state == BFD_UP ? us : max_u32(us, DOWN_MIN_TX_US);
}

/* Returns for how long the sender may be silent (RFC 5880 section 6.8.4). */
static uint64_t
detection_ms(const struct control *in)
{
    uint64_t ms = ((uint64_t) in->multiplier
                   * max_u32(in->min_tx_us, MIN_RX_US) / 1000);

    return ms < MAX_DETECTION_MS ? ms : MAX_DETECTION_MS;
}

/* Whether 's' may answer 'in' now.  A poll must be answered at once, and a
 * change should be. */
static bool
may_answer(struct bfd *bfd, const struct session *s, const struct control *in,
           bool changed, uint64_t now_ms)
{
    uint64_t gap_ms = now_ms - s->answered_ms;
    bool urgent = changed || in->flags & FLAG_POLL;

    if (s->answered_ms && gap_ms < MIN_GAP_MS) {
        return false;
    }
    /* RFC 5880 section 6.8.7: not more often than the sender wants, not at all
     * if that is never, with up to a quarter less for jitter. */
    if (!urgent
        && (!in->min_rx_us
            || (s->answered_ms
                && gap_ms < (uint64_t) in->min_rx_us * 3 / 4 / 1000))) {
        return false;
    }
    if (now_ms - bfd->budget_ms >= 1000) {
        bfd->budget_ms = now_ms;
        bfd->n_answers = 0;
    }
    return bfd->n_answers < BFD_MAX_ANSWERS_PER_S;
}

static uint8_t *
put_be(uint8_t *p, uint64_t value, size_t n)
{
    for (size_t i = n; i-- > 0; ) {
        *p++ = value >> (8 * i);
    }
    return p;
}

static uint8_t *
put(uint8_t *p, const void *data, size_t n)
{
    memcpy(p, data, n);
    return p + n;
}

/* Fills in the checksum of the IPv4 header at 'ip'. */
static void
finish_ip(uint8_t *ip)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < 20; i += 2) {
        sum += ip[i] << 8 | ip[i + 1];
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    put_be(ip + 10, ~sum & 0xffff, 2);
}

/* Writes the answer of 's' to 'in'. */
static void
put_answer(uint8_t packet[BFD_TUNNELLED_SIZE], const struct session *s,
           const struct control *in)
{
    /* Locally administered, and 3784 at its end. */
    static const uint8_t our_mac[6] = { 0x02, 0x53, 0x4c, 0x00, 0x0e, 0xc8 };
    uint8_t *p = packet;

    p = put_be(p, PROTO_ETHERNET, 4);           /* Version 0, no options. */
    p = put_be(p, in->vni << 8, 4);

    p = put(p, in->eth_src, 6);
    p = put(p, our_mac, 6);
    p = put_be(p, ETHERTYPE_IPV4, 2);

    uint8_t *ip = p;
    p = put_be(p, 0x45, 1);
    p = put_be(p, IP_TOS, 1);
    p = put_be(p, 20 + 8 + BFD_SIZE, 2);
    p = put_be(p, 0, 4);
    p = put_be(p, IP_TTL, 1);
    p = put_be(p, IP_PROTO_UDP, 1);
    p = put_be(p, 0, 2);
    p = put(p, in->ip_dst, 4);
    p = put(p, in->ip_src, 4);
    finish_ip(ip);

    p = put_be(p, SOURCE_PORT, 2);
    p = put_be(p, BFD_UDP_PORT, 2);
    p = put_be(p, 8 + BFD_SIZE, 2);
    p = put_be(p, 0, 2);                        /* No checksum (RFC 768). */

    p = put_be(p, VERSION << 5 | s->diag, 1);
    p = put_be(p, s->state << 6 | (in->flags & FLAG_POLL ? FLAG_FINAL : 0),
               1);
    p = put_be(p, MULTIPLIER, 1);
    p = put_be(p, BFD_SIZE, 1);
    p = put_be(p, s->local_disc, 4);
    p = put_be(p, s->remote_disc, 4);
    p = put_be(p, our_min_tx_us(s, in), 4);
    p = put_be(p, MIN_RX_US, 4);
    put_be(p, 0, 4);                            /* No echo. */
}

enum bfd_verdict
bfd_run(struct bfd *bfd, struct slice packet, const uint8_t sender[16],
        uint64_t now_ms, struct bfd_answer *ret)
{
    struct control in;

    if (!parse(packet, &in)) {
        return BFD_IGNORED;
    }

    struct session *s = find_session(bfd, sender, in.vni, now_ms,
                                     !in.your_disc);
    if (!s) {
        return in.your_disc ? BFD_IGNORED : BFD_LIMITED;
    }
    if (in.your_disc && in.your_disc != s->local_disc) {
        return BFD_IGNORED;
    }

    enum bfd_state before = s->state;
    if (s->state != BFD_DOWN && now_ms > s->expires_ms) {
        set_state(s, BFD_DOWN, DIAG_EXPIRED);
    }
    s->remote_disc = in.my_disc;
    s->expires_ms = now_ms + detection_ms(&in);
    step(s, in.state);

    bool changed = s->state != before;
    if (!may_answer(bfd, s, &in, changed, now_ms)) {
        return BFD_LIMITED;
    }
    bfd->n_answers++;
    s->answered_ms = now_ms;
    put_answer(ret->packet, s, &in);
    ret->state = s->state;
    ret->state_changed = changed;
    return BFD_ANSWERED;
}
