/* SPDX-License-Identifier: Apache-2.0
 *
 * Failpoints: named places in the programs where a test may have the process
 * die as by kill -9, or a call fail.  Their table is failpoints.def.
 *
 * A test makes a file of one struct failpoint_slot for each row, in the order
 * of the table, all zeros, that only its owner may read and write.  It names
 * the file in the environment variable SLUICE_FAILPOINTS of the program, whose
 * children inherit it, arms slots, and sees what was passed, in the same
 * memory.  A program that was not started so looks at one pointer at each
 * failpoint, of which none is passed for each packet or line.  Configured with
 * --disable-failpoints there are none.
 *
 * In: SLUICE_FAILPOINTS, not looked at by a program that has more rights than
 * who started it; a file that does not belong to the user of the process
 * counts as none.
 * Runs in: all programs of the proxy. */
#ifndef SLUICE_FAILPOINT_H
#define SLUICE_FAILPOINT_H 1

#include <stdbool.h>
#include <stdint.h>

enum failpoint {
#define FAILPOINT(SYMBOL, NAME, PROGRAM, TRIGGER, WHEN) FAIL_##SYMBOL,
#include "failpoints.def"
#undef FAILPOINT
    N_FAILPOINTS
};

/* In the byte order of the machine. */
struct failpoint_slot {
    uint64_t n_passes;          /* While the file was in use. */
    int64_t countdown;          /* Armed: the pass after so many less one. */
    uint32_t error;             /* What is returned then; 0: the process ends,
                                 * by SIGKILL. */
    uint32_t n_acted;
    char program[24];           /* Passes of other programs do not count; "":
                                 * all do. */
    uint8_t reserved[16];
};
_Static_assert(sizeof(struct failpoint_slot) == 64, "as tests write it");

/* Null: none is on. */
extern struct failpoint_slot *failpoint_slots;

/* Looks whether this process is to have failpoints.  Says so on standard error
 * if it is; if not, takes the variable out of the environment. */
void failpoints_init(void);

/* Passes a failpoint that may be on. */
int failpoint_pass(enum failpoint);

static inline bool
failpoints_are_on(void)
{
#ifdef SLUICE_NO_FAILPOINTS
    return false;
#else
    return __builtin_expect(failpoint_slots != 0, 0);
#endif
}

/* Passes a failpoint.  Returns 0, or the positive errno by which what is
 * behind it is to fail.  Callers that can't fail there may ignore it. */
static inline int
failpoint(enum failpoint f)
{
    return failpoints_are_on() ? failpoint_pass(f) : 0;
}

#endif /* proxy-vm/common/failpoint.h */
