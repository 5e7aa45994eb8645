/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps up with one libvirt.  See libvirt-link.h. */
#include <config.h>

#include "libvirt-link.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cursor.h"
#include "libvirt-model.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(libvirt);

enum {
    HEADER_SIZE = 4,
    MIN_BACKOFF_MS = 1000,
    MAX_BACKOFF_MS = 60 * 1000,
    REAP_MS = 50,               /* From one look for a process that is to be
                                 * gone to the next. */
    EXIT_MS = 1000,             /* For one that closed its end. */
    MAX_AT_ONCE = 1024 * 1024,  /* Bytes of reports, before others' turn. */
};

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(30, 60);

struct libvirt_link {
    char *name;
    char *program;              /* Null: it is looked for. */
    char *uri;
    unsigned int poll_ms, stall_ms;

    pid_t pid;                  /* 0: none runs. */
    bool is_killed;             /* It is to be reaped. */
    long long int end_by;       /* It closed its end, and is to exit by then:
                                 * time_msec(); or 0. */
    int fd;                     /* Its reports, or -1. */
    uint8_t in[HEADER_SIZE + LIBVIRT_MAX_FRAME];
    size_t n_in;
    bool is_hungry;             /* There may be more to read. */

    struct libvirt_model *model;
    long long int said_at;      /* time_msec() of the latest report. */
    long long int heard_at;     /* The same while the model was whole, or 0. */
    bool has_changed;

    unsigned int backoff_ms;
    long long int not_before;   /* Of the next start. */
    char *problem;
    unsigned long long int n_starts, n_failures, n_reports;
};

struct libvirt_link *
libvirt_link_create(const struct libvirt_options *o)
{
    struct libvirt_link *l = xzalloc(sizeof *l);

    l->name = xstrdup(o->name);
    l->program = nullable_xstrdup(o->program);
    l->uri = xstrdup(o->uri);
    l->poll_ms = o->poll_ms;
    l->stall_ms = o->stall_ms;
    l->fd = -1;
    l->model = libvirt_model_create(LIBVIRT_MAX_BYTES);
    return l;
}

static void
close_pipe(struct libvirt_link *l)
{
    if (l->fd >= 0) {
        close(l->fd);
        l->fd = -1;
    }
}

/* Kills what 'pid', not reaped yet, started, and itself: an ssh that it has as
 * its child outlives it otherwise. */
static void
kill_group(pid_t pid)
{
    kill(-pid, SIGKILL);
}

/* Ends the process, if there is one, and no more of it is read.  Whether it is
 * gone, reap() finds out. */
static void
end_process(struct libvirt_link *l)
{
    close_pipe(l);
    l->n_in = 0;
    l->end_by = 0;
    l->is_hungry = false;
    if (l->pid && !l->is_killed) {
        kill_group(l->pid);
        l->is_killed = true;
    }
    libvirt_model_abandon(l->model);
}

/* Takes leave of a process that was ended.  Returns false if it is still
 * there. */
static bool
reap(struct libvirt_link *l, int options)
{
    if (l->pid && waitpid(l->pid, NULL, options) == 0) {
        return false;
    }
    l->pid = 0;
    l->is_killed = false;
    return true;
}

void
libvirt_link_destroy(struct libvirt_link *l)
{
    if (l) {
        end_process(l);
        reap(l, 0);
        libvirt_model_destroy(l->model);
        free(l->problem);
        free(l->uri);
        free(l->program);
        free(l->name);
        free(l);
    }
}

/* Ends the process, and starts another one after a while: takes 'problem', a
 * sentence without its full stop. */
static void
fail(struct libvirt_link *l, char *problem)
{
    char *sentence = xasprintf("%s: %s; trying again.", l->name, problem);

    if (!nullable_string_is_equal(l->problem, sentence)) {
        VLOG_WARN_RL(&rl, "%s  What is known stays as it was.", sentence);
    }
    free(problem);
    free(l->problem);
    l->problem = sentence;
    l->n_failures++;
    l->backoff_ms = MIN(MAX(l->backoff_ms * 2, MIN_BACKOFF_MS),
                        MAX_BACKOFF_MS);
    /* Proxies that started together do not come back together. */
    l->not_before = time_msec() + l->backoff_ms * 3 / 4
                    + random_range(l->backoff_ms / 2 + 1);
    end_process(l);
}

/* Starting. */

/* Returns where sluice-libvirt is: in the build tree beside us, or where it is
 * installed; malloc()ed, or null. */
static char *
find_program(void)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *paths[2] = { NULL, NULL };

    if (n > 0) {
        self[n] = '\0';
        paths[0] = xasprintf("%s/libvirt/sluice-libvirt", dirname(self));
    }
    paths[1] = xstrdup(SLUICE_PKGLIBEXECDIR "/sluice-libvirt");
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        if (paths[i] && !access(paths[i], X_OK)) {
            free(paths[!i]);
            return paths[i];
        }
    }
    free(paths[0]);
    free(paths[1]);
    return NULL;
}

/* What the new process does; it never returns. */
static void OVS_NO_RETURN
become(const char *program, char *argv[], int fd, pid_t parent)
{
    sigset_t set;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDONLY);
    if (getppid() != parent || null < 0 || dup2(null, STDIN_FILENO) < 0
        || dup2(fd, STDOUT_FILENO) < 0) {
        _exit(1);
    }
    close_range(STDERR_FILENO + 1, ~0U, 0);
    /* That has it list all domains anew; it waits until it is taken. */
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_SETMASK, &set, NULL);
    execv(program, argv);
    _exit(127);
}

static void
start(struct libvirt_link *l)
{
    char *program = l->program ? xstrdup(l->program) : find_program();
    int fds[2];

    if (!program) {
        fail(l, xstrdup("the program sluice-libvirt is not there: build "
                        "Sluice with libvirt"));
        return;
    } else if (pipe2(fds, O_CLOEXEC)) {
        fail(l, xasprintf("there can be no pipe: %s", ovs_strerror(errno)));
        free(program);
        return;
    }

    char poll_ms[16];
    snprintf(poll_ms, sizeof poll_ms, "%u", l->poll_ms);
    char *argv[] = {
        CONST_CAST(char *, "sluice-libvirt"), CONST_CAST(char *, "--uri"),
        l->uri, CONST_CAST(char *, "--poll-interval-ms"), poll_ms, NULL
    };
    pid_t parent = getpid();
    pid_t pid = fork();
    if (!pid) {
        become(program, argv, fds[1], parent);
    }
    int error = pid < 0 ? errno : 0;
    if (pid > 0) {
        /* As it does itself, whichever of us comes first. */
        setpgid(pid, pid);
    }
    close(fds[1]);
    free(program);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    l->fd = fds[0];
    l->said_at = time_msec();
    l->n_starts++;
    if (error) {
        fail(l, xasprintf("no process can be started: %s",
                          ovs_strerror(error)));
    } else {
        l->pid = pid;
    }
}

/* Reports. */

/* It closed its end without a word why: finds out how it ended. */
static void
check_end(struct libvirt_link *l)
{
    siginfo_t info = { .si_pid = 0 };
    int status = 0;

    /* Its number is nobody else's as long as it is not reaped. */
    if (waitid(P_PID, l->pid, &info, WEXITED | WNOHANG | WNOWAIT)
        || info.si_pid != l->pid) {
        if (time_msec() >= l->end_by) {
            fail(l, xstrdup("sluice-libvirt says nothing any more"));
        }
        return;
    }
    kill_group(l->pid);
    waitpid(l->pid, &status, 0);
    l->pid = 0;
    fail(l, WIFSIGNALED(status)
         ? xasprintf("sluice-libvirt was killed by signal %d",
                     WTERMSIG(status))
         : WEXITSTATUS(status) == 127
         ? xstrdup("sluice-libvirt can't be run")
         : xasprintf("sluice-libvirt ended with status %d",
                     WEXITSTATUS(status)));
}

/* Takes a report.  Returns false if that was the end. */
static bool
take_report(struct libvirt_link *l, struct slice frame)
{
    Sluice__LibvirtReport *report
        = sluice__libvirt_report__unpack(NULL, frame.size, frame.data);
    char *problem;

    if (report) {
        l->n_reports++;
        problem = libvirt_model_apply(l->model, report,
                                      time_wall_usec() * UINT64_C(1000));
        sluice__libvirt_report__free_unpacked(report, NULL);
    } else {
        problem = xstrdup("sluice-libvirt says what can't be understood");
    }
    if (problem) {
        fail(l, problem);
        return false;
    }
    l->said_at = time_msec();
    if (libvirt_model_is_whole(l->model)) {
        if (l->problem) {
            VLOG_INFO_RL(&rl, "%s: it is well again", l->name);
        }
        free(l->problem);
        l->problem = NULL;
        l->backoff_ms = 0;
        l->heard_at = l->said_at;
    }
    return true;
}

/* Takes the reports in 'l->in'.  Returns false if that was the end. */
static bool
take_reports(struct libvirt_link *l)
{
    struct slice rest = slice_of(l->in, l->n_in);

    for (;;) {
        struct cursor c = cursor_of(rest);
        size_t size = cursor_be(&c, HEADER_SIZE);

        if (!c.failed && size > LIBVIRT_MAX_FRAME) {
            fail(l, xasprintf("sluice-libvirt reports more than %d bytes at a "
                              "time", LIBVIRT_MAX_FRAME));
            return false;
        }
        struct slice frame = cursor_take(&c, size);
        if (c.failed) {
            break;
        }
        rest = cursor_rest(&c);
        if (!take_report(l, frame)) {
            return false;
        }
        l->has_changed |= libvirt_model_is_whole(l->model);
    }
    l->n_in = rest.size;
    memmove(l->in, rest.data, rest.size);
    return true;
}

static void
receive(struct libvirt_link *l)
{
    size_t n_taken = 0;

    l->is_hungry = false;
    while (l->fd >= 0) {
        ssize_t n = read(l->fd, l->in + l->n_in, sizeof l->in - l->n_in);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        } else if (n <= 0) {
            close_pipe(l);
            l->end_by = time_msec() + EXIT_MS;
            return;
        }
        l->n_in += n;
        n_taken += n;
        if (!take_reports(l)) {
            return;
        } else if (n_taken >= MAX_AT_ONCE) {
            l->is_hungry = true;
            return;
        }
    }
}

/* The loop. */

bool
libvirt_link_run(struct libvirt_link *l)
{
    if (l->is_killed) {
        reap(l, WNOHANG);
    }
    if (!l->pid && time_msec() >= l->not_before) {
        start(l);
    }
    receive(l);
    if (l->end_by) {
        check_end(l);
    } else if (l->fd >= 0 && time_msec() - l->said_at >= l->stall_ms) {
        fail(l, xasprintf("it did not answer for %u s", l->stall_ms / 1000));
    }

    bool has_changed = l->has_changed;
    l->has_changed = false;
    return has_changed;
}

void
libvirt_link_wait(struct libvirt_link *l)
{
    if (l->fd >= 0) {
        poll_fd_wait(l->fd, POLLIN);
        poll_timer_wait_until(l->said_at + l->stall_ms);
        if (l->is_hungry) {
            poll_immediate_wake();
        }
    } else if (l->is_killed || l->end_by) {
        poll_timer_wait(REAP_MS);
    } else {
        poll_timer_wait_until(l->not_before);
    }
}

void
libvirt_link_hurry(struct libvirt_link *l)
{
    l->not_before = 0;
    if (l->pid && !l->is_killed) {
        kill(l->pid, SIGHUP);
    }
}

const char *
libvirt_link_problem(const struct libvirt_link *l)
{
    return l->problem;
}

long long int
libvirt_link_heard_at(const struct libvirt_link *l)
{
    return l->heard_at;
}

const struct libvirt_model *
libvirt_link_model(const struct libvirt_link *l)
{
    return l->model;
}

void
libvirt_link_put_status(const struct libvirt_link *l, struct ds *status)
{
    const char *why;
    size_t n_unread = libvirt_model_n_unread(l->model, &why);

    ds_put_format(status, "%s: %"PRIuSIZE" domains, %llu connections, %llu "
                  "failures, %"PRIuSIZE" domains that can't be read%s%s\n",
                  l->name, libvirt_model_n_domains(l->model), l->n_starts,
                  l->n_failures, n_unread, why ? ": " : "", why ? why : "");
}
