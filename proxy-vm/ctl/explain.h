/* SPDX-License-Identifier: Apache-2.0
 *
 * Explains what each stage of the proxy does to a line, down to what its
 * tenant gets.
 *
 * In: sluice.yaml, lines.  Out: a paragraph per line; or JSON.
 * Runs in: sluicectl. */
#ifndef SLUICE_EXPLAIN_H
#define SLUICE_EXPLAIN_H 1

#include "trial.h"

struct ds;

/* Appends the explanations.  Returns null or a malloc()ed sentence. */
char *explain(const struct trial_options *, bool json, struct ds *);

#endif /* proxy-vm/ctl/explain.h */
