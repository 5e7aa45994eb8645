/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of the configuration from bridge.c to the port registry. */

#ifndef SLUICE_CONFIGURE_H
#define SLUICE_CONFIGURE_H 1

#include "openvswitch/ofp-port.h"

struct ofproto;
struct smap;

void sluice_configure_port(const struct ofproto *, ofp_port_t,
                           const struct smap *external_ids);

#endif /* sluice/configure.h */
