/* SPDX-License-Identifier: Apache-2.0
 *
 * How much the host has to do.  See host-figures.h. */
#include <config.h>

#include "host-figures.h"

#include "proc-parse.h"
#include "read-small.h"
#include "util.h"

uint32_t
permille(uint64_t part, uint64_t all)
{
    return MIN((double) part * 1000 / all, 1000);
}

static void
sample_cpu(struct host_figures *f, const char *text)
{
    uint64_t busy, total;

    f->has_cpu = false;
    if (!proc_parse_cpu(text, &busy, &total)) {
        f->has_ticks = false;
        return;
    }
    /* A CPU that is taken away takes its ticks with it. */
    if (f->has_ticks && total > f->total && busy >= f->busy) {
        f->cpu = permille(busy - f->busy, total - f->total);
        f->has_cpu = true;
    }
    f->busy = busy;
    f->total = total;
    f->has_ticks = true;
}

void
host_figures_sample(struct host_figures *f, int proc)
{
    char text[READ_SMALL_MAX];
    uint64_t total, available;

    sample_cpu(f, read_small(proc, "stat", text) ? text : "");
    f->has_memory = (read_small(proc, "meminfo", text)
                     && proc_parse_meminfo(text, &total, &available));
    f->memory_kib = f->has_memory ? total : 0;
    if (f->has_memory) {
        f->memory = permille(total - available, total);
    }
    f->has_load = (read_small(proc, "loadavg", text)
                   && proc_parse_loadavg(text, &f->load));
}
