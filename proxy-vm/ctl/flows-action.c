/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands for an Open vSwitch with our action: the identity of each VM's
 * port, a meter, and the flows, which replace those of the last time in one
 * transaction.  See docs/flows.md for why they are as they are. */
#include <config.h>

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "flows-private.h"
#include "flows.h"
#include "openvswitch/dynamic-string.h"
#include "proxy-config-keys.h"
#include "proxy-config.h"
#include "static-context.h"
#include "util.h"
#include "uuid-bytes.h"

/* All flows have this cookie: the experimenter id of our action. */
#define COOKIE "0x2534c"

enum {
    /* Priorities, from "must hold" to "may be overridden". */
    PRIORITY_TUNNEL = 65535,    /* Nothing comes out of the tunnel. */
    PRIORITY_GENEVE = 65000,    /* No guest sends to the proxy itself. */
    PRIORITY_LOG = 40000,
    PRIORITY_LATER = 39000,     /* Fragments without a port. */

    MAX_METER = 65535,          /* Of those that we number. */
};

/* The protocols that carry logs, and what later fragments are matched by.
 * Open vSwitch does not know the protocol of those of IPv6, so that one flow
 * is for both. */
static const struct protocol {
    const char *name;
    const char *later;          /* Null: the flow of another does. */
    bool is_ipv6;
} protocols[] = {
    { "udp", "udp", false },
    { "tcp", "tcp", false },
    { "udp6", "ipv6", true },
    { "tcp6", NULL, true },
};

/* One VM while its flows are printed. */
struct vm_flows {
    const struct flows *f;
    const char *port;
    uint32_t meter;             /* Its number, if there is a rate. */
};

/* Appends what all flows of a VM begin with. */
static void
put_begin(const struct vm_flows *v, int priority)
{
    ds_put_format(v->f->out, "add cookie="COOKIE",priority=%d,in_port=%s,",
                  priority, v->port);
}

/* Appends what else log packets match, our action, and what becomes of the
 * packet itself. */
static void
put_actions(const struct vm_flows *v)
{
    const struct flows *f = v->f;

    if (f->options->match) {
        ds_put_format(f->out, "%s,", f->options->match);
    }
    ds_put_format(f->out, "actions=log_tunnel(port=%s,dst=%s",
                  f->options->tunnel_port, f->proxy.addr);
    if (f->rate) {
        ds_put_format(f->out, ",meter=%"PRIu32, v->meter);
    }
    ds_put_format(f->out, "),%s\n", f->options->then);
}

/* Appends a match on 'server', or nothing if it is null. */
static void
put_server(const struct vm_flows *v, const struct flows_server *server)
{
    if (server) {
        ds_put_format(v->f->out, "%s=%s,",
                      server->is_ipv6 ? "ipv6_dst" : "nw_dst", server->addr);
    }
}

/* The flows for packets of 'p' that say which port they are for. */
static void
put_whole(const struct vm_flows *v, const struct protocol *p,
          const struct flows_server *server)
{
    for (size_t i = 0; i < v->f->n_ports; i++) {
        put_begin(v, PRIORITY_LOG);
        ds_put_format(v->f->out, "%s,", p->name);
        put_server(v, server);
        ds_put_format(v->f->out, "tp_dst=%"PRIu16",", v->f->ports[i]);
        put_actions(v);
    }
}

/* The flow for fragments of 'p' that do not. */
static void
put_later(const struct vm_flows *v, const struct protocol *p,
          const struct flows_server *server)
{
    put_begin(v, PRIORITY_LATER);
    ds_put_format(v->f->out, "%s,", p->later);
    put_server(v, server);
    ds_put_cstr(v->f->out, "nw_frag=later,");
    put_actions(v);
}

/* The flows of packets to 'server', or to any if it is null. */
static void
put_server_flows(const struct vm_flows *v, const struct flows_server *server)
{
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        const struct protocol *p = &protocols[i];

        if (server && server->is_ipv6 != p->is_ipv6) {
            continue;
        }
        put_whole(v, p, server);
        if (v->f->has_fragments && p->later) {
            put_later(v, p, server);
        }
    }
}

static void
put_vm_flows(const struct vm_flows *v)
{
    static const char *const geneve[] = { "udp", "udp6" };
    const struct flows *f = v->f;

    for (size_t i = 0; i < ARRAY_SIZE(geneve); i++) {
        put_begin(v, PRIORITY_GENEVE);
        ds_put_format(f->out, "%s,tp_dst=%"PRIu16",actions=drop\n", geneve[i],
                      f->config->tunnel.port);
    }
    for (size_t i = 0; i < f->n_servers; i++) {
        put_server_flows(v, &f->servers[i]);
    }
    if (!f->n_servers) {
        put_server_flows(v, NULL);
    }
}

/* The commands that say whose the port of 'vm' is, and make its meter. */
static void
put_vm_setup(const struct flows *f, const struct static_vm *vm,
             uint32_t meter_id)
{
    ds_put_format(f->out, "ovs-vsctl set Interface %s "
                  "external_ids:sluice-tenant=%"PRIu32, vm->port, vm->tenant);
    if (vm->has_uuid) {
        char *uuid = uuid_bytes_format(vm->uuid);

        ds_put_format(f->out, " external_ids:vm-id=%s", uuid);
        free(uuid);
    }
    ds_put_char(f->out, '\n');
    if (f->rate) {
        struct ds meter = DS_EMPTY_INITIALIZER;

        ds_put_format(&meter, "-meter %s 'meter=%"PRIu32",pktps,burst,"
                      "band=type=drop,rate=%"PRIu32",burst_size=%"PRIu32"'",
                      f->options->bridge, meter_id, f->rate, f->burst);
        ds_put_format(f->out, "ovs-ofctl -O OpenFlow13 mod%s 2>/dev/null ||\n"
                      "    ovs-ofctl -O OpenFlow13 add%s\n",
                      ds_cstr(&meter), ds_cstr(&meter));
        ds_destroy(&meter);
    }
}

static void
put_bridge_setup(const struct flows *f)
{
    const char *bridge = f->options->bridge;

    ds_put_format(f->out,
                  "#!/bin/sh -e\n"
                  "# Sends what the VMs below log to the proxy %s, for an Open "
                  "vSwitch with\n# Sluice's action.  May run again.\n",
                  f->proxy.addr);
    flows_put_tunnel_port(f);
    ds_put_format(f->out, "ovs-ofctl mod-port %s %s no-flood\n"
                  "# First fragments have ports.\n"
                  "ovs-ofctl set-frags %s nx-match\n",
                  bridge, f->options->tunnel_port, bridge);
    if (f->options->qinq) {
        ds_put_cstr(f->out, "# Frames with two VLAN tags have ports too.\n"
                    "ovs-vsctl set Open_vSwitch . other_config:vlan-limit=2"
                    "\n");
    }
}

size_t
flows_put_action_script(const struct flows *f)
{
    size_t n = 0;

    put_bridge_setup(f);
    for (size_t i = 0; i < f->context->n_vms; i++) {
        const struct static_vm *vm = &f->context->vms[i];
        const char *why = flows_vm_lacks(f, vm);

        flows_put_vm_name(f, vm, why);
        if (!why) {
            put_vm_setup(f, vm, f->first_meter + i);
            n++;
        }
    }

    ds_put_format(f->out,
                  "\n# All flows at once, in the place of those of the last "
                  "time.\n"
                  "ovs-ofctl -O OpenFlow14 --bundle add-flows %s - <<'END'\n"
                  "delete cookie="COOKIE"/-1\n"
                  "add cookie="COOKIE",priority=%d,in_port=%s,actions=drop\n",
                  f->options->bridge, PRIORITY_TUNNEL,
                  f->options->tunnel_port);
    for (size_t i = 0; i < f->context->n_vms; i++) {
        const struct static_vm *vm = &f->context->vms[i];

        if (!flows_vm_lacks(f, vm)) {
            struct vm_flows v = {
                .f = f,
                .port = vm->port,
                .meter = f->first_meter + i,
            };
            put_vm_flows(&v);
        }
    }
    ds_put_cstr(f->out, "END\n");
    return n;
}

static char *
check_fragments(struct flows *f)
{
    f->has_fragments = !strcmp(f->options->fragments, "later");
    return (f->has_fragments || !strcmp(f->options->fragments, "none") ? NULL
            : xasprintf("--fragments: there is no way \"%s\"; use later or "
                        "none.", f->options->fragments));
}

static char *
check_rate(struct flows *f)
{
    char *rate, *burst;
    char *sentence = NULL;

    if (!f->options->rate) {
        return NULL;
    }

    rate = xstrdup(f->options->rate);
    burst = strchr(rate, ':');
    if (burst) {
        *burst++ = '\0';
    }
    if (!config_parse_uint(rate, &f->rate) || !f->rate
        || (burst && (!config_parse_uint(burst, &f->burst) || !f->burst))) {
        sentence = xasprintf("--rate: %s is not a rate; give packets a second, "
                             "and how many may come at once, as 500:1000.",
                             f->options->rate);
    } else if (!burst) {
        f->burst = f->rate;
    }
    free(rate);
    return sentence;
}

static char *
check_servers(struct flows *f)
{
    char *list, *rest;
    char *sentence = NULL;

    if (!f->options->servers) {
        return NULL;
    }

    rest = list = xstrdup(f->options->servers);
    while (rest && !sentence) {
        const char *token = strsep(&rest, ",");
        struct flows_server *server = &f->servers[f->n_servers];
        uint8_t addr[sizeof(struct in6_addr)];

        if (f->n_servers >= FLOWS_MAX_SERVERS) {
            sentence = xasprintf("--log-server: there are more than %d "
                                 "addresses; leave the option out, so that "
                                 "the port alone counts.", FLOWS_MAX_SERVERS);
        } else if (inet_pton(AF_INET, token, addr) == 1) {
            inet_ntop(AF_INET, addr, server->addr, sizeof server->addr);
        } else if (inet_pton(AF_INET6, token, addr) == 1) {
            server->is_ipv6 = true;
            inet_ntop(AF_INET6, addr, server->addr, sizeof server->addr);
        } else {
            sentence = xasprintf("--log-server: %s is not an IPv4 or IPv6 "
                                 "address; write it as 192.0.2.1 or "
                                 "2001:db8::1.", token);
        }
        f->n_servers += !sentence;
    }
    free(list);
    return sentence;
}

static char *
check_first_meter(struct flows *f)
{
    if (!config_parse_uint(f->options->first_meter, &f->first_meter)
        || !f->first_meter || f->first_meter > MAX_METER
        || f->context->n_vms > MAX_METER - f->first_meter + 1) {
        return xasprintf("--first-meter: %s is not a number from 1 on that "
                         "leaves room for all VMs up to %d.",
                         f->options->first_meter, MAX_METER);
    }
    return NULL;
}

/* What stands in the script as it was given must not end a quote or a line. */
static bool
is_for_script(const char *text)
{
    return text[0] && !text[strspn(text, "abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "._:,=()[]>/-")];
}

char *
flows_check_action_options(struct flows *f)
{
    const char *match = f->options->match;
    const char *then = f->options->then;
    char *sentence = check_fragments(f);

    if (!sentence) {
        sentence = check_rate(f);
    }
    if (!sentence) {
        sentence = check_servers(f);
    }
    if (!sentence) {
        sentence = check_first_meter(f);
    }
    if (!sentence && match && !is_for_script(match)) {
        sentence = xasprintf("--match: \"%s\" is not a match that a script "
                             "can have; write it as \"tun_id=0\".", match);
    }
    if (!sentence && !is_for_script(then)) {
        sentence = xasprintf("--then: \"%s\" are not actions that a script "
                             "can have; write them as \"normal\" or "
                             "\"resubmit(,1)\".", then);
    }
    return sentence;
}
