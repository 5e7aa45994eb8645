/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 2, second half, join: makes whole packets of the parts that the switch
 * cut what was too large for the underlay into.
 *
 * In: 'packet', 'vtep', 'meta' and 'frame' of a record that is a part (SPLIT).
 * Out: 'packet', once it is whole, for decap_whole(); drops of parts that
 * could not be joined.
 *
 * Parts that wait lie in RUN/intake.parts, in tmpfs, which outlives the
 * process: a part that had left the socket is as safe as a whole packet.  Like
 * RUN/intake.rx the file has bytes before redaction, and is wiped at an
 * orderly end unless parts wait. */
#ifndef SLUICE_INTAKE_JOIN_H
#define SLUICE_INTAKE_JOIN_H 1

#include "join.h"
#include "record.h"
#include "stats.h"

struct parts;

/* Joins by way of the file 'path', or of memory of this process alone if it is
 * null.  Tells 'drop' of parts that it took and then had to drop.  Returns 0
 * and '*ret', or a positive errno. */
int parts_create(const char *path, struct intake_stats *, join_drop_cb *drop,
                 void *aux, struct parts **ret);
void parts_destroy(struct parts *);

/* Takes the part 'rec'.  Returns SLUICE_DROP_NONE, or why it cannot.  If the
 * frame is whole with it, '*ret_whole' is true, and 'rec''s packet the whole
 * one until parts_done().  'again' is as for join_add(). */
enum sluice_drop parts_run(struct parts *, struct record *rec,
                           uint16_t option_class, bool again,
                           bool *ret_whole);

/* Forgets the frame that became whole last, if any: its line is safe. */
void parts_done(struct parts *);

/* Forgets what an earlier process made whole and was done with.  To be called
 * once the packet that it was not done with has been run, or dropped for the
 * reason 'drop'. */
void parts_recovered(struct parts *, enum sluice_drop drop);

/* Drops what waited too long at 'now', which is time_msec(); or everything. */
void parts_tick(struct parts *, long long int now);
void parts_flush(struct parts *);

#endif /* proxy-vm/intake/s2-join.h */
