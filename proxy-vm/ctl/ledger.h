/* SPDX-License-Identifier: Apache-2.0
 *
 * 'sluicectl ledger': what is asked for of the books, and whether they
 * balance.
 *
 * Runs in: sluicectl. */
#ifndef SLUICE_CTL_LEDGER_H
#define SLUICE_CTL_LEDGER_H 1

#include <stdbool.h>

#include "control.pb-c.h"

/* Leaves in 'r' what is of 'tenant' (0: of all) and, of the switch ports, what
 * is of the VM whose UUID or name 'vm' is (null: of all).  The rest is
 * freed.  Returns null, or a malloc()ed sentence if there is nothing of one
 * that was named. */
char * ledger_filter(Sluice__Response *r, uint32_t tenant, const char *vm);

/* Returns true if all statements balance. */
bool ledger_balances(const Sluice__Response *r);

/* Returns true if the same was counted in both. */
bool ledger_equals(const Sluice__Response *a, const Sluice__Response *b);

/* Returns how many lines of those that were open or in the spool at 'start'
 * are still there. */
uint64_t ledger_rest(const Sluice__Response *start,
                     const Sluice__Response *now);

#endif /* proxy-vm/ctl/ledger.h */
