/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers to what comes in by the control socket.
 *
 * In: a Request (proto/control.proto); the master, the counters of the other
 * programs, the spool.  Out: Responses.
 * Runs in: sluiced. */
#ifndef SLUICE_ANSWER_H
#define SLUICE_ANSWER_H 1

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

struct master;
struct ofpbuf;

/* Appends to 'out' the answer to 'request', messages with their headers, and
 * returns 0; or returns the ticket to ask answer_later() with: see control.h.
 * Without 'may_change' only what changes nothing is done. */
uint64_t answer_request(void *master, struct slice request, bool may_change,
                        struct ofpbuf *out);

/* Appends to 'out' the answer to a reload that 'ticket' is of, once the
 * programs that run have taken the configuration, or if time is 'over': then
 * it says who has not.  Returns false if that is still to come. */
bool answer_later(void *master, uint64_t ticket, bool over,
                  struct ofpbuf *out);

/* Appends a message that holds nothing but 'sentence'. */
void answer_error(const char *sentence, struct ofpbuf *out);

#endif /* proxy-vm/master/answer.h */
