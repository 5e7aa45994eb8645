/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples in Prometheus's text format, version 0.0.4: those of a metric stand
 * together, whatever order they come in.
 *
 * Runs in: sluice-metrics. */
#ifndef SLUICE_EXPOSITION_H
#define SLUICE_EXPOSITION_H 1

#include <stdint.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"

struct exposition {
    struct hmap metrics;        /* By name. */
    struct ovs_list order;      /* Of the first sample of each. */
};

/* A label; a sample's end at one whose 'name' is null. */
struct label {
    const char *name;
    const char *value;          /* UTF-8, escaped by us; null: empty. */
};

void exposition_init(struct exposition *);
void exposition_uninit(struct exposition *);

/* Adds a sample of the metric 'name', of 'type' "counter", "gauge" or
 * "histogram".  'suffix' is what a sample of a histogram has behind the name,
 * else "".  All strings are copied. */
void exposition_add(struct exposition *, const char *name, const char *type,
                    const char *help, const char *suffix,
                    const struct label *labels, double value);

/* Appends all of it to 'out'. */
void exposition_format(const struct exposition *, struct ds *out);

#endif /* proxy-vm/metrics/exposition.h */
