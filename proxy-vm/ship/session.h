/* SPDX-License-Identifier: Apache-2.0
 *
 * A TCP session to the tenant's server: plain, nonblocking, with deadlines on
 * opening and on progress.
 *
 * In: a server's name and port; bytes to send.
 * Out: how far the server's host has confirmed them, or why the session broke.
 * What the server says is read, so that its end is noticed, and thrown away.
 * Runs in: sluice-ship. */
#ifndef SLUICE_SESSION_H
#define SLUICE_SESSION_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum session_state {
    SESSION_CLOSED,             /* Never opened, or broken. */
    SESSION_CONNECTING,
    SESSION_OPEN,
};

struct session;

/* Makes a session, closed, to 'server', HOST:PORT or [IPV6]:PORT.  Opening may
 * take 'timeout_ms', and so may no progress while bytes are on their way.
 * Returns null if 'server' has another form. */
struct session *session_create(const char *server, uint32_t timeout_ms);
void session_destroy(struct session *);

enum session_state session_state(const struct session *);

/* Why the session broke, a sentence. */
const char *session_error(const struct session *);

/* Resolves the name and begins to connect, to one address after the other.
 * The look-up may block as long as the resolver's own time-outs allow. */
void session_open(struct session *);

/* Does what can be done at once.  May open or break the session. */
void session_run(struct session *);

/* Wakes the poll loop when session_run() has something to do, or, with
 * 'want_send', when session_send() has. */
void session_wait(const struct session *, bool want_send);

/* Sends what the kernel takes, and returns how many bytes that were.  May
 * break the session. */
size_t session_send(struct session *, const uint8_t *, size_t);

/* Bytes of this session that were sent, and of those the ones that the
 * server's host has confirmed (that left the kernel's send queue). */
uint64_t session_sent(const struct session *);
uint64_t session_delivered(const struct session *);

/* Milliseconds since the session opened. */
long long int session_age(const struct session *);

#endif /* proxy-vm/ship/session.h */
