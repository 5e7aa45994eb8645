/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands by which Open vSwitch sends log packets to the proxy.  With our
 * action: a GENEVE port, identity and meter of each VM's port, flows for all
 * that carries logs.  Without: the port, a TLV map, and for each VM flows that
 * add what the port's configuration would have told our action.
 *
 * In: sluice.yaml and the static context file.  Out: a shell script.
 * Runs in: sluicectl. */
#ifndef SLUICE_FLOWS_H
#define SLUICE_FLOWS_H 1

#include <stdbool.h>

struct ds;

struct flows_options {
    const char *config;         /* sluice.yaml. */
    const char *bridge;         /* Where the VMs are. */
    const char *tunnel_port;    /* Name of the GENEVE port. */
    const char *proxy;          /* Address; null: tunnel.listen. */
    const char *port;           /* Ports of the logs, with commas. */

    bool action;                /* For our action; the rest is for it. */
    const char *fragments;      /* "later" or "none". */
    const char *servers;        /* Of the logs, with commas; null: any. */
    const char *rate;           /* "RATE[:BURST]"; null: no meters. */
    const char *first_meter;    /* Its number; the others follow. */
    const char *match;          /* What else log packets match; null: none. */
    const char *then;           /* Actions for the packet itself. */
    bool qinq;                  /* Look behind two VLAN tags. */
};

#define FLOWS_OPTIONS_INITIALIZER                               \
    { .bridge = "br-int", .tunnel_port = "sluice0", .port = "514",      \
      .fragments = "later", .first_meter = "1", .then = "normal" }

/* Appends the script.  Returns null or a malloc()ed sentence. */
char *flows_format(const struct flows_options *, struct ds *);

#endif /* proxy-vm/ctl/flows.h */
