/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets bound the way sluice-intake binds its own, on loopback, and one that
 * sends to them. */
#ifndef SLUICE_UDP_PAIR_H
#define SLUICE_UDP_PAIR_H 1

#include <arpa/inet.h>
#include <sys/socket.h>

#include "s1-receive.h"
#include "tunnel-sockets.h"
#include "unit.h"

static inline void
udp_pair_open(struct tunnel_sockets *ret_receivers, int *ret_sender)
{
    struct sockaddr_in sin;
    socklen_t size = sizeof sin;
    struct in6_addr addr;

    inet_pton(AF_INET6, "::ffff:127.0.0.1", &addr);
    assert_int_equal(tunnel_sockets_bind(&addr, 0, NULL, ret_receivers), 0);
    assert_int_equal(tunnel_sockets_set_buffer(ret_receivers, 1 << 20), 0);
    assert_int_equal(getsockname(ret_receivers->fds[0], (struct sockaddr *) &sin,
                                 &size), 0);
    *ret_sender = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(connect(*ret_sender, (struct sockaddr *) &sin, size), 0);
}

#endif /* tests/unit/udp-pair.h */
