/* SPDX-License-Identifier: Apache-2.0
 *
 * 'sluicectl spool list', 'show', 'export', 'replay' and 'drop': batches by
 * their names, TENANT/QUEUE/GENERATION-NUMBER.
 *
 * Runs in: sluicectl. */
#ifndef SLUICE_SPOOL_BATCHES_H
#define SLUICE_SPOOL_BATCHES_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control.pb-c.h"

struct batches_options {
    const char *socket;
    bool json;
    uint32_t tenant;            /* 0: all. */
    const char *queue;          /* Null: all. */
    bool quarantined;           /* Only what is in quarantine. */
    bool yes;                   /* drop: do it. */
    const char *output;         /* export: a file or a directory; null: standard
                                 * output. */
    unsigned int timeout_s;     /* For a queue that a shipper has in hand. */
};

/* Runs the command 'argv[0]' with what follows it, 'argc' in all.  Returns the
 * exit status. */
int batches_run(const struct batches_options *, int argc, char *argv[]);

/* Sets tenant, queue, generation and number of '*query' to those of 'name', as
 * "7/main/1-42", or as the path of its file within the spool.  'query->queue'
 * is malloc()ed then.  Returns false, and changes nothing, if it is no such
 * name. */
bool batches_parse_name(const char *name, Sluice__SpoolQuery *query);

#endif /* proxy-vm/ctl/spool-batches.h */
