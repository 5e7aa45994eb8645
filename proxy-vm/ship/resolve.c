/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds addresses.  See resolve.h. */
#include <config.h>

#include "resolve.h"

#include <ares.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

enum {
    /* Each name server is asked so often, with so much patience at first. */
    TRIES = 2,
    TRY_MS = 2000,
};

struct resolve {
    ares_channel channel;
    bool has_channel;
    long long int deadline;

    bool done;
    int status;                 /* Of c-ares, once done. */
    struct resolve_addr addrs[RESOLVE_MAX_ADDRS];
    size_t n;
};

/* Takes what c-ares found. */
static void
take_result(void *r_, int status, int timeouts OVS_UNUSED,
            struct ares_addrinfo *info)
{
    struct resolve *r = r_;

    r->done = true;
    r->status = status;
    if (info) {
        for (struct ares_addrinfo_node *node = info->nodes;
             node && r->n < RESOLVE_MAX_ADDRS; node = node->ai_next) {
            if (node->ai_addrlen <= sizeof r->addrs[0].addr) {
                memcpy(&r->addrs[r->n].addr, node->ai_addr, node->ai_addrlen);
                r->addrs[r->n++].size = node->ai_addrlen;
            }
        }
        ares_freeaddrinfo(info);
    }
    if (!status && !r->n) {
        r->status = ARES_ENODATA;
    }
}

struct resolve *
resolve_create(const char *host, const char *port, int type,
               uint32_t timeout_ms)
{
    static bool initialized;
    struct resolve *r = xzalloc(sizeof *r);
    /* A channel for each look-up, so that it sees the files as they are. */
    struct ares_options options = {
        .timeout = MIN(TRY_MS, timeout_ms / 2),
        .tries = TRIES,
        .lookups = CONST_CAST(char *, "fb"),
    };
    struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = type,
        .ai_flags = ARES_AI_NUMERICSERV,
    };

    r->deadline = time_msec() + timeout_ms;
    if (!initialized) {
        ares_library_init(ARES_LIB_INIT_ALL);
        initialized = true;
    }
    r->status = ares_init_options(&r->channel, &options,
                                  ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES
                                  | ARES_OPT_LOOKUPS);
    if (r->status) {
        r->done = true;
    } else {
        r->has_channel = true;
        ares_getaddrinfo(r->channel, host, port, &hints, take_result, r);
    }
    return r;
}

void
resolve_destroy(struct resolve *r)
{
    if (r) {
        if (r->has_channel) {
            ares_destroy(r->channel);
        }
        free(r);
    }
}

/* What ares_getsock() says of socket 'i'.  The macros of c-ares shift an int
 * into its sign. */
static bool
is_readable(unsigned int bits, int i)
{
    return bits >> i & 1;
}

static bool
is_writable(unsigned int bits, int i)
{
    return bits >> (i + ARES_GETSOCK_MAXNUM) & 1;
}

int
resolve_run(struct resolve *r, struct resolve_addr *ret, size_t *ret_n,
            const char **ret_why)
{
    ares_socket_t socks[ARES_GETSOCK_MAXNUM];
    unsigned int bits = r->done ? 0 : ares_getsock(r->channel, socks,
                                                   ARES_GETSOCK_MAXNUM);

    for (int i = 0; i < ARES_GETSOCK_MAXNUM && !r->done; i++) {
        bool reads = is_readable(bits, i);
        bool writes = is_writable(bits, i);
        struct pollfd pfd = {
            .fd = socks[i],
            .events = (reads ? POLLIN : 0) | (writes ? POLLOUT : 0),
        };

        if ((reads || writes) && poll(&pfd, 1, 0) > 0) {
            ares_process_fd(r->channel,
                            pfd.revents & ~POLLOUT ? pfd.fd : ARES_SOCKET_BAD,
                            pfd.revents & POLLOUT ? pfd.fd : ARES_SOCKET_BAD);
        }
    }
    if (!r->done) {
        ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
    if (!r->done && time_msec() >= r->deadline) {
        *ret_why = "no name server answered in time";
        return ETIMEDOUT;
    } else if (!r->done) {
        return EAGAIN;
    } else if (r->status) {
        *ret_why = (r->status == ARES_ENOTFOUND ? "there is no such name"
                    : r->status == ARES_ENODATA ? "the name has no address"
                    : r->status == ARES_ETIMEOUT
                    ? "no name server answered in time"
                    : r->status == ARES_ECONNREFUSED
                    ? "no name server can be reached"
                    : ares_strerror(r->status));
        return r->status == ARES_ETIMEOUT ? ETIMEDOUT : EHOSTUNREACH;
    }
    memcpy(ret, r->addrs, r->n * sizeof *ret);
    *ret_n = r->n;
    return 0;
}

void
resolve_wait(const struct resolve *r)
{
    ares_socket_t socks[ARES_GETSOCK_MAXNUM];
    struct timeval tv;

    if (r->done) {
        poll_immediate_wake();
        return;
    }
    unsigned int bits = ares_getsock(r->channel, socks, ARES_GETSOCK_MAXNUM);
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
        short events = ((is_readable(bits, i) ? POLLIN : 0)
                        | (is_writable(bits, i) ? POLLOUT : 0));
        if (events) {
            poll_fd_wait(socks[i], events);
        }
    }
    if (ares_timeout(r->channel, NULL, &tv)) {
        poll_timer_wait(tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1);
    }
    poll_timer_wait_until(r->deadline);
}
