/* SPDX-License-Identifier: Apache-2.0
 *
 * Where hypervisors connect to report: accepts connections, learns by the
 * handshake of host-channel.h which host each is of, and reads reports.
 *
 * A host has one session; one that proves later that it is the host's takes
 * its place.  What can be had without a key is bounded: so many connections
 * that did not prove who they are, so much time, so many handshakes a second,
 * of each host's and of all, and the memory of a hello.  With a key: so many
 * reports a minute, over whatever sessions, of so many bytes, and so much
 * memory for all hosts together.
 *
 * In: connections.
 * Out: the latest report of each host.
 * Runs in: sluice-context. */
#ifndef SLUICE_HOST_LISTENER_H
#define SLUICE_HOST_LISTENER_H 1

#include <stdbool.h>

#include "host.pb-c.h"
#include "seal.h"

struct ds;

/* Of one host. */
struct host_counts {
#define HOST_COUNT(FIELD, NAME, TEXT) uint64_t FIELD;
#include "host-counts.def"
#undef HOST_COUNT
};

struct host_listener;

/* Returns the listener at 'address', ADDR:PORT, whose key pair is in the file
 * 'key_file', made if it is not there, its public half beside it with ".pub"
 * behind.  Those of one address are one listener, which is there until
 * host_listener_unref() was called as often as this. */
struct host_listener *host_listener_ref(const char *address,
                                        const char *key_file);
void host_listener_unref(struct host_listener *);

/* Returns why nobody can connect, a sentence that is the listener's, or
 * null. */
const char *host_listener_problem(const struct host_listener *);

void host_listener_run(struct host_listener *);
void host_listener_wait(struct host_listener *);
void host_listener_put_status(const struct host_listener *, struct ds *);

/* The port that it listens on, or 0. */
unsigned int host_listener_port(const struct host_listener *);

/* A host that may connect.  'name' is for people and copied, 'counts' is
 * borrowed.  Returns null if another host of the listener has the key. */
struct host_peer;
struct host_peer *host_peer_add(struct host_listener *, const char *name,
                                const uint8_t key[32],
                                struct host_counts *counts);
void host_peer_remove(struct host_peer *);

/* Whether it is the one of the listener's hosts that sees to the listener. */
bool host_peer_is_first(const struct host_peer *);

/* Whether host_peer_take_report() would return one. */
bool host_peer_has_report(const struct host_peer *);

/* Returns the latest report if it was not returned yet, which is the caller's
 * then, or null. */
Sluice__HostReport *host_peer_take_report(struct host_peer *);

/* Whether it has a session, and why the latest one ended: for people, the
 * peer's, null if none did. */
bool host_peer_is_connected(const struct host_peer *);
const char *host_peer_end(const struct host_peer *);

#endif /* proxy-vm/context/host-listener.h */
