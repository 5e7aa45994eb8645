/* SPDX-License-Identifier: Apache-2.0
 *
 * What sluicectl was told besides its command.
 *
 * In: the command line.  Out: options; at --help and --version, and where the
 * line is wrong, the end of the program.  Runs in: sluicectl. */
#ifndef SLUICE_CTL_OPTIONS_H
#define SLUICE_CTL_OPTIONS_H 1

#include <stdbool.h>

#include "context-query.h"
#include "flows.h"
#include "spool-batches.h"
#include "tail.h"
#include "top.h"

/* Exit status of a command line that is wrong. */
enum { EXIT_USAGE = 2 };

struct options {
    const char *socket;
    bool json;
    struct flows_options flows;
    const char *tenant;         /* Of 'rules test', 'ledger' and 'drain'. */
    const char *vm;
    const char *pcap;           /* Of 'explain'. */
    bool check;                 /* Of 'ledger'. */
    struct batches_options spool;
    struct context_options context;
    struct top_options top;
    struct tail_options tail;
    unsigned int watch_s;       /* 0: once. */
    unsigned int timeout_s;     /* Of 'ledger --check', 'drain', 'spool'. */
};

/* Parses the command line; 'optind' (getopt(3)) is where the command
 * begins. */
struct options options_parse(int argc, char *argv[]);

#endif /* proxy-vm/ctl/options.h */
