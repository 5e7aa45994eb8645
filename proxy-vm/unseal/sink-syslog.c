/* SPDX-License-Identifier: Apache-2.0
 *
 * A syslog server as the place where lines go.  See sink.h.
 *
 * Written is what has left our hands: for a datagram, what the socket took,
 * and for a stream, what has left its send queue as well.  Waits until then,
 * with a deadline, since there is nothing else to do for sluice-unseal while
 * its only destination takes nothing. */
#include <config.h>

#include "sink.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

#include "cursor.h"
#include "proxy-config.h"

VLOG_DEFINE_THIS_MODULE(sink_syslog);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

enum {
    DRAIN_POLL_MS = 2,          /* Nobody tells that the queue is empty. */
    SEND_BUFFER = 1024 * 1024,  /* What a datagram may have, if allowed. */
    MIN_DATAGRAM = 1024,
};

struct sink_syslog {
    struct sink up;
    char *path;                 /* Of a Unix socket, or null: */
    char *host, *port;
    uint32_t timeout_ms;
    bool datagrams;
    int fd;                     /* -1: not connected. */
};

static struct sink_syslog *
sink_syslog_cast(struct sink *sink)
{
    return CONTAINER_OF(sink, struct sink_syslog, up);
}

static void
disconnect(struct sink_syslog *s)
{
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

static void
syslog_destroy(struct sink *sink)
{
    struct sink_syslog *s = sink_syslog_cast(sink);

    disconnect(s);
    free(s->path);
    free(s->host);
    free(s->port);
    free(s->up.name);
    free(s);
}

/* Waits for 'events'.  Returns 0 or a positive errno. */
static int
wait_for(int fd, short int events, long long int deadline)
{
    for (;;) {
        struct pollfd pfd = { .fd = fd, .events = events };
        long long int now = time_msec();
        int n = poll(&pfd, 1, deadline > now ? deadline - now : 0);

        if (n > 0) {
            return 0;
        } else if (n < 0 && errno != EINTR) {
            return errno;
        } else if (!n && time_msec() >= deadline) {
            return ETIMEDOUT;
        }
    }
}

/* Connects a socket of 'type' to 'addr'. */
static int
connect_to(struct sink_syslog *s, int type, const struct sockaddr *addr,
           socklen_t size)
{
    int buffer = SEND_BUFFER, error = 0;
    socklen_t error_size = sizeof error;

    s->fd = socket(addr->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) {
        return errno;
    }
    if (type == SOCK_DGRAM) {
        setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    }
    if (connect(s->fd, addr, size)) {
        error = errno;
        if (error == EINPROGRESS || error == EAGAIN) {
            error = wait_for(s->fd, POLLOUT, time_msec() + s->timeout_ms);
            if (!error && getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error,
                                     &error_size)) {
                error = errno;
            }
        }
    }
    if (error) {
        disconnect(s);
    }
    return error;
}

static int
connect_unix(struct sink_syslog *s)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    ovs_strlcpy(addr.sun_path, s->path, sizeof addr.sun_path);
    return connect_to(s, s->datagrams ? SOCK_DGRAM : SOCK_STREAM,
                      (const struct sockaddr *) &addr, sizeof addr);
}

static int
connect_tcp(struct sink_syslog *s)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICSERV };
    struct addrinfo *addrs;
    int error = ENOENT, one = 1;

    if (getaddrinfo(s->host, s->port, &hints, &addrs)) {
        return EADDRNOTAVAIL;
    }
    for (struct addrinfo *a = addrs; a && error; a = a->ai_next) {
        error = connect_to(s, SOCK_STREAM, a->ai_addr, a->ai_addrlen);
    }
    freeaddrinfo(addrs);
    if (!error) {
        setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    return error;
}

static int
ensure_connected(struct sink_syslog *s)
{
    if (s->fd >= 0) {
        return 0;
    }
    return s->path ? connect_unix(s) : connect_tcp(s);
}

/* Sends all of 'data', as one datagram where those are meant. */
static int
send_all(struct sink_syslog *s, struct slice data)
{
    struct cursor c = cursor_of(data);
    long long int deadline = time_msec() + s->timeout_ms;

    while (c.left) {
        ssize_t n = send(s->fd, c.p, c.left, MSG_NOSIGNAL);
        if (n >= 0) {
            cursor_take(&c, n);
            deadline = time_msec() + s->timeout_ms;
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            int error = wait_for(s->fd, POLLOUT, deadline);
            if (error) {
                return error;
            }
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/* Sends a line as a datagram, cut until the socket takes it. */
static int
send_datagram(struct sink_syslog *s, struct slice line)
{
    int error = send_all(s, line);

    if (error == EMSGSIZE) {
        s->up.n_truncated++;
        VLOG_WARN_RL(&rl, "%s takes no line of %"PRIuSIZE" bytes: it is cut",
                     s->up.name, line.size);
        while (error == EMSGSIZE && line.size > MIN_DATAGRAM) {
            line.size -= line.size / 4;
            error = send_all(s, line);
        }
    }
    return error;
}

/* Sends the lines in 'data', which are records (see ship-batch.h). */
static int
send_datagrams(struct sink_syslog *s, struct slice data)
{
    struct cursor c = cursor_of(data);
    int error = 0;

    while (c.left && !error) {
        struct cursor record = cursor_of(cursor_take(&c, cursor_be(&c, 4)));

        cursor_take(&record, cursor_be(&record, 1));
        error = record.failed ? EINVAL
                : send_datagram(s, cursor_rest(&record));
    }
    return error;
}

static int
syslog_write(struct sink *sink, const uint8_t *data, size_t size)
{
    struct sink_syslog *s = sink_syslog_cast(sink);
    struct slice lines = slice_of(data, size);

    int error = ensure_connected(s);
    if (!error) {
        error = s->datagrams ? send_datagrams(s, lines) : send_all(s, lines);
    }
    if (error) {
        disconnect(s);
    }
    return error;
}

static int
syslog_sync(struct sink *sink, struct sink_mark *ret)
{
    struct sink_syslog *s = sink_syslog_cast(sink);
    long long int deadline = time_msec() + s->timeout_ms;
    int queued = 0, error = 0;

    while (s->fd >= 0 && !s->datagrams && !error) {
        if (ioctl(s->fd, SIOCOUTQ, &queued)) {
            error = errno;
        } else if (!queued) {
            break;
        } else if (time_msec() >= deadline) {
            error = ETIMEDOUT;
        } else {
            /* Wakes when the server closes the session. */
            struct pollfd pfd = { .fd = s->fd, .events = POLLRDHUP };
            if (poll(&pfd, 1, DRAIN_POLL_MS) > 0) {
                error = ECONNRESET;
            }
        }
    }
    if (error) {
        disconnect(s);
        return error;
    }
    memset(ret, 0, sizeof *ret);
    return 0;
}

static int
syslog_restore(struct sink *sink, const struct sink_mark *mark OVS_UNUSED)
{
    /* What a server has it keeps; the frame that it has half of ends with the
     * session. */
    disconnect(sink_syslog_cast(sink));
    return 0;
}

static const struct sink_class sink_syslog_class = {
    .destroy = syslog_destroy,
    .write = syslog_write,
    .sync = syslog_sync,
    .restore = syslog_restore,
};

int
sink_syslog_create(const char *server, uint32_t timeout_ms, struct sink **ret)
{
    struct sink_syslog *s = xzalloc(sizeof *s);
    int error = 0;

    s->up.class = &sink_syslog_class;
    s->up.name = xstrdup(server);
    s->timeout_ms = timeout_ms;
    s->fd = -1;
    if (server[0] == '/') {
        s->path = xstrdup(server);
        s->datagrams = true;
        if (strlen(server) >= sizeof ((struct sockaddr_un *) 0)->sun_path) {
            error = ENAMETOOLONG;
        } else if (connect_unix(s) == EPROTOTYPE) {
            s->datagrams = false;
        }
        s->up.framing = s->datagrams ? SHIP_RECORD : SHIP_LF;
    } else {
        s->up.framing = SHIP_OCTET_COUNTED;
        error = (config_parse_server(server, &s->host, &s->port)
                 ? 0 : EINVAL);
    }
    if (error) {
        syslog_destroy(&s->up);
        return error;
    }
    *ret = &s->up;
    return 0;
}
