/* SPDX-License-Identifier: Apache-2.0
 *
 * The master: holds the running configuration, and has one sluice-context, one
 * sluice-intake and a sluice-ship for each queue running.
 *
 * In: the configuration file, requests to reload and to stop.
 * Out: the running configuration in the run directory, processes.
 * Runs in: sluiced. */
#ifndef SLUICE_MASTER_H
#define SLUICE_MASTER_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy-config-diff.h"
#include "supervisor.h"

struct master {
    char *config_path;
    char *libexec;              /* Where the other programs are. */
    struct config *config;      /* The one that runs. */
    char *refused;              /* Why the latest reload was, or null. */
    uint64_t started_ns;        /* Unix epoch. */
    uint64_t loaded_ns;
    struct config_changes changes; /* By the latest reload. */
    uint64_t stamp;             /* Of 'config': see taken.h. */
    struct supervisor supervisor;
    struct spool *spool;
    struct ledger_keeper *ledger;
    int lock_fd;
    struct tunnel_sockets sockets;

    /* Private to master.c. */
    bool stopping;
    long long int taken_until_ms; /* Until when the programs may take the
                                   * configuration; 0: they have. */
    struct child *intake;       /* Null once it has stopped. */
    bool intake_is_own;         /* Whether intake has a user of its own: */
    struct child_user intake_user;
};

/* Loads the configuration and prepares everything; the programs are started
 * by master_run().  Takes 'config_path' and 'libexec'.  Returns null and
 * '*ret', or a malloc()ed sentence. */
char *master_create(char *config_path, char *libexec, struct master **ret);
void master_destroy(struct master *);

/* Loads the file again.  If it is right, brings everything into line with it
 * and returns null; else changes nothing and returns the sentence, which is
 * also kept in 'refused'. */
const char *master_reload(struct master *);

/* Returns null if each program that runs does so with the configuration that
 * has 'stamp' or a newer one, or a malloc()ed sentence that says which do not:
 * they have not come to it yet or, as the last thing they said, could not use
 * it. */
char *master_not_taken(const struct master *, uint64_t stamp);

/* Returns true if it may still become so: if any has not come to it. */
bool master_is_behind(const struct master *, uint64_t stamp);

/* Begins to stop: intake, which thereby flushes into the spool, then the
 * shippers, then context. */
void master_stop(struct master *);

/* Returns true once all programs have stopped. */
bool master_is_done(const struct master *);

/* Returns true if a shipper of the queue runs, or will again. */
bool master_has_ship(const struct master *, uint32_t tenant,
                     const char *queue);

void master_run(struct master *);
void master_wait(const struct master *);

#endif /* proxy-vm/master/master.h */
