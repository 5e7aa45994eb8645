/* SPDX-License-Identifier: Apache-2.0
 *
 * Parses what the switch sends: a GENEVE header (RFC 8926 section 3.4), its
 * options (section 3.5, ours are in tlv.def) and the inner frame behind them.
 *
 * In: the payload of a UDP datagram, nothing in it trusted.
 * Out: struct tunnel_meta and the inner frame, or the reason for dropping it.
 * Runs in: sluice-intake. */
#ifndef SLUICE_GENEVE_H
#define SLUICE_GENEVE_H 1

#include "drop.h"
#include "slice.h"

/* Which options a packet had, a bit for each row of tlv.def: TUNNEL_HAS_META
 * and so on.  Absent and zero differ.  Without META, a stock OVS sent it. */
enum tunnel_option {
#define SLUICE_TLV_OPTION(NAME, TYPE, SIZE, DOC) TUNNEL_OPTION_##NAME,
#include "tlv.def"
#undef SLUICE_TLV_OPTION
};

enum tunnel_has {
#define SLUICE_TLV_OPTION(NAME, TYPE, SIZE, DOC) \
    TUNNEL_HAS_##NAME = 1 << TUNNEL_OPTION_##NAME,
#include "tlv.def"
#undef SLUICE_TLV_OPTION
};

struct tunnel_meta {
    uint32_t has;               /* TUNNEL_HAS_*. */
    uint32_t vni;               /* 24 bits: the tenant number. */
    uint8_t flags;              /* META flags, undefined bits cleared. */
    uint32_t ofp_port;          /* META: OpenFlow port number. */
    uint8_t vm[16];             /* VM: UUID, network byte order. */
    uint64_t time_ns;           /* TIME: Unix epoch, nanoseconds. */
    uint32_t seq_epoch;         /* SEQUENCE. */
    uint32_t seq_number;
    uint8_t activity[16];       /* ACTIVITY. */
    struct slice auth;          /* AUTH, into the input.  Not verified until
                                 * geneve_verify() says so. */
    uint32_t owner_pid;         /* OWNER. */
    uint32_t owner_uid;
    uint16_t split_id;          /* SPLIT: this is a part of a frame. */
    uint8_t split_index;        /* Less than 'split_count'. */
    uint8_t split_count;        /* At least 2. */
    struct slice name;          /* NAME without its padding, into the input. */
};

/* Parses 'packet', whose options of class 'option_class' are ours.
 *
 * Options of other classes and unknown ones of ours are skipped, however often
 * they stand there, unless they are critical.  A packet must name its tenant:
 * with VNI 0 it is dropped as SLUICE_DROP_TENANT_UNKNOWN.  It need not have a
 * TENANT option, which can only repeat the VNI.
 *
 * Returns SLUICE_DROP_NONE and fills '*ret_meta' and '*ret_frame' (a slice of
 * 'packet': the inner Ethernet frame), or the reason to drop the packet and
 * leaves both untouched. */
enum sluice_drop geneve_parse(struct slice packet, uint16_t option_class,
                              struct tunnel_meta *ret_meta,
                              struct slice *ret_frame);

/* Returns true if 'packet', in which geneve_parse() found 'meta', has an AUTH
 * option that was made under 'key' and nothing was changed since.  Takes the
 * same time however much of it is right. */
bool geneve_verify(struct slice packet, const struct tunnel_meta *meta,
                   const uint8_t key[16]);

/* A base header and all the options that fit behind it. */
enum { GENEVE_MAX_HEADER_SIZE = 8 + 252 };

/* Writes what stands before the frame in 'packet', which geneve_parse() took,
 * but without the options that a part of a frame has for itself, SPLIT and
 * AUTH.  Equal for all parts of a frame.  Returns its size. */
size_t geneve_whole_header(struct slice packet, uint16_t option_class,
                           uint8_t header[GENEVE_MAX_HEADER_SIZE]);

#endif /* lib/geneve.h */
