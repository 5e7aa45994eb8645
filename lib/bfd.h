/* SPDX-License-Identifier: Apache-2.0
 *
 * Bidirectional Forwarding Detection (RFC 5880, over one hop as in RFC 5881),
 * the passive end: lets a switch find out whether this proxy lives.
 *
 * In: the payload of a UDP datagram, nothing in it trusted: a GENEVE header
 * without options and with any VNI, and in it a BFD control packet, as Open
 * vSwitch sends it through a tunnel port with "bfd:enable=true".
 * Out: the answer, to be sent to the GENEVE port of the sender.
 * Runs in: sluice-intake.
 *
 * Asynchronous mode alone: no echo, no demand mode, no authentication.  The
 * passive end has no timer.  It answers control packets, one answer at most to
 * each and none larger than what it answers, so that its rate is the sender's
 * and nobody is sent more than he sends; it keeps to the interval that the
 * sender asks for, and to BFD_MAX_ANSWERS_PER_S in all.  That it says nothing
 * where nothing comes is what a switch is to notice anyway.  For the same
 * reason it never polls: its transmit interval, which the sender's makes, is
 * all of its timing that ever changes.
 *
 *                sender says: Down           Init or Up
 *      Down                   -> Init        Init: -> Up; Up: stays
 *      Init                   stays          -> Up
 *      Up                     -> Down        stays
 *
 * and Down again from any state, if nothing came for the detection time or the
 * sender is AdminDown (RFC 5880 section 6.8.6).
 *
 * One session for each sender and VNI, of which no two tunnel ports of a
 * switch can have the same. */
#ifndef SLUICE_BFD_H
#define SLUICE_BFD_H 1

#include "slice.h"

enum {
    BFD_UDP_PORT = 3784,
    BFD_SIZE = 24,              /* Of a control packet without AUTH. */
    /* GENEVE, Ethernet, IPv4, UDP, BFD. */
    BFD_TUNNELLED_SIZE = 8 + 14 + 20 + 8 + BFD_SIZE,
    BFD_MAX_SESSIONS = 1024,
    BFD_MAX_ANSWERS_PER_S = 20000,
};

enum bfd_state {
    BFD_ADMIN_DOWN,
    BFD_DOWN,
    BFD_INIT,
    BFD_UP,
};

/* What bfd_run() did with a packet. */
enum bfd_verdict {
    BFD_ANSWERED,
    BFD_IGNORED,                /* Malformed, or of no session. */
    BFD_LIMITED,                /* Too many sessions, or too soon. */
};

struct bfd_answer {
    uint8_t packet[BFD_TUNNELLED_SIZE];
    enum bfd_state state;       /* Of the session, */
    bool state_changed;         /* and whether it was another before. */
};

struct bfd;

/* Makes room for 'max_sessions', at most BFD_MAX_SESSIONS.  'seed' should be
 * random: it keeps others from guessing discriminators.  Returns null if there
 * is no memory. */
struct bfd *bfd_create(uint64_t seed, size_t max_sessions);
void bfd_destroy(struct bfd *);

/* Whether 'packet' is BFD's: a GENEVE packet without options for UDP port
 * BFD_UDP_PORT.  Our log packets always have options. */
bool bfd_is_control(struct slice packet);

/* Handles 'packet', for which bfd_is_control() holds, from 'sender' at
 * 'now_ms' on a clock that does not step.  Returns BFD_ANSWERED and fills in
 * '*ret', or leaves it untouched. */
enum bfd_verdict bfd_run(struct bfd *, struct slice packet,
                         const uint8_t sender[16], uint64_t now_ms,
                         struct bfd_answer *ret);

#endif /* lib/bfd.h */
