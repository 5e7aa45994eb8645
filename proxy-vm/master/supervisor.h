/* SPDX-License-Identifier: Apache-2.0
 *
 * Starts programs, watches them, starts them again: at once the first time,
 * then after a pause that doubles from 100 ms to 10 s, or to less where that
 * is said; a program that ran for 30 s begins anew.  No program outlives its master.
 *
 * SIGCHLD must be blocked and must wake the poll loop.
 *
 * Runs in: sluiced. */
#ifndef SLUICE_SUPERVISOR_H
#define SLUICE_SUPERVISOR_H 1

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "openvswitch/list.h"
#include "taken.h"
#include "tunnel-sockets.h"

/* Whom a program runs as. */
struct child_user {
    uid_t uid;
    gid_t gid;
};

struct child {
    struct ovs_list node;       /* In struct supervisor's 'children'. */
    char *name;                 /* "ship-7". */
    char **argv;                /* Null at its end; argv[0] is the path. */
    const struct tunnel_sockets *sockets; /* Borrowed; handed over; or null. */
    unsigned int backoff_max_ms; /* Of the pause before it is started again. */
    const struct child_user *user; /* Borrowed; null: the master's. */
    bool reports;               /* Says which configuration it has taken, by
                                 * the descriptor CHILD_FD: see taken.h. */
    uid_t becomes;              /* The user that it makes itself, by the rights
                                 * that it then keeps; -1: none. */

    pid_t pid;                  /* 0: not running. */
    uint64_t started_ns;        /* Unix epoch. */
    unsigned int restarts;      /* After an exit that nobody asked for. */
    char *last_exit;            /* In words; null if it never exited. */
    struct taken taken;         /* What it said last, if it reports. */

    /* Private to supervisor.c. */
    enum child_goal {
        CHILD_RUN,              /* Keep it running. */
        CHILD_RESTART,          /* Stopping, to be started again at once. */
        CHILD_STOP,             /* Stopping for good. */
    } goal;
    long long int started_ms;   /* Monotonic, as all that follow. */
    long long int start_at_ms;
    long long int kill_at_ms;   /* When to lose patience with stopping. */
    unsigned int backoff_ms;    /* The latest pause. */
    unsigned int n_in_row;      /* Exits since it last ran for long. */
    int report_fd;              /* Where it reports; -1: nowhere. */
};

enum {
    CHILD_FD = 3,               /* The first descriptor handed over: where it
                                 * reports, and then the sockets. */
};

struct supervisor {
    struct ovs_list children;   /* "struct child", in order of adding. */
};

void supervisor_init(struct supervisor *);

/* Kills what still runs, and waits for it. */
void supervisor_destroy(struct supervisor *);

/* Adds a program, to be started by supervisor_run().  Takes '*argv', whose
 * strings are malloc()ed, and nulls it.  The program starts with SIGHUP blocked,
 * and takes the signal once it can. */
struct child *supervisor_add(struct supervisor *, const char *name,
                             char ***argv);
struct child *supervisor_find(const struct supervisor *, const char *name);

/* Asks 'child' to end (SIGTERM), and kills it if it has not after
 * 'patience_ms'.  Once it has ended, supervisor_run() frees it. */
void child_stop(struct child *, unsigned int patience_ms);

/* The same, but then it is started again, even if it was stopping for good. */
void child_restart(struct child *, unsigned int patience_ms);

/* Sends 'signal' if the child runs. */
void child_signal(const struct child *, int signal);

/* Returns true if 'child' runs with a configuration that is older than the one
 * with 'stamp': it did not say that it has read that, or is still about to be
 * started again for it. */
bool child_is_behind(const struct child *, uint64_t stamp);

/* Has the poll loop wake when 'child' reports. */
void child_wait_for_report(const struct child *);

/* Starts, buries, frees what is due. */
void supervisor_run(struct supervisor *);
void supervisor_wait(const struct supervisor *);

#endif /* proxy-vm/master/supervisor.h */
