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

#include "cursor.h"

enum syslog_dialect {
    SYSLOG_BARE,                /* No header, or none that could be read. */
    SYSLOG_RFC3164,
    SYSLOG_RFC5424,
};

/* Limits of RFC 5424 section 6, in bytes. */
enum {
    SYSLOG_MAX_PRI = 191,
    SYSLOG_MAX_HOSTNAME = 255,
    SYSLOG_MAX_APP_NAME = 48,
    SYSLOG_MAX_PROCID = 128,
    SYSLOG_MAX_MSGID = 32,
    SYSLOG_MAX_SD_NAME = 32,
};

/* What a byte may be part of. */
enum syslog_class {
    SYSLOG_C_PRINT = 1 << 0,    /* PRINTUSASCII. */
    SYSLOG_C_SD_NAME = 1 << 1,  /* SD-NAME, without the backslash: receivers
                                 * take it for an escape there too, and so
                                 * "[\\]" for an element that goes on. */
    SYSLOG_C_VALUE = 1 << 2,    /* PARAM-VALUE, without being escaped. */
    SYSLOG_C_HOST = 1 << 3,     /* RFC 3164 HOSTNAME: a name or address. */
    SYSLOG_C_TAG = 1 << 4,      /* RFC 3164 TAG, as programs name themselves:
                                 * "CRON", "postfix/smtpd", "getty@tty1". */
    SYSLOG_C_PID = 1 << 5,      /* Between the brackets behind a TAG. */
    SYSLOG_C_PLAIN = 1 << 6,    /* PARAM-VALUE, and printable US-ASCII. */
};
extern const uint8_t syslog_classes[256];

enum { SYSLOG_DEFAULT_PRI = 13 };   /* user.notice: RFC 3164 section 4.3.3. */

struct syslog_msg {
    enum syslog_dialect dialect;
    bool has_pri;               /* Else 'pri' is SYSLOG_DEFAULT_PRI. */
    uint8_t pri;                /* 0 to 191: facility * 8 + severity. */
    bool has_time;
    bool has_zone;              /* 'time_ns' is not taken for UTC for want of
                                 * a zone. */
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

/* Reads 'message' into '*ret'.
 *
 * tests/dialects/forms.txt shows the forms that it knows, each with an
 * example, and docs/dialects.md says how it decides.
 *
 * A PRI that can be read is taken off 'msg' in every dialect.  A date that is
 * in no calendar spoils the header around it; one that 'time_ns' can't hold
 * (before 1678, after 2261) does not, and 'has_time' is false.  Second 60 is
 * second 0 of the next minute.
 *
 * 'reference_ns' (Unix epoch, nanoseconds: when the switch saw it) supplies
 * the year, and UTC the zone, that an RFC 3164 timestamp lacks: the year is
 * the one that brings it nearest to the reference. */
void syslog_msg_parse(struct slice message, int64_t reference_ns,
                      struct syslog_msg *ret);

/* Returns true if all of 's' is an SD-NAME (RFC 5424 section 6.3.3) that every
 * receiver understands: 1 to SYSLOG_MAX_SD_NAME bytes of SYSLOG_C_SD_NAME. */
bool syslog_is_sd_name(struct slice s);

/* Takes one SD-ELEMENT (RFC 5424 section 6.3) off 'c', all but the validity
 * of its UTF-8 checked.  Returns true and its SD-ID in '*ret_id', or returns
 * false and fails 'c'. */
bool syslog_sd_take(struct cursor *c, struct slice *ret_id);

#endif /* lib/syslog-msg.h */
