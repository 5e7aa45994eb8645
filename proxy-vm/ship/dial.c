/* SPDX-License-Identifier: Apache-2.0
 *
 * Connects to a server.  See dial.h. */
#include <config.h>

#include "dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

#include "proxy-config.h"
#include "resolve.h"

struct dial {
    char *server;               /* As configured, for sentences. */
    char *host, *port;
    uint32_t timeout_ms;

    int error;                  /* EAGAIN while it goes on. */
    struct resolve *resolve;    /* While the addresses are looked up. */
    struct resolve_addr addrs[RESOLVE_MAX_ADDRS];
    size_t n_addrs, i;          /* 'i' is the one tried now. */
    int fd;
    long long int deadline;
    char text[256];
};

struct dial *
dial_create(const char *server, uint32_t timeout_ms)
{
    struct dial *d = xzalloc(sizeof *d);

    d->fd = -1;
    d->timeout_ms = timeout_ms;
    d->server = xstrdup(server);
    if (!config_parse_server(server, &d->host, &d->port)) {
        dial_destroy(d);
        return NULL;
    }
    return d;
}

void
dial_close(struct dial *d)
{
    if (d->fd >= 0) {
        close(d->fd);
        d->fd = -1;
    }
    resolve_destroy(d->resolve);
    d->resolve = NULL;
}

void
dial_destroy(struct dial *d)
{
    if (d) {
        dial_close(d);
        free(d->server);
        free(d->host);
        free(d->port);
        free(d);
    }
}

const char *
dial_error(const struct dial *d)
{
    return d->text;
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

/* Begins to connect to address 'd->i'.  Returns 0 or a positive errno. */
static int
begin_connect(struct dial *d)
{
    const struct resolve_addr *a = &d->addrs[d->i];
    int one = 1;
    unsigned int timeout = d->timeout_ms;

    d->fd = socket(a->addr.ss_family,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (d->fd < 0) {
        return errno;
    }
    /* The deadlines hold without these; they make the end of a silent peer
     * known while nothing is sent. */
    setsockopt(d->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(d->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout,
               sizeof timeout);
    d->deadline = time_msec() + d->timeout_ms;
    return (connect(d->fd, (const struct sockaddr *) &a->addr, a->size)
            && errno != EINPROGRESS ? errno : 0);
}

/* Goes on to the next address, 'error' being what was wrong with the latest,
 * until one may work. */
static void
try_next(struct dial *d, int error)
{
    while (error) {
        if (d->fd >= 0) {
            close(d->fd);
            d->fd = -1;
        }
        if (++d->i >= d->n_addrs) {
            snprintf(d->text, sizeof d->text, "can't connect to %s: %s",
                     d->server, ovs_strerror(error));
            d->error = error;
            return;
        }
        error = begin_connect(d);
    }
}

void
dial_open(struct dial *d)
{
    dial_close(d);
    d->error = EAGAIN;
    d->resolve = resolve_create(d->host, d->port, SOCK_STREAM, d->timeout_ms);
}

/* Goes on with the look-up, and then to the first address. */
static void
run_resolve(struct dial *d)
{
    const char *why;

    int error = resolve_run(d->resolve, d->addrs, &d->n_addrs, &why);
    if (error == EAGAIN) {
        return;
    } else if (error) {
        d->error = error;
        snprintf(d->text, sizeof d->text, "can't find the address of %s: %s",
                 d->server, why);
    }
    resolve_destroy(d->resolve);
    d->resolve = NULL;
    if (!error) {
        d->i = 0;
        try_next(d, begin_connect(d));
    }
}

int
dial_run(struct dial *d, int *ret_fd)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (d->resolve) {
        run_resolve(d);
    }
    if (d->resolve || d->error != EAGAIN) {
        return d->error;
    }
    struct pollfd pfd = { .fd = d->fd, .events = POLLOUT };
    if (poll(&pfd, 1, 0) <= 0 || !pfd.revents) {
        if (time_msec() >= d->deadline) {
            try_next(d, ETIMEDOUT);
        }
        return d->error;
    }
    if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &size)) {
        error = errno;
    } else if (!error && is_connected_to_itself(d->fd)) {
        error = ECONNREFUSED;
    }
    if (error) {
        try_next(d, error);
        return d->error;
    }
    *ret_fd = d->fd;
    d->fd = -1;
    dial_close(d);
    return 0;
}

void
dial_wait(const struct dial *d)
{
    if (d->error != EAGAIN) {
        poll_immediate_wake();
    } else if (d->resolve) {
        resolve_wait(d->resolve);
    } else {
        poll_fd_wait(d->fd, POLLOUT);
        poll_timer_wait_until(d->deadline);
    }
}
