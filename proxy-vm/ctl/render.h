/* SPDX-License-Identifier: Apache-2.0
 *
 * Shows the answers of sluiced to people.
 *
 * Runs in: sluicectl. */
#ifndef SLUICE_RENDER_H
#define SLUICE_RENDER_H 1

#include "control.pb-c.h"

struct ds;

/* One function for each verb: appends text for people to 'out'. */
#define VERB(SYMBOL, NAME, DOES, HELP)                                  \
    void render_##NAME(const Sluice__Response *, uint64_t now_ns,       \
                       struct ds *out);
#include "control-verbs.def"
#undef VERB

#endif /* proxy-vm/ctl/render.h */
