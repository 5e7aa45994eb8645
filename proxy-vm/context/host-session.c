/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection of a hypervisor.  See host-session.h. */
#include <config.h>

#include "host-session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "util.h"

enum { FIRST_ROOM = 4096 };

BUILD_ASSERT_DECL(HOST_CHANNEL_START_SIZE <= HOST_CHANNEL_HELLO_SIZE);

/* What the bytes in the buffer are the beginning of. */
enum state {
    STATE_HELLO,
    STATE_CLAIMED,              /* A hello that waits for its answer. */
    STATE_START,
    STATE_SIZE,
    STATE_FRAME,
    STATE_OVER,
};

struct host_session {
    int fd;
    char *peer;
    enum state state;
    struct host_channel *channel; /* From the answer on. */
    uint8_t claim[HOST_CHANNEL_KEY_SIZE];

    uint8_t *in;                /* From the beginning of 'state' on. */
    size_t in_size, in_room;
    size_t want;                /* Bytes that 'state' has. */
    uint8_t *message;
    size_t message_size;
    bool has_message;           /* It was not dropped yet. */

    const char *error;
    enum host_fault fault;
};

struct host_session *
host_session_create(int fd, const char *peer)
{
    struct host_session *s = xzalloc(sizeof *s);

    s->fd = fd;
    s->peer = xstrdup(peer);
    s->state = STATE_HELLO;
    s->want = HOST_CHANNEL_HELLO_SIZE;
    return s;
}

void
host_session_destroy(struct host_session *s)
{
    if (s) {
        close(s->fd);
        host_channel_destroy(s->channel);
        free(s->in);
        free(s->message);
        free(s->peer);
        free(s);
    }
}

static enum host_event
end(struct host_session *s, enum host_fault fault, const char *error)
{
    s->state = STATE_OVER;
    s->fault = fault;
    s->error = error;
    return HOST_END;
}

/* Has the buffer be that of the next state. */
static void
enter(struct host_session *s, enum state state, size_t want)
{
    s->state = state;
    s->want = want;
}

/* Makes room in the buffer for more than there is.  Returns false if it would
 * be beyond 'room'. */
static bool
make_room(struct host_session *s, size_t room)
{
    if (s->in_size < s->in_room) {
        return true;
    }
    size_t n = MIN(MAX(2 * s->in_room, FIRST_ROOM), s->want);

    if (n > room) {
        return false;
    }
    s->in = xrealloc(s->in, n);
    s->in_room = n;
    return true;
}

/* Reads until all that is wanted is there.  Returns HOST_MESSAGE if it is. */
static enum host_event
fill(struct host_session *s, size_t room)
{
    while (s->in_size < s->want) {
        if (!make_room(s, room)) {
            return end(s, HOST_FAULT_MEMORY,
                       "there is no memory left for what hosts send");
        }
        ssize_t n = recv(s->fd, s->in + s->in_size,
                         MIN(s->want, s->in_room) - s->in_size, 0);
        if (n > 0) {
            s->in_size += n;
        } else if (!n) {
            return end(s, HOST_FAULT_NONE, "it closed the connection");
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return HOST_WAIT;
        } else if (errno != EINTR) {
            return end(s, HOST_FAULT_NONE, ovs_strerror(errno));
        }
    }
    return HOST_MESSAGE;
}

/* Drops what is in the buffer, and the buffer if it is a large one. */
static void
empty(struct host_session *s)
{
    s->in_size = 0;
    if (s->in_room > FIRST_ROOM) {
        free(s->in);
        s->in = NULL;
        s->in_room = 0;
    }
}

static enum host_event
take_frame(struct host_session *s)
{
    s->message = xmalloc(s->in_size);
    if (!host_channel_open(s->channel, slice_of(s->in, s->in_size),
                           s->message, &s->message_size)) {
        return end(s, HOST_FAULT_FRAME, "a frame was changed, or is not the "
                   "next one");
    }
    s->has_message = true;
    empty(s);
    enter(s, STATE_SIZE, HOST_CHANNEL_SIZE_SIZE);
    return HOST_MESSAGE;
}

/* Takes what is whole.  Returns HOST_WAIT to go on. */
static enum host_event
take(struct host_session *s)
{
    size_t size;

    switch (s->state) {
    case STATE_HELLO:
        if (!host_channel_read_hello(s->in, s->claim)) {
            return end(s, HOST_FAULT_NOT_HELLO, "it is not sluice-hostd, or "
                       "of another version");
        }
        enter(s, STATE_CLAIMED, s->want);
        return HOST_HELLO;

    case STATE_START:
        if (!host_channel_take_start(s->channel, s->in)) {
            return end(s, HOST_FAULT_FRAME, "the host did not make its start, "
                       "or for another session");
        }
        empty(s);
        enter(s, STATE_SIZE, HOST_CHANNEL_SIZE_SIZE);
        return HOST_START;

    case STATE_SIZE:
        size = host_channel_frame_size(s->in);
        if (!size) {
            return end(s, HOST_FAULT_FRAME, "a frame is too large, or has no "
                       "size");
        }
        /* The size stays: it is sealed, too. */
        enter(s, STATE_FRAME, HOST_CHANNEL_SIZE_SIZE + size);
        return HOST_WAIT;

    case STATE_FRAME:
        return take_frame(s);

    case STATE_CLAIMED:
    case STATE_OVER:
    default:
        OVS_NOT_REACHED();
    }
}

enum host_event
host_session_run(struct host_session *s, size_t room)
{
    enum host_event event;

    free(s->message);
    s->message = NULL;
    s->has_message = false;
    do {
        if (s->state == STATE_OVER) {
            return HOST_END;
        } else if (s->state == STATE_CLAIMED) {
            return HOST_HELLO;
        }
        event = fill(s, room);
        if (event == HOST_WAIT || event == HOST_END) {
            return event;
        }
        event = take(s);
    } while (event == HOST_WAIT);
    return event;
}

const uint8_t *
host_session_claim(const struct host_session *s)
{
    return s->claim;
}

int
host_session_answer(struct host_session *s, const struct seal_key *own)
{
    uint8_t welcome[HOST_CHANNEL_WELCOME_SIZE];
    int error = host_channel_answer(own, s->claim, s->in, welcome,
                                    &s->channel);

    if (error) {
        return error;
    }
    /* The first bytes on a connection always fit into its buffer. */
    ssize_t n = send(s->fd, welcome, sizeof welcome, MSG_NOSIGNAL);
    if (n != (ssize_t) sizeof welcome) {
        return n < 0 ? errno : EPIPE;
    }
    empty(s);
    enter(s, STATE_START, HOST_CHANNEL_START_SIZE);
    return 0;
}

struct slice
host_session_message(const struct host_session *s)
{
    return slice_of(s->message, s->has_message ? s->message_size : 0);
}

void
host_session_wait(const struct host_session *s)
{
    if (s->state == STATE_CLAIMED || s->state == STATE_OVER) {
        poll_immediate_wake();
    } else {
        poll_fd_wait(s->fd, POLLIN);
    }
}

const char *
host_session_peer(const struct host_session *s)
{
    return s->peer;
}

const char *
host_session_error(const struct host_session *s)
{
    return s->error ? s->error : "it goes on";
}

enum host_fault
host_session_fault(const struct host_session *s)
{
    return s->fault;
}

size_t
host_session_size(const struct host_session *s)
{
    return s->in_room;
}

bool
host_session_is_midway(const struct host_session *s)
{
    return s->in_size > 0;
}
