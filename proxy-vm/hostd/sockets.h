/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose sockets have which addresses: the kernel's sock_diag(7) tells a
 * socket's user and inode, and /proc which process has it open.
 *
 * Only sockets of our own network namespace are seen.  To find processes of
 * other users takes CAP_SYS_PTRACE; without it their user is told alone.
 *
 * In: what external_ids:sluice-socket says.
 * Out: user, process id, process name.
 * Runs in: sluice-hostd. */
#ifndef SLUICE_SOCKETS_H
#define SLUICE_SOCKETS_H 1

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which sockets: "PROTOCOL:ADDRESS:PORT", where the protocol is udp or tcp, an
 * IPv6 address has brackets, and address or port, not both, may be "*". */
struct socket_spec {
    uint8_t protocol;           /* IPPROTO_UDP or IPPROTO_TCP. */
    struct in6_addr addr;       /* IPv4 as ::ffff:a.b.c.d; zero: any. */
    uint16_t port;              /* Host byte order; 0: any. */
};
bool socket_spec_parse(const char *, struct socket_spec *ret);

struct socket_owner {
    uint32_t uid;
    uint32_t pid;               /* 0: not known, or several. */
    char process[64];           /* Its name, "" if it is not known. */
};

struct socket_watch;

/* 'proc' is a descriptor of /proc, borrowed.  Returns null if the kernel has
 * no sock_diag, with a warning. */
struct socket_watch *socket_watch_create(int proc);
void socket_watch_destroy(struct socket_watch *);

/* Finds the owners of 'n' sockets, at most SOCKET_WATCH_MAX.  'ret_found' says
 * of each whether there is one: there is none either if sockets of several
 * users fit.  The cost is bounded, whatever there is on the host: of each at
 * most SOCKET_WATCH_MAX_SOCKETS sockets are looked at, and where there are
 * more no owner is found; of all processes SOCKET_WATCH_MAX_FDS
 * descriptors. */
enum {
    SOCKET_WATCH_MAX = 64,
    SOCKET_WATCH_MAX_SOCKETS = 4096,
    SOCKET_WATCH_MAX_FDS = 65536,
};
void socket_watch_find(struct socket_watch *, const struct socket_spec[],
                       size_t n, struct socket_owner ret[],
                       bool ret_found[]);

/* Reads the name of process 'pid' into 'name', "" if there is none. */
void socket_process_name(int proc, uint32_t pid, char name[], size_t size);

#endif /* proxy-vm/hostd/sockets.h */
