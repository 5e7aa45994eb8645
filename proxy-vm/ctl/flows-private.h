/* SPDX-License-Identifier: Apache-2.0
 *
 * What the scripts of "sluicectl flows" have in common: checked options, and
 * the VMs to print flows for.
 *
 * In: options and configuration, from flows.c.  Out: a script, piece by piece.
 * Runs in: sluicectl. */
#ifndef SLUICE_FLOWS_PRIVATE_H
#define SLUICE_FLOWS_PRIVATE_H 1

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct ds;
struct flows_options;
struct static_context;
struct static_vm;

enum {
    FLOWS_MAX_PORTS = 16,
    FLOWS_MAX_SERVERS = 16,
};

struct flows_server {
    char addr[INET6_ADDRSTRLEN];
    bool is_ipv6;
};

struct flows {
    const struct flows_options *options;
    const struct config *config;
    const struct static_context *context;
    struct flows_server proxy;
    uint16_t ports[FLOWS_MAX_PORTS];
    size_t n_ports;
    struct ds *out;

    /* For our action. */
    struct flows_server servers[FLOWS_MAX_SERVERS];
    size_t n_servers;           /* 0: packets to any. */
    bool has_fragments;         /* Later ones too. */
    uint32_t rate;              /* Packets a second; 0: no meters. */
    uint32_t burst;             /* Packets. */
    uint32_t first_meter;       /* That of the first VM of the context. */
};

/* Returns null if there can be flows for 'vm', otherwise what it lacks. */
const char *flows_vm_lacks(const struct flows *, const struct static_vm *);

/* Appends a comment with the name of 'vm', and 'why' there are no flows for
 * it, unless null. */
void flows_put_vm_name(const struct flows *, const struct static_vm *,
                       const char *why);

/* Appends the command that makes the tunnel port. */
void flows_put_tunnel_port(const struct flows *);

/* Appends the script for our action.  Returns how many VMs have flows. */
size_t flows_put_action_script(const struct flows *);

/* Checks the options that concern our action alone, into 'f'.  Returns null
 * or a malloc()ed sentence. */
char *flows_check_action_options(struct flows *);

#endif /* proxy-vm/ctl/flows-private.h */
