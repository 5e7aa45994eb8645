/* SPDX-License-Identifier: Apache-2.0
 *
 * See destination-show.h.  In: the port registry.  Out: text or JSON.  Runs in
 * the main thread of ovs-vswitchd. */

#include <config.h>

#include "sluice/destination-show.h"

#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "packets.h"
#include "sluice/port-registry.h"
#include "util.h"

static void
free_destinations(struct sluice_destination_status *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(list[i].tunnel_name);
    }
    free(list);
}

/* Appends a line for each destination that packets of 'port' had to 'ds', if
 * there is more than one or it is dead. */
void
sluice_destinations_format(struct sluice_port *port, struct ds *ds)
{
    size_t n;
    struct sluice_destination_status *list
        = sluice_port_read_destinations(port, &n);

    for (size_t i = 0; i < n; i++) {
        const struct sluice_destination_status *s = &list[i];

        if (n == 1 && s->is_live) {
            break;
        }
        ds_put_cstr(ds, "    to ");
        if (IN6_IS_ADDR_V4MAPPED(&s->destination.ip)) {
            ipv6_format_mapped(&s->destination.ip, ds);
        } else {
            ipv6_format_addr_bracket(&s->destination.ip, ds, true);
        }
        ds_put_format(ds, ":%"PRIu16" port %s %s deaths %u packets %"PRIu64
                      " sent %"PRIu64" sequence %"PRIu32":%"PRIu32"\n",
                      s->destination.udp_port,
                      *s->tunnel_name ? s->tunnel_name : "none",
                      s->is_live ? "live" : "dead", s->n_deaths,
                      s->figures.taken, s->figures.sent,
                      s->epoch, s->number);
    }
    free_destinations(list, n);
}

/* Returns the same, for any number of destinations, as an array that the
 * caller owns. */
struct json *
sluice_destinations_to_json(struct sluice_port *port)
{
    struct json *array = json_array_create_empty();
    size_t n;
    struct sluice_destination_status *list
        = sluice_port_read_destinations(port, &n);

    for (size_t i = 0; i < n; i++) {
        const struct sluice_destination_status *s = &list[i];
        struct json *object = json_object_create();
        struct json *sequence = json_object_create();
        struct ds ip = DS_EMPTY_INITIALIZER;

        ipv6_format_mapped(&s->destination.ip, &ip);
        json_object_put(object, "ip",
                        json_string_create_nocopy(ds_steal_cstr(&ip)));
        json_object_put(object, "udp_port",
                        json_integer_create(s->destination.udp_port));
        json_object_put(object, "port", *s->tunnel_name
                        ? json_string_create(s->tunnel_name)
                        : json_null_create());
        json_object_put(object, "live", json_boolean_create(s->is_live));
        json_object_put(object, "deaths", json_integer_create(s->n_deaths));
        json_object_put(object, "packets",
                        json_integer_create(s->figures.taken));
        json_object_put(object, "sent", json_integer_create(s->figures.sent));
        json_object_put(sequence, "epoch", json_integer_create(s->epoch));
        json_object_put(sequence, "number", json_integer_create(s->number));
        json_object_put(object, "sequence", sequence);
        json_array_add(array, object);
    }
    free_destinations(list, n);
    return array;
}
