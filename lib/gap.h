/* SPDX-License-Identifier: Apache-2.0
 *
 * A gap: something of a tenant's that is known to be missing.  The proxy
 * announces it by a line of its own in the tenant's stream, the gap record,
 * with what, where and when in our structured data, where no guest can write.
 *
 * In: struct gap.
 * Out: the fields of the record.
 * Runs in: sluice-intake. */
#ifndef SLUICE_GAP_H
#define SLUICE_GAP_H 1

#include "syslog-msg.h"

enum gap_reason {
#define GAP(SYMBOL, NAME, TEXT) GAP_##SYMBOL,
#include "gap.def"
#undef GAP
    N_GAP_REASONS
};

/* What is zero is not known, or does not apply. */
struct gap {
    enum gap_reason reason;
    uint64_t packets;           /* How many are missing... */
    uint64_t bytes;             /* ...or how many bytes of a stream. */
    uint64_t from_ns;           /* Switch time of what came last before it, */
    uint64_t to_ns;             /* and of what came first after it. */
    uint8_t protocol;           /* Of the flow: 17 or 6; 0: of no one flow. */
    uint8_t src_ip[16];
    uint8_t dst_ip[16];
    uint16_t src_port;
    uint16_t dst_port;

    /* What a client rule dropped. */
    uint64_t lines;
    const char *rule;           /* Null: no rule did. */
    struct slice app_name;      /* Of lines that repeat one, */
    struct slice repeated;      /* and how their text begins; or empty. */
};

const char *gap_reason_name(enum gap_reason);
const char *gap_reason_text(enum gap_reason);

/* Enough for the text of any gap, if 'app_name' and 'repeated' have at most 48
 * and 128 bytes. */
enum { GAP_TEXT_SIZE = 256 };

/* Makes the message of a gap record: APP-NAME "sluice", MSGID "gap", and a
 * sentence, which goes into 'text' and is borrowed by '*ret'. */
void gap_compose(const struct gap *, char text[GAP_TEXT_SIZE],
                 struct syslog_msg *ret);

#endif /* lib/gap.h */
