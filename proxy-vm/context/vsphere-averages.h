/* SPDX-License-Identifier: Apache-2.0
 *
 * Average use of CPU and memory, by vCenter's PerformanceManager: of the
 * samples of 20 s that hosts keep for an hour, those of the time since the
 * reading before.
 *
 * In: elements of replies, nothing in them trusted.  Out: updates of a model.
 * Runs in: sluice-context. */
#ifndef SLUICE_VSPHERE_AVERAGES_H
#define SLUICE_VSPHERE_AVERAGES_H 1

#include "vsphere-model.h"
#include "vsphere-request.h"

/* Numbers that a vCenter has for its counters; 0: not known. */
struct vsphere_counters {
    uint32_t cpu;               /* cpu.usage.average, hundredths of per cent */
    uint32_t memory;            /* mem.usage.average, likewise. */
};

/* Reads which counters there are of a whole reply.  Returns null or a
 * malloc()ed sentence without its full stop. */
char *vsphere_counters_take(const xmlNode *reply, struct vsphere_counters *);

/* When they are read, and how far that is. */
struct vsphere_averages {
    unsigned int interval_ms;   /* Between two readings; 0: none. */
    struct vsphere_counters counters;
    long long int at;           /* time_msec() of the next one. */
    bool is_under_way;
};

/* Whether vsphere_averages_next() has something to ask, now or then. */
bool vsphere_averages_are_due(const struct vsphere_averages *,
                              const struct vsphere_service *);

/* Returns the next request, malloc()ed: for counters as long as they are not
 * known, then for the averages of some objects of 'model'; null if that was a
 * reading. */
char *vsphere_averages_next(struct vsphere_averages *,
                            const struct vsphere_service *,
                            struct vsphere_model *model);

/* Gives up a reading that is under way until the next one. */
void vsphere_averages_give_up(struct vsphere_averages *);

/* Reads an element "returnval" of what a query says.  Returns null and '*ret',
 * as vsphere_update_parse() does. */
char *vsphere_averages_parse(const xmlNode *element,
                             const struct vsphere_counters *,
                             struct vsphere_update **ret);

#endif /* proxy-vm/context/vsphere-averages.h */
