/* SPDX-License-Identifier: Apache-2.0
 *
 * RELP and Kafka, by the programs sluice-relp and sluice-kafka: an adapter
 * runs for as long as a session, and speaks to us over a socket
 * (adapter-frame.h).
 *
 *     send()  records --> messages --> 'out' --> socket
 *     mark()  a mark, with the number of bytes of the session up to there
 *     run()   OPEN, CONFIRMED, PROGRESS, FAILED <-- socket
 *
 * One batch at a time is on its way: when the session breaks, or a program is
 * killed, no more than that can arrive twice.
 *
 * The adapter has deadlines of its own, and says what was late; ours only end
 * one that is stuck.
 *
 * In: records.  Out: a process, and through it a session.
 * Runs in: sluice-ship. */
#include <config.h>

#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

#include "adapter-frame.h"
#include "cursor.h"
#include "printable.h"

enum {
    OUT_SIZE = 256 * 1024,
    GRACE_MS = 3000,            /* More than the adapter's own deadlines. */
    LEAVE_MS = 300,             /* For it to close its session in order. */
    MAX_ARGS = 24,
    MAX_KAFKA_MS = 300000,      /* librdkafka takes no more. */
};

struct output_program {
    struct output up;
    const char *name;           /* "sluice-relp". */
    char *path;
    char *argv[MAX_ARGS];
    int n_args;

    int fd;                     /* Our end of its socket, or -1. */
    pid_t pid;                  /* 0 if none runs. */
    pid_t leaving;              /* One that closes its session, or 0. */

    uint8_t in[ADAPTER_HEADER + ADAPTER_MAX_REPLY];
    size_t n_in;
    uint8_t *out;               /* What the socket did not take: from */
    size_t out_cap, out_pos, out_size; /* 'out_pos' up to 'out_size'. */

    bool marked;                /* 'mark' waits to be confirmed. */
    uint64_t mark;
};

static struct output_program *
output_program_cast(const struct output *output)
{
    return CONTAINER_OF(output, struct output_program, up);
}

/* Returns where the adapter 'name' is: in the build tree beside us, or where
 * it is installed. */
static char *
find_program(const char *name)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (n > 0) {
        self[n] = '\0';
        char *path = xasprintf("%s/../%s/sluice-%s", dirname(self), name,
                               name);
        if (!access(path, X_OK)) {
            return path;
        }
        free(path);
    }
    char *path = xasprintf("%s/sluice-%s", SLUICE_PKGLIBEXECDIR, name);
    if (!access(path, X_OK)) {
        return path;
    }
    free(path);
    return NULL;
}

/* Adds the option 'name' with 'value', if that is not null. */
static void
add_option(struct output_program *p, const char *name, const char *value)
{
    if (value) {
        p->argv[p->n_args++] = xstrdup(name);
        p->argv[p->n_args++] = xstrdup(value);
    }
}

static void
add_timeout(struct output_program *p, uint32_t ms)
{
    char *text = xasprintf("%"PRIu32, ms);

    add_option(p, "--timeout-ms", text);
    free(text);
}

/* Makes an output whose adapter is 'name', without options yet. */
static char *
program_create(const struct output_class *class, const char *name,
               const struct output_options *o, struct output_program **ret)
{
    char *path = find_program(name);
    if (!path) {
        return xasprintf("type: \"%s\" needs the program sluice-%s, which is "
                         "not there: build Sluice with its library",
                         o->type, name);
    }

    struct output_program *p = xzalloc(sizeof *p);
    output_init(&p->up, class, o);
    p->path = path;
    p->argv[p->n_args++] = xasprintf("sluice-%s", name);
    p->name = p->argv[0];
    p->fd = -1;
    p->out_cap = OUT_SIZE;
    p->out = xmalloc(p->out_cap);
    *ret = p;
    return NULL;
}

static char *
relp_create(const struct output_options *o, struct output **ret)
{
    bool tls = !strcmp(o->type, "relp-tls");
    struct output_program *p;

    char *sentence = program_create(
        tls ? &output_relp_tls_class : &output_relp_class, "relp", o, &p);
    if (sentence) {
        return sentence;
    }
    add_option(p, "--server", o->server);
    add_timeout(p, o->timeout_ms);
    if (tls) {
        p->argv[p->n_args++] = xstrdup("--tls");
        add_option(p, "--ca-file", o->ca_file);
        add_option(p, "--certificate-file", o->certificate_file);
        add_option(p, "--key-file", o->key_file);
        add_option(p, "--server-name", o->server_name);
    }
    *ret = &p->up;
    return NULL;
}

static char *
kafka_create(const struct output_options *o, struct output **ret)
{
    struct output_program *p;

    char *sentence = program_create(&output_kafka_class, "kafka", o, &p);
    if (sentence) {
        return sentence;
    }
    add_option(p, "--brokers", o->server);
    add_option(p, "--topic", o->topic);
    add_option(p, "--ca-file", o->ca_file);
    add_option(p, "--certificate-file", o->certificate_file);
    add_option(p, "--key-file", o->key_file);
    add_timeout(p, MIN(o->timeout_ms, MAX_KAFKA_MS));
    *ret = &p->up;
    return NULL;
}

/* Ends the process '*pid', if there is one, and returns how it ended. */
static int
end_process(pid_t *pid)
{
    int status = 0;

    if (*pid) {
        kill(*pid, SIGKILL);
        while (waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
            continue;
        }
        *pid = 0;
    }
    return status;
}

static void
close_socket(struct output_program *p)
{
    if (p->fd >= 0) {
        close(p->fd);
        p->fd = -1;
    }
}

/* An adapter with nothing on its way may close its session in order; there is
 * no use in another one, and it might confirm what nobody waits for. */
static void
program_close(struct output *output)
{
    struct output_program *p = output_program_cast(output);

    end_process(&p->leaving);
    if (output->state == OUTPUT_OPEN && output->sent == output->delivered
        && !p->marked && p->out_pos == p->out_size) {
        p->leaving = p->pid;
        p->pid = 0;
    } else {
        end_process(&p->pid);
    }
    close_socket(p);
}

static void
program_destroy(struct output *output)
{
    struct output_program *p = output_program_cast(output);

    output_close(output);
    long long int by = time_msec() + LEAVE_MS;
    while (p->leaving && time_msec() < by) {
        if (waitpid(p->leaving, NULL, WNOHANG) == p->leaving) {
            p->leaving = 0;
        } else {
            poll(NULL, 0, 5);
        }
    }
    end_process(&p->leaving);
    for (int i = 0; i < p->n_args; i++) {
        free(p->argv[i]);
    }
    free(p->path);
    free(p->out);
    free(p);
}

/* What the new process does; it never returns. */
static void OVS_NO_RETURN
become(const struct output_program *p, int fd, pid_t ship)
{
    sigset_t none;

    /* An adapter of a ship that is gone could only send what another one
     * sends again. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != ship) {
        _exit(1);
    }
    if (fd == ADAPTER_FD) {
        fcntl(fd, F_SETFD, 0);
    } else {
        dup2(fd, ADAPTER_FD);
    }
    close_range(ADAPTER_FD + 1, ~0U, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    execv(p->path, p->argv);
    _exit(127);
}

static void
program_open(struct output *output)
{
    struct output_program *p = output_program_cast(output);
    int fds[2];

    p->n_in = p->out_pos = p->out_size = 0;
    p->marked = false;
    output->progress = time_msec();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)) {
        output_fail(output, "can't start %s: %s", p->name,
                    ovs_strerror(errno));
        return;
    }
    p->fd = fds[0];
    fcntl(p->fd, F_SETFL, O_NONBLOCK);

    pid_t ship = getpid();
    pid_t pid = fork();
    if (!pid) {
        become(p, fds[1], ship);
    }
    int error = pid < 0 ? errno : 0;
    close(fds[1]);
    if (error) {
        output_fail(output, "can't start %s: %s", p->name,
                    ovs_strerror(error));
    } else {
        p->pid = pid;
    }
}

/* The adapter closed its end without a sentence. */
static void
fail_ended(struct output_program *p)
{
    int status;
    pid_t ended = waitpid(p->pid, &status, WNOHANG);

    if (ended == p->pid) {
        p->pid = 0;
    } else {
        status = end_process(&p->pid);
    }
    if (WIFSIGNALED(status)) {
        output_fail(&p->up, "%s was killed by signal %d", p->name,
                    WTERMSIG(status));
    } else if (WEXITSTATUS(status) == 127) {
        output_fail(&p->up, "%s can't be run", p->path);
    } else {
        output_fail(&p->up, "%s ended with status %d", p->name,
                    WEXITSTATUS(status));
    }
}

static void
take_confirmed(struct output_program *p, const struct adapter_reply *r)
{
    if (!p->marked || r->id != p->mark) {
        output_fail(&p->up, "%s confirmed what it was not asked for",
                    p->name);
        return;
    }
    p->marked = false;
    if (r->n_refused) {
        output_put_receipt(&p->up, &(struct output_receipt) {
            .end = r->id,
            .n_dropped = r->n_refused,
        });
    } else {
        output_delivered(&p->up, r->id);
    }
}

static void
take_reply(struct output_program *p, const struct adapter_reply *r)
{
    struct output *output = &p->up;

    switch (r->kind) {
    case ADAPTER_OPEN:
        if (output->state == OUTPUT_OPENING) {
            output_opened(output);
        }
        break;

    case ADAPTER_CONFIRMED:
        take_confirmed(p, r);
        break;

    case ADAPTER_PROGRESS:
        output->progress = time_msec();
        break;

    case ADAPTER_FAILED: {
        char *sentence = make_printable((const char *) r->sentence.data,
                                        r->sentence.size);
        output_fail(output, "%s", sentence);
        free(sentence);
        break;
    }
    }
}

/* Takes what the adapter says. */
static void
receive(struct output_program *p)
{
    struct output *output = &p->up;

    while (output->state != OUTPUT_CLOSED) {
        ssize_t n = recv(p->fd, p->in + p->n_in, sizeof p->in - p->n_in, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return;
        } else if (n <= 0) {
            fail_ended(p);
            return;
        }
        p->n_in += n;

        struct slice rest = slice_of(p->in, p->n_in);
        struct adapter_reply reply;
        int error = 0;
        while (output->state != OUTPUT_CLOSED
               && !(error = adapter_take_reply(&rest, &reply))) {
            take_reply(p, &reply);
        }
        if (error == EBADMSG) {
            output_fail(output, "%s said what sluice-ship does not "
                        "understand: are both of one version?", p->name);
        }
        p->n_in = rest.size;
        memmove(p->in, rest.data, rest.size);
    }
}

/* Gives the socket what it takes of 'p->out'.  Returns true if that is
 * empty.  A broken socket is for receive() to notice, after the sentence. */
static bool
flush(struct output_program *p)
{
    while (p->out_pos < p->out_size) {
        ssize_t n = send(p->fd, p->out + p->out_pos,
                         p->out_size - p->out_pos, MSG_NOSIGNAL);
        if (n > 0) {
            p->out_pos += n;
            p->up.progress = time_msec();
        } else if (errno != EINTR) {
            return false;
        }
    }
    p->out_pos = p->out_size = 0;
    return true;
}

/* True if the adapter owes us something. */
static bool
is_waiting(const struct output_program *p)
{
    return (p->up.state == OUTPUT_OPENING || p->marked
            || p->out_pos < p->out_size);
}

static void
program_run(struct output *output)
{
    struct output_program *p = output_program_cast(output);

    receive(p);
    if (output->state == OUTPUT_CLOSED) {
        return;
    }
    flush(p);

    long long int silence = time_msec() - output->progress;
    if (is_waiting(p)
        && silence >= (long long int) output->o->timeout_ms + GRACE_MS) {
        output_fail(output, "%s is stuck: it said nothing for %lld ms",
                    p->name, silence);
    }
}

static void
program_wait(const struct output *output, bool want_send OVS_UNUSED)
{
    const struct output_program *p = output_program_cast(output);

    poll_fd_wait(p->fd, POLLIN | (p->out_pos < p->out_size ? POLLOUT : 0));
    if (is_waiting(p)) {
        poll_timer_wait_until(output->progress + output->o->timeout_ms
                              + GRACE_MS);
    }
}

/* Makes messages of the records in the front of 'in', as many as fit into
 * 'p->out', which is empty, and at least one.  Returns how many bytes of 'in'
 * those were. */
static size_t
translate(struct output_program *p, struct slice in)
{
    struct cursor c = cursor_of(in);
    size_t taken = 0;

    for (;;) {
        struct slice record = cursor_take(&c, cursor_be(&c, 4));
        struct cursor r = cursor_of(record);
        struct slice key = cursor_take(&r, cursor_be(&r, 1));
        struct slice line = cursor_rest(&r);
        if (c.failed || r.failed) {
            return taken;
        }

        size_t need = ADAPTER_HEADER + 2 + key.size + line.size
                      + ADAPTER_MARK_SIZE;
        if (!p->out_size && need > p->out_cap) {
            p->out_cap = need;
            p->out = xrealloc(p->out, p->out_cap);
        }
        size_t n = adapter_put_message(
            p->out + p->out_size,
            p->out_cap - ADAPTER_MARK_SIZE - p->out_size, key, line);
        if (!n) {
            return taken;
        }
        p->out_size += n;
        taken = in.size - c.left;
    }
}

static size_t
program_send(struct output *output, const uint8_t *data, size_t size)
{
    struct output_program *p = output_program_cast(output);
    size_t n = 0;

    while (!p->marked && !output->has_receipt && n < size && flush(p)) {
        size_t taken = translate(p, slice_of(data + n, size - n));
        if (!taken) {
            output_fail(output, "%s can't be given a line of this size",
                        p->name);
            return n;
        }
        n += taken;
        output_sent(output, taken);
    }
    flush(p);
    return n;
}

static void
program_mark(struct output *output)
{
    struct output_program *p = output_program_cast(output);

    p->mark = output->sent;
    p->marked = true;
    output->progress = time_msec();
    p->out_size += adapter_put_mark(p->out + p->out_size,
                                    p->out_cap - p->out_size, p->mark);
    flush(p);
}

#define PROGRAM_CLASS(NAME, TYPE, CREATE)               \
    const struct output_class output_##NAME##_class = { \
        .type = TYPE,                                   \
        .framing = SHIP_RECORD,                         \
        .confirms = true,                               \
        .create = CREATE,                               \
        .destroy = program_destroy,                     \
        .open = program_open,                           \
        .run = program_run,                             \
        .wait = program_wait,                           \
        .send = program_send,                           \
        .mark = program_mark,                           \
        .close = program_close,                         \
    };
PROGRAM_CLASS(relp, "relp", relp_create)
PROGRAM_CLASS(relp_tls, "relp-tls", relp_create)
PROGRAM_CLASS(kafka, "kafka", kafka_create)
