/* SPDX-License-Identifier: Apache-2.0
 *
 * Syslog over UDP (RFC 5426): a line in each datagram.
 *
 * Nobody confirms a datagram: "delivered" means that it left this host, as far
 * as this host can see.  An ICMP message that says otherwise within the hold
 * time breaks the session, so that what is held is sent again.
 *
 * A line that is too long for the path, whose MTU the kernel finds out, is cut
 * to what fits, at the end of a UTF-8 character where it is UTF-8 (RFC 5426
 * section 3.2 has the sender see to it), and counted.
 *
 * In: records.  Out: datagrams.
 * Runs in: sluice-ship. */
#include <config.h>

#include "output.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "util.h"

#include "cursor.h"
#include "proxy-config.h"
#include "resolve.h"
#include "utf8.h"

enum {
    MAX_GROUP = 64,             /* Datagrams handed over in one call. */
    DRAIN_POLL_MS = 20,
    UDP_HEADER = 8,
    IPV4_HEADER = 20,
    IPV6_HEADER = 40,
    MAX_IPV4_PAYLOAD = 65535 - IPV4_HEADER - UDP_HEADER,
};

struct output_udp {
    struct output up;
    char *host, *port;
    struct resolve *resolve;
    int fd;                     /* Or -1. */
    bool is_ipv6;
    size_t limit;               /* Bytes of a datagram's payload. */
};

static struct output_udp *
output_udp_cast(const struct output *output)
{
    return CONTAINER_OF(output, struct output_udp, up);
}

static char *
udp_create(const struct output_options *o, struct output **ret)
{
    struct output_udp *udp = xzalloc(sizeof *udp);

    output_init(&udp->up, &output_udp_class, o);
    udp->fd = -1;
    if (!config_parse_server(o->server, &udp->host, &udp->port)) {
        free(udp);
        return xasprintf("%s is not a server of the form HOST:PORT or "
                         "[IPV6]:PORT", o->server);
    }
    *ret = &udp->up;
    return NULL;
}

static void
udp_destroy(struct output *output)
{
    struct output_udp *udp = output_udp_cast(output);

    free(udp->host);
    free(udp->port);
    free(udp);
}

static void
udp_close(struct output *output)
{
    struct output_udp *udp = output_udp_cast(output);

    resolve_destroy(udp->resolve);
    udp->resolve = NULL;
    if (udp->fd >= 0) {
        close(udp->fd);
        udp->fd = -1;
    }
}

static void
broke(struct output *output, int error)
{
    output_fail(output, error == ECONNREFUSED
                ? "nobody listens at %s: %s" : "can't send to %s: %s",
                output->o->server, ovs_strerror(error));
}

static void
udp_open(struct output *output)
{
    struct output_udp *udp = output_udp_cast(output);

    udp->resolve = resolve_create(udp->host, udp->port, SOCK_DGRAM,
                                  output->o->timeout_ms);
}

/* Sets 'limit' to what the path is known to take. */
static void
set_limit(struct output_udp *udp)
{
    int mtu = 0;
    socklen_t size = sizeof mtu;
    int header = (udp->is_ipv6 ? IPV6_HEADER : IPV4_HEADER) + UDP_HEADER;

    getsockopt(udp->fd, udp->is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
               udp->is_ipv6 ? IPV6_MTU : IP_MTU, &mtu, &size);
    udp->limit = MIN(mtu > header ? mtu - header : MAX_IPV4_PAYLOAD,
                     MAX_IPV4_PAYLOAD);
}

/* Makes the socket for the first address that takes one. */
static int
connect_socket(struct output_udp *udp, const struct resolve_addr *addrs,
               size_t n)
{
    int error = EHOSTUNREACH;

    for (size_t i = 0; i < n; i++) {
        udp->is_ipv6 = addrs[i].addr.ss_family == AF_INET6;
        int fd = socket(addrs[i].addr.ss_family,
                        SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                        IPPROTO_UDP);
        int discover = udp->is_ipv6 ? IPV6_PMTUDISC_DO : IP_PMTUDISC_DO;
        if (fd >= 0
            && !setsockopt(fd, udp->is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
                           udp->is_ipv6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER,
                           &discover, sizeof discover)
            && !connect(fd, (const struct sockaddr *) &addrs[i].addr,
                        addrs[i].size)) {
            udp->fd = fd;
            set_limit(udp);
            return 0;
        }
        error = errno;
        if (fd >= 0) {
            close(fd);
        }
    }
    return error;
}

static void
run_opening(struct output_udp *udp)
{
    struct resolve_addr addrs[RESOLVE_MAX_ADDRS];
    const char *why;
    size_t n;

    int error = resolve_run(udp->resolve, addrs, &n, &why);
    if (error == EAGAIN) {
        return;
    } else if (error) {
        output_fail(&udp->up, "can't find the address of %s: %s",
                    udp->up.o->server, why);
        return;
    }
    resolve_destroy(udp->resolve);
    udp->resolve = NULL;
    error = connect_socket(udp, addrs, n);
    if (error) {
        broke(&udp->up, error);
    } else {
        output_opened(&udp->up);
    }
}

static void
udp_run(struct output *output)
{
    struct output_udp *udp = output_udp_cast(output);
    int error = 0, queued = 0;
    socklen_t size = sizeof error;

    if (output->state == OUTPUT_OPENING) {
        run_opening(udp);
    }
    if (output->state != OUTPUT_OPEN) {
        return;
    }
    /* What ICMP said of datagrams before. */
    if (getsockopt(udp->fd, SOL_SOCKET, SO_ERROR, &error, &size)) {
        error = errno;
    }
    if (error == EMSGSIZE) {
        set_limit(udp);
    } else if (error) {
        broke(output, error);
        return;
    }
    /* The queue counts more than payload, so that only its end means
     * something. */
    if (!ioctl(udp->fd, SIOCOUTQ, &queued)) {
        output_delivered(output, queued ? output->delivered : output->sent);
    }
}

static void
udp_wait(const struct output *output, bool want_send)
{
    const struct output_udp *udp = output_udp_cast(output);

    if (output->state == OUTPUT_OPENING) {
        resolve_wait(udp->resolve);
    } else {
        /* POLLERR comes unasked. */
        poll_fd_wait(udp->fd, want_send ? POLLOUT : POLLERR);
        if (output->delivered < output->sent) {
            poll_timer_wait(DRAIN_POLL_MS);
        }
    }
}

/* Cuts 's' to 'limit' bytes or less, if possible before a character. */
static size_t
cut(struct slice s, size_t limit)
{
    size_t n = limit;

    /* Back over continuation bytes, of which a character has three at most. */
    while (n && limit - n < 4 && (s.data[n] & 0xc0) == 0x80) {
        n--;
    }
    return n && limit - n < 4 ? n : limit;
}

/* Fills in 'messages' from the records at 'c', up to MAX_GROUP of them, and
 * where each record ends.  Returns how many. */
static size_t
make_group(struct output_udp *udp, struct cursor c,
           struct mmsghdr messages[], struct iovec iov[], size_t ends[],
           bool cuts[])
{
    size_t all = c.left, n = 0;

    while (n < MAX_GROUP && c.left) {
        struct cursor record = cursor_of(cursor_take(&c, cursor_be(&c, 4)));
        cursor_take(&record, cursor_be(&record, 1));
        struct slice payload = cursor_rest(&record);
        if (c.failed || record.failed) {
            break;
        }
        cuts[n] = payload.size > udp->limit;
        iov[n] = (struct iovec) {
            .iov_base = CONST_CAST(uint8_t *, payload.data),
            .iov_len = cuts[n] ? cut(payload, udp->limit) : payload.size,
        };
        messages[n] = (struct mmsghdr) {
            .msg_hdr = { .msg_iov = &iov[n], .msg_iovlen = 1 },
        };
        ends[n++] = all - c.left;
    }
    return n;
}

/* Sends a group of the records at 'data'.  Returns the bytes that they were,
 * 0 if none was taken. */
static size_t
send_group(struct output_udp *udp, struct slice data)
{
    struct mmsghdr messages[MAX_GROUP];
    struct iovec iov[MAX_GROUP];
    size_t ends[MAX_GROUP];
    bool cuts[MAX_GROUP];

    size_t n = make_group(udp, cursor_of(data), messages, iov, ends, cuts);
    int sent = n ? sendmmsg(udp->fd, messages, n, MSG_DONTWAIT) : 0;
    if (sent < 0) {
        if (errno == EMSGSIZE && iov[0].iov_len) {
            set_limit(udp);
            if (udp->limit >= iov[0].iov_len) {
                /* The kernel knows no better: less, until it fits. */
                udp->limit = iov[0].iov_len - (iov[0].iov_len + 7) / 8;
            }
            return send_group(udp, data);
        } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR
                   && errno != ENOBUFS) {
            broke(&udp->up, errno);
        }
        return 0;
    }
    for (int i = 0; i < sent; i++) {
        udp->up.truncated += cuts[i];
    }
    return sent ? ends[sent - 1] : 0;
}

static size_t
udp_send(struct output *output, const uint8_t *data, size_t size)
{
    struct output_udp *udp = output_udp_cast(output);
    size_t n = 0;

    while (output->state == OUTPUT_OPEN && n < size) {
        size_t taken = send_group(udp, slice_of(data + n, size - n));
        if (!taken) {
            break;
        }
        n += taken;
    }
    output_sent(output, n);
    return n;
}

const struct output_class output_udp_class = {
    .type = "udp",
    .framing = SHIP_RECORD,
    .confirms = false,
    .create = udp_create,
    .destroy = udp_destroy,
    .open = udp_open,
    .run = udp_run,
    .wait = udp_wait,
    .send = udp_send,
    .close = udp_close,
};
