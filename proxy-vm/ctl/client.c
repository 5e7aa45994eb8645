/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks sluiced over its control socket.  See client.h. */
#include <config.h>

#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control-frame.h"
#include "util.h"

enum { MAX_PARTS = 16384 };     /* Of an answer: of a list of batches. */

static unsigned int patience_s = 15; /* For each step of sluiced. */

void
client_set_patience(unsigned int seconds)
{
    patience_s = seconds;
}

static int
connect_to(const char *path, int *ret_fd)
{
    struct timeval patience = { .tv_sec = patience_s };
    struct sockaddr_un sun = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof sun.sun_path) {
        return ENAMETOOLONG;
    }
    ovs_strlcpy(sun.sun_path, path, sizeof sun.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience)
        || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience)
        || connect(fd, (struct sockaddr *) &sun, sizeof sun)) {
        int error = errno;
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

static int
send_request(int fd, const Sluice__Request *request)
{
    size_t size = sluice__request__get_packed_size(request);
    uint8_t *frame = xmalloc(CONTROL_FRAME_HEADER + size);
    int error = 0;

    control_put_header(frame, size);
    sluice__request__pack(request, frame + CONTROL_FRAME_HEADER);
    size += CONTROL_FRAME_HEADER;
    for (size_t sent = 0; sent < size && !error; ) {
        ssize_t n = send(fd, frame + sent, size - sent, MSG_NOSIGNAL);
        if (n > 0) {
            sent += n;
        } else if (errno != EINTR) {
            error = errno;
        }
    }
    free(frame);
    return error;
}

/* Receives one message into 'reader'.  EPROTO: what came is none. */
static int
receive(int fd, struct control_reader *reader, struct slice *rest,
        uint8_t *buffer, size_t size)
{
    for (;;) {
        switch (control_reader_push(reader, rest)) {
        case CONTROL_READY:
            return 0;
        case CONTROL_TOO_LARGE:
            return EPROTO;
        case CONTROL_MORE:
            break;
        }
        ssize_t n = recv(fd, buffer, size, 0);
        if (n > 0) {
            *rest = slice_of(buffer, n);
        } else if (!n) {
            return ECONNRESET;
        } else if (errno != EINTR) {
            return errno == EAGAIN ? ETIMEDOUT : errno;
        }
    }
}

/* Moves the entries of a list of 'part' to the end of that of 'whole'. */
#define JOIN(WHOLE, PART, LIST)                                         \
    do {                                                                \
        size_t n__ = (WHOLE)->n_##LIST + (PART)->n_##LIST;              \
        if ((PART)->n_##LIST) {                                         \
            (WHOLE)->LIST = xrealloc((WHOLE)->LIST,                     \
                                     n__ * sizeof *(WHOLE)->LIST);      \
            memcpy(&(WHOLE)->LIST[(WHOLE)->n_##LIST], (PART)->LIST,     \
                   (PART)->n_##LIST * sizeof *(PART)->LIST);            \
            (WHOLE)->n_##LIST = n__;                                    \
            (PART)->n_##LIST = 0;                                       \
        }                                                               \
    } while (0)

/* Takes 'part'. */
static Sluice__Response *
join(Sluice__Response *whole, Sluice__Response *part)
{
    if (!whole) {
        return part;
    }
    JOIN(whole, part, tenants);
    JOIN(whole, part, vms);
    JOIN(whole, part, counters);
    JOIN(whole, part, spool);
    JOIN(whole, part, rules);
    JOIN(whole, part, ledger);
    JOIN(whole, part, destinations);
    JOIN(whole, part, batches);
    JOIN(whole, part, context);
    JOIN(whole, part, sources);
    JOIN(whole, part, snapshots);
    whole->more = part->more;
    control_free_response(part);
    return whole;
}

static int
receive_answer(int fd, Sluice__Response **ret)
{
    struct control_reader reader;
    Sluice__Response *whole = NULL;
    struct slice rest = slice_of(NULL, 0);
    uint8_t buffer[65536];
    int error = 0;

    control_reader_init(&reader);
    for (int i = 0; !error && (!whole || whole->more); i++) {
        error = i < MAX_PARTS ? receive(fd, &reader, &rest, buffer,
                                        sizeof buffer) : EPROTO;
        if (!error) {
            Sluice__Response *part = control_unpack_response(
                control_reader_message(&reader));
            if (part) {
                whole = join(whole, part);
            } else {
                error = EPROTO;
            }
            control_reader_next(&reader);
        }
    }
    control_reader_destroy(&reader);
    if (error) {
        if (whole) {
            control_free_response(whole);
        }
        return error;
    }
    *ret = whole;
    return 0;
}

char *
client_ask(const char *path, Sluice__Verb verb, Sluice__Response **ret)
{
    Sluice__Request request = SLUICE__REQUEST__INIT;

    request.verb = verb;
    return client_request(path, &request, ret);
}

char *
client_request(const char *path, const Sluice__Request *request,
               Sluice__Response **ret)
{
    int fd = -1;
    int error = connect_to(path, &fd);

    if (error) {
        return xasprintf("can't reach sluiced at %s: %s; %s", path,
                         ovs_strerror(error),
                         error == EACCES ? "be root or a member of its group."
                         : error == ENAMETOOLONG
                         ? "give a path of at most 107 bytes."
                         : "is it running?");
    }
    /* A peer that may not ask has its answer without having asked. */
    error = send_request(fd, request);
    if (!error || error == EPIPE || error == ECONNRESET) {
        error = receive_answer(fd, ret);
    }
    close(fd);
    return (!error ? NULL
            : error == EPROTO
            ? xasprintf("the answer of sluiced at %s can't be read; use a "
                        "sluicectl of its version.", path)
            : xasprintf("sluiced at %s does not answer: %s; look into its "
                        "log.", path, ovs_strerror(error)));
}
