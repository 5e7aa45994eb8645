/* SPDX-License-Identifier: Apache-2.0
 *
 * The server of the peer that is compared with: takes TCP sessions on
 * loopback, counts lines (line feeds) and redaction marks, keeps nothing.  The
 * counts are in a file that it maps: four 64-bit numbers in the host's byte
 * order, lines, bytes, marks and sessions.
 *
 * In: TCP, lines ended by LF (RFC 6587 section 3.4.2).
 * Out: the counts; the port it chose, on standard output.
 * Runs in: bench.py, which starts and ends it. */
#include "sluice-config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "redact.h"

enum { MAX_SESSIONS = 16, BUFFER_SIZE = 256 * 1024 };

struct counts {
    uint64_t lines;
    uint64_t bytes;
    uint64_t marks;
    uint64_t sessions;
};

static volatile sig_atomic_t stopping;

static void
on_signal(int signo)
{
    (void) signo;
    stopping = 1;
}

/* Counts what is in 'size' bytes at 'p'.  '*matched' carries how much of a
 * mark the bytes before them ended with; its first byte is not in it twice, so
 * a mismatch never leaves more than one byte matched. */
static void
count(struct counts *counts, const char *p, size_t size, size_t *matched)
{
    static const char mark[] = REDACT_MARK_PREFIX;

    for (size_t i = 0; i < size; i++) {
        counts->lines += p[i] == '\n';
        *matched = (p[i] == mark[*matched] ? *matched + 1 : p[i] == mark[0]);
        if (!mark[*matched]) {
            counts->marks++;
            *matched = 0;
        }
    }
    counts->bytes += size;
}

static struct counts *
map_counts(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || ftruncate(fd, sizeof(struct counts))) {
        return NULL;
    }
    void *p = mmap(NULL, sizeof(struct counts), PROT_READ | PROT_WRITE,
                   MAP_SHARED, fd, 0);
    close(fd);
    return p == MAP_FAILED ? NULL : p;
}

static int
listen_on_loopback(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *) &address, length)
        || listen(fd, MAX_SESSIONS)
        || getsockname(fd, (struct sockaddr *) &address, &length)) {
        return -1;
    }
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void
serve(int listener, struct counts *counts)
{
    static char buffer[BUFFER_SIZE];
    struct pollfd fds[1 + MAX_SESSIONS] = {
        { .fd = listener, .events = POLLIN },
    };
    size_t matched[1 + MAX_SESSIONS] = { 0 };
    size_t n = 1;

    while (!stopping) {
        if (poll(fds, n, -1) <= 0) {
            continue;
        }
        for (size_t i = n - 1; i > 0; i--) {
            if (!fds[i].revents) {
                continue;
            }
            ssize_t got = recv(fds[i].fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (got > 0) {
                count(counts, buffer, got, &matched[i]);
            } else if (!got || (errno != EAGAIN && errno != EINTR)) {
                close(fds[i].fd);
                n--;
                fds[i] = fds[n];
                matched[i] = matched[n];
            }
        }
        if (fds[0].revents && n <= MAX_SESSIONS) {
            int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0) {
                matched[n] = 0;
                fds[n++] = (struct pollfd) { .fd = fd, .events = POLLIN };
                counts->sessions++;
            }
        }
    }
}

int
main(int argc, char *argv[])
{
    if (argc != 2) {
        fputs("usage: bench-sink COUNTS-FILE\n", stderr);
        return EXIT_FAILURE;
    }

    struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGTERM, &action, NULL);
    struct counts *counts = map_counts(argv[1]);
    int listener = counts ? listen_on_loopback() : -1;
    if (listener < 0) {
        fprintf(stderr, "bench-sink: %s: %s\n", argv[1], strerror(errno));
        return EXIT_FAILURE;
    }
    serve(listener, counts);
    close(listener);
    munmap(counts, sizeof *counts);
    return EXIT_SUCCESS;
}
