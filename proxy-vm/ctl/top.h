/* SPDX-License-Identifier: Apache-2.0
 *
 * 'sluicectl top': who sends how much now.
 *
 * In: sluiced's answers to "vms", time after time.  Out: tables of rates.
 * Runs in: sluicectl. */
#ifndef SLUICE_TOP_H
#define SLUICE_TOP_H 1

#include <stdbool.h>
#include <stdint.h>

struct top_options {
    const char *socket;
    bool json;                  /* A line of JSON each time. */
    unsigned int interval_s;    /* Between two looks. */
    unsigned int count;         /* Of tables; 0: until interrupted. */
    const char *sort;           /* A row of top.def; null: the first. */
    bool by_tenant;             /* One row for all VMs of a tenant. */
    uint32_t tenant;            /* Of this alone; 0: of all. */
    unsigned int rows;          /* At most; 0: all. */
};

/* Returns null or a malloc()ed sentence. */
char *top_run(const struct top_options *);

#endif /* proxy-vm/ctl/top.h */
