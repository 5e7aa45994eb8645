/* SPDX-License-Identifier: Apache-2.0
 *
 * Starts programs, watches them, starts them again.  See supervisor.h. */
#include <config.h>

#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "failpoint.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "process.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(supervisor);

enum {
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 10 * 1000,
    STEADY_MS = 30 * 1000,      /* Having run so long it counts as healthy. */
};

/* Sends 'signal' to the running 'child'.  To a process of another user only
 * root and that user may: who may become that user is it for a moment, as far
 * as kill() looks, while that user in turn may do nothing to us. */
static void
send_signal(const struct child *child, int signal)
{
    uid_t user = child->user ? child->user->uid : child->becomes;
    uid_t own = geteuid();

    if (kill(child->pid, signal) && errno == EPERM && !seteuid(user)) {
        kill(child->pid, signal);
        if (seteuid(own)) {
            ovs_abort(errno, "%s: could not become user %u again",
                      child->name, (unsigned int) own);
        }
    }
}

void
supervisor_init(struct supervisor *s)
{
    ovs_list_init(&s->children);
}

static void
close_report(struct child *child)
{
    if (child->report_fd >= 0) {
        close(child->report_fd);
    }
    child->report_fd = -1;
    child->taken = (struct taken) { .stamp = 0 };
}

static void
child_destroy(struct child *child)
{
    ovs_list_remove(&child->node);
    for (char **arg = child->argv; *arg; arg++) {
        free(*arg);
    }
    free(child->argv);
    free(child->name);
    free(child->last_exit);
    close_report(child);
    free(child);
}

void
supervisor_destroy(struct supervisor *s)
{
    struct child *child;

    LIST_FOR_EACH_SAFE (child, node, &s->children) {
        if (child->pid) {
            send_signal(child, SIGKILL);
            while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
                continue;
            }
        }
        child_destroy(child);
    }
}

struct child *
supervisor_add(struct supervisor *s, const char *name, char ***argv)
{
    struct child *child = xzalloc(sizeof *child);

    child->name = xstrdup(name);
    child->argv = *argv;
    *argv = NULL;
    child->backoff_max_ms = BACKOFF_MAX_MS;
    child->becomes = -1;
    child->goal = CHILD_RUN;
    child->report_fd = -1;
    child->start_at_ms = time_msec();
    ovs_list_push_back(&s->children, &child->node);
    return child;
}

struct child *
supervisor_find(const struct supervisor *s, const char *name)
{
    struct child *child;

    LIST_FOR_EACH (child, node, &s->children) {
        if (!strcmp(child->name, name)) {
            return child;
        }
    }
    return NULL;
}

void
child_signal(const struct child *child, int signal)
{
    if (child->pid) {
        send_signal(child, signal);
    }
}

static void
begin_stop(struct child *child, enum child_goal goal, unsigned int patience_ms)
{
    if (child->goal == CHILD_RUN) {
        child_signal(child, SIGTERM);
        child->kill_at_ms = time_msec() + patience_ms;
    }
    child->goal = goal;
    child->start_at_ms = time_msec();
}

void
child_stop(struct child *child, unsigned int patience_ms)
{
    begin_stop(child, CHILD_STOP, patience_ms);
}

void
child_restart(struct child *child, unsigned int patience_ms)
{
    begin_stop(child, CHILD_RESTART, patience_ms);
}

/* Ends the new process, which could not do 'what'. */
static void OVS_NO_RETURN
give_up(const struct child *child, const char *what)
{
    const char *error = ovs_strerror(errno);

    ignore(write(STDERR_FILENO, child->argv[0], strlen(child->argv[0])));
    ignore(write(STDERR_FILENO, what, strlen(what)));
    ignore(write(STDERR_FILENO, error, strlen(error)));
    ignore(write(STDERR_FILENO, "\n", 1));
    _exit(127);
}

/* Puts 'report_fd', unless that is -1, and the descriptors of 'sockets', which
 * may be null, to where a child finds them.  Returns how many there are. */
static unsigned int
hand_over(int report_fd, const struct tunnel_sockets *sockets)
{
    int fds[1 + TUNNEL_N_SOCKETS], above[1 + TUNNEL_N_SOCKETS];
    unsigned int n = 0;

    if (report_fd >= 0) {
        fds[n++] = report_fd;
    }
    for (unsigned int i = 0; sockets && i < sockets->n; i++) {
        fds[n++] = sockets->fds[i];
    }

    /* First to where none of them can be in the way of another. */
    for (unsigned int i = 0; i < n; i++) {
        above[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, CHILD_FD + n);
    }
    for (unsigned int i = 0; i < n; i++) {
        dup2(above[i], CHILD_FD + i);
    }
    return n;
}

/* Of the rights that a service manager left us, takes those away by which one
 * becomes another, or gives files away.  (Root's it takes not.) */
static void
keep_to_own_user(void)
{
    static const int rights[] = { CAP_SETUID, CAP_SETGID, CAP_CHOWN };

    for (size_t i = 0; i < ARRAY_SIZE(rights); i++) {
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, rights[i], 0, 0);
    }
}

/* What the new process does; it never returns.  'report_fd' is where it is to
 * report, or -1. */
static void OVS_NO_RETURN
become(const struct child *child, pid_t master, int report_fd)
{
    sigset_t blocked;

    /* A process group of its own: an interrupt from the terminal goes to the
     * master alone, which knows the order of stopping. */
    setpgid(0, 0);

    const struct child_user *user = child->user;
    if (user && (setgroups(0, NULL)
                 || setresgid(user->gid, user->gid, user->gid)
                 || setresuid(user->uid, user->uid, user->uid))) {
        give_up(child, ": its user can't be set: ");
    }
    /* A change from one user that is not root to another takes no rights
     * away: those in this set would stay. */
    if (user && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)) {
        give_up(child, ": its rights can't be taken away: ");
    }
    if (!user && child->becomes == (uid_t) -1) {
        keep_to_own_user();
    }

    /* After the change of user, which would undo it.
     *
     * SIGKILL, because a new master must not find the files in use; nothing
     * is lost by it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != master) {
        _exit(1);
    }

    close_range(CHILD_FD + hand_over(report_fd, child->sockets), ~0U, 0);

    /* A reload must not end a program that can't take the signal yet, nor the
     * wish that it close its batches. */
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGHUP);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    signal(SIGPIPE, SIG_DFL);
    execv(child->argv[0], child->argv);
    give_up(child, ": can't be run: ");
}

/* Sets when to start 'child' after it ended, or could not be started. */
static void
back_off(struct child *child)
{
    long long int now = time_msec();

    child->restarts++;
    child->n_in_row = now - child->started_ms >= STEADY_MS ? 0
                      : child->n_in_row + 1;
    if (child->n_in_row <= 1) {
        child->backoff_ms = 0;
    } else {
        child->backoff_ms = MIN(child->backoff_max_ms,
                                MAX(BACKOFF_MIN_MS, 2 * child->backoff_ms));
    }
    child->start_at_ms = now + child->backoff_ms;
}

/* Makes the pipe by which 'child' reports, if it does.  Returns 0 and the end
 * that is the child's, or -1 if there is none, or a positive errno. */
static int
open_report(struct child *child, int *ret_fd)
{
    int fds[2] = { -1, -1 };

    if (child->reports && pipe2(fds, O_CLOEXEC | O_NONBLOCK)) {
        return errno;
    }
    child->report_fd = fds[0];
    *ret_fd = fds[1];
    return 0;
}

/* Returns the process id of the new process, or -errno. */
static pid_t
spawn(struct child *child)
{
    pid_t master = getpid();
    sigset_t set, old;
    int report_fd = -1;
    int error = open_report(child, &report_fd);

    if (error) {
        return -error;
    }
    /* Until the new process has set its own mask. */
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, &old);
    pid_t pid = fork();
    if (!pid) {
        become(child, master, report_fd);
    }
    error = errno;
    sigprocmask(SIG_SETMASK, &old, NULL);
    if (report_fd >= 0) {
        close(report_fd);
    }
    if (pid < 0) {
        close_report(child);
        return -error;
    }
    return pid;
}

static void
start(struct child *child)
{
    pid_t pid = spawn(child);

    child->started_ms = time_msec();
    child->started_ns = time_wall_usec() * 1000ULL;
    if (pid < 0) {
        VLOG_ERR("%s: can't be started: %s", child->name,
                 ovs_strerror(-pid));
        back_off(child);
        return;
    }
    child->pid = pid;
    child->goal = CHILD_RUN;
    failpoint(FAIL_PROGRAM_STARTED);
    VLOG_INFO("%s: started as process %ld", child->name, (long int) pid);
}

/* Notes how 'child' ended. */
static void
bury(struct child *child, int status)
{
    free(child->last_exit);
    child->last_exit = process_status_msg(status);
    child->pid = 0;
    close_report(child);

    if (child->goal != CHILD_RUN) {
        VLOG_INFO("%s: stopped (%s)", child->name, child->last_exit);
        return;
    }
    back_off(child);
    VLOG_WARN("%s: ended by itself (%s); it is started again in %u ms",
              child->name, child->last_exit, child->backoff_ms);
}

bool
child_is_behind(const struct child *child, uint64_t stamp)
{
    if (!child->pid || child->goal == CHILD_STOP) {
        return false;
    }
    return (child->goal == CHILD_RESTART
            || (child->report_fd >= 0 && child->taken.stamp < stamp));
}

void
child_wait_for_report(const struct child *child)
{
    if (child->report_fd >= 0) {
        poll_fd_wait(child->report_fd, POLLIN);
    }
}

/* Notes what 'child' says that it has taken.  One that closes its end says no
 * more, and is waited for no longer. */
static void
read_reports(struct child *child)
{
    enum { AT_ONCE = 64 };      /* Whatever else it may write. */
    ssize_t n = sizeof child->taken;

    for (int i = 0; child->report_fd >= 0 && i < AT_ONCE
         && n == sizeof child->taken; i++) {
        struct taken taken;

        n = read(child->report_fd, &taken, sizeof taken);
        if (n == sizeof taken) {
            child->taken = taken;
        } else if (!n) {
            close(child->report_fd);
            child->report_fd = -1;
        }
    }
}

void
supervisor_run(struct supervisor *s)
{
    struct child *child;

    LIST_FOR_EACH_SAFE (child, node, &s->children) {
        int status;
        read_reports(child);
        if (child->pid && waitpid(child->pid, &status, WNOHANG) > 0) {
            bury(child, status);
        }
        if (!child->pid) {
            if (child->goal == CHILD_STOP) {
                child_destroy(child);
            } else if (time_msec() >= child->start_at_ms) {
                start(child);
            }
        } else if (child->goal != CHILD_RUN
                   && time_msec() >= child->kill_at_ms) {
            VLOG_WARN("%s: did not stop when asked; it is killed",
                      child->name);
            send_signal(child, SIGKILL);
            child->kill_at_ms = LLONG_MAX;
        }
    }
}

void
supervisor_wait(const struct supervisor *s)
{
    const struct child *child;

    LIST_FOR_EACH (child, node, &s->children) {
        if (!child->pid) {
            poll_timer_wait_until(child->goal == CHILD_STOP ? LLONG_MIN
                                  : child->start_at_ms);
        } else if (child->goal != CHILD_RUN
                   && child->kill_at_ms != LLONG_MAX) {
            poll_timer_wait_until(child->kill_at_ms);
        }
    }
}
