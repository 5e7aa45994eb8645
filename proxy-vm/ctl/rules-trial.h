/* SPDX-License-Identifier: Apache-2.0
 *
 * Shows what the client rules of a configuration would do with lines.
 *
 * In: sluice.yaml, lines.  Out: a row per line, and totals; or JSON.
 * Runs in: sluicectl. */
#ifndef SLUICE_RULES_TRIAL_H
#define SLUICE_RULES_TRIAL_H 1

#include "trial.h"

struct ds;

/* Appends what it found out.  Returns null or a malloc()ed sentence. */
char *rules_trial(const struct trial_options *, bool json, struct ds *);

#endif /* proxy-vm/ctl/rules-trial.h */
