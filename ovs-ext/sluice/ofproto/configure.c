/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of the configuration from bridge.c to the port registry: bridge.c
 * knows ports by number, and only ofproto's own code knows struct ofport. */

#include <config.h>

#include "ofproto/sluice/configure.h"

#include "ofproto/ofproto-provider.h"
#include "sluice/port-registry.h"

/* Gives the port 'ofp_port' of 'ofproto' its Interface's 'external_ids'. */
void
sluice_configure_port(const struct ofproto *ofproto, ofp_port_t ofp_port,
                      const struct smap *external_ids)
{
    const struct ofport *ofport = ofproto_get_port(ofproto, ofp_port);

    if (ofport) {
        sluice_port_configure(ofport->sluice, external_ids);
    }
}
