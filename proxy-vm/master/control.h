/* SPDX-License-Identifier: Apache-2.0
 *
 * The control socket: takes requests, sends answers.
 *
 * A peer is heard if it is root, runs as sluiced's own user, or is a member of
 * sluiced's group.  Each peer has a deadline, and there is a limit to their
 * number: further ones wait until one leaves.
 *
 * Runs in: sluiced. */
#ifndef SLUICE_CONTROL_H
#define SLUICE_CONTROL_H 1

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

struct control;
struct ofpbuf;

/* Answers 'request', a message without its header, by appending to 'out' one
 * or more messages with theirs, and returns 0.  Or returns something else, if
 * the answer is still to come: the ticket to ask for it with.  Without
 * 'may_change', whoever sent it is not to change anything. */
typedef uint64_t control_answer_func(void *aux, struct slice request,
                                     bool may_change, struct ofpbuf *out);

/* Appends the answer that 'ticket' is for to 'out' and returns true; or
 * returns false if it is still to come, which it must not be if time is
 * 'over'. */
typedef bool control_later_func(void *aux, uint64_t ticket, bool over,
                                struct ofpbuf *out);

/* Listens at 'path', in place of whatever socket is there.  Returns null and
 * '*ret', or a malloc()ed sentence. */
char *control_create(const char *path, control_answer_func *,
                     control_later_func *, void *aux, struct control **ret);
void control_destroy(struct control *);

void control_run(struct control *);
void control_wait(const struct control *);

#endif /* proxy-vm/master/control.h */
