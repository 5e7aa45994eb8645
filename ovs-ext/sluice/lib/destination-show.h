/* SPDX-License-Identifier: Apache-2.0
 *
 * What "sluice/show" says of the proxies that a port's packets go to. */

#ifndef SLUICE_DESTINATION_SHOW_H
#define SLUICE_DESTINATION_SHOW_H 1

struct ds;
struct json;
struct sluice_port;

void sluice_destinations_format(struct sluice_port *, struct ds *);
struct json *sluice_destinations_to_json(struct sluice_port *);

#endif /* sluice/destination-show.h */
