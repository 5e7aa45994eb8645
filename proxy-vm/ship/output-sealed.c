/* SPDX-License-Identifier: Apache-2.0
 *
 * Sealed batches to the tenant's sluice-unseal, over TCP or, where there is a
 * CA, TLS: the protocol of lib/delivery.h.  A receipt confirms each batch, so
 * nothing is held, and one that is refused is set aside with the receiver's
 * reason.
 *
 * In: sealed files, each behind its size.
 * Out: a session; how far receipts have come.
 * Runs in: sluice-ship. */
#include <config.h>

#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

#include "cursor.h"
#include "delivery.h"
#include "dial.h"
#include "printable.h"
#include "proxy-config.h"
#include "tls-client.h"

VLOG_DEFINE_THIS_MODULE(output_sealed);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

enum {
    MAX_WINDOW = 1024,          /* Batches without receipt. */
    IN_SIZE = 16 * 1024,        /* Bytes of receipts read at once. */
};

/* A batch that was sent, at least in part. */
struct sent {
    uint64_t stream, number;
    uint32_t n_lines;
    uint64_t end;               /* In the bytes of the session. */
};

struct output_sealed {
    struct output up;
    struct tls_options tls_options;
    char *host, *port;
    struct dial *dial;
    int fd;                     /* Connected, or -1. */
    struct tls_client *tls;     /* Null: plain TCP. */
    long long int deadline;     /* Of handshake, HELLO and WELCOME. */

    uint8_t hello[DELIVERY_MAX_SMALL]; /* The same for each session. */
    size_t hello_pos, hello_size;
    bool is_welcome;            /* The receiver's WELCOME came. */
    uint32_t window;            /* As that says, at most MAX_WINDOW. */
    uint64_t frame_end;         /* Of the batch that is being sent. */

    /* A ring: without receipt are the 'n_sent' from 'first' on. */
    struct sent sent[MAX_WINDOW];
    unsigned int first, n_sent;

    uint8_t in[IN_SIZE];
    size_t in_size;
};

static struct output_sealed *
output_sealed_cast(const struct output *output)
{
    return CONTAINER_OF(output, struct output_sealed, up);
}

static void
make_hello(struct output_sealed *s, const uint8_t recipient[32])
{
    const struct output_options *o = s->up.o;
    uint8_t names[DELIVERY_MAX_NAMES * (1 + DELIVERY_MAX_NAME)];
    struct delivery_hello hello = {
        .version = DELIVERY_VERSION,
        .tenant = o->tenant,
        .queue = slice_from_string(o->name),
    };
    size_t n = 0;

    for (size_t i = 0; i < o->n_elsewhere && i < DELIVERY_MAX_NAMES; i++) {
        n = delivery_add_name(names, sizeof names, n,
                              slice_from_string(o->elsewhere[i]));
    }
    hello.elsewhere = slice_of(names, n);
    memcpy(hello.recipient, recipient, sizeof hello.recipient);
    s->hello_size = delivery_put_hello(s->hello, &hello);
}

static char *
sealed_create(const struct output_options *o, struct output **ret)
{
    uint8_t recipient[32];
    int error = seal_public_key_read(o->recipient_file, recipient);

    if (error) {
        return xasprintf("recipient-file: can't read the public key %s: %s",
                         o->recipient_file, error == EINVAL
                         ? "it is not a key file" : ovs_strerror(error));
    }
    struct dial *dial = dial_create(o->server, o->timeout_ms);
    if (!dial) {
        return xasprintf("%s is not a server of the form HOST:PORT or "
                         "[IPV6]:PORT", o->server);
    }
    struct output_sealed *s = xzalloc(sizeof *s);
    output_init(&s->up, &output_sealed_class, o);
    make_hello(s, recipient);
    s->dial = dial;
    s->fd = -1;
    config_parse_server(o->server, &s->host, &s->port);
    s->tls_options = (struct tls_options) {
        .server = o->server,
        .name = o->server_name ? o->server_name : s->host,
        .ca_file = o->ca_file,
        .certificate_file = o->certificate_file,
        .key_file = o->key_file,
    };
    *ret = &s->up;
    return NULL;
}

static void
sealed_destroy(struct output *output)
{
    struct output_sealed *s = output_sealed_cast(output);

    dial_destroy(s->dial);
    free(s->host);
    free(s->port);
    free(s);
}

static void
sealed_close(struct output *output)
{
    struct output_sealed *s = output_sealed_cast(output);

    dial_close(s->dial);
    tls_client_destroy(s->tls);
    s->tls = NULL;
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

static void
sealed_open(struct output *output)
{
    struct output_sealed *s = output_sealed_cast(output);

    s->hello_pos = 0;
    s->is_welcome = false;
    s->frame_end = s->in_size = 0;
    s->first = s->n_sent = 0;
    dial_open(s->dial);
}

/* Sends what the connection takes.  Returns 0 and how much, which may be
 * nothing, or after a failure a positive errno: then the session is over. */
static int
transmit(struct output_sealed *s, const uint8_t *data, size_t size,
         size_t *ret_n)
{
    int error = 0;

    *ret_n = 0;
    if (s->tls) {
        error = tls_client_send(s->tls, data, size, ret_n);
        if (error && error != EAGAIN) {
            output_fail(&s->up, "%s", tls_client_error(s->tls));
        }
    } else {
        ssize_t n = send(s->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            *ret_n = n;
        } else if (errno != EINTR && errno != EWOULDBLOCK) {
            error = errno;
            if (error != EAGAIN) {
                output_fail(&s->up, "the session to %s broke: %s",
                            s->up.o->server, ovs_strerror(error));
            }
        }
    }
    return error == EAGAIN ? 0 : error;
}

/* Reads more of what the receiver says.  Returns false if there is nothing, or
 * the session is over. */
static bool
receive(struct output_sealed *s)
{
    uint8_t *room = s->in + s->in_size;
    size_t size = IN_SIZE - s->in_size, n = 0;

    if (s->tls) {
        int error = tls_client_receive(s->tls, room, size, &n);
        if (error && error != EAGAIN) {
            output_fail(&s->up, "%s", tls_client_error(s->tls));
        }
        n = error ? 0 : n;
    } else {
        ssize_t got = recv(s->fd, room, size, MSG_DONTWAIT);
        if (got > 0) {
            n = got;
        } else if (!got) {
            output_fail(&s->up, "%s closed the session", s->up.o->server);
        } else if (errno != EAGAIN && errno != EWOULDBLOCK
                   && errno != EINTR) {
            output_fail(&s->up, "the session to %s broke: %s",
                        s->up.o->server, ovs_strerror(errno));
        }
    }
    s->in_size += n;
    return n > 0;
}

static void
fail_with_reason(struct output_sealed *s, struct slice reason)
{
    char *text = make_printable((const char *) reason.data, reason.size);

    output_fail(&s->up, "%s ended the session: %s", s->up.o->server, text);
    free(text);
}

static void
take_welcome(struct output_sealed *s, struct slice frame)
{
    struct delivery_welcome welcome;

    if (!delivery_read_welcome(frame, &welcome)
        || welcome.version != DELIVERY_VERSION) {
        output_fail(&s->up, "%s does not answer as a receiver of sealed "
                    "batches", s->up.o->server);
        return;
    }
    s->is_welcome = true;
    s->window = MIN(welcome.window, MAX_WINDOW);
    output_opened(&s->up);
}

static void
take_receipt(struct output_sealed *s, struct slice frame)
{
    const struct sent *sent = &s->sent[s->first];
    struct delivery_receipt r;

    if (!delivery_read_receipt(frame, &r) || !s->n_sent
        || sent->end > s->up.sent
        || r.stream != sent->stream || r.number != sent->number) {
        output_fail(&s->up, "%s answers what it was not asked",
                    s->up.o->server);
        return;
    }
    struct output_receipt receipt = {
        .end = sent->end,
        .refused = r.status == DELIVERY_REFUSED,
        .n_lines = r.n_lines,
    };
    if (!receipt.refused && r.status == DELIVERY_STORED && r.reason.size) {
        char *text = make_printable((const char *) r.reason.data,
                                    r.reason.size);
        VLOG_WARN_RL(&rl, "%s took batch %"PRIu64" of stream %016"PRIx64", "
                     "but says: %s", s->up.o->server, r.number, r.stream,
                     text);
        free(text);
    }
    bool took_all = !receipt.refused && r.n_lines == sent->n_lines;
    s->first = (s->first + 1) % MAX_WINDOW;
    s->n_sent--;
    if (took_all) {
        output_delivered(&s->up, receipt.end);
    } else {
        char *text = make_printable((const char *) r.reason.data,
                                    r.reason.size);
        snprintf(receipt.reason, sizeof receipt.reason, "%s refused it: %s",
                 s->up.o->server, text);
        free(text);
        output_put_receipt(&s->up, &receipt);
    }
}

/* Takes one message.  Returns false if there is none whole, or what was taken
 * before has to be dealt with first. */
static bool
take_message(struct output_sealed *s)
{
    struct slice in = slice_of(s->in, s->in_size), frame, reason;

    if (s->up.state == OUTPUT_CLOSED || s->up.has_receipt) {
        return false;
    }
    int error = delivery_take_frame(&in, DELIVERY_MAX_SMALL, &frame);
    if (error == EAGAIN) {
        return false;
    } else if (error) {
        output_fail(&s->up, "%s does not answer as a receiver of sealed "
                    "batches", s->up.o->server);
        return false;
    }
    if (delivery_read_failed(frame, &reason)) {
        fail_with_reason(s, reason);
    } else if (!s->is_welcome) {
        take_welcome(s, frame);
    } else {
        take_receipt(s, frame);
    }
    if (s->up.state == OUTPUT_CLOSED) {
        return false;
    }
    memmove(s->in, in.data, in.size);
    s->in_size = in.size;
    return true;
}

static void
run_dialing(struct output_sealed *s)
{
    int error = dial_run(s->dial, &s->fd);
    if (error) {
        if (error != EAGAIN) {
            output_fail(&s->up, "%s", dial_error(s->dial));
        }
        return;
    }
    s->deadline = time_msec() + s->up.o->timeout_ms;
    if (s->up.o->ca_file) {
        char *sentence = tls_client_create(&s->tls_options, s->fd, &s->tls);
        if (sentence) {
            output_fail(&s->up, "%s: %s", s->up.o->server, sentence);
            free(sentence);
        }
    }
}

/* Shakes hands, says HELLO. */
static void
run_greeting(struct output_sealed *s)
{
    size_t n;

    if (s->tls) {
        int error = tls_client_handshake(s->tls);
        if (error && error != EAGAIN) {
            output_fail(&s->up, "%s", tls_client_error(s->tls));
            return;
        } else if (error) {
            goto out;
        }
    }
    while (s->hello_pos < s->hello_size) {
        if (transmit(s, s->hello + s->hello_pos,
                     s->hello_size - s->hello_pos, &n)) {
            return;
        } else if (!n) {
            break;
        }
        s->hello_pos += n;
    }

out:
    if (time_msec() >= s->deadline) {
        output_fail(&s->up, "%s did not welcome the session within %"PRIu32
                    " ms", s->up.o->server, s->up.o->timeout_ms);
    }
}

static bool
is_greeted(const struct output_sealed *s)
{
    return s->fd >= 0 && s->hello_pos == s->hello_size;
}

static void
sealed_run(struct output *output)
{
    struct output_sealed *s = output_sealed_cast(output);

    if (output->state == OUTPUT_OPENING && s->fd < 0) {
        run_dialing(s);
    }
    if (output->state == OUTPUT_OPENING && s->fd >= 0) {
        run_greeting(s);
    }
    if (output->state != OUTPUT_CLOSED && is_greeted(s)) {
        do {
            while (take_message(s)) {
                continue;
            }
        } while (output->state != OUTPUT_CLOSED
                 && !output->has_receipt && receive(s));
    }
    if (output->state == OUTPUT_OPEN && !output->has_receipt) {
        /* Looks at the time. */
        output_delivered(output, output->delivered);
    }
}

static void
sealed_wait(const struct output *output, bool want_send)
{
    const struct output_sealed *s = output_sealed_cast(output);
    bool may_send = want_send && (output->sent < s->frame_end
                                  || s->n_sent < s->window);

    if (s->fd < 0) {
        dial_wait(s->dial);
        return;
    }
    if (output->state == OUTPUT_OPENING) {
        may_send = s->hello_pos < s->hello_size;
        poll_timer_wait_until(s->deadline);
    } else if (output->delivered < output->sent) {
        poll_timer_wait_until(output->progress + output->o->timeout_ms);
    }
    poll_fd_wait(s->fd, s->tls ? tls_client_events(s->tls, may_send)
                 : POLLIN | (may_send ? POLLOUT : 0));
}

/* Returns how many of 'size' bytes belong to the batch that is being sent, or
 * to the next, whose size and header 'data' begins with; 0 if it must wait. */
static size_t
room_for(struct output_sealed *s, const uint8_t *data, size_t size)
{
    if (s->up.sent == s->frame_end) {
        struct cursor c = cursor_of(slice_of(data, size));
        uint32_t frame = cursor_be(&c, DELIVERY_SIZE_SIZE);
        struct seal_header h;

        if (s->n_sent >= s->window
            || seal_read_header(cursor_rest(&c), &h)) {
            return 0;
        }
        s->frame_end += DELIVERY_SIZE_SIZE + frame;
        s->sent[(s->first + s->n_sent++) % MAX_WINDOW] = (struct sent) {
            .stream = h.stream, .number = h.number, .n_lines = h.n_lines,
            .end = s->frame_end,
        };
    }
    return MIN(size, s->frame_end - s->up.sent);
}

static size_t
sealed_send(struct output *output, const uint8_t *data, size_t size)
{
    struct output_sealed *s = output_sealed_cast(output);
    size_t n = 0, taken;

    while (output->state == OUTPUT_OPEN && n < size) {
        size_t room = room_for(s, data + n, size - n);

        if (!room || transmit(s, data + n, room, &taken) || !taken) {
            break;
        }
        n += taken;
        output_sent(output, taken);
    }
    return n;
}

const struct output_class output_sealed_class = {
    .type = "sealed",
    .framing = SHIP_SEALED,
    .confirms = true,
    .create = sealed_create,
    .destroy = sealed_destroy,
    .open = sealed_open,
    .run = sealed_run,
    .wait = sealed_wait,
    .send = sealed_send,
    .close = sealed_close,
};
