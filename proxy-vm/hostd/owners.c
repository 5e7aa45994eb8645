/* SPDX-License-Identifier: Apache-2.0
 *
 * Which process a port belongs to.  See owners.h. */
#include <config.h>

#include "owners.h"

#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(owners);

/* Takes over what the operator says. */
static void
take_configured(struct port_owner *owner, const struct port *port, int proc)
{
    owner->has_process = true;
    owner->pid = port->owner_pid;
    owner->uid = port->owner_uid;
    socket_process_name(proc, owner->pid, owner->process,
                        sizeof owner->process);
}

/* Reads which socket the port is for.  Returns false if it says none. */
static bool
read_spec(const struct port *port, struct socket_spec *spec)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

    if (!port->socket) {
        return false;
    } else if (!socket_spec_parse(port->socket, spec)) {
        VLOG_WARN_RL(&rl, "Interface %s: external_ids:sluice-socket is "
                     "\"%.100s\"; write PROTOCOL:ADDRESS:PORT, for instance "
                     "udp:192.0.2.1:514 or tcp:*:80", port->name,
                     port->socket);
        return false;
    }
    return true;
}

void
owners_find(struct port_owner owners[], size_t n, struct socket_watch *watch,
            int proc)
{
    struct socket_spec specs[SOCKET_WATCH_MAX];
    struct port_owner *asked[SOCKET_WATCH_MAX];
    struct socket_owner found[SOCKET_WATCH_MAX];
    bool any[SOCKET_WATCH_MAX];
    size_t n_specs = 0;

    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < owners[i].n_ports
             && !owners[i].has_process; j++) {
            const struct port *port = &owners[i].ports[j];

            /* Where there is a socket the owner may be what was found out
             * before. */
            if (n_specs < SOCKET_WATCH_MAX
                && read_spec(port, &specs[n_specs])) {
                asked[n_specs++] = &owners[i];
            } else if (port->has_owner && !port->socket) {
                take_configured(&owners[i], port, proc);
            }
        }
    }
    if (!n_specs) {
        return;
    }
    socket_watch_find(watch, specs, n_specs, found, any);
    for (size_t i = 0; i < n_specs; i++) {
        if (any[i] && !asked[i]->has_process) {
            asked[i]->has_process = true;
            asked[i]->pid = found[i].pid;
            asked[i]->uid = found[i].uid;
            ovs_strlcpy(asked[i]->process, found[i].process,
                        sizeof asked[i]->process);
        }
    }
}
