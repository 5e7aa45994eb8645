/* SPDX-License-Identifier: Apache-2.0
 *
 * The control channel to a memif server.  See memif-control.h. */
#include <config.h>

#include "memif-control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"

enum {
    BACKOFF_MIN_MS = 50,
    BACKOFF_MAX_MS = 2000,
    PATIENCE_MS = 5000,         /* For the next message of a handshake, */
    GOODBYE_MS = 1000,          /* and for the end of the connection. */
};

struct memif_control {
    const char *path;           /* Borrowed. */
    uint8_t log2;
    int fd;                     /* -1: not connected. */
    int event_fd;
    struct memif_limits limits;
    struct memif_session session;
    enum memif_event pending;   /* FORGET or MAKE: the caller is at it. */
    bool has_failed;            /* The caller is to know. */
    bool knows_absence;         /* It knows that nobody is there. */
    bool was_up;
    uint64_t now_ms;            /* Latest that was told. */
    uint64_t next_ms;           /* When to connect, */
    unsigned int backoff_ms;
    uint64_t deadline_ms;       /* and to have heard of the server. */
    char why[128];
};

int
memif_control_create(const char *path, uint8_t log2,
                     struct memif_control **ret)
{
    int event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (event_fd < 0) {
        return errno;
    }
    struct memif_control *c = xzalloc(sizeof *c);
    c->path = path;
    c->log2 = log2;
    c->fd = -1;
    c->event_fd = event_fd;
    c->backoff_ms = BACKOFF_MIN_MS;
    memif_limits_init(&c->limits);
    ovs_strlcpy(c->why, "not tried yet", sizeof c->why);
    *ret = c;
    return 0;
}

/* Sends 'message' and, unless it is -1, the descriptor 'fd'. */
static int
send_message(int socket_fd, const uint8_t message[MEMIF_MESSAGE_SIZE], int fd)
{
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {
        .iov_base = CONST_CAST(uint8_t *, message),
        .iov_len = MEMIF_MESSAGE_SIZE,
    };
    struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (fd >= 0) {
        memset(&control, 0, sizeof control);
        header.msg_control = &control;
        header.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    ssize_t n = sendmsg(socket_fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n == MEMIF_MESSAGE_SIZE ? 0 : n < 0 ? errno : EPROTO;
}

static void
hang_up(struct memif_control *c)
{
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
    c->pending = MEMIF_EVENT_NONE;
}

void
memif_control_fail(struct memif_control *c, const char *why)
{
    if (c->fd >= 0 && strcmp(why, c->session.why)) {
        uint8_t message[MEMIF_MESSAGE_SIZE];

        memif_put_disconnect(message, why);
        send_message(c->fd, message, -1);
    }
    ovs_strlcpy(c->why, why, sizeof c->why);
    hang_up(c);
    memif_limits_init(&c->limits);
    c->has_failed = true;
    c->next_ms = c->now_ms + c->backoff_ms;
    c->backoff_ms = MIN(c->backoff_ms * 2, BACKOFF_MAX_MS);
}

/* Waits until the server has closed the connection, which it does when it has
 * let go of the memory.  Returns whether it has. */
static bool
await_end(int fd)
{
    struct pollfd polled = { .fd = fd, .events = POLLIN };
    uint8_t message[MEMIF_MESSAGE_SIZE];

    while (poll(&polled, 1, GOODBYE_MS) > 0) {
        if (recv(fd, message, sizeof message, MSG_DONTWAIT) <= 0) {
            return true;
        }
    }
    return false;
}

bool
memif_control_destroy(struct memif_control *c)
{
    bool is_alone = true;

    if (!c) {
        return true;
    }
    if (c->fd >= 0) {
        uint8_t message[MEMIF_MESSAGE_SIZE];

        memif_put_disconnect(message, "sluice-intake ends");
        send_message(c->fd, message, -1);
        is_alone = await_end(c->fd);
    }
    hang_up(c);
    close(c->event_fd);
    free(c);
    return is_alone;
}

/* Whether 'uid' is the owner of the directory that 'path' is in. */
static bool
owns_directory(uid_t uid, const char *path)
{
    char *dir = dir_name(path);
    struct stat s;
    bool owns = !stat(dir, &s) && s.st_uid == uid;

    free(dir);
    return owns;
}

/* Whether who listens is one from whom to take frames, which would be lines of
 * any tenant: root, who owns the directory of the socket, or this process's
 * own user.  If not, says why. */
static bool
trusts_server(const struct memif_control *c, char *why, size_t why_size)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size)) {
        ovs_strlcpy(why, ovs_strerror(errno), why_size);
        return false;
    }
    if (!peer.uid || peer.uid == geteuid()
        || owns_directory(peer.uid, c->path)) {
        return true;
    }
    snprintf(why, why_size, "user %u listens there, who is neither root nor "
             "the owner of its directory", peer.uid);
    return false;
}

/* Connects, if that is due. */
static void
dial(struct memif_control *c)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    char why[sizeof c->why];

    if (c->now_ms < c->next_ms) {
        return;
    }
    ovs_strlcpy(sun.sun_path, c->path, sizeof sun.sun_path);
    c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0
        || connect(c->fd, (struct sockaddr *) &sun, sizeof sun)) {
        memif_control_fail(c, ovs_strerror(errno));
        /* Not worth a word each time. */
        c->has_failed = !c->knows_absence;
        c->knows_absence = true;
        return;
    }
    c->knows_absence = false;
    memif_session_init(&c->session, &c->limits, c->log2);
    c->deadline_ms = c->now_ms + PATIENCE_MS;
    if (!trusts_server(c, why, sizeof why)) {
        memif_control_fail(c, why);
    }
}

/* Does what 'action' says, with the memory in 'region_fd'. */
static enum memif_event
act(struct memif_control *c, enum memif_action action, int region_fd)
{
    int fd = -1;

    c->deadline_ms = c->now_ms + PATIENCE_MS;
    switch (action) {
    case MEMIF_WAIT:
        return MEMIF_EVENT_NONE;
    case MEMIF_PREPARE:
        return c->pending = MEMIF_EVENT_FORGET;
    case MEMIF_SEND_CONNECT:
        return c->pending = MEMIF_EVENT_MAKE;
    case MEMIF_UP:
        c->was_up = true;
        c->backoff_ms = BACKOFF_MIN_MS;
        return MEMIF_EVENT_UP;
    case MEMIF_RETRY:
        c->limits = c->session.limits;
        hang_up(c);
        c->next_ms = c->now_ms;
        return MEMIF_EVENT_NONE;
    case MEMIF_SEND_REGION:
        fd = region_fd;
        break;
    case MEMIF_SEND_RING:
        fd = c->event_fd;
        break;
    case MEMIF_SEND:
        break;
    case MEMIF_FAIL:
    default:
        memif_control_fail(c, c->session.why);
        return MEMIF_EVENT_NONE;
    }
    int error = send_message(c->fd, c->session.message, fd);
    if (error) {
        memif_control_fail(c, ovs_strerror(error));
    }
    return MEMIF_EVENT_NONE;
}

void
memif_control_go_on(struct memif_control *c, int fd)
{
    enum memif_event was = c->pending;

    c->pending = MEMIF_EVENT_NONE;
    if (was == MEMIF_EVENT_FORGET) {
        act(c, memif_prepared(&c->session), fd);
    } else if (was == MEMIF_EVENT_MAKE) {
        int error = send_message(c->fd, c->session.message, -1);
        if (error) {
            memif_control_fail(c, ovs_strerror(error));
        }
    }
}

/* Hears what the server says, as long as nothing comes of it that the caller
 * must know. */
static enum memif_event
listen_to(struct memif_control *c)
{
    enum memif_event event = MEMIF_EVENT_NONE;

    while (c->fd >= 0 && !event) {
        uint8_t message[MEMIF_MESSAGE_SIZE + 1];
        ssize_t n = recv(c->fd, message, sizeof message, MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN) {
            if (c->session.phase != MEMIF_IS_UP
                && c->now_ms >= c->deadline_ms) {
                memif_control_fail(c, "it did not answer in time");
            }
            break;
        }
        event = act(c, memif_receive(&c->session,
                                     slice_of(message, MAX(n, 0))), -1);
    }
    return event;
}

enum memif_event
memif_control_run(struct memif_control *c, uint64_t now_ms)
{
    c->now_ms = now_ms;
    if (c->pending) {
        return c->pending;
    }
    if (c->fd < 0 && !c->has_failed) {
        dial(c);
    }
    enum memif_event event = listen_to(c);
    if (c->has_failed) {
        c->has_failed = false;
        event = c->was_up ? MEMIF_EVENT_DOWN : MEMIF_EVENT_REFUSED;
        c->was_up = false;
    }
    return event;
}

const struct memif_layout *
memif_control_layout(const struct memif_control *c)
{
    return &c->session.layout;
}

const char *
memif_control_why(const struct memif_control *c)
{
    return c->why;
}

int
memif_control_fd(const struct memif_control *c)
{
    return c->fd;
}

int
memif_control_event_fd(const struct memif_control *c)
{
    return c->event_fd;
}

int
memif_control_timeout_ms(const struct memif_control *c, uint64_t now_ms)
{
    return (c->fd >= 0 ? PATIENCE_MS
            : c->next_ms > now_ms ? c->next_ms - now_ms : 0);
}
