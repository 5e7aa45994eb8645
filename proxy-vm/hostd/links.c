/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's counters of network interfaces.  See links.h. */
#include <config.h>

#include "links.h"

#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(links);

struct links {
    struct nl_sock *sock;
    struct nl_cache *cache;     /* Null: it can't be read. */
};

struct links *
links_create(void)
{
    struct nl_sock *sock = nl_socket_alloc();
    int error = sock ? nl_connect(sock, NETLINK_ROUTE) : -NLE_NOMEM;

    if (error) {
        VLOG_WARN("counters of interfaces are taken from the database, since "
                  "the kernel can't be asked: %s", nl_geterror(error));
        nl_socket_free(sock);
        return NULL;
    }
    struct links *l = xzalloc(sizeof *l);
    l->sock = sock;
    return l;
}

void
links_destroy(struct links *l)
{
    if (l) {
        nl_cache_free(l->cache);
        nl_socket_free(l->sock);
        free(l);
    }
}

void
links_sample(struct links *l)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);

    if (!l) {
        return;
    }
    nl_cache_free(l->cache);
    l->cache = NULL;
    int error = rtnl_link_alloc_cache(l->sock, AF_UNSPEC, &l->cache);
    if (error) {
        l->cache = NULL;
        VLOG_WARN_RL(&rl, "the interfaces can't be listed: %s",
                     nl_geterror(error));
    }
}

void
links_count(const struct links *l, struct port *port)
{
    struct rtnl_link *link = (l && l->cache
                              ? rtnl_link_get_by_name(l->cache, port->name)
                              : NULL);

    if (!link) {
        return;
    }
    struct port_counters c = {
        .rx_packets = rtnl_link_get_stat(link, RTNL_LINK_RX_PACKETS),
        .tx_packets = rtnl_link_get_stat(link, RTNL_LINK_TX_PACKETS),
        .rx_dropped = rtnl_link_get_stat(link, RTNL_LINK_RX_DROPPED),
        .tx_dropped = rtnl_link_get_stat(link, RTNL_LINK_TX_DROPPED),
        .rx_errors = rtnl_link_get_stat(link, RTNL_LINK_RX_ERRORS),
        .tx_errors = rtnl_link_get_stat(link, RTNL_LINK_TX_ERRORS),
    };
    rtnl_link_put(link);

    /* What the host sends by an internal port, the switch receives. */
    port->counters = (!port->is_internal ? c : (struct port_counters) {
        .rx_packets = c.tx_packets, .tx_packets = c.rx_packets,
        .rx_dropped = c.tx_dropped, .tx_dropped = c.rx_dropped,
        .rx_errors = c.tx_errors, .tx_errors = c.rx_errors,
    });
}
