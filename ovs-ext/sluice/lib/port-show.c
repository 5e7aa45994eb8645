/* SPDX-License-Identifier: Apache-2.0
 *
 * "sluice/show" and "sluice/reset".  In: commands of ovs-appctl, the port
 * registry.  Out: text or JSON.  Runs in the main thread of ovs-vswitchd. */

#include <config.h>

#include "sluice/port-show.h"

#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "sluice/auth-key.h"
#include "sluice/destination-show.h"
#include "sluice/port-registry.h"
#include "unixctl.h"
#include "util.h"

/* Whether 'status' is of the entry that stands for no port. */
static bool
is_no_port(const struct sluice_port_status *status)
{
    return !*status->bridge;
}

/* Appends what 'status' says to 'ds'. */
static void
format_status(const struct sluice_port_status *status, struct ds *ds)
{
    const struct sluice_identity *identity = status->identity;
    const struct sluice_figures *f = &status->figures;

    if (is_no_port(status)) {
        ds_put_cstr(ds, "no port\n");
    } else {
        ds_put_format(ds, "bridge %s port %s ofport %"PRIu32"\n",
                      status->bridge, status->name, status->ofp_port);
        ds_put_cstr(ds, "    vm ");
        if (identity->has_vm) {
            sluice_vm_format(identity->vm, ds);
        } else {
            ds_put_cstr(ds, "none");
        }
        ds_put_cstr(ds, " tenant ");
        if (identity->has_tenant) {
            ds_put_format(ds, "%"PRIu32, identity->tenant);
        } else {
            ds_put_cstr(ds, "none");
        }
        if (identity->has_owner) {
            ds_put_format(ds, " owner %"PRIu32":%"PRIu32,
                          identity->owner_pid, identity->owner_uid);
        }
        ds_put_char(ds, '\n');
    }
    ds_put_format(ds, "    packets %"PRIu64" bytes %"PRIu64" sent %"PRIu64"\n",
                  f->taken, f->bytes, f->sent);
    ds_put_format(ds, "    sequence %"PRIu32":%"PRIu32"\n",
                  status->epoch, status->number);
    for (int i = 0; i < SLUICE_N_DROP_REASONS; i++) {
        if (f->drops[i]) {
            ds_put_format(ds, "    dropped %s %"PRIu64"\n",
                          sluice_drop_reason_name(i), f->drops[i]);
        }
    }
}

/* Returns the owner of a port as an object that the caller owns, null if none
 * is configured. */
static struct json *
owner_to_json(const struct sluice_identity *identity)
{
    if (!identity->has_owner) {
        return json_null_create();
    }

    struct json *owner = json_object_create();
    json_object_put(owner, "pid", json_integer_create(identity->owner_pid));
    json_object_put(owner, "uid", json_integer_create(identity->owner_uid));
    return owner;
}

/* Returns what 'status' says as an object that the caller owns.  Has the
 * figures of format_status(), and null where that has "none". */
static struct json *
status_to_json(const struct sluice_port_status *status)
{
    const struct sluice_identity *identity = status->identity;
    const struct sluice_figures *f = &status->figures;
    const bool has_port = !is_no_port(status);
    struct json *object = json_object_create();

    json_object_put(object, "bridge", has_port
                    ? json_string_create(status->bridge)
                    : json_null_create());
    json_object_put(object, "port", has_port
                    ? json_string_create(status->name) : json_null_create());
    json_object_put(object, "ofport", has_port
                    ? json_integer_create(ofp_to_u16(status->ofp_port))
                    : json_null_create());
    if (identity->has_vm) {
        struct ds vm = DS_EMPTY_INITIALIZER;

        sluice_vm_format(identity->vm, &vm);
        json_object_put(object, "vm",
                        json_string_create_nocopy(ds_steal_cstr(&vm)));
    } else {
        json_object_put(object, "vm", json_null_create());
    }
    json_object_put(object, "tenant", identity->has_tenant
                    ? json_integer_create(identity->tenant)
                    : json_null_create());
    json_object_put(object, "owner", owner_to_json(identity));

    json_object_put(object, "packets", json_integer_create(f->taken));
    json_object_put(object, "bytes", json_integer_create(f->bytes));
    json_object_put(object, "sent", json_integer_create(f->sent));

    struct json *sequence = json_object_create();
    json_object_put(sequence, "epoch", json_integer_create(status->epoch));
    json_object_put(sequence, "number", json_integer_create(status->number));
    json_object_put(object, "sequence", sequence);

    struct json *drops = json_object_create();
    for (int i = 0; i < SLUICE_N_DROP_REASONS; i++) {
        if (f->drops[i]) {
            json_object_put(drops, sluice_drop_reason_name(i),
                            json_integer_create(f->drops[i]));
        }
    }
    json_object_put(object, "dropped", drops);
    return object;
}

/* Appends the state of the host's key to 'ds', nothing if none is
 * configured. */
static void
format_key(struct ds *ds)
{
    struct sluice_auth_status status;

    sluice_auth_read(&status);
    if (status.path) {
        ds_put_format(ds, "key file %s %s\n", status.path,
                      (!status.refusal ? "in use"
                       : status.has_key ? "refused, key read before in use"
                       : "refused, no key in use"));
    }
    if (status.refusal) {
        ds_put_format(ds, "    %s\n", status.refusal);
    }
}

/* Returns the same as an object that the caller owns, null if none is
 * configured. */
static struct json *
key_to_json(void)
{
    struct sluice_auth_status status;

    sluice_auth_read(&status);
    if (!status.path) {
        return json_null_create();
    }

    struct json *object = json_object_create();
    json_object_put(object, "file", json_string_create(status.path));
    json_object_put(object, "has_key", json_boolean_create(status.has_key));
    json_object_put(object, "refused", status.refusal
                    ? json_string_create(status.refusal)
                    : json_null_create());
    return object;
}

/* Replies that there is no 'port' on 'bridge', or no 'bridge' if 'port' is
 * null. */
static void
reply_unknown(struct unixctl_conn *conn, const char *bridge, const char *port)
{
    char *error = (port
                   ? xasprintf("there is no port %s on bridge %s; "
                               "\"ovs-vsctl show\" lists what there is",
                               port, bridge)
                   : xasprintf("there is no bridge %s; "
                               "\"ovs-vsctl show\" lists what there is",
                               bridge));

    unixctl_command_reply_error(conn, error);
    free(error);
}

/* Implements "sluice/show [--json] [BRIDGE]": the state of the key, then all
 * ports that are configured or have taken a packet, sorted. */
static void
unixctl_show(struct unixctl_conn *conn, int argc, const char *argv[],
             void *aux OVS_UNUSED)
{
    const bool as_json = argc > 1 && !strcmp(argv[1], "--json");
    const char *bridge = argc > 1 + as_json ? argv[1 + as_json] : NULL;
    struct json *answer = json_object_create();
    struct json *list = json_array_create_empty();
    struct ds ds = DS_EMPTY_INITIALIZER;
    bool is_known = !bridge;
    size_t n;

    json_object_put(answer, "key", key_to_json());
    json_object_put(answer, "ports", list);
    if (!as_json) {
        format_key(&ds);
    }
    if (argc > 2 && !as_json) {
        unixctl_command_reply_error(
            conn, "give one bridge at most, with --json before it");
        goto out;
    }

    struct sluice_port **ports = sluice_ports_list(&n);
    for (size_t i = 0; i < n; i++) {
        struct sluice_port_status status;

        sluice_port_read(ports[i], &status);
        if (bridge && strcmp(status.bridge, bridge)) {
            continue;
        }
        is_known = true;
        if (!status.is_configured && !status.is_used) {
            continue;
        }
        if (as_json) {
            struct json *object = status_to_json(&status);

            json_object_put(object, "destinations",
                            sluice_destinations_to_json(ports[i]));
            json_array_add(list, object);
        } else {
            format_status(&status, &ds);
            sluice_destinations_format(ports[i], &ds);
        }
    }
    free(ports);

    if (!is_known) {
        reply_unknown(conn, bridge, NULL);
        goto out;
    }
    if (as_json) {
        json_to_ds(answer, JSSF_PRETTY | JSSF_SORT, &ds);
        ds_put_char(&ds, '\n');
    }
    unixctl_command_reply(conn, ds_cstr(&ds));

out:
    json_destroy(answer);
    ds_destroy(&ds);
}

/* Implements "sluice/reset [BRIDGE [PORT]]": lets what is shown begin from
 * zero. */
static void
unixctl_reset(struct unixctl_conn *conn, int argc, const char *argv[],
              void *aux OVS_UNUSED)
{
    const char *bridge = argc > 1 ? argv[1] : NULL;
    const char *name = argc > 2 ? argv[2] : NULL;
    bool bridge_is_known = !bridge;
    bool is_known = !bridge;
    size_t n;

    struct sluice_port **ports = sluice_ports_list(&n);
    for (size_t i = 0; i < n; i++) {
        struct sluice_port_status status;

        sluice_port_read(ports[i], &status);
        if (bridge && strcmp(status.bridge, bridge)) {
            continue;
        }
        bridge_is_known = true;
        if (name && strcmp(status.name, name)) {
            continue;
        }
        is_known = true;
        sluice_port_reset(ports[i]);
    }
    free(ports);

    if (is_known) {
        unixctl_command_reply(conn, NULL);
    } else {
        reply_unknown(conn, bridge, bridge_is_known ? name : NULL);
    }
}

/* Makes the commands available. */
void
sluice_show_init(void)
{
    unixctl_command_register("sluice/show", "[--json] [bridge]", 0, 2,
                             unixctl_show, NULL);
    unixctl_command_register("sluice/reset", "[bridge [port]]", 0, 2,
                             unixctl_reset, NULL);
}
