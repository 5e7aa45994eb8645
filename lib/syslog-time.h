/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the timestamps of syslog messages in the forms found in the field.
 *
 * In: a cursor at the timestamp.
 * Out: the point in time as written, and the cursor behind it.
 * Runs in: sluice-intake. */
#ifndef SLUICE_SYSLOG_TIME_H
#define SLUICE_SYSLOG_TIME_H 1

#include "cursor.h"

/* A point in time as written. */
struct syslog_stamp {
    int64_t days;               /* Since 1970-01-01. */
    uint32_t hour;
    uint32_t minute;
    uint32_t second;            /* Up to 60. */
    uint32_t ns;
    int32_t offset_s;           /* East of UTC. */
    bool has_zone;              /* Else 'offset_s' is 0 for want of one. */
};

/* Both return false, and leave the cursor anywhere, if there is no timestamp,
 * or one of a date that is in no calendar.
 *
 * The first takes a timestamp of RFC 3339, as RFC 5424 section 6.2.3 restricts
 * it, but with up to nine digits of fraction.  If 'lax', the zone may be
 * missing or lack its colon.
 *
 * The second takes "Mmm dd hh:mm:ss" (RFC 3164 section 4.1.2), the day padded
 * with a space, a zero or not at all, with or without a year, which stands in
 * front (Cisco NX-OS), behind the day (Cisco ASA) or behind the time
 * (Juniper), a fraction behind the second, and an offset from UTC behind that
 * (Huawei).  Without a year, the date is the one nearest to 'reference_ns'. */
bool syslog_take_rfc3339(struct cursor *, bool lax, struct syslog_stamp *);
bool syslog_take_rfc3164_time(struct cursor *, int64_t reference_ns,
                              struct syslog_stamp *);

/* Finds the offset of a zone that is written by name: those of RFC 5322
 * section 4.3, and Europe's. */
bool syslog_find_zone(struct slice name, int32_t *ret_offset_s);

#endif /* lib/syslog-time.h */
