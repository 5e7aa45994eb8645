/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds the addresses of a host without waiting: /etc/hosts first, then the
 * name servers of /etc/resolv.conf, by c-ares, since getaddrinfo() would hold
 * up the whole program for as long as a name server is silent.
 *
 * In: a name or an address, a port.
 * Out: addresses in the order of RFC 6724, or a sentence.
 * Runs in: sluice-ship. */
#ifndef SLUICE_RESOLVE_H
#define SLUICE_RESOLVE_H 1

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { RESOLVE_MAX_ADDRS = 16 };

struct resolve_addr {
    struct sockaddr_storage addr;
    socklen_t size;
};

struct resolve;

/* Begins to look up 'host', which is borrowed, for TCP or UDP ('type':
 * SOCK_STREAM or SOCK_DGRAM).  'timeout_ms' is what all of it may take. */
struct resolve *resolve_create(const char *host, const char *port, int type,
                               uint32_t timeout_ms);
void resolve_destroy(struct resolve *);

/* Does what can be done at once.  Returns 0 and up to RESOLVE_MAX_ADDRS
 * addresses, at least one; EAGAIN while it goes on; or another positive errno,
 * and then '*ret_why' is a text that resolve_destroy() does not free: "no such
 * name". */
int resolve_run(struct resolve *, struct resolve_addr *ret, size_t *ret_n,
                const char **ret_why);

/* Wakes the poll loop when resolve_run() has something to do. */
void resolve_wait(const struct resolve *);

#endif /* proxy-vm/ship/resolve.h */
