/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of stage 4 share: see s4-reassemble.h.
 *
 * Runs in: sluice-intake. */
#ifndef SLUICE_REASSEMBLE_PRIVATE_H
#define SLUICE_REASSEMBLE_PRIVATE_H 1

#include "s4-hold.h"
#include "s4-reassemble.h"

/* What a step works with. */
struct step {
    struct hold *hold;
    const struct reassemble_config *config;
    const struct reassemble_sink *sink;
    struct record *rec;         /* Packet, or what stands for it. */
    uint64_t now_ms;
    struct reassemble_tally *tally;
};

/* Passes a gap of 'slot' on. */
void step_gap(struct step *, const struct hold_slot *, enum gap_reason,
              uint64_t packets, uint64_t bytes, uint64_t from_ns);

/* s4-datagram.c: takes a fragment.  Returns true if that completed the
 * datagram, and '*ret', which is valid until the slot is released. */
bool datagram_take(struct step *, struct hold_slot *,
                   const struct inner_packet *, struct slice *ret);

/* Gives a datagram up. */
void datagram_give_up(struct step *, struct hold_slot *, enum sluice_drop);

/* s4-stream.c: begins to follow a stream whose first packet is 'in'. */
void tcp_stream_init(struct hold_slot *, const struct inner_packet *in);
void tcp_stream_take(struct step *, struct hold_slot *,
                 const struct inner_packet *in);

/* Does what is due; with 'end', nothing more will come. */
void tcp_stream_look(struct step *, struct hold_slot *, bool end);
void tcp_stream_give_up(struct step *, struct hold_slot *, enum gap_reason);

/* Returns true if tcp_stream_look() has to come some time. */
bool tcp_stream_waits(const struct hold_slot *);

#endif /* proxy-vm/intake/s4-private.h */
