/* SPDX-License-Identifier: Apache-2.0
 *
 * See tunnel-sockets.h. */
#include <config.h>

#include "tunnel-sockets.h"

#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

/* Where the VNI is in a GENEVE header (RFC 8926 section 3.4): in the upper
 * three bytes of this word. */
enum { VNI_OFFSET = 4, VNI_SHIFT = 8 };

static void
set_option(const struct tunnel_sockets *s, int option, int value)
{
    for (unsigned int i = 0; s && i < s->n; i++) {
        setsockopt(s->fds[i], SOL_SOCKET, option, &value, sizeof value);
    }
}

/* Fills in the address to bind to; returns its size. */
static socklen_t
make_address(const struct in6_addr *addr, uint16_t port,
             struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof *ret);
    if (IN6_IS_ADDR_V4MAPPED(addr)) {
        struct sockaddr_in *sin = ALIGNED_CAST(struct sockaddr_in *, ret);
        sin->sin_family = AF_INET;
        sin->sin_port = htons(port);
        memcpy(&sin->sin_addr, &addr->s6_addr[12], sizeof sin->sin_addr);
        return sizeof *sin;
    }
    struct sockaddr_in6 *sin6 = ALIGNED_CAST(struct sockaddr_in6 *, ret);
    sin6->sin6_family = AF_INET6;
    sin6->sin6_port = htons(port);
    sin6->sin6_addr = *addr;
    return sizeof *sin6;
}

/* Adds a socket that is bound to 'address'. */
static int
add_socket(struct tunnel_sockets *s, const struct sockaddr_storage *address,
           socklen_t size, bool has_old)
{
    const int on = 1, off = 0;
    int fd = socket(address->ss_family,
                    SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return errno;
    }
    s->fds[s->n++] = fd;
    if (address->ss_family == AF_INET6
        && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off)) {
        return errno;
    }
    if (has_old) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    /* The first one gets the port for itself, so that another proxy which has
     * it is no friend that shares it. */
    if (s->n > 1
        && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on)) {
        return errno;
    }
    if (bind(fd, (const struct sockaddr *) address, size)
        || (s->n == 1
            && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on))) {
        return errno;
    }
    return 0;
}

int
tunnel_sockets_bind(const struct in6_addr *addr, uint16_t port,
                    const struct tunnel_sockets *old,
                    struct tunnel_sockets *ret)
{
    struct sockaddr_storage address;
    socklen_t size = make_address(addr, port, &address);
    struct tunnel_sockets s = { .n = 0 };
    int error = 0;

    /* Only while both have the port; afterwards nobody else may bind. */
    set_option(old, SO_REUSEADDR, 1);
    while (!error && s.n < TUNNEL_N_SOCKETS) {
        error = add_socket(&s, &address, size, old != NULL);
        if (!error && !port && s.n == 1
            && getsockname(s.fds[0], (struct sockaddr *) &address, &size)) {
            error = errno;
        }
    }
    set_option(old, SO_REUSEADDR, 0);
    set_option(&s, SO_REUSEADDR, 0);

    if (!error) {
        error = tunnel_sockets_steer(&s);
    }
    if (error) {
        tunnel_sockets_close(&s);
        return error;
    }
    *ret = s;
    return 0;
}

int
tunnel_sockets_steer(const struct tunnel_sockets *s)
{
    /* The kernel shows the filter what comes behind the UDP header.  Of a
     * packet that is too short the filter returns 0. */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, VNI_OFFSET),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, VNI_SHIFT),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, s->n),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    const struct sock_fprog program = {
        .len = ARRAY_SIZE(code),
        .filter = code,
    };

    return (s->n > 1
            && setsockopt(s->fds[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF,
                          &program, sizeof program) ? errno : 0);
}

/* Returns the receive buffer of 'fd', in bytes of what the kernel counts,
 * which is twice what one asks for (socket(7)). */
static int
get_buffer(int fd)
{
    int value = 0;
    socklen_t size = sizeof value;

    return (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &size) ? 0 : value);
}

/* Returns the buffer, likewise, that a new socket gets where 'value' is asked
 * for: at most what net.core.rmem_max allows.  0 if that can't be told. */
static int
try_buffer(int value)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int got = 0;

    if (fd >= 0) {
        if (!setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof value)) {
            got = get_buffer(fd);
        }
        close(fd);
    }
    return got;
}

static int
set_buffer(int fd, int value)
{
    if (!setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &value, sizeof value)) {
        return 0;
    }

    /* Who may not go beyond net.core.rmem_max would get less than what a
     * manager has set already. */
    int has = get_buffer(fd);
    if (has / 2 < value && try_buffer(value) > has
        && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof value)) {
        return errno;
    }
    return get_buffer(fd) / 2 < value ? EPERM : 0;
}

int
tunnel_sockets_set_buffer(const struct tunnel_sockets *s, uint32_t size)
{
    int value = MIN(size, INT_MAX / 2);
    int error = 0;

    for (unsigned int i = 0; i < s->n; i++) {
        int error_here = set_buffer(s->fds[i], value);
        error = error ? error : error_here;
    }
    return error;
}

void
tunnel_sockets_close(struct tunnel_sockets *s)
{
    for (unsigned int i = 0; i < s->n; i++) {
        close(s->fds[i]);
    }
    s->n = 0;
}
