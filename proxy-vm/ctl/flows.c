/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands for an Open vSwitch without our action.  See flows.h. */
#include <config.h>

#include "flows.h"

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

struct flows {
    const struct flows_options *options;
    const struct config *config;
    const struct static_context *context;
    char proxy[INET6_ADDRSTRLEN];
    bool proxy_is_ipv6;
    uint32_t port;
    struct ds *out;
};

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
    f->proxy_is_ipv6 = !IN6_IS_ADDR_V4MAPPED(&addr);
    if (f->proxy_is_ipv6 ? IN6_IS_ADDR_UNSPECIFIED(&addr)
        : is_all_zeros(&addr.s6_addr[12], 4)) {
        return xasprintf("the proxy listens on all its addresses (%s); name "
                         "the one for the tunnel with --proxy.", proxy);
    }
    if (f->proxy_is_ipv6) {
        inet_ntop(AF_INET6, &addr, f->proxy, sizeof f->proxy);
    } else {
        inet_ntop(AF_INET, &addr.s6_addr[12], f->proxy, sizeof f->proxy);
    }
    return NULL;
}

static char *
check_options(struct flows *f)
{
    char *sentence = check_name("--bridge", f->options->bridge);

    if (!sentence) {
        sentence = check_name("--tunnel-port", f->options->tunnel_port);
    }
    if (!sentence && (!config_parse_uint(f->options->port, &f->port)
                      || !f->port || f->port > UINT16_MAX)) {
        sentence = xasprintf("--port: %s is not a UDP port; give 1 to 65535.",
                             f->options->port);
    }
    return sentence ? sentence : resolve_proxy(f);
}

/* The port of the tunnel, and the map of options. */
static void
put_tunnel(const struct flows *f)
{
    const char *bridge = f->options->bridge;
    const char *tunnel = f->options->tunnel_port;
    uint16_t class = f->config->tunnel.option_class;

    ds_put_format(f->out,
                  "ovs-vsctl --may-exist add-port %s %s \\\n"
                  "    -- set Interface %s type=geneve "
                  "options:remote_ip=flow options:key=flow \\\n"
                  "       options:dst_port=%"PRIu16"\n",
                  bridge, tunnel, tunnel, f->config->tunnel.port);
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
         const char *protocol)
{
    ds_put_format(f->out, "ovs-ofctl add-flow %s 'in_port=%s,%s,"
                  "tp_dst=%"PRIu32",actions=clone(set_field:%"PRIu32
                  "->tun_id,set_field:%s->%s,", f->options->bridge, vm->port,
                  protocol, f->port, vm->tenant, f->proxy,
                  f->proxy_is_ipv6 ? "tun_ipv6_dst" : "tun_dst");
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

/* Adds the flows of 'vm', or a remark why there are none.  Names of VMs may
 * hold anything but control characters. */
static bool
put_vm(const struct flows *f, const struct static_vm *vm)
{
    const char *name = vm->name ? vm->name : "a VM without a name";
    const char *why = (!vm->port ? "has no port"
                       : !vm->tenant ? "has no tenant"
                       : !is_plain_name(vm->port)
                       ? "has a port whose name needs quoting"
                       : !config_find_tenant(f->config, vm->tenant)
                       ? "has a tenant that is not configured"
                       : NULL);

    ds_put_format(f->out, "\n# %s%s%s\n", name, why ? ": no flow, it " : "",
                  why ? why : "");
    if (!why) {
        put_flow(f, vm, "udp");
        put_flow(f, vm, "udp6");
    }
    return !why;
}

static char *
put_script(const struct flows *f)
{
    size_t n = 0;

    ds_put_format(f->out,
                  "#!/bin/sh -e\n"
                  "# Sends what the VMs below log (UDP port %"PRIu32") to the "
                  "proxy %s, for an\n"
                  "# Open vSwitch without Sluice's action.\n",
                  f->port, f->proxy);
    put_tunnel(f);
    for (size_t i = 0; i < f->context->n_vms; i++) {
        n += put_vm(f, &f->context->vms[i]);
    }
    return (n ? NULL
            : xasprintf("%s: no VM has a port and a configured tenant; give "
                        "\"port\" and \"tenant\" to those that log.",
                        f->config->context.static_file));
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
