/* SPDX-License-Identifier: Apache-2.0
 *
 * Receives batches over the network.  See server.h. */
#include <config.h>

#include "server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

#include "proxy-config.h"
#include "receiver.h"

VLOG_DEFINE_THIS_MODULE(server);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 50);

enum {
    BACKLOG = 64,
    ACCEPT_RETRY_MS = 1000,     /* After a want of descriptors, say. */
};

struct server {
    const struct server_options *o;
    struct receiver_pool pool;
    int fd;
    long long int accept_at;    /* Not before. */
    struct receiver **sessions;
    unsigned int n_sessions;
};

/* Returns a listening socket, or a negative errno. */
static int
listen_on(const struct addrinfo *a)
{
    int one = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    IPPROTO_TCP);

    if (fd < 0) {
        return -errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, BACKLOG)) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

char *
server_create(const struct server_options *o, struct server **ret)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST
                                          | AI_PASSIVE };
    struct server *s = xzalloc(sizeof *s);
    char *host = NULL, *port = NULL, *sentence = NULL;
    struct addrinfo *addrs = NULL;

    s->o = o;
    s->pool.o = o;
    s->fd = -EINVAL;
    if (config_parse_server(o->listen, &host, &port)
        && !getaddrinfo(host, port, &hints, &addrs)) {
        s->fd = listen_on(addrs);
        freeaddrinfo(addrs);
    }
    free(host);
    free(port);
    if (s->fd < 0) {
        sentence = (s->fd == -EINVAL
                    ? xasprintf("%s is not an address of the form ADDR:PORT "
                                "or [IPV6]:PORT of this host", o->listen)
                    : xasprintf("can't listen on %s: %s", o->listen,
                                ovs_strerror(-s->fd)));
        server_destroy(s);
        return sentence;
    }
    s->sessions = xcalloc(o->max_sessions, sizeof *s->sessions);
    *ret = s;
    return NULL;
}

void
server_destroy(struct server *s)
{
    if (s) {
        for (unsigned int i = 0; i < s->n_sessions; i++) {
            receiver_destroy(s->sessions[i]);
        }
        free(s->sessions);
        if (s->fd >= 0) {
            close(s->fd);
        }
        free(s);
    }
}

unsigned int
server_port(const struct server *s)
{
    struct sockaddr_storage ss;
    socklen_t size = sizeof ss;

    memset(&ss, 0, sizeof ss);
    getsockname(s->fd, (struct sockaddr *) &ss, &size);
    return ntohs(ss.ss_family == AF_INET6
                 ? ((struct sockaddr_in6 *) &ss)->sin6_port
                 : ((struct sockaddr_in *) &ss)->sin_port);
}

static void
remove_session(struct server *s, unsigned int i)
{
    receiver_destroy(s->sessions[i]);
    s->sessions[i] = s->sessions[--s->n_sessions];
}

/* Ends the session that was idle longest, if there is one. */
static bool
remove_idle(struct server *s)
{
    long long int since = LLONG_MAX;
    unsigned int oldest = 0;

    for (unsigned int i = 0; i < s->n_sessions; i++) {
        if (receiver_idle_since(s->sessions[i]) < since) {
            since = receiver_idle_since(s->sessions[i]);
            oldest = i;
        }
    }
    if (since == LLONG_MAX) {
        return false;
    }
    remove_session(s, oldest);
    return true;
}

/* Makes a session of 'fd'. */
static void
add_session(struct server *s, int fd, const struct sockaddr *addr,
            socklen_t size)
{
    char host[64] = "?", port[16] = "?";
    unsigned int timeout = s->o->timeout_ms;
    int one = 1;

    getnameinfo(addr, size, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
    char *peer = xasprintf("%s:%s", host, port);
    if (s->n_sessions >= s->o->max_sessions && !remove_idle(s)) {
        VLOG_WARN_RL(&rl, "%s: %u sessions are all there may be", peer,
                     s->n_sessions);
        close(fd);
    } else {
        struct conn *conn = conn_create(fd, peer, s->o->tls);
        if (conn) {
            s->sessions[s->n_sessions++] = receiver_create(&s->pool, conn);
        }
    }
    free(peer);
}

static void
accept_sessions(struct server *s)
{
    for (int i = 0; i < BACKLOG && time_msec() >= s->accept_at; i++) {
        struct sockaddr_storage ss;
        socklen_t size = sizeof ss;
        int fd = accept4(s->fd, (struct sockaddr *) &ss, &size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            add_session(s, fd, (const struct sockaddr *) &ss, size);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS
                   || errno == ENOMEM) {
            VLOG_WARN_RL(&rl, "can't accept: %s", ovs_strerror(errno));
            s->accept_at = time_msec() + ACCEPT_RETRY_MS;
        }
    }
}

static void
commit_all(struct server *s, const char *failed)
{
    for (unsigned int i = 0; i < s->n_sessions; i++) {
        receiver_commit(s->sessions[i], failed);
    }
}

void
server_run(struct server *s)
{
    static const char failed[] = "batches could not be stored, and have to "
                                 "be sent again";
    uint64_t n_failures = unsealer_n_failures(s->o->unsealer);

    accept_sessions(s);
    s->pool.freed = false;
    for (unsigned int i = 0; i < s->n_sessions; i++) {
        receiver_run(s->sessions[i]);
        if (unsealer_n_failures(s->o->unsealer) != n_failures) {
            /* With this one's batch all others are lost that wait. */
            n_failures = unsealer_n_failures(s->o->unsealer);
            commit_all(s, failed);
        }
    }
    commit_all(s, unsealer_commit(s->o->unsealer) ? failed : NULL);
    for (unsigned int i = s->n_sessions; i-- > 0; ) {
        receiver_flush(s->sessions[i]);
        if (receiver_is_over(s->sessions[i])) {
            remove_session(s, i);
        }
    }
}

void
server_wait(struct server *s)
{
    if (s->accept_at > time_msec()) {
        poll_timer_wait_until(s->accept_at);
    } else {
        poll_fd_wait(s->fd, POLLIN);
    }
    if (s->pool.freed) {
        poll_immediate_wake();
    }
    for (unsigned int i = 0; i < s->n_sessions; i++) {
        receiver_wait(s->sessions[i]);
    }
}
