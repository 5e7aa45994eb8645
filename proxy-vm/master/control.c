/* SPDX-License-Identifier: Apache-2.0
 *
 * The control socket.  See control.h. */
#include <config.h>

#include "control.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "answer.h"
#include "control-frame.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(control);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

enum {
    MAX_CLIENTS = 32,
    PATIENCE_MS = 10 * 1000,    /* For a request, for an answer to come, and
                                 * for taking it. */
    RECEIVE_SIZE = 4096,        /* At a time. */
    MAX_GROUPS = 256,           /* Of a peer. */
};

struct client {
    struct ovs_list node;       /* In struct control's 'clients'. */
    int fd;
    struct control_reader reader;
    struct ofpbuf in;           /* What was received and is not read yet. */
    uint64_t ticket;            /* For the answer that is to come; or 0. */
    struct ofpbuf out;          /* What is still to be sent. */
    long long int deadline_ms;
    bool last;                  /* Close once 'out' is sent. */
    bool may_change;            /* Not only ask. */
};

struct control {
    char *path;
    int fd;
    struct ovs_list clients;
    size_t n_clients;
    control_answer_func *answer;
    control_later_func *later;
    void *aux;
};

/* Makes the listening socket, with its final permissions from the start. */
static int
listen_at(const char *path, int *ret_fd)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof sun.sun_path) {
        return ENAMETOOLONG;
    }
    ovs_strlcpy(sun.sun_path, path, sizeof sun.sun_path);

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return errno;
    }
    unlink(path);
    mode_t mask = umask(0117);
    int error = bind(fd, (struct sockaddr *) &sun, sizeof sun) ? errno : 0;
    umask(mask);
    if (!error && listen(fd, MAX_CLIENTS)) {
        error = errno;
    }
    if (error) {
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

char *
control_create(const char *path, control_answer_func *answer,
               control_later_func *later, void *aux, struct control **ret)
{
    int fd = -1;
    int error = listen_at(path, &fd);

    if (error) {
        return xasprintf("the control socket %s can't be made: %s; set "
                         "paths.run right.", path, ovs_strerror(error));
    }

    struct control *control = xzalloc(sizeof *control);
    control->path = xstrdup(path);
    control->fd = fd;
    ovs_list_init(&control->clients);
    control->answer = answer;
    control->later = later;
    control->aux = aux;
    *ret = control;
    return NULL;
}

static void
client_destroy(struct control *control, struct client *client)
{
    ovs_list_remove(&client->node);
    control->n_clients--;
    close(client->fd);
    control_reader_destroy(&client->reader);
    ofpbuf_uninit(&client->in);
    ofpbuf_uninit(&client->out);
    free(client);
}

void
control_destroy(struct control *control)
{
    if (control) {
        struct client *client;

        LIST_FOR_EACH_SAFE (client, node, &control->clients) {
            client_destroy(control, client);
        }
        close(control->fd);
        unlink(control->path);
        free(control->path);
        free(control);
    }
}

static bool
in_our_group(int fd, const struct ucred *peer)
{
    gid_t groups[MAX_GROUPS];
    socklen_t size = sizeof groups;
    gid_t ours = getegid();

    if (peer->gid == ours) {
        return true;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size)) {
        return false;
    }
    for (size_t i = 0; i < size / sizeof *groups; i++) {
        if (groups[i] == ours) {
            return true;
        }
    }
    return false;
}

static bool
is_allowed(int fd, struct ucred *ret_peer)
{
    socklen_t size = sizeof *ret_peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_peer, &size)
        || size != sizeof *ret_peer) {
        *ret_peer = (struct ucred) { .uid = UINT32_MAX };
        return false;
    }
    return (!ret_peer->uid || ret_peer->uid == geteuid()
            || in_our_group(fd, ret_peer));
}

/* Whom sluice-metrics becomes, which must not change anything, whoever takes it
 * over. */
static bool
is_nobody(const struct ucred *peer)
{
    const struct passwd *nobody = getpwnam("nobody");

    return nobody && peer->uid == nobody->pw_uid;
}

/* Answers with 'sentence', and that was it. */
static void
turn_away(struct client *client, const char *sentence)
{
    answer_error(sentence, &client->out);
    client->last = true;
}

static void
accept_client(struct control *control, int fd)
{
    struct client *client = xzalloc(sizeof *client);
    struct ucred peer;

    client->fd = fd;
    control_reader_init(&client->reader);
    ofpbuf_init(&client->in, 0);
    ofpbuf_init(&client->out, 0);
    client->deadline_ms = time_msec() + PATIENCE_MS;
    ovs_list_push_back(&control->clients, &client->node);
    control->n_clients++;

    bool allowed = is_allowed(fd, &peer);
    client->may_change = allowed && !is_nobody(&peer);
    if (!allowed) {
        VLOG_WARN_RL(&rl, "process %ld of user %u is turned away",
                     (long int) peer.pid, peer.uid);
        char *sentence = xasprintf(
            "user %u may not ask sluiced; be root, user %u, or a member of "
            "group %u.", peer.uid, geteuid(), getegid());
        turn_away(client, sentence);
        free(sentence);
    }
}

/* Receives from 'client', unless something is still to be read.  Returns false
 * if it is gone. */
static bool
client_receive(struct client *client)
{
    if (client->in.size) {
        return true;
    }
    ofpbuf_clear(&client->in);
    ofpbuf_prealloc_tailroom(&client->in, RECEIVE_SIZE);
    ssize_t n = recv(client->fd, client->in.data, RECEIVE_SIZE, 0);
    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    client->in.size = n;
    return true;
}

/* Takes what 'client' sent, up to a request whose answer is to come.  Returns
 * false if it is gone. */
static bool
client_read(struct control *control, struct client *client)
{
    if (!client_receive(client)) {
        return false;
    }

    while (client->in.size && !client->last && !client->ticket) {
        struct slice in = slice_of(client->in.data, client->in.size);
        enum control_status status = control_reader_push(&client->reader, &in);

        ofpbuf_pull(&client->in, client->in.size - in.size);
        switch (status) {
        case CONTROL_MORE:
            break;
        case CONTROL_READY:
            client->ticket = control->answer(
                control->aux, control_reader_message(&client->reader),
                client->may_change, &client->out);
            control_reader_next(&client->reader);
            client->deadline_ms = time_msec() + PATIENCE_MS;
            break;
        case CONTROL_TOO_LARGE:
            turn_away(client, "the request is larger than 1 MiB; use a "
                      "sluicectl of sluiced's version.");
            break;
        }
        if (client->out.size > CONTROL_FRAME_MAX && client->in.size) {
            turn_away(client, "requests come faster than answers are taken; "
                      "wait for each answer.");
        }
    }
    return true;
}

/* Sends what there is.  Returns false if the client is gone. */
static bool
client_write(struct client *client)
{
    while (client->out.size) {
        ssize_t n = send(client->fd, client->out.data, client->out.size,
                         MSG_NOSIGNAL);
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        ofpbuf_pull(&client->out, n);
    }
    if (!client->last) {
        ofpbuf_clear(&client->out);
    }
    return !client->last;
}

static bool
client_run(struct control *control, struct client *client)
{
    bool over = time_msec() >= client->deadline_ms;

    if (client->ticket) {
        if (control->later(control->aux, client->ticket, over,
                           &client->out)) {
            client->ticket = 0;
            client->deadline_ms = time_msec() + PATIENCE_MS;
        }
    } else if (over) {
        return false;
    }
    /* No further request until the answer is taken. */
    if (!client->out.size && !client->ticket
        && !client_read(control, client)) {
        return false;
    }
    return !client->out.size || client_write(client);
}

void
control_run(struct control *control)
{
    struct client *client;

    while (control->n_clients < MAX_CLIENTS) {
        int fd = accept4(control->fd, NULL, NULL,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            break;
        }
        accept_client(control, fd);
    }
    LIST_FOR_EACH_SAFE (client, node, &control->clients) {
        if (!client_run(control, client)) {
            client_destroy(control, client);
        }
    }
}

void
control_wait(const struct control *control)
{
    const struct client *client;

    if (control->n_clients < MAX_CLIENTS) {
        poll_fd_wait(control->fd, POLLIN);
    }
    LIST_FOR_EACH (client, node, &control->clients) {
        if (client->out.size) {
            poll_fd_wait(client->fd, POLLOUT);
        } else if (client->ticket) {
            /* What it waits for is what the master waits for. */
        } else if (client->in.size) {
            poll_immediate_wake();
        } else {
            poll_fd_wait(client->fd, POLLIN);
        }
        poll_timer_wait_until(client->deadline_ms);
    }
}
