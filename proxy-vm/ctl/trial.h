/* SPDX-License-Identifier: Apache-2.0
 *
 * Sends lines through the pipeline of sluice-intake, which stores nothing and
 * shows what it makes of each: one line, those of a text file, or those of a
 * capture with GENEVE packets or plain syslog over UDP.
 *
 * In: sluice.yaml, lines.  Out: calls of a function for each line.
 * Runs in: sluicectl, 'rules test' and 'explain'. */
#ifndef SLUICE_TRIAL_H
#define SLUICE_TRIAL_H 1

#include "pipeline.h"
#include "uuid-bytes.h"

struct trial_options {
    const char *config;         /* sluice.yaml. */
    const char *file;           /* Null: the line is 'line'. */
    const char *line;
    uint32_t tenant;            /* Whose lines without a tunnel are; 0: of
                                 * the only one. */
    const char *vm;             /* Name or UUID of the VM likewise, and name of
                                 * those without context; may be null. */
    const char *port;           /* UDP port of plain syslog. */
};

struct trial {
    const struct trial_options *options;    /* Borrowed. */
    struct config *config;
    struct intake_stats *stats;
    struct pipeline *pipeline;
    struct pipeline_trial show; /* Who is shown the lines. */
    uint64_t number;            /* Of the line, or packet. */

    /* Of lines without a tunnel. */
    uint32_t tenant;            /* 0: none. */
    bool has_vm;
    uint8_t vm[UUID_BYTES];
};

/* Makes '*trial' ready to call 'show' with 'aux', as struct pipeline_trial
 * says.  To be closed whatever comes of it.  Borrows the options.  Returns
 * null or a malloc()ed sentence. */
char *trial_open(struct trial *trial, const struct trial_options *,
                 void (*show)(void *aux, const struct record *,
                              enum sluice_drop), void *aux);

/* Sends all lines through.  Returns null or a malloc()ed sentence. */
char *trial_run(struct trial *);
void trial_close(struct trial *);

/* Returns true if a line of which 'drop' became was read and held against the
 * rules before. */
bool trial_was_parsed(enum sluice_drop drop);

#endif /* proxy-vm/ctl/trial.h */
