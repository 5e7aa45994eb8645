/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands by which an Open vSwitch without our action sends log packets
 * to the proxy: a GENEVE port, a TLV map, and one flow for each VM, which adds
 * what the port's configuration would have told our action.
 *
 * In: sluice.yaml and the static context file.  Out: a shell script.
 * Runs in: sluicectl. */
#ifndef SLUICE_FLOWS_H
#define SLUICE_FLOWS_H 1

struct ds;

struct flows_options {
    const char *config;         /* sluice.yaml. */
    const char *bridge;         /* Where the VMs are. */
    const char *tunnel_port;    /* Name of the GENEVE port. */
    const char *proxy;          /* Address; null: tunnel.listen. */
    const char *port;           /* UDP port of the logs. */
};

#define FLOWS_OPTIONS_INITIALIZER                               \
    { .bridge = "br-int", .tunnel_port = "sluice0", .port = "514" }

/* Appends the script.  Returns null or a malloc()ed sentence. */
char *flows_format(const struct flows_options *, struct ds *);

#endif /* proxy-vm/ctl/flows.h */
