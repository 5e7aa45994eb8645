/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of reports to one proxy.  See push.h. */
#include <config.h>

#include "push.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host-channel.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(push);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(6, 10);

enum {
    BACKOFF_MIN_MS = 500,
    BACKOFF_MAX_MS = 30 * 1000,
    STEP_MS = 10 * 1000,        /* To connect, and for the welcome. */
    SEND_MS = 30 * 1000,        /* For a report. */
};

enum state {
    STATE_IDLE,                 /* Until 'at'. */
    STATE_CONNECTING,           /* ...else it has gone wrong by then. */
    STATE_GREETING,             /* The hello is out, or on its way. */
    STATE_OPEN,
};

struct push {
    char *address;
    const struct seal_key *own;
    uint8_t proxy[HOST_CHANNEL_KEY_SIZE];

    enum state state;
    long long int at;           /* time_msec() */
    unsigned int backoff_ms;    /* The next one. */
    int fd;
    struct host_channel *channel;
    bool has_begun;

    uint8_t welcome[HOST_CHANNEL_WELCOME_SIZE];
    size_t n_welcome;
    uint8_t *out;               /* What is to be written, or null... */
    size_t out_size, out_done;  /* ...of which so much is. */
};

struct push *
push_create(const char *address, const struct seal_key *own,
            const uint8_t proxy[32])
{
    struct push *p = xzalloc(sizeof *p);

    p->address = xstrdup(address);
    p->own = own;
    memcpy(p->proxy, proxy, sizeof p->proxy);
    p->fd = -1;
    p->backoff_ms = BACKOFF_MIN_MS;
    return p;
}

static void
close_session(struct push *p)
{
    if (p->fd >= 0) {
        close(p->fd);
        p->fd = -1;
    }
    host_channel_destroy(p->channel);
    p->channel = NULL;
    free(p->out);
    p->out = NULL;
    p->n_welcome = 0;
    p->has_begun = false;
}

void
push_destroy(struct push *p)
{
    if (p) {
        close_session(p);
        free(p->address);
        free(p);
    }
}

/* Begins anew after a while, which grows, and is another one on each host: not
 * all come back at once to a proxy that was away. */
static void
fail(struct push *p, const char *why)
{
    unsigned int wait_ms = p->backoff_ms / 2
                           + random_range(p->backoff_ms);

    VLOG_WARN_RL(&rl, "%s: no reports can be sent: %s; trying again in "
                 "%.1f s", p->address, why, wait_ms / 1000.0);
    close_session(p);
    p->state = STATE_IDLE;
    p->at = time_msec() + wait_ms;
    p->backoff_ms = MIN(2 * p->backoff_ms, BACKOFF_MAX_MS);
}

/* Has 'out', malloc()ed, written. */
static void
put_out(struct push *p, uint8_t *out, size_t size)
{
    ovs_assert(!p->out);
    p->out = out;
    p->out_size = size;
    p->out_done = 0;
}

/* Writes what can be written. */
static void
flush(struct push *p)
{
    while (p->out && p->state != STATE_IDLE) {
        ssize_t n = send(p->fd, p->out + p->out_done,
                         p->out_size - p->out_done, MSG_NOSIGNAL);
        if (n >= 0) {
            p->out_done += n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno != EINTR) {
            fail(p, ovs_strerror(errno));
            return;
        }
        if (p->out_done == p->out_size) {
            free(p->out);
            p->out = NULL;
            if (p->state == STATE_OPEN) {
                p->at = LLONG_MAX;
            }
        }
    }
}

static void
connect_(struct push *p)
{
    int error = inet_open_active(SOCK_STREAM, p->address, -1, NULL, &p->fd,
                                 0);

    if (error && error != EAGAIN) {
        p->fd = -1;
        fail(p, ovs_strerror(error));
        return;
    }
    unsigned int timeout = SEND_MS;
    int one = 1;
    setsockopt(p->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(p->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout,
               sizeof timeout);
    p->state = STATE_CONNECTING;
    p->at = time_msec() + STEP_MS;
}

static void
greet(struct push *p)
{
    int error = check_connection_completion(p->fd);

    if (error == EAGAIN) {
        return;
    } else if (error) {
        fail(p, ovs_strerror(error));
        return;
    }
    uint8_t *hello = xmalloc(HOST_CHANNEL_HELLO_SIZE);
    error = host_channel_greet(p->own, p->proxy, hello, &p->channel);
    if (error) {
        free(hello);
        fail(p, (error == EINVAL ? "the proxy's public key is none"
                 : ovs_strerror(error)));
        return;
    }
    put_out(p, hello, HOST_CHANNEL_HELLO_SIZE);
    p->state = STATE_GREETING;
    p->at = time_msec() + STEP_MS;
}

/* Reads what the proxy sends: its welcome, and nothing else ever. */
static void
take_input(struct push *p)
{
    uint8_t more;
    bool is_greeting = p->state == STATE_GREETING;
    ssize_t n = (is_greeting
                 ? recv(p->fd, p->welcome + p->n_welcome,
                        sizeof p->welcome - p->n_welcome, 0)
                 : recv(p->fd, &more, sizeof more, 0));

    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            fail(p, ovs_strerror(errno));
        }
        return;
    } else if (!n) {
        fail(p, (is_greeting
                 ? "it closed the connection; does it have this host's "
                   "public key, and this host the proxy's?"
                 : "it closed the connection"));
        return;
    } else if (!is_greeting) {
        fail(p, "it says what no proxy says");
        return;
    }
    p->n_welcome += n;
    if (p->n_welcome < sizeof p->welcome) {
        return;
    }

    uint8_t *start = xmalloc(HOST_CHANNEL_START_SIZE);
    if (host_channel_take_welcome(p->channel, p->own, p->welcome, start)) {
        free(start);
        fail(p, "it is not the proxy whose public key this host has");
        return;
    }
    VLOG_INFO("%s: reports are sent", p->address);
    put_out(p, start, HOST_CHANNEL_START_SIZE);
    p->state = STATE_OPEN;
    p->at = LLONG_MAX;
    p->backoff_ms = BACKOFF_MIN_MS;
    p->has_begun = true;
}

void
push_run(struct push *p)
{
    if (p->state == STATE_IDLE) {
        if (time_msec() < p->at) {
            return;
        }
        connect_(p);
    }
    if (p->state == STATE_CONNECTING) {
        greet(p);
    }
    if (p->state == STATE_GREETING || p->state == STATE_OPEN) {
        flush(p);
    }
    if (p->state == STATE_GREETING || p->state == STATE_OPEN) {
        take_input(p);
    }
    if (p->state == STATE_OPEN) {
        flush(p);
    }
    if (p->state != STATE_IDLE && time_msec() >= p->at) {
        fail(p, "nothing went on for too long");
    }
}

void
push_wait(struct push *p)
{
    if (p->at != LLONG_MAX) {
        poll_timer_wait_until(p->at);
    }
    if (p->state == STATE_CONNECTING) {
        poll_fd_wait(p->fd, POLLOUT);
    } else if (p->state != STATE_IDLE) {
        poll_fd_wait(p->fd, POLLIN | (p->out ? POLLOUT : 0));
    }
}

bool
push_is_ready(const struct push *p)
{
    return p->state == STATE_OPEN && !p->out;
}

bool
push_has_begun(struct push *p)
{
    bool has_begun = p->has_begun && push_is_ready(p);

    p->has_begun = p->has_begun && !has_begun;
    return has_begun;
}

void
push_send(struct push *p, struct slice report)
{
    if (push_is_ready(p)) {
        uint8_t *frame = xmalloc(report.size + HOST_CHANNEL_OVERHEAD);
        size_t size = host_channel_seal(p->channel, report, frame);

        put_out(p, frame, size);
        p->at = time_msec() + SEND_MS;
        flush(p);
    }
}
