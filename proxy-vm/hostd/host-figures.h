/* SPDX-License-Identifier: Apache-2.0
 *
 * How much the host has to do.
 *
 * In: /proc.  Out: figures for a report.
 * Runs in: sluice-hostd. */
#ifndef SLUICE_HOST_FIGURES_H
#define SLUICE_HOST_FIGURES_H 1

#include <stdbool.h>
#include <stdint.h>

#include "host.pb-c.h"

struct host_figures {
    uint64_t busy, total;       /* Ticks at the latest sample. */
    bool has_ticks;             /* There was one. */

    /* Of the latest sample. */
    bool has_cpu, has_memory, has_load;
    uint32_t cpu, memory;       /* Permille. */
    uint32_t load;              /* Hundredths. */
    uint64_t memory_kib;        /* That the host has; 0: not known. */
};

/* Takes a sample from 'proc', a descriptor of /proc. */
void host_figures_sample(struct host_figures *, int proc);

/* Returns 'part' of 'all' in permille, at most 1000; 'all' is not 0. */
uint32_t permille(uint64_t part, uint64_t all);

#endif /* proxy-vm/hostd/host-figures.h */
