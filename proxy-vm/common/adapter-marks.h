/* SPDX-License-Identifier: Apache-2.0
 *
 * Which marks an adapter may confirm: those before which every message is
 * settled, in whatever order the server acknowledges messages.
 *
 *     messages   m m m | m m | m m m m        m: sent, not yet settled
 *     marks            A     B       (none)
 *     groups       0      1      2
 *
 * In: messages, marks, and what was settled.  Out: marks to confirm.
 * Runs in: sluice-relp, sluice-kafka. */
#ifndef SLUICE_ADAPTER_MARKS_H
#define SLUICE_ADAPTER_MARKS_H 1

#include <stdbool.h>
#include <stdint.h>

/* Marks that wait at a time.  A power of two. */
enum { ADAPTER_MAX_MARKS = 1024 };

struct adapter_group {
    uint64_t id;                /* Of the mark that closed it. */
    uint32_t n_open;            /* Messages that are not settled. */
    uint32_t n_refused;
};

struct adapter_marks {
    struct adapter_group groups[ADAPTER_MAX_MARKS];
    uint32_t first;             /* Oldest group. */
    uint32_t next;              /* The one that no mark has closed yet. */
};

void adapter_marks_init(struct adapter_marks *);

/* A message is on its way.  Returns its group, for adapter_marks_settle(). */
uint32_t adapter_marks_add_message(struct adapter_marks *);

/* A message of 'group' was acknowledged, or 'refused': it can't be sent.
 * Returns false if none of that group was on its way. */
bool adapter_marks_settle(struct adapter_marks *, uint32_t group,
                          bool refused);

/* The message of 'group' that was added last is not on its way after all. */
void adapter_marks_take_back(struct adapter_marks *, uint32_t group);

/* Closes the group of the messages since the latest mark.  Returns false if
 * too many wait. */
bool adapter_marks_add(struct adapter_marks *, uint64_t id);

/* Returns true and the oldest mark if it may be confirmed, and forgets it. */
bool adapter_marks_confirm(struct adapter_marks *, uint64_t *ret_id,
                           uint32_t *ret_n_refused);

/* True if nothing waits, neither message nor mark. */
bool adapter_marks_are_idle(const struct adapter_marks *);

#endif /* proxy-vm/common/adapter-marks.h */
