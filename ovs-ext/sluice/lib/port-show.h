/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands of ovs-appctl that show and reset what log_tunnel counted. */

#ifndef SLUICE_PORT_SHOW_H
#define SLUICE_PORT_SHOW_H 1

void sluice_show_init(void);

#endif /* sluice/port-show.h */
