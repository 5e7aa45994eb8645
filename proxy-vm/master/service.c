/* SPDX-License-Identifier: Apache-2.0
 *
 * What sluiced and a service manager say to each other.  See service.h. */
#include <config.h>

#include "service.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "proxy-config.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(service);

/* As FileDescriptorName= in sluice.socket; the manager's name for what it
 * keeps, too. */
#define TUNNEL "tunnel"

/* When to tell that sluiced goes on; 0: nobody wants to know. */
static long long int watchdog_at;
static unsigned int watchdog_ms;

/* Returns true if 'fd' is a UDP socket that receives what 'config' wants. */
static bool
fits(int fd, const struct config *config)
{
    struct sockaddr_storage ss;
    socklen_t size = sizeof ss;
    struct in6_addr wanted;

    if (sd_is_socket_inet(fd, AF_UNSPEC, SOCK_DGRAM, -1, config->tunnel.port)
        <= 0
        || getsockname(fd, (struct sockaddr *) &ss, &size)
        || !config_parse_address(config->tunnel.listen, &wanted)) {
        return false;
    }
    struct in6_addr bound = ss_get_address(&ss);
    /* Bound to all of IPv6 it takes IPv4 too, as an address for both. */
    return (ipv6_addr_equals(&bound, &wanted)
            || (ipv6_is_zero(&bound) && IN6_IS_ADDR_V4MAPPED(&wanted)
                && in6_addr_get_mapped_ipv4(&wanted) == INADDR_ANY));
}

/* Returns true if 'fd' is one of 'sockets' once more, as one is that both the
 * manager's unit and what it keeps for us hold. */
static bool
is_taken(int fd, const struct tunnel_sockets *sockets)
{
    uint64_t cookie, other;
    socklen_t size = sizeof cookie;

    for (unsigned int i = 0; i < sockets->n; i++) {
        if (!getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size)
            && !getsockopt(sockets->fds[i], SOL_SOCKET, SO_COOKIE, &other,
                           &size)
            && cookie == other) {
            return true;
        }
    }
    return false;
}

void
service_take_sockets(const struct config *config, struct tunnel_sockets *ret)
{
    int n = sd_listen_fds(true);

    ret->n = 0;
    for (int i = 0; i < n; i++) {
        int fd = SD_LISTEN_FDS_START + i;
        if (fits(fd, config) && ret->n < TUNNEL_N_SOCKETS
            && !is_taken(fd, ret)) {
            ret->fds[ret->n++] = fd;
            continue;
        }
        if (!is_taken(fd, ret)) {
            VLOG_WARN("descriptor %d of the service manager is no UDP socket "
                      "at port %"PRIu16" of %s, as tunnel.listen and "
                      "tunnel.port want, or one too many; it is closed", fd,
                      config->tunnel.port, config->tunnel.listen);
        }
        close(fd);
    }
    if (ret->n) {
        VLOG_INFO("the tunnel's sockets come from the service manager: %u",
                  ret->n);
        if (ret->n < TUNNEL_N_SOCKETS) {
            VLOG_WARN("there are no more: a tenant that floods may cost "
                      "others lines; take sluice.socket of this version and "
                      "restart it, which has %d", TUNNEL_N_SOCKETS);
        }
        int error = tunnel_sockets_steer(ret);
        if (error) {
            VLOG_WARN("tenants share the tunnel's sockets, since these can't "
                      "be told apart by VNI: %s; set ReusePort=yes in "
                      "sluice.socket", ovs_strerror(error));
        }
    }
}

void
service_refuse_sockets(void)
{
    int n = sd_listen_fds(true);

    for (int i = 0; i < n; i++) {
        close(SD_LISTEN_FDS_START + i);
    }
    if (n > 0) {
        VLOG_WARN("packets come by memif, as tunnel.rx says, and the service "
                  "manager's sockets are closed: disable sluice.socket");
    }
}

void
service_keep_sockets(const struct tunnel_sockets *sockets)
{
    sd_notify(false, "FDSTOREREMOVE=1\nFDNAME="TUNNEL);
    int error = sd_pid_notify_with_fds(0, false,
                                       "FDSTORE=1\nFDNAME="TUNNEL,
                                       sockets->fds, sockets->n);
    if (error < 0) {
        VLOG_WARN("the service manager can't keep the tunnel's sockets: %s",
                  ovs_strerror(-error));
    }
}

void
service_ready(void)
{
    uint64_t usec;

    sd_notify(false, "READY=1");
    if (sd_watchdog_enabled(false, &usec) > 0) {
        /* Twice as often as it must be. */
        watchdog_ms = MAX(usec / 2000, 1);
        watchdog_at = time_msec();
    }
}

void
service_reloading(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%"PRIu64,
               now.tv_sec * UINT64_C(1000000) + now.tv_nsec / 1000);
}

void
service_stopping(void)
{
    sd_notify(false, "STOPPING=1");
}

void
service_run(void)
{
    if (watchdog_at && time_msec() >= watchdog_at) {
        sd_notify(false, "WATCHDOG=1");
        watchdog_at = time_msec() + watchdog_ms;
    }
}

void
service_wait(void)
{
    if (watchdog_at) {
        poll_timer_wait_until(watchdog_at);
    }
}
