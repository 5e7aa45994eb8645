/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of both scripts, and the one for an Open vSwitch without our
 * action.  See flows.h. */
#include <config.h>

#include "flows.h"
#include "flows-private.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proxy-config-keys.h"
#include "proxy-config.h"
#include "openvswitch/dynamic-string.h"
#include "static-context.h"
#include "tlv.h"
#include "util.h"

/* The fields of Open vSwitch that carry our options. */
#define VM_FIELD "tun_metadata0"
#define TENANT_FIELD "tun_metadata1"

/* An interface or bridge must be fit for a shell and for ovs-ofctl as it is:
 * a name that needs quoting in either is refused. */
static bool
is_plain_name(const char *s)
{
    return (s[0] && s[0] != '-'
            && strspn(s, "abcdefghijklmnopqrstuvwxyz"
                      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(s)
            && strspn(s, "0123456789") != strlen(s));
}

static char *
check_name(const char *option, const char *name)
{
    return (is_plain_name(name) ? NULL
            : xasprintf("%s: \"%s\" is not a name of Open vSwitch that a "
                        "script can have; use letters, digits, '.', '_' and "
                        "'-', not digits alone.", option, name));
}

static char *
resolve_proxy(struct flows *f)
{
    const char *proxy = (f->options->proxy ? f->options->proxy
                         : f->config->tunnel.listen);
    struct in6_addr addr;

    if (!config_parse_address(proxy, &addr)) {
        return xasprintf("--proxy: %s is not an IPv4 or IPv6 address; write "
                         "it as 192.0.2.1 or 2001:db8::1.", proxy);
    }
    f->proxy.is_ipv6 = !IN6_IS_ADDR_V4MAPPED(&addr);
    if (f->proxy.is_ipv6 ? IN6_IS_ADDR_UNSPECIFIED(&addr)
        : is_all_zeros(&addr.s6_addr[12], 4)) {
        return xasprintf("the proxy listens on all its addresses (%s); name "
                         "the one for the tunnel with --proxy.", proxy);
    }
    if (f->proxy.is_ipv6) {
        inet_ntop(AF_INET6, &addr, f->proxy.addr, sizeof f->proxy.addr);
    } else {
        inet_ntop(AF_INET, &addr.s6_addr[12], f->proxy.addr,
                  sizeof f->proxy.addr);
    }
    return NULL;
}

static char *
check_ports(struct flows *f)
{
    char *list = xstrdup(f->options->port);
    char *rest = list;
    char *sentence = NULL;

    while (rest && !sentence) {
        const char *token = strsep(&rest, ",");
        uint32_t port;

        if (f->n_ports >= FLOWS_MAX_PORTS) {
            sentence = xasprintf("--port: there are more than %d ports; leave "
                                 "some out.", FLOWS_MAX_PORTS);
        } else if (!config_parse_uint(token, &port) || !port
                   || port > UINT16_MAX) {
            sentence = xasprintf("--port: %s is not a UDP or TCP port; give 1 "
                                 "to 65535.", token);
        } else {
            f->ports[f->n_ports++] = port;
        }
    }
    free(list);
    return sentence;
}

static char *
check_options(struct flows *f)
{
    char *sentence = check_name("--bridge", f->options->bridge);

    if (!sentence) {
        sentence = check_name("--tunnel-port", f->options->tunnel_port);
    }
    if (!sentence) {
        sentence = check_ports(f);
    }
    return sentence ? sentence : resolve_proxy(f);
}

void
flows_put_tunnel_port(const struct flows *f)
{
    const char *tunnel = f->options->tunnel_port;

    ds_put_format(f->out,
                  "ovs-vsctl --may-exist add-port %s %s \\\n"
                  "    -- set Interface %s type=geneve "
                  "options:remote_ip=flow options:key=flow \\\n"
                  "       options:dst_port=%"PRIu16"\n",
                  f->options->bridge, tunnel, tunnel, f->config->tunnel.port);
}

/* The port of the tunnel, and the map of options. */
static void
put_tunnel(const struct flows *f)
{
    const char *bridge = f->options->bridge;
    const char *tunnel = f->options->tunnel_port;
    uint16_t class = f->config->tunnel.option_class;

    flows_put_tunnel_port(f);
    ds_put_format(f->out,
                  "ovs-ofctl dump-tlv-map %s | grep -q '0x%x  *0x%x ' ||\n"
                  "    ovs-ofctl add-tlv-map %s "
                  "\"{class=%#x,type=%d,len=%d}->"VM_FIELD","
                  "{class=%#x,type=%d,len=%d}->"TENANT_FIELD"\"\n",
                  bridge, class, SLUICE_TLV_TYPE_VM,
                  bridge, class, SLUICE_TLV_TYPE_VM, SLUICE_TLV_SIZE_VM,
                  class, SLUICE_TLV_TYPE_TENANT, SLUICE_TLV_SIZE_TENANT);
    ds_put_format(f->out,
                  "# The tunnel leads one way: nothing is flooded into it, "
                  "and nothing that\n# comes out of it is let in.\n"
                  "ovs-ofctl mod-port %s %s no-flood\n"
                  "ovs-ofctl add-flow %s "
                  "'priority=65535,in_port=%s,actions=drop'\n",
                  bridge, tunnel, bridge, tunnel);
}

static void
put_flow(const struct flows *f, const struct static_vm *vm,
         const char *protocol, uint16_t port)
{
    ds_put_format(f->out, "ovs-ofctl add-flow %s 'in_port=%s,%s,"
                  "tp_dst=%"PRIu16",actions=clone(set_field:%"PRIu32
                  "->tun_id,set_field:%s->%s,", f->options->bridge, vm->port,
                  protocol, port, vm->tenant, f->proxy.addr,
                  f->proxy.is_ipv6 ? "tun_ipv6_dst" : "tun_dst");
    if (vm->has_uuid) {
        ds_put_cstr(f->out, "set_field:0x");
        for (size_t i = 0; i < sizeof vm->uuid; i++) {
            ds_put_format(f->out, "%02x", vm->uuid[i]);
        }
        ds_put_cstr(f->out, "->"VM_FIELD",");
    }
    ds_put_format(f->out, "set_field:%"PRIu32"->"TENANT_FIELD",output:%s),"
                  "normal'\n", vm->tenant, f->options->tunnel_port);
}

const char *
flows_vm_lacks(const struct flows *f, const struct static_vm *vm)
{
    return (!vm->port ? "has no port"
            : !vm->tenant ? "has no tenant"
            : !is_plain_name(vm->port) ? "has a port whose name needs quoting"
            : !config_find_tenant(f->config, vm->tenant)
            ? "has a tenant that is not configured"
            : NULL);
}

/* Names of VMs may hold anything but control characters. */
void
flows_put_vm_name(const struct flows *f, const struct static_vm *vm,
                  const char *why)
{
    ds_put_format(f->out, "\n# %s%s%s\n",
                  vm->name ? vm->name : "a VM without a name",
                  why ? ": no flow, it " : "", why ? why : "");
}

/* Adds the flows of 'vm', or a remark why there are none. */
static bool
put_vm(const struct flows *f, const struct static_vm *vm)
{
    static const char *const protocols[] = { "udp", "udp6" };
    const char *why = flows_vm_lacks(f, vm);

    flows_put_vm_name(f, vm, why);
    for (size_t i = 0; !why && i < ARRAY_SIZE(protocols); i++) {
        ds_put_format(f->out, "ovs-ofctl add-flow %s 'priority=65000,"
                      "in_port=%s,%s,tp_dst=%"PRIu16",actions=drop'\n",
                      f->options->bridge, vm->port, protocols[i],
                      f->config->tunnel.port);
        for (size_t k = 0; k < f->n_ports; k++) {
            put_flow(f, vm, protocols[i], f->ports[k]);
        }
    }
    return !why;
}

/* Returns how many VMs have flows. */
static size_t
put_stock_script(const struct flows *f)
{
    size_t n = 0;

    ds_put_format(f->out,
                  "#!/bin/sh -e\n"
                  "# Sends what the VMs below log (UDP port %s) to the "
                  "proxy %s, for an\n"
                  "# Open vSwitch without Sluice's action.\n",
                  f->options->port, f->proxy.addr);
    put_tunnel(f);
    for (size_t i = 0; i < f->context->n_vms; i++) {
        n += put_vm(f, &f->context->vms[i]);
    }
    return n;
}

static char *
put_script(struct flows *f)
{
    char *sentence = f->options->action ? flows_check_action_options(f) : NULL;

    if (sentence) {
        return sentence;
    }
    if (!(f->options->action ? flows_put_action_script(f)
          : put_stock_script(f))) {
        return xasprintf("%s: no VM has a port and a configured tenant; give "
                         "\"port\" and \"tenant\" to those that log.",
                         f->config->context.static_file);
    }
    return NULL;
}

char *
flows_format(const struct flows_options *options, struct ds *out)
{
    struct static_context *context = NULL;
    struct config *config = NULL;
    struct ds script = DS_EMPTY_INITIALIZER;
    struct flows f = { .options = options, .out = &script };

    char *sentence = config_load(options->config, &config);
    if (sentence) {
        return sentence;
    }

    f.config = config;
    sentence = check_options(&f);
    if (!sentence && !config->context.static_file) {
        sentence = xasprintf("%s: there is no context.static-file, which "
                             "would name the VMs; add one.", options->config);
    }
    if (!sentence) {
        sentence = static_context_load(config->context.static_file, &context);
    }
    if (!sentence) {
        f.context = context;
        sentence = put_script(&f);
    }
    if (!sentence) {
        ds_put_cstr(out, ds_cstr(&script));
    }
    ds_destroy(&script);
    static_context_destroy(context);
    config_destroy(config);
    return sentence;
}
