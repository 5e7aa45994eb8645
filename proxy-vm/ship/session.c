/* SPDX-License-Identifier: Apache-2.0
 *
 * A TCP session to the tenant's server.  See session.h. */
#include <config.h>

#include "session.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

#include "proxy-config.h"

enum {
    /* What a server says is thrown away, so much of it in one run. */
    MAX_DISCARD = 64 * 1024,

    /* The kernel wakes nobody when its send queue has drained. */
    DRAIN_POLL_MS = 20,
};

struct session {
    char *server;               /* As configured, for sentences. */
    char *host, *port;
    uint32_t timeout_ms;

    enum session_state state;
    int fd;
    struct addrinfo *addrs;     /* While connecting. */
    struct addrinfo *addr;      /* The one tried now. */
    long long int deadline;     /* Of connecting. */
    long long int opened;
    uint64_t sent;
    uint64_t delivered;
    long long int progress;     /* When 'delivered' last moved. */
    char error[256];
};

struct session *
session_create(const char *server, uint32_t timeout_ms)
{
    struct session *s = xzalloc(sizeof *s);

    s->fd = -1;
    s->timeout_ms = timeout_ms;
    s->server = xstrdup(server);
    if (!config_parse_server(server, &s->host, &s->port)) {
        session_destroy(s);
        return NULL;
    }
    return s;
}

static void
close_all(struct session *s)
{
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
    if (s->addrs) {
        freeaddrinfo(s->addrs);
        s->addrs = s->addr = NULL;
    }
    s->state = SESSION_CLOSED;
}

void
session_destroy(struct session *s)
{
    if (s) {
        close_all(s);
        free(s->server);
        free(s->host);
        free(s->port);
        free(s);
    }
}

enum session_state
session_state(const struct session *s)
{
    return s->state;
}

const char *
session_error(const struct session *s)
{
    return s->error;
}

/* Closes the session for the reason that 'format' gives. */
static void OVS_PRINTF_FORMAT(2, 3)
fail(struct session *s, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(s->error, sizeof s->error, format, args);
    va_end(args);
    close_all(s);
}

/* Returns true if the socket is connected to itself, as can happen where the
 * server is on this host, its port is one of those that the kernel hands out,
 * and nobody listens there. */
static bool
is_connected_to_itself(int fd)
{
    struct sockaddr_storage local, remote;
    socklen_t local_size = sizeof local, remote_size = sizeof remote;

    memset(&local, 0, sizeof local);
    memset(&remote, 0, sizeof remote);
    return (!getsockname(fd, (struct sockaddr *) &local, &local_size)
            && !getpeername(fd, (struct sockaddr *) &remote, &remote_size)
            && local_size == remote_size
            && !memcmp(&local, &remote, local_size));
}

/* Begins to connect to 's->addr'.  Returns 0 or a positive errno. */
static int
begin_connect(struct session *s)
{
    const struct addrinfo *a = s->addr;
    int one = 1;
    unsigned int timeout = s->timeout_ms;

    s->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                   IPPROTO_TCP);
    if (s->fd < 0) {
        return errno;
    }
    /* The deadlines hold without these; they make the end of a silent peer
     * known while nothing is sent. */
    setsockopt(s->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(s->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout,
               sizeof timeout);
    s->deadline = time_msec() + s->timeout_ms;
    return (connect(s->fd, a->ai_addr, a->ai_addrlen) && errno != EINPROGRESS
            ? errno : 0);
}

/* Goes on to the next address, 'error' being what was wrong with the latest,
 * until one may work. */
static void
try_next(struct session *s, int error)
{
    while (error) {
        if (s->fd >= 0) {
            close(s->fd);
            s->fd = -1;
        }
        s->addr = s->addr->ai_next;
        if (!s->addr) {
            fail(s, "can't connect to %s: %s", s->server,
                 ovs_strerror(error));
            return;
        }
        error = begin_connect(s);
    }
}

void
session_open(struct session *s)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV,
    };

    close_all(s);
    s->sent = s->delivered = 0;
    int error = getaddrinfo(s->host, s->port, &hints, &s->addrs);
    if (error) {
        s->addrs = NULL;
        fail(s, "can't find the address of %s: %s", s->server,
             error == EAI_SYSTEM ? ovs_strerror(errno) : gai_strerror(error));
        return;
    }
    s->state = SESSION_CONNECTING;
    s->addr = s->addrs;
    try_next(s, begin_connect(s));
}

static void
run_connecting(struct session *s)
{
    struct pollfd pfd = { .fd = s->fd, .events = POLLOUT };
    int error = 0;
    socklen_t size = sizeof error;

    if (poll(&pfd, 1, 0) <= 0 || !pfd.revents) {
        if (time_msec() >= s->deadline) {
            try_next(s, ETIMEDOUT);
        }
        return;
    }
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size)) {
        error = errno;
    } else if (!error && is_connected_to_itself(s->fd)) {
        error = ECONNREFUSED;
    }
    if (error) {
        try_next(s, error);
        return;
    }
    freeaddrinfo(s->addrs);
    s->addrs = s->addr = NULL;
    s->state = SESSION_OPEN;
    s->opened = s->progress = time_msec();
}

/* Reads and throws away what the server says. */
static void
discard_input(struct session *s)
{
    uint8_t buf[4096];

    for (size_t n = 0; n < MAX_DISCARD; ) {
        ssize_t got = recv(s->fd, buf, sizeof buf, MSG_DONTWAIT);
        if (got > 0) {
            n += got;
        } else if (!got) {
            fail(s, "%s closed the session", s->server);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR) {
            fail(s, "the session to %s broke: %s", s->server,
                 ovs_strerror(errno));
            return;
        }
    }
}

static void
run_open(struct session *s)
{
    long long int now = time_msec();
    int queued;

    discard_input(s);
    if (s->state != SESSION_OPEN) {
        return;
    }
    if (ioctl(s->fd, SIOCOUTQ, &queued)) {
        fail(s, "the session to %s broke: %s", s->server,
             ovs_strerror(errno));
        return;
    }

    /* Of a session that closes, the queue counts a FIN as well. */
    uint64_t delivered = s->sent - MIN((uint64_t) queued, s->sent);
    if (delivered > s->delivered || delivered == s->sent) {
        s->delivered = delivered;
        s->progress = now;
    } else if (now - s->progress >= s->timeout_ms) {
        fail(s, "%s took nothing for %lld ms", s->server, now - s->progress);
    }
}

void
session_run(struct session *s)
{
    if (s->state == SESSION_CONNECTING) {
        run_connecting(s);
    }
    if (s->state == SESSION_OPEN) {
        run_open(s);
    }
}

void
session_wait(const struct session *s, bool want_send)
{
    if (s->state == SESSION_CONNECTING) {
        poll_fd_wait(s->fd, POLLOUT);
        poll_timer_wait_until(s->deadline);
    } else if (s->state == SESSION_OPEN) {
        poll_fd_wait(s->fd, POLLIN | (want_send ? POLLOUT : 0));
        if (s->delivered < s->sent) {
            poll_timer_wait(DRAIN_POLL_MS);
        }
    }
}

size_t
session_send(struct session *s, const uint8_t *data, size_t size)
{
    size_t n = 0;

    while (s->state == SESSION_OPEN && n < size) {
        ssize_t sent = send(s->fd, data + n, size - n,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            n += sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno != EINTR) {
            fail(s, "the session to %s broke: %s", s->server,
                 ovs_strerror(errno));
        }
    }
    if (s->sent == s->delivered && n) {
        /* Nothing was on its way: the time to make progress begins. */
        s->progress = time_msec();
    }
    s->sent += n;
    return n;
}

uint64_t
session_sent(const struct session *s)
{
    return s->sent;
}

uint64_t
session_delivered(const struct session *s)
{
    return s->delivered;
}

long long int
session_age(const struct session *s)
{
    return time_msec() - s->opened;
}
