/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection of a hypervisor, from its hello on: cuts the bytes that come
 * into what they are, and asks its caller for the key to open them with.
 *
 * In: a socket.
 * Out: messages, or a sentence that says why it is over.
 * Runs in: sluice-context. */
#ifndef SLUICE_HOST_SESSION_H
#define SLUICE_HOST_SESSION_H 1

#include "host-channel.h"

struct host_session;

/* What host_session_run() comes back with. */
enum host_event {
    HOST_WAIT,                  /* Nothing, until there are more bytes. */
    HOST_HELLO,                 /* host_session_answer() is to be called. */
    HOST_START,                 /* It has the key that it claims to have. */
    HOST_MESSAGE,               /* A message, by host_session_message(). */
    HOST_END,                   /* It is over: host_session_error(). */
};

/* Why it is over. */
enum host_fault {
    HOST_FAULT_NONE,            /* The host left, or the network failed. */
    HOST_FAULT_NOT_HELLO,
    HOST_FAULT_FRAME,
    HOST_FAULT_MEMORY,
};

/* Takes 'fd', nonblocking, of 'peer', which is copied. */
struct host_session *host_session_create(int fd, const char *peer);
void host_session_destroy(struct host_session *);

/* Goes on until there is something to say.  Memory that it takes grows with
 * what has come, never beyond 'room' bytes; before HOST_START it is that of a
 * hello. */
enum host_event host_session_run(struct host_session *, size_t room);

/* The key of the host that the hello claims to be of. */
const uint8_t *host_session_claim(const struct host_session *);

/* Answers the hello.  Returns 0 or a positive errno, as
 * host_channel_answer(). */
int host_session_answer(struct host_session *, const struct seal_key *own);

/* The message, the session's until the next run. */
struct slice host_session_message(const struct host_session *);

/* Wakes the poll loop when run() will have more to do. */
void host_session_wait(const struct host_session *);

const char *host_session_peer(const struct host_session *);
const char *host_session_error(const struct host_session *);
enum host_fault host_session_fault(const struct host_session *);

/* Bytes of memory that what is coming in takes. */
size_t host_session_size(const struct host_session *);

/* Whether part of something came, of which the rest is missing. */
bool host_session_is_midway(const struct host_session *);

#endif /* proxy-vm/context/host-session.h */
