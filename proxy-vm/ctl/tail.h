/* SPDX-License-Identifier: Apache-2.0
 *
 * 'sluicectl tail': the lines that come, as they come.
 *
 * In: the open batches of sluice-intake, which hold nothing before redaction;
 * read from their files, as whoever may read these could without us.  So
 * sluice-intake does nothing for it and waits for nobody, and what can't be
 * read in time is counted.
 * Out: a line of text or of JSON for each that the options choose.
 * Runs in: sluicectl. */
#ifndef SLUICE_TAIL_H
#define SLUICE_TAIL_H 1

#include <stdbool.h>
#include <stdint.h>

/* Which lines: in the words that client rules have, null for all. */
struct tail_options {
    const char *socket;         /* The batches are beside it. */
    bool json;
    uint32_t tenant;            /* 0: all. */
    const char *vm;
    const char *app;
    const char *facility;
    const char *severity;       /* This one and worse. */
    const char *grep;           /* Pattern of MSG. */
    unsigned int n;             /* Lines from before, of what is still open. */
    unsigned int count;         /* End after so many lines; 0: do not. */
};

/* Returns null or a malloc()ed sentence. */
char *tail_run(const struct tail_options *);

#endif /* proxy-vm/ctl/tail.h */
