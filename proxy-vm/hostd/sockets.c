/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose sockets have which addresses.  See sockets.h. */
#include <config.h>

#include "sockets.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "openvswitch/vlog.h"
#include "packets.h"
#include "read-small.h"
#include "socket-util.h"
#include "util.h"
#include "vm-figures.h"

VLOG_DEFINE_THIS_MODULE(sockets);

/* What fits a specification. */
struct match {
    const struct socket_spec *spec;
    size_t n_seen;              /* Sockets that were looked at. */
    size_t n;                   /* Of these fit. */
    bool one_user;              /* All of one user. */
    uint32_t uid;
    uint32_t inode;             /* Of the first one. */
    uint32_t pid;               /* That has it open. */
};

/* Where a socket was found open last: looked at first the next time. */
struct place {
    uint32_t inode, pid;
    int fd;
};

struct socket_watch {
    struct nl_sock *sock;
    int proc;
    struct place places[SOCKET_WATCH_MAX];
    size_t n_places;
};

bool
socket_spec_parse(const char *s, struct socket_spec *ret)
{
    struct socket_spec spec = { .port = 0 };
    const char *colon = strrchr(s, ':');
    unsigned int port = 0;

    spec.protocol = (!strncmp(s, "udp:", 4) ? IPPROTO_UDP
                     : !strncmp(s, "tcp:", 4) ? IPPROTO_TCP : 0);
    if (!spec.protocol || colon < s + 4
        || (strcmp(colon + 1, "*")
            && (!str_to_uint(colon + 1, 10, &port) || !port
                || port > UINT16_MAX))) {
        return false;
    }
    spec.port = port;

    char *addr = xmemdup0(s + 4, colon - (s + 4));
    ovs_be32 ip;
    size_t size = strlen(addr);
    bool right = true;
    if (ip_parse(addr, &ip)) {
        in6_addr_set_mapped_ipv4(&spec.addr, ip);
    } else if (addr[0] == '[' && addr[size - 1] == ']') {
        addr[size - 1] = '\0';
        right = ipv6_parse(addr + 1, &spec.addr);
    } else {
        right = !strcmp(addr, "*") && spec.port;
    }
    free(addr);
    if (right) {
        *ret = spec;
    }
    return right;
}

struct socket_watch *
socket_watch_create(int proc)
{
    struct nl_sock *sock = nl_socket_alloc();
    int error = sock ? nl_connect(sock, NETLINK_SOCK_DIAG) : -NLE_NOMEM;

    if (error) {
        VLOG_WARN("owners of sockets can't be found: %s", nl_geterror(error));
        nl_socket_free(sock);
        return NULL;
    }
    struct socket_watch *w = xzalloc(sizeof *w);
    w->sock = sock;
    w->proc = proc;
    return w;
}

void
socket_watch_destroy(struct socket_watch *w)
{
    if (w) {
        nl_socket_free(w->sock);
        free(w);
    }
}

/* Asking the kernel. */

static bool
address_fits(const struct inet_diag_msg *m, const struct socket_spec *spec)
{
    struct in6_addr addr;

    if (ipv6_is_zero(&spec->addr)) {
        return true;
    } else if (m->idiag_family == AF_INET) {
        in6_addr_set_mapped_ipv4(&addr, m->id.idiag_src[0]);
    } else {
        memcpy(&addr, m->id.idiag_src, sizeof addr);
    }
    /* A socket that is bound to no address takes those of all. */
    return (ipv6_addr_equals(&addr, &spec->addr)
            || (spec->port
                && (ipv6_is_zero(&addr)
                    || (IN6_IS_ADDR_V4MAPPED(&addr)
                        && !in6_addr_get_mapped_ipv4(&addr)))));
}

static int
take_socket(struct nl_msg *msg, void *match_)
{
    struct match *match = match_;
    const struct nlmsghdr *h = nlmsg_hdr(msg);
    const struct inet_diag_msg *m = nlmsg_data(h);

    if (++match->n_seen > SOCKET_WATCH_MAX_SOCKETS) {
        return NL_SKIP;
    } else if (nlmsg_datalen(h) < (int) sizeof *m || !m->idiag_inode
               || (match->spec->port
                   && m->id.idiag_sport != htons(match->spec->port))
               || !address_fits(m, match->spec)) {
        return NL_OK;
    }
    if (!match->n++) {
        match->uid = m->idiag_uid;
        match->inode = m->idiag_inode;
        match->one_user = true;
    } else if (match->uid != m->idiag_uid) {
        match->one_user = false;
    }
    return NL_OK;
}

/* What follows on an error has not the number that libnl expects. */
static int
take_any_number(struct nl_msg *msg OVS_UNUSED, void *arg OVS_UNUSED)
{
    return NL_OK;
}

/* Asks for the sockets of a family that may fit. */
static int
ask(struct socket_watch *w, struct match *match, int family)
{
    struct inet_diag_req_v2 req = {
        .sdiag_family = family,
        .sdiag_protocol = match->spec->protocol,
        .idiag_states = UINT32_MAX,
        .id.idiag_sport = htons(match->spec->port),
    };
    struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
    int error = (cb ? nl_send_simple(w->sock, SOCK_DIAG_BY_FAMILY,
                                     NLM_F_DUMP, &req, sizeof req)
                 : -NLE_NOMEM);

    if (error >= 0) {
        nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, take_socket, match);
        nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, take_any_number, NULL);
        error = nl_recvmsgs(w->sock, cb);
    }
    nl_cb_put(cb);
    return MIN(error, 0);
}

static void
find_sockets(struct socket_watch *w, struct match *match)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
    bool is_v4 = IN6_IS_ADDR_V4MAPPED(&match->spec->addr);
    /* An IPv6 socket may have IPv4 traffic as well. */
    int error = ask(w, match, AF_INET6);

    if (!error && (is_v4 || ipv6_is_zero(&match->spec->addr))) {
        error = ask(w, match, AF_INET);
    }
    if (error) {
        VLOG_WARN_RL(&rl, "owners of sockets can't be found: %s",
                     nl_geterror(error));
        /* The rest of an answer would be taken for that of the next one. */
        nl_close(w->sock);
        nl_connect(w->sock, NETLINK_SOCK_DIAG);
    } else if (match->n_seen > SOCKET_WATCH_MAX_SOCKETS) {
        VLOG_WARN_RL(&rl, "port %u: whose its sockets are can't be found: "
                     "there are more than %d", match->spec->port,
                     SOCKET_WATCH_MAX_SOCKETS);
    }
    /* What was not looked at may be somebody else's. */
    if (error || match->n_seen > SOCKET_WATCH_MAX_SOCKETS) {
        match->one_user = false;
    }
}

/* Finding processes. */

void
socket_process_name(int proc, uint32_t pid, char name[], size_t size)
{
    char path[32], text[READ_SMALL_MAX];

    snprintf(path, sizeof path, "%"PRIu32"/comm", pid);
    read_small(proc, path, text);
    text[strcspn(text, "\n")] = '\0';
    ovs_strlcpy(name, text, size);
}

/* Returns the inode of the socket that descriptor 'fd' of process 'pid' is, or
 * 0. */
static uint32_t
inode_of(const struct socket_watch *w, uint32_t pid, int fd)
{
    char path[64], text[64];
    unsigned int inode;

    snprintf(path, sizeof path, "%"PRIu32"/fd/%d", pid, fd);
    ssize_t n = readlinkat(w->proc, path, text, sizeof text - 1);
    if (n <= 0) {
        return 0;
    }
    text[n] = '\0';
    return ovs_scan(text, "socket:[%u]", &inode) ? inode : 0;
}

/* Notes that process 'pid' has a socket open, if somebody looks for it. */
static void
take_descriptor(struct socket_watch *w, struct match matches[], size_t n,
                uint32_t pid, int fd)
{
    uint32_t inode = inode_of(w, pid, fd);

    for (size_t i = 0; inode && i < n; i++) {
        if (matches[i].inode == inode && !matches[i].pid) {
            matches[i].pid = pid;
            if (w->n_places < SOCKET_WATCH_MAX) {
                w->places[w->n_places++] = (struct place) {
                    .inode = inode, .pid = pid, .fd = fd,
                };
            }
        }
    }
}

/* Goes through the descriptors of process 'pid', 'max' at most, and returns
 * how many there were. */
static size_t
scan_process(struct socket_watch *w, struct match matches[], size_t n,
             uint32_t pid, size_t max)
{
    const struct dirent *entry;
    char path[32];
    size_t n_fds = 0;

    snprintf(path, sizeof path, "%"PRIu32"/fd", pid);
    int dir_fd = openat(w->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = dir_fd >= 0 ? fdopendir(dir_fd) : NULL;
    while (dir && n_fds < max && (entry = readdir(dir))) {
        unsigned int fd;

        if (str_to_uint(entry->d_name, 10, &fd)) {
            take_descriptor(w, matches, n, pid, fd);
            n_fds++;
        }
    }
    if (dir) {
        closedir(dir);
    } else if (dir_fd >= 0) {
        close(dir_fd);
    }
    return n_fds;
}

static void
scan_processes(struct socket_watch *w, struct match matches[], size_t n)
{
    const struct dirent *entry;
    size_t left = SOCKET_WATCH_MAX_FDS;
    int n_processes = 0;

    int fd = openat(w->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    while (dir && left && n_processes < VM_WATCH_MAX_PROCESSES
           && (entry = readdir(dir))) {
        unsigned int pid;

        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9'
            && str_to_uint(entry->d_name, 10, &pid)) {
            left -= scan_process(w, matches, n, pid, left);
            n_processes++;
        }
    }
    if (dir) {
        closedir(dir);
    } else if (fd >= 0) {
        close(fd);
    }
}

/* Finds the processes of sockets, first where they were the last time. */
static void
find_processes(struct socket_watch *w, struct match matches[], size_t n)
{
    struct place old[SOCKET_WATCH_MAX];
    size_t n_old = w->n_places;
    bool any_left = false;

    memcpy(old, w->places, sizeof old);
    w->n_places = 0;
    for (size_t i = 0; i < n_old; i++) {
        take_descriptor(w, matches, n, old[i].pid, old[i].fd);
    }
    for (size_t i = 0; i < n; i++) {
        any_left |= matches[i].inode && !matches[i].pid;
    }
    if (any_left) {
        scan_processes(w, matches, n);
    }
}

void
socket_watch_find(struct socket_watch *w, const struct socket_spec specs[],
                  size_t n, struct socket_owner ret[], bool ret_found[])
{
    struct match matches[SOCKET_WATCH_MAX];

    memset(ret_found, 0, n * sizeof *ret_found);
    n = MIN(n, SOCKET_WATCH_MAX);
    if (!w || !n) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        matches[i] = (struct match) { .spec = &specs[i] };
        find_sockets(w, &matches[i]);
        if (!matches[i].one_user) {
            matches[i].inode = 0;
        }
    }
    find_processes(w, matches, n);
    for (size_t i = 0; i < n; i++) {
        if (matches[i].one_user) {
            ret_found[i] = true;
            ret[i] = (struct socket_owner) {
                .uid = matches[i].uid, .pid = matches[i].pid,
            };
            if (matches[i].pid) {
                socket_process_name(w->proc, matches[i].pid, ret[i].process,
                             sizeof ret[i].process);
            }
        }
    }
}
