/* SPDX-License-Identifier: Apache-2.0
 *
 * What sluicectl was told besides its command.
 *
 * In: the command line.  Out: options; at --help and --version, and where the
 * line is wrong, the end of the program.  Runs in: sluicectl. */
#ifndef SLUICE_CTL_OPTIONS_H
#define SLUICE_CTL_OPTIONS_H 1

#include <stdbool.h>
#include <stdint.h>

#include "command.h"
#include "context-query.h"
#include "flows.h"
#include "spool-batches.h"
#include "tail.h"
#include "top.h"

enum {
    OPTIONS_N = 0               /* How many rows options.def has. */
#define OPTION(SYMBOL, NAME, ARGUMENT, COMMANDS) + 1
#include "options.def"
#undef OPTION
};

struct options {
    bool given[OPTIONS_N];      /* By row of options.def. */
    const char *socket;
    bool json;
    struct flows_options flows;
    uint32_t tenant;            /* 0: all, or the only one. */
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

/* Returns null if 'command' takes all that was given, or a malloc()ed
 * sentence. */
char *options_check(const struct options *, const struct command_name *);

#endif /* proxy-vm/ctl/options.h */
