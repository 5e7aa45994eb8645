/* SPDX-License-Identifier: Apache-2.0
 *
 * The UDP sockets that tunnels end at: several at one address and port.  The
 * kernel puts a packet into the one that its VNI, modulo their number, says
 * (SO_ATTACH_REUSEPORT_CBPF, see socket(7)).  So a tenant whose guests send
 * more than is taken fills its own socket, and what comes for others finds
 * room in theirs; and all packets of a switch port are in one, in their order.
 *
 * Runs in: sluiced, which binds them, and sluice-intake, which receives. */
#ifndef SLUICE_TUNNEL_SOCKETS_H
#define SLUICE_TUNNEL_SOCKETS_H 1

#include <netinet/in.h>
#include <stdint.h>

enum { TUNNEL_N_SOCKETS = 16 };     /* As many as sluice.socket has. */

struct tunnel_sockets {
    unsigned int n;                 /* Up to TUNNEL_N_SOCKETS; 0: none. */
    int fds[TUNNEL_N_SOCKETS];
};

/* Binds sockets to 'addr':'port'; with a 'port' of 0, which the kernel
 * chooses.  Nobody else may have that, but 'old', which may be null.  Returns
 * 0 and the sockets, or a positive errno. */
int tunnel_sockets_bind(const struct in6_addr *addr, uint16_t port,
                        const struct tunnel_sockets *old,
                        struct tunnel_sockets *ret);

/* Has the kernel choose among them by VNI.  Of sockets that
 * tunnel_sockets_bind() has not bound, which must have SO_REUSEPORT.  Returns
 * 0 or a positive errno. */
int tunnel_sockets_steer(const struct tunnel_sockets *);

/* Gives each a receive buffer of 'size' bytes: beyond net.core.rmem_max only
 * with CAP_NET_ADMIN.  Returns 0, EPERM if a smaller one is what it got, or
 * another positive errno. */
int tunnel_sockets_set_buffer(const struct tunnel_sockets *, uint32_t size);

/* Closes them.  There are none afterwards. */
void tunnel_sockets_close(struct tunnel_sockets *);

#endif /* proxy-vm/common/tunnel-sockets.h */
