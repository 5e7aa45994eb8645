/* SPDX-License-Identifier: Apache-2.0
 *
 * Syslog over TLS (RFC 5425): octet-counted frames in a TLS session.
 *
 * As with plain TCP, what the server's host confirmed counts as delivered.
 * TCP tells that in bytes of TLS, so a list says which byte of the lines went
 * out with which byte of TLS.
 *
 * In: frames.  Out: a TLS session.
 * Runs in: sluice-ship. */
#include <config.h>

#include "output.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

#include "dial.h"
#include "proxy-config.h"
#include "tls-client.h"

enum {
    MAX_DISCARD = 64 * 1024,    /* Of what the server says, in one run. */
    DRAIN_POLL_MS = 20,         /* Nobody tells that the queue drained. */
    MAX_POINTS = 1024,
};

/* With byte 'tls' of the socket, byte 'end' of the lines went out. */
struct point {
    uint64_t end;
    uint64_t tls;
};

struct output_tls {
    struct output up;
    struct tls_options tls_options;
    char *host, *port;
    struct dial *dial;
    int fd;                     /* Connected, or -1. */
    struct tls_client *tls;
    long long int deadline;     /* Of the handshake. */

    /* A ring: not confirmed yet are the 'n_points' from 'first' on. */
    struct point points[MAX_POINTS];
    unsigned int first, n_points;
};

static struct output_tls *
output_tls_cast(const struct output *output)
{
    return CONTAINER_OF(output, struct output_tls, up);
}

static char *
tls_create(const struct output_options *o, struct output **ret)
{
    struct dial *dial = dial_create(o->server, o->timeout_ms);

    if (!dial) {
        return xasprintf("%s is not a server of the form HOST:PORT or "
                         "[IPV6]:PORT", o->server);
    }
    struct output_tls *t = xzalloc(sizeof *t);
    output_init(&t->up, &output_tls_class, o);
    t->dial = dial;
    t->fd = -1;
    config_parse_server(o->server, &t->host, &t->port);
    t->tls_options = (struct tls_options) {
        .server = o->server,
        .name = o->server_name ? o->server_name : t->host,
        .ca_file = o->ca_file,
        .certificate_file = o->certificate_file,
        .key_file = o->key_file,
    };
    *ret = &t->up;
    return NULL;
}

static void
tls_destroy(struct output *output)
{
    struct output_tls *t = output_tls_cast(output);

    dial_destroy(t->dial);
    free(t->host);
    free(t->port);
    free(t);
}

static void
tls_close(struct output *output)
{
    struct output_tls *t = output_tls_cast(output);

    dial_close(t->dial);
    tls_client_destroy(t->tls);
    t->tls = NULL;
    if (t->fd >= 0) {
        close(t->fd);
        t->fd = -1;
    }
}

static void
tls_open(struct output *output)
{
    struct output_tls *t = output_tls_cast(output);

    t->first = t->n_points = 0;
    dial_open(t->dial);
}

static void
run_connecting(struct output_tls *t)
{
    int error = dial_run(t->dial, &t->fd);
    if (error) {
        if (error != EAGAIN) {
            output_fail(&t->up, "%s", dial_error(t->dial));
        }
        return;
    }
    char *sentence = tls_client_create(&t->tls_options, t->fd, &t->tls);
    if (sentence) {
        output_fail(&t->up, "%s: %s", t->up.o->server, sentence);
        free(sentence);
        return;
    }
    t->deadline = time_msec() + t->up.o->timeout_ms;
}

static void
run_handshake(struct output_tls *t)
{
    int error = tls_client_handshake(t->tls);
    if (!error) {
        output_opened(&t->up);
    } else if (error != EAGAIN) {
        output_fail(&t->up, "%s", tls_client_error(t->tls));
    } else if (time_msec() >= t->deadline) {
        output_fail(&t->up, "%s did not finish the TLS handshake within "
                    "%"PRIu32" ms", t->up.o->server, t->up.o->timeout_ms);
    }
}

/* Reads and throws away what the server says. */
static void
discard_input(struct output_tls *t)
{
    uint8_t buf[4096];
    size_t got;

    for (size_t n = 0; n < MAX_DISCARD; n += got) {
        int error = tls_client_receive(t->tls, buf, sizeof buf, &got);
        if (error) {
            if (error != EAGAIN) {
                output_fail(&t->up, "%s", tls_client_error(t->tls));
            }
            return;
        }
    }
}

/* Moves 'delivered' to the last point that the server's host confirmed. */
static void
follow_queue(struct output_tls *t)
{
    uint64_t delivered = t->up.delivered;
    int queued;

    if (ioctl(t->fd, SIOCOUTQ, &queued)) {
        output_fail(&t->up, "the session to %s broke: %s", t->up.o->server,
                    ovs_strerror(errno));
        return;
    }
    uint64_t written = tls_client_written(t->tls);
    uint64_t confirmed = written - MIN((uint64_t) queued, written);
    while (t->n_points && t->points[t->first].tls <= confirmed) {
        delivered = t->points[t->first].end;
        t->first = (t->first + 1) % MAX_POINTS;
        t->n_points--;
    }
    output_delivered(&t->up, delivered);
}

static void
tls_run(struct output *output)
{
    struct output_tls *t = output_tls_cast(output);

    if (output->state == OUTPUT_OPENING && !t->tls) {
        run_connecting(t);
    }
    if (output->state == OUTPUT_OPENING && t->tls) {
        run_handshake(t);
    }
    if (output->state == OUTPUT_OPEN) {
        discard_input(t);
    }
    if (output->state == OUTPUT_OPEN) {
        follow_queue(t);
    }
}

static void
tls_wait(const struct output *output, bool want_send)
{
    const struct output_tls *t = output_tls_cast(output);

    if (!t->tls) {
        dial_wait(t->dial);
        return;
    }
    poll_fd_wait(t->fd, tls_client_events(t->tls, want_send));
    if (output->state == OUTPUT_OPENING) {
        poll_timer_wait_until(t->deadline);
    } else if (output->delivered < output->sent) {
        poll_timer_wait(DRAIN_POLL_MS);
    }
}

/* Notes how far TLS and lines have got.  With the list full, the latest point
 * moves on, for the lines before it a little late. */
static void
add_point(struct output_tls *t)
{
    t->n_points += t->n_points < MAX_POINTS;
    t->points[(t->first + t->n_points - 1) % MAX_POINTS] = (struct point) {
        .end = t->up.sent,
        .tls = tls_client_written(t->tls),
    };
}

static size_t
tls_send(struct output *output, const uint8_t *data, size_t size)
{
    struct output_tls *t = output_tls_cast(output);
    size_t n = 0, taken;
    int error = 0;

    while (n < size
           && !(error = tls_client_send(t->tls, data + n, size - n, &taken))) {
        n += taken;
        output_sent(output, taken);
        add_point(t);
    }
    if (error && error != EAGAIN) {
        output_fail(output, "%s", tls_client_error(t->tls));
    }
    return n;
}

const struct output_class output_tls_class = {
    .type = "tls",
    .framing = SHIP_OCTET_COUNTED,
    .confirms = false,
    .create = tls_create,
    .destroy = tls_destroy,
    .open = tls_open,
    .run = tls_run,
    .wait = tls_wait,
    .send = tls_send,
    .close = tls_close,
};
