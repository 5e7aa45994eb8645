/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 1, receive, from UDP sockets.  See s1-receive.h. */
#include "sluice-config.h"      /* For recvmmsg(). */

#include "s1-receive-private.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "failpoint.h"

/* What the file says of a socket that was there before goes on to count for
 * it. */
static int
know_sockets(struct rx_file *file, const struct tunnel_sockets *sockets)
{
    struct rx_socket before[TUNNEL_N_SOCKETS];
    int on = 1;

    memcpy(before, file->sockets, sizeof before);
    memset(file->sockets, 0, sizeof file->sockets);
    for (unsigned int i = 0; i < sockets->n; i++) {
        struct rx_socket *now = &file->sockets[i];
        socklen_t size = sizeof now->cookie;

        if (setsockopt(sockets->fds[i], SOL_SOCKET, SO_RXQ_OVFL, &on,
                       sizeof on)
            || getsockopt(sockets->fds[i], SOL_SOCKET, SO_COOKIE,
                          &now->cookie, &size)) {
            return errno;
        }
        for (unsigned int j = 0; j < TUNNEL_N_SOCKETS; j++) {
            if (before[j].cookie == now->cookie) {
                now->lost_seen = before[j].lost_seen;
            }
        }
    }
    return 0;
}

/* Adds to '*lost' what the kernel dropped before packet 'header'. */
static void
count_lost(struct rx_socket *s, struct msghdr *header, uint64_t *lost)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c;
         c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            uint32_t now;
            memcpy(&now, CMSG_DATA(c), sizeof now);
            *lost += (uint32_t) (now - s->lost_seen);
            s->lost_seen = now;
        }
    }
}

/* Chooses the next socket that has packets: each has its turn before one has
 * another.  Returns false if none has any. */
static bool
choose_socket(struct receive *r)
{
    if (r->n_sockets == 1) {
        return true;
    }
    for (int round = 0; round < 2; round++) {
        for (unsigned int i = 0; i < r->n_sockets; i++) {
            r->turn = r->turn + 1 < r->n_sockets ? r->turn + 1 : 0;
            if (r->polled[r->turn].revents) {
                r->polled[r->turn].revents = 0;
                return true;
            }
        }
        if (!round && poll(r->polled, r->n_sockets, 0) <= 0) {
            break;
        }
    }
    return false;
}

static int
fill(struct receive *r, uint64_t *lost)
{
    struct rx_file *file = r->file;

    if (!choose_socket(r)) {
        return EAGAIN;
    }
    receive_prepare_slots(r);
    failpoint(FAIL_RECEIVE_READY);
    int n = recvmmsg(r->polled[r->turn].fd, file->headers, N_SLOTS,
                     MSG_DONTWAIT, NULL);
    if (n <= 0) {
        return n ? errno : EAGAIN;
    }
    r->n_used = n;
    failpoint(FAIL_RECEIVE_FILLED);
    /* The figure only grows: the last packet has the newest. */
    count_lost(&file->sockets[r->turn], &file->headers[n - 1].msg_hdr, lost);
    return 0;
}

static bool
answer(struct receive *r, const struct rx_slot *slot, const void *data,
       size_t size)
{
    struct sockaddr_in6 to = slot->from;
    socklen_t to_size = sizeof to;
    if (to.sin6_family == AF_INET) {
        to_size = sizeof(struct sockaddr_in);
    }
    to.sin6_port = r->port;     /* Stands at the same place in both. */
    return (sendto(r->polled[r->turn].fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL,
                   (const struct sockaddr *) &to, to_size) == (ssize_t) size);
}

static void
wait_for_packets(struct receive *r, int timeout_ms)
{
    if (poll(r->polled, r->n_sockets, timeout_ms) > 0) {
        struct timespec collect = { .tv_nsec = COLLECT_NS };
        nanosleep(&collect, NULL);
    }
}

static void
destroy(struct receive *r)
{
    (void) r;                   /* The sockets are borrowed. */
}

static const struct receive_class socket_class = {
    .fill = fill,
    .answer = answer,
    .wait = wait_for_packets,
    .destroy = destroy,
};

int
receive_socket_create(const struct tunnel_sockets *sockets, const char *path,
                      struct receive **ret)
{
    struct sockaddr_in6 own;
    socklen_t own_size = sizeof own;
    struct receive *r;

    if (getsockname(sockets->fds[0], (struct sockaddr *) &own, &own_size)) {
        return errno;
    }
    int error = receive_create(&socket_class, path, &r);
    if (error) {
        return error;
    }
    error = know_sockets(r->file, sockets);
    if (error) {
        receive_destroy(r);
        return error;
    }
    r->file->rings.layout.n_from = 0;
    r->n_sockets = sockets->n;
    for (unsigned int i = 0; i < r->n_sockets; i++) {
        r->polled[i] = (struct pollfd) {
            .fd = sockets->fds[i],
            .events = POLLIN,
        };
    }
    r->port = own.sin6_port;
    *ret = r;
    return 0;
}
