/* SPDX-License-Identifier: Apache-2.0
 *
 * An adapter's end of the socket to sluice-ship.  See adapter-end.h. */
#include "adapter-end.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "failpoint.h"
#include "no-dump.h"

enum {
    FIRST_CAP = 64 * 1024,
    MAX_CAP = ADAPTER_HEADER + ADAPTER_MAX_REQUEST,
    SENTENCE_SIZE = ADAPTER_MAX_REPLY - 1,
    PROGRESS_MS = 1000,
};

/* The frame that says that the deadline has passed. */
static uint8_t late_frame[ADAPTER_HEADER + ADAPTER_MAX_REPLY];
static size_t late_size;

/* Ends the program from within a signal handler. */
static void
end_late(int signal __attribute__((unused)))
{
    ssize_t n = send(ADAPTER_FD, late_frame, late_size,
                     MSG_DONTWAIT | MSG_NOSIGNAL);

    _exit(n == (ssize_t) late_size ? EXIT_FAILURE : 2);
}

void
adapter_end_init(struct adapter_end *end)
{
    struct sigaction action = { .sa_handler = end_late };
    int type;
    socklen_t size = sizeof type;

    if (getsockopt(ADAPTER_FD, SOL_SOCKET, SO_TYPE, &type, &size)
        || type != SOCK_STREAM) {
        fprintf(stderr, "%s: descriptor %d is not a stream socket: this "
                "program is started by sluice-ship\n",
                program_invocation_short_name, ADAPTER_FD);
        exit(EXIT_FAILURE);
    }
    failpoints_init();
    no_dump();                  /* Lines and keys lie in this memory. */
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGALRM, &action, NULL);
    *end = (struct adapter_end) { .cap = FIRST_CAP };
    end->buf = malloc(end->cap);
    if (!end->buf) {
        adapter_end_fail("out of memory");
    }
}

/* Makes room at the end of 'end->buf'. */
static void
make_room(struct adapter_end *end)
{
    if (end->head) {
        memmove(end->buf, end->buf + end->head, end->tail - end->head);
        end->tail -= end->head;
        end->head = 0;
    }
    if (end->tail == end->cap) {
        size_t cap = 2 * end->cap < MAX_CAP ? 2 * end->cap : MAX_CAP;
        uint8_t *buf = cap > end->cap ? realloc(end->buf, cap) : NULL;
        if (!buf) {
            adapter_end_fail("out of memory");
        }
        end->buf = buf;
        end->cap = cap;
    }
}

void
adapter_end_read(struct adapter_end *end)
{
    make_room(end);

    ssize_t n = recv(ADAPTER_FD, end->buf + end->tail, end->cap - end->tail,
                     MSG_DONTWAIT);
    if (n > 0) {
        end->tail += n;
        failpoint(FAIL_ADAPTER_REQUEST);
    } else if (!n || (errno != EAGAIN && errno != EINTR)) {
        end->eof = true;
    }
}

bool
adapter_end_next(struct adapter_end *end, struct adapter_request *ret)
{
    struct slice in = slice_of(end->buf + end->head, end->tail - end->head);
    int error = adapter_take_request(&in, ret);

    if (error == EBADMSG) {
        adapter_end_fail("sluice-ship said what this program does not "
                         "understand: are both of one version?");
    }
    end->head = end->tail - in.size;
    return !error;
}

/* Sends all of 'frame', or ends the program, if ship is gone. */
static void
reply(const uint8_t *frame, size_t size)
{
    while (size) {
        ssize_t n = send(ADAPTER_FD, frame, size, MSG_NOSIGNAL);
        if (n > 0) {
            frame += n;
            size -= n;
        } else if (n < 0 && errno != EINTR) {
            exit(EXIT_FAILURE);
        }
    }
}

void
adapter_end_open(void)
{
    uint8_t frame[ADAPTER_HEADER + ADAPTER_MAX_REPLY];

    failpoint(FAIL_ADAPTER_OPEN);
    reply(frame, adapter_put_open(frame, sizeof frame));
}

void
adapter_end_confirm(struct adapter_marks *marks)
{
    uint8_t frame[ADAPTER_HEADER + ADAPTER_MAX_REPLY];
    uint64_t id;
    uint32_t n_refused;

    while (adapter_marks_confirm(marks, &id, &n_refused)) {
        failpoint(FAIL_ADAPTER_CONFIRM);
        reply(frame, adapter_put_confirmed(frame, sizeof frame, id,
                                           n_refused));
        failpoint(FAIL_ADAPTER_CONFIRMED);
    }
}

void
adapter_end_progress(void)
{
    static int64_t latest_ms;
    uint8_t frame[ADAPTER_HEADER + ADAPTER_MAX_REPLY];
    int64_t now_ms = adapter_now_ms();

    if (now_ms - latest_ms >= PROGRESS_MS) {
        latest_ms = now_ms;
        reply(frame, adapter_put_progress(frame, sizeof frame));
    }
}

static size_t
put_sentence(uint8_t *frame, size_t cap, const char *format, va_list args)
{
    char sentence[SENTENCE_SIZE + 1];

    vsnprintf(sentence, sizeof sentence, format, args);
    for (char *p = sentence; *p; p++) {
        /* Some of it comes from a certificate or a server. */
        if (*p < ' ' || *p > '~') {
            *p = '?';
        }
    }
    return adapter_put_failed(frame, cap, sentence);
}

void
adapter_end_fail(const char *format, ...)
{
    uint8_t frame[ADAPTER_HEADER + ADAPTER_MAX_REPLY];
    va_list args;

    va_start(args, format);
    size_t size = put_sentence(frame, sizeof frame, format, args);
    va_end(args);
    reply(frame, size);
    /* Not exit(): the libraries may be in any state. */
    _exit(EXIT_FAILURE);
}

void
adapter_deadline_begin(unsigned int ms, const char *format, ...)
{
    struct itimerval timer = {
        .it_value = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 },
    };
    va_list args;

    adapter_deadline_end();
    va_start(args, format);
    late_size = put_sentence(late_frame, sizeof late_frame, format, args);
    va_end(args);
    setitimer(ITIMER_REAL, &timer, NULL);
}

void
adapter_deadline_end(void)
{
    setitimer(ITIMER_REAL, &(struct itimerval) { .it_value = { 0, 0 } },
              NULL);
}

int64_t
adapter_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}
