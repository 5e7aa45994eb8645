/* SPDX-License-Identifier: Apache-2.0
 *
 * The GENEVE options between switch and proxy: constants, layout, and the
 * encoder that the switch uses.
 *
 * In the switch, sluice_tlv_encode() runs when a flow is translated, and
 * sluice_tlv_stamp() and sluice_tlv_auth() run for each packet.  The proxy
 * takes the constants from here, and sluice_tlv_auth(), and has its own
 * decoder; its unit tests encode with the functions below, so that the two
 * ends cannot drift apart.
 *
 * Plain C99, no other header of either tree but siphash.h, no I/O, no
 * allocation: the file is copied into the Open vSwitch tree as
 * lib/sluice/tlv.h.  All integers on the wire are big-endian.
 *
 * The option block as the switch writes it:
 *
 *      META [VM] [TENANT] [OWNER] | TIME SEQUENCE ACTIVITY | [AUTH]
 *      --------------------------   ----------------------   ------
 *      constant per flow            zeros from sluice_tlv_encode(), filled in
 *                                   by sluice_tlv_stamp()  by sluice_tlv_auth()
 *
 * VM and OWNER are absent where they are not known ("absent" and "zero"
 * differ), and TENANT where the VNI is enough, which it is to the switch (see
 * tlv.def), so the stamped part begins at one of a few offsets; it
 * always has SLUICE_TLV_STAMP_SIZE bytes, and nothing but AUTH stands behind
 * it, which is there where the host has a key.  In a part of a frame SPLIT is
 * the last of all options.  ACTIVITY may be constant per flow too, and is not
 * zeros then. */

#ifndef SLUICE_TLV_H
#define SLUICE_TLV_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "siphash.h"

/* Option types. */
enum sluice_tlv_type {
#define SLUICE_TLV_OPTION(NAME, TYPE, SIZE, DOC) \
    SLUICE_TLV_TYPE_##NAME = TYPE,
#include "tlv.def"
#undef SLUICE_TLV_OPTION
};

/* Bytes of data of each option, without its header. */
enum sluice_tlv_size {
#define SLUICE_TLV_OPTION(NAME, TYPE, SIZE, DOC) \
    SLUICE_TLV_SIZE_##NAME = SIZE,
#include "tlv.def"
#undef SLUICE_TLV_OPTION
};

/* GENEVE itself (RFC 8926, section 3.4 and 3.5). */
enum {
    SLUICE_TLV_UDP_PORT = 6081,          /* Unless configured otherwise. */
    SLUICE_TLV_PROTO_ETHERNET = 0x6558,  /* Protocol type of the base header:
                                          * transparent Ethernet bridging. */
    SLUICE_TLV_BASE_SIZE = 8,            /* Base header. */
    SLUICE_TLV_C_BIT = 0x40,             /* In its second byte: there are
                                          * critical options. */
    SLUICE_TLV_OPT_HEADER_SIZE = 4,      /* Header of one option. */
    SLUICE_TLV_CRITICAL = 0x80,          /* Critical bit of an option type. */
    SLUICE_TLV_MAX_OPTIONS_SIZE = 252,   /* 6 bits of 4-byte words. */
    SLUICE_TLV_MAX_OPTION_DATA = 124,    /* 5 bits of 4-byte words. */
};

/* Our own constants. */
enum {
    SLUICE_TLV_CLASS = 0xff53,           /* Option class unless configured. */
    SLUICE_TLV_VERSION = 1,              /* First byte of META. */
    SLUICE_TLV_MAX_TENANT = 0xffffff,    /* A VNI has 24 bits. */
};

/* Flags in the second byte of META. */
enum sluice_tlv_flags {
    SLUICE_TLV_F_TRACE = 0x01,           /* A trace event, not a log. */
    SLUICE_TLV_F_TRUNCATED = 0x02,       /* The inner frame was truncated. */
};

/* Sizes of whole options, header included, and of the parts of the block. */
#define SLUICE_TLV_WHOLE(NAME) \
    (SLUICE_TLV_OPT_HEADER_SIZE + SLUICE_TLV_SIZE_##NAME)
enum {
    SLUICE_TLV_STAMP_SIZE = (SLUICE_TLV_WHOLE(TIME)
                             + SLUICE_TLV_WHOLE(SEQUENCE)
                             + SLUICE_TLV_WHOLE(ACTIVITY)),
    SLUICE_TLV_MAX_BLOCK_SIZE = (SLUICE_TLV_WHOLE(META)
                                 + SLUICE_TLV_WHOLE(VM)
                                 + SLUICE_TLV_WHOLE(TENANT)
                                 + SLUICE_TLV_WHOLE(OWNER)
                                 + SLUICE_TLV_STAMP_SIZE
                                 + SLUICE_TLV_WHOLE(AUTH)),
};

/* What is known of a packet when its flow is translated. */
struct sluice_tlv_constants {
    uint16_t opt_class;         /* Option class, usually SLUICE_TLV_CLASS. */
    uint8_t flags;              /* SLUICE_TLV_F_*. */
    bool has_vm;                /* Whether 'vm' is valid. */
    bool has_tenant;            /* Whether there is a TENANT option. */
    bool has_owner;             /* Whether 'owner_pid', 'owner_uid' are. */
    bool has_auth;              /* Whether there is an AUTH option. */
    uint32_t ofp_port;          /* OpenFlow port the packet came in on. */
    uint32_t tenant;            /* At most SLUICE_TLV_MAX_TENANT; equal to
                                 * the VNI. */
    uint32_t owner_pid;         /* Process id, not 0. */
    uint32_t owner_uid;         /* User id. */
    uint8_t vm[SLUICE_TLV_SIZE_VM]; /* UUID in the order of RFC 4122. */
    uint8_t activity[SLUICE_TLV_SIZE_ACTIVITY]; /* Of all packets; zeros: each
                                                 * gets its own. */
};

/* What is known only when the action runs. */
struct sluice_tlv_stamp {
    uint64_t time_ns;           /* Nanoseconds since the Unix epoch. */
    uint32_t epoch;             /* Changes whenever 'number' restarts. */
    uint32_t number;            /* From 1, plus 1 for each log packet. */
    uint8_t activity[SLUICE_TLV_SIZE_ACTIVITY]; /* Not all zeros. */
};

/* Writes 'value' to the 2 bytes at 'p' and returns the byte behind them. */
static inline uint8_t *
sluice_tlv_put_be16(uint8_t *p, uint16_t value)
{
    p[0] = value >> 8;
    p[1] = value & 0xff;
    return p + 2;
}

/* Writes 'value' to the 4 bytes at 'p' and returns the byte behind them. */
static inline uint8_t *
sluice_tlv_put_be32(uint8_t *p, uint32_t value)
{
    p = sluice_tlv_put_be16(p, value >> 16);
    return sluice_tlv_put_be16(p, value & 0xffff);
}

/* Writes 'value' to the 8 bytes at 'p' and returns the byte behind them. */
static inline uint8_t *
sluice_tlv_put_be64(uint8_t *p, uint64_t value)
{
    p = sluice_tlv_put_be32(p, value >> 32);
    return sluice_tlv_put_be32(p, value & 0xffffffff);
}

/* Writes the header of an option of 'opt_class' and 'type' with 'size' bytes
 * of data, a multiple of 4, to 'p'.  Returns where the data goes. */
static inline uint8_t *
sluice_tlv_put_header(uint8_t *p, uint16_t opt_class,
                      enum sluice_tlv_type type, size_t size)
{
    p = sluice_tlv_put_be16(p, opt_class);
    *p++ = type;
    *p++ = size / 4;
    return p;
}

/* Returns the offset in the block that sluice_tlv_encode() makes from 'c' of
 * its stamped part, which is also the size of the constant part. */
static inline size_t
sluice_tlv_stamp_offset(const struct sluice_tlv_constants *c)
{
    return (SLUICE_TLV_WHOLE(META)
            + (c->has_vm ? SLUICE_TLV_WHOLE(VM) : 0)
            + (c->has_tenant ? SLUICE_TLV_WHOLE(TENANT) : 0)
            + (c->has_owner ? SLUICE_TLV_WHOLE(OWNER) : 0));
}

/* Writes the whole option block for 'c' to 'block', the data of TIME,
 * SEQUENCE and AUTH being zeros.  Returns its size, at most
 * SLUICE_TLV_MAX_BLOCK_SIZE, which 'block' must have room for. */
static inline size_t
sluice_tlv_encode(uint8_t *block, const struct sluice_tlv_constants *c)
{
    uint8_t *p = block;

    p = sluice_tlv_put_header(p, c->opt_class, SLUICE_TLV_TYPE_META,
                              SLUICE_TLV_SIZE_META);
    *p++ = SLUICE_TLV_VERSION;
    *p++ = c->flags;
    p = sluice_tlv_put_be16(p, 0);
    p = sluice_tlv_put_be32(p, c->ofp_port);

    if (c->has_vm) {
        p = sluice_tlv_put_header(p, c->opt_class, SLUICE_TLV_TYPE_VM,
                                  SLUICE_TLV_SIZE_VM);
        memcpy(p, c->vm, SLUICE_TLV_SIZE_VM);
        p += SLUICE_TLV_SIZE_VM;
    }
    if (c->has_tenant) {
        p = sluice_tlv_put_header(p, c->opt_class, SLUICE_TLV_TYPE_TENANT,
                                  SLUICE_TLV_SIZE_TENANT);
        p = sluice_tlv_put_be32(p, c->tenant);
    }
    if (c->has_owner) {
        p = sluice_tlv_put_header(p, c->opt_class, SLUICE_TLV_TYPE_OWNER,
                                  SLUICE_TLV_SIZE_OWNER);
        p = sluice_tlv_put_be32(p, c->owner_pid);
        p = sluice_tlv_put_be32(p, c->owner_uid);
    }

    memset(p, 0, SLUICE_TLV_STAMP_SIZE);
    p = sluice_tlv_put_header(p, c->opt_class, SLUICE_TLV_TYPE_TIME,
                              SLUICE_TLV_SIZE_TIME) + SLUICE_TLV_SIZE_TIME;
    p = sluice_tlv_put_header(p, c->opt_class, SLUICE_TLV_TYPE_SEQUENCE,
                              SLUICE_TLV_SIZE_SEQUENCE)
        + SLUICE_TLV_SIZE_SEQUENCE;
    p = sluice_tlv_put_header(p, c->opt_class, SLUICE_TLV_TYPE_ACTIVITY,
                              SLUICE_TLV_SIZE_ACTIVITY);
    memcpy(p, c->activity, SLUICE_TLV_SIZE_ACTIVITY);
    p += SLUICE_TLV_SIZE_ACTIVITY;
    if (c->has_auth) {
        p = sluice_tlv_put_header(p, c->opt_class, SLUICE_TLV_TYPE_AUTH,
                                  SLUICE_TLV_SIZE_AUTH);
        memset(p, 0, SLUICE_TLV_SIZE_AUTH);
        p += SLUICE_TLV_SIZE_AUTH;
    }
    return p - block;
}

/* Fills a stamp into the part of an option block that begins at
 * sluice_tlv_stamp_offset(), which is what 'p' points to.  'sequence' has the
 * epoch in its upper half and the number in the lower.  Touches
 * SLUICE_TLV_STAMP_SIZE bytes at most, and of those the data only.
 *
 * Each switched packet comes through here: whole words at constant places. */
static inline void
sluice_tlv_stamp_words(uint8_t *p, uint64_t time_ns, uint64_t sequence,
                       const uint64_t activity[2])
{
    p = sluice_tlv_put_be64(p + SLUICE_TLV_OPT_HEADER_SIZE, time_ns);
    p = sluice_tlv_put_be64(p + SLUICE_TLV_OPT_HEADER_SIZE, sequence);
    memcpy(p + SLUICE_TLV_OPT_HEADER_SIZE, activity, SLUICE_TLV_SIZE_ACTIVITY);
}

/* Fills 'stamp' into the same place. */
static inline void
sluice_tlv_stamp(uint8_t *p, const struct sluice_tlv_stamp *stamp)
{
    uint64_t activity[2];

    memcpy(activity, stamp->activity, sizeof activity);
    sluice_tlv_stamp_words(p, stamp->time_ns,
                           (uint64_t) stamp->epoch << 32 | stamp->number,
                           activity);
}

/* Computes what the data of AUTH in 'packet' has to be under 'key'.  'packet',
 * of 'size' bytes, is everything from the GENEVE base header to the end of the
 * inner frame; the data of its AUTH, which counts as zeros whatever it is,
 * begins at 'auth_ofs', at most 'size' - SLUICE_TLV_SIZE_AUTH.  'auth' may be
 * that place. */
static inline void
sluice_tlv_auth(const uint8_t key[SIPHASH_KEY_SIZE], const uint8_t *packet,
                size_t size, size_t auth_ofs,
                uint8_t auth[SLUICE_TLV_SIZE_AUTH])
{
    static const uint8_t zeros[SLUICE_TLV_SIZE_AUTH];
    const size_t rest_ofs = auth_ofs + SLUICE_TLV_SIZE_AUTH;
    struct siphash h;

    siphash_init(&h, key);
    siphash_update(&h, packet, auth_ofs);
    siphash_update(&h, zeros, sizeof zeros);
    siphash_update(&h, packet + rest_ofs, size - rest_ofs);
    siphash_final(&h, auth);
}

#endif /* tlv.h */
