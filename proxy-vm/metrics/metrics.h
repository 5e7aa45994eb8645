/* SPDX-License-Identifier: Apache-2.0
 *
 * What sluiced knows, as metrics of Prometheus.
 *
 * Runs in: sluice-metrics. */
#ifndef SLUICE_METRICS_H
#define SLUICE_METRICS_H 1

#include "openvswitch/dynamic-string.h"

/* Asks the sluiced at the control socket 'path', and appends its metrics to
 * 'out': those of at most 'max_vms' switch ports, of which there can be
 * thousands.  Returns null or a malloc()ed sentence, with 'out' unchanged. */
char *metrics_gather(const char *path, unsigned int max_vms, struct ds *out);

/* Says in a line of 'out' whether all programs of the sluiced at 'path' run.
 * Returns true if they do. */
bool metrics_ready(const char *path, struct ds *out);

#endif /* proxy-vm/metrics/metrics.h */
