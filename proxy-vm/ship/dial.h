/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds the address of a server and connects to it over TCP: nonblocking, one
 * address after the other, each with a deadline.
 *
 * In: HOST:PORT.
 * Out: a connected socket, or a sentence that says why there is none.
 * Runs in: sluice-ship. */
#ifndef SLUICE_DIAL_H
#define SLUICE_DIAL_H 1

#include <stdint.h>

struct dial;

/* Makes a dial, at rest, for 'server', HOST:PORT or [IPV6]:PORT, each of whose
 * addresses may take 'timeout_ms'.  Returns null if 'server' has another
 * form. */
struct dial *dial_create(const char *server, uint32_t timeout_ms);
void dial_destroy(struct dial *);

/* Begins anew. */
void dial_open(struct dial *);

/* Puts the dial at rest. */
void dial_close(struct dial *);

/* Does what can be done at once.  Returns 0 and the socket, which is
 * nonblocking and the caller's; EAGAIN while it goes on; or another positive
 * errno, and then dial_error() says what it is about. */
int dial_run(struct dial *, int *ret_fd);

/* Wakes the poll loop when dial_run() has something to do. */
void dial_wait(const struct dial *);

const char *dial_error(const struct dial *);

#endif /* proxy-vm/ship/dial.h */
