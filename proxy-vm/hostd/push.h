/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of reports to one proxy: connects, shakes hands, sends, and begins
 * anew after a while if something goes wrong.  What could not be sent when the
 * next report is there is left out: each has all of it.
 *
 * Runs in: sluice-hostd. */
#ifndef SLUICE_PUSH_H
#define SLUICE_PUSH_H 1

#include <stdbool.h>

#include "seal.h"
#include "slice.h"

struct push;

/* 'address' is ADDR:PORT and copied, 'own' is borrowed, 'proxy' is the proxy's
 * public key. */
struct push *push_create(const char *address, const struct seal_key *own,
                         const uint8_t proxy[32]);
void push_destroy(struct push *);

void push_run(struct push *);
void push_wait(struct push *);

/* Whether push_send() would do something. */
bool push_is_ready(const struct push *);

/* Returns true once after each time that it became ready by a new session. */
bool push_has_begun(struct push *);

/* Sends a report. */
void push_send(struct push *, struct slice report);

#endif /* proxy-vm/hostd/push.h */
