/* SPDX-License-Identifier: Apache-2.0
 *
 * Plain TCP, octet-counted (RFC 6587 section 3.4.1).  TCP tells how far the
 * server's host has confirmed what was sent, not what the server did with it.
 * What the server says is read, so that its end is noticed, and thrown away.
 *
 * In: frames.  Out: a TCP session.
 * Runs in: sluice-ship. */
#include <config.h>

#include "output.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "util.h"

#include "dial.h"

enum {
    /* What a server says is thrown away, so much of it in one run. */
    MAX_DISCARD = 64 * 1024,

    /* The kernel wakes nobody when its send queue has drained. */
    DRAIN_POLL_MS = 20,
};

struct output_tcp {
    struct output up;
    struct dial *dial;
    int fd;                     /* Of the open session, or -1. */
};

static struct output_tcp *
output_tcp_cast(const struct output *output)
{
    return CONTAINER_OF(output, struct output_tcp, up);
}

static char *
tcp_create(const struct output_options *o, struct output **ret)
{
    struct dial *dial = dial_create(o->server, o->timeout_ms);

    if (!dial) {
        return xasprintf("%s is not a server of the form HOST:PORT or "
                         "[IPV6]:PORT", o->server);
    }
    struct output_tcp *tcp = xmalloc(sizeof *tcp);
    output_init(&tcp->up, &output_tcp_class, o);
    tcp->dial = dial;
    tcp->fd = -1;
    *ret = &tcp->up;
    return NULL;
}

static void
tcp_destroy(struct output *output)
{
    struct output_tcp *tcp = output_tcp_cast(output);

    dial_destroy(tcp->dial);
    free(tcp);
}

static void
tcp_close(struct output *output)
{
    struct output_tcp *tcp = output_tcp_cast(output);

    dial_close(tcp->dial);
    if (tcp->fd >= 0) {
        close(tcp->fd);
        tcp->fd = -1;
    }
}

static void
broke(struct output *output, int error)
{
    output_fail(output, "the session to %s broke: %s", output->o->server,
                ovs_strerror(error));
}

static void
tcp_open(struct output *output)
{
    dial_open(output_tcp_cast(output)->dial);
}

/* Reads and throws away what the server says. */
static void
discard_input(struct output_tcp *tcp)
{
    uint8_t buf[4096];

    for (size_t n = 0; n < MAX_DISCARD; ) {
        ssize_t got = recv(tcp->fd, buf, sizeof buf, MSG_DONTWAIT);
        if (got > 0) {
            n += got;
        } else if (!got) {
            output_fail(&tcp->up, "%s closed the session", tcp->up.o->server);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR) {
            broke(&tcp->up, errno);
            return;
        }
    }
}

static void
tcp_run(struct output *output)
{
    struct output_tcp *tcp = output_tcp_cast(output);
    int queued;

    if (output->state == OUTPUT_OPENING) {
        int error = dial_run(tcp->dial, &tcp->fd);
        if (!error) {
            output_opened(output);
        } else if (error != EAGAIN) {
            output_fail(output, "%s", dial_error(tcp->dial));
        }
    }
    if (output->state == OUTPUT_OPEN) {
        discard_input(tcp);
    }
    if (output->state != OUTPUT_OPEN) {
        return;
    }
    if (ioctl(tcp->fd, SIOCOUTQ, &queued)) {
        broke(output, errno);
        return;
    }
    /* Of a session that closes, the queue counts a FIN as well. */
    output_delivered(output, output->sent - MIN((uint64_t) queued,
                                                output->sent));
}

static void
tcp_wait(const struct output *output, bool want_send)
{
    const struct output_tcp *tcp = output_tcp_cast(output);

    if (output->state == OUTPUT_OPENING) {
        dial_wait(tcp->dial);
    } else {
        poll_fd_wait(tcp->fd, POLLIN | (want_send ? POLLOUT : 0));
        if (output->delivered < output->sent) {
            poll_timer_wait(DRAIN_POLL_MS);
        }
    }
}

static size_t
tcp_send(struct output *output, const uint8_t *data, size_t size)
{
    struct output_tcp *tcp = output_tcp_cast(output);
    size_t n = 0;
    int error = 0;

    while (!error && n < size) {
        ssize_t sent = send(tcp->fd, data + n, size - n,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            n += sent;
        } else if (errno != EINTR) {
            error = errno;
        }
    }
    output_sent(output, n);
    if (error && error != EAGAIN && error != EWOULDBLOCK) {
        broke(output, error);
    }
    return n;
}

const struct output_class output_tcp_class = {
    .type = "tcp",
    .framing = SHIP_OCTET_COUNTED,
    .confirms = false,
    .create = tcp_create,
    .destroy = tcp_destroy,
    .open = tcp_open,
    .run = tcp_run,
    .wait = tcp_wait,
    .send = tcp_send,
    .close = tcp_close,
};
