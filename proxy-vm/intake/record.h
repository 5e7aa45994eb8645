/* SPDX-License-Identifier: Apache-2.0
 *
 * One log packet on its way through the stages of sluice-intake.  Each stage
 * fills in its part and reads what the stages before it found out. */
#ifndef SLUICE_RECORD_H
#define SLUICE_RECORD_H 1

#include "geneve.h"
#include "inner.h"
#include "redact.h"
#include "syslog-msg.h"

struct gap;
struct source;
struct source_look;

struct record {
    /* Stage 1, receive. */
    struct slice packet;        /* GENEVE header and what follows. */
    uint8_t vtep[16];           /* Sending host; IPv4 as ::ffff:a.b.c.d. */
    uint64_t received_ns;       /* Unix epoch. */

    /* Stage 2, decap. */
    struct tunnel_meta meta;
    struct slice frame;         /* What stands behind the options. */
    struct inner_packet inner;
    uint64_t switch_ns;         /* TIME, else received_ns. */

    /* Stage 3, account. */
    struct source *source;

    /* Stage 4, redact. */
    struct redact_result text;

    /* Stage 5, parse. */
    struct syslog_msg msg;
    int64_t clock_skew_ms;      /* How far ahead the guest's clock is, if that
                                 * is worth to be told; else 0. */

    /* Stage 6, enrich. */
    struct source_look *look;   /* What is known of its VM. */

    /* Stage 6, rules.  Names, or null. */
    const char *route;          /* The destination that alone gets it. */
    const char *verbose;        /* The rule that asks for all that is known. */

    /* Stage 6, enrich. */
    uint32_t context_sets;      /* Of the values of its VM that it gets; 0:
                                 * all. */

    bool ambiguous;             /* Its stream repeated bytes with others in
                                 * their place. */
    const struct gap *gap;      /* Nonnull: no guest's line, but one that
                                 * announces this. */
};

#endif /* proxy-vm/intake/record.h */
