/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads one syslog message: RFC 5424, RFC 3164 in the forms found in the
 * field, or text without a header.  It never fails: what cannot be understood
 * stays whole in 'msg'.
 *
 * In: the message, redacted already.
 * Out: its fields, as slices of it.
 * Runs in: sluice-intake. */
#ifndef SLUICE_SYSLOG_MSG_H
#define SLUICE_SYSLOG_MSG_H 1

#include "slice.h"

enum syslog_dialect {
    SYSLOG_BARE,                /* No header, or none that could be read. */
    SYSLOG_RFC3164,
    SYSLOG_RFC5424,
};

enum { SYSLOG_DEFAULT_PRI = 13 };   /* user.notice: RFC 3164 section 4.3.3. */

struct syslog_msg {
    enum syslog_dialect dialect;
    bool has_pri;               /* Else 'pri' is SYSLOG_DEFAULT_PRI. */
    uint8_t pri;                /* 0 to 191: facility * 8 + severity. */
    bool has_time;
    int64_t time_ns;            /* Unix epoch, if 'has_time'. */
    struct slice timestamp;     /* As written; empty where there is none. */
    struct slice hostname;      /* The fields below: empty for "-" or none. */
    struct slice app_name;
    struct slice procid;
    struct slice msgid;
    struct slice sd;            /* Well-formed elements with their brackets. */
    struct slice msg;           /* Without a leading BOM, without a trailing
                                 * LF, CR LF or NUL. */
};

static inline uint8_t
syslog_severity(uint8_t pri)
{
    return pri & 7;
}

/* Reads 'message' into '*ret'.  'reference_ns' (Unix epoch, nanoseconds: when
 * the switch saw it) supplies the year, and UTC the zone, that an RFC 3164
 * timestamp lacks: the year is the one that brings it nearest to the
 * reference. */
void syslog_msg_parse(struct slice message, int64_t reference_ns,
                      struct syslog_msg *ret);

#endif /* lib/syslog-msg.h */
