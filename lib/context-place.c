/* SPDX-License-Identifier: Apache-2.0
 *
 * Where lines with the MAC addresses of a VM come from.  See
 * context-place.h. */
#include "context-place.h"

#include <string.h>

#include "wire-field.h"

enum { VM_PLACE = TAG(11, WIRE_BYTES) };

void
context_place_put(uint8_t *place, const uint8_t vtep[16],
                  const uint8_t mac[6], uint32_t ofp_port)
{
    memcpy(place, vtep, 16);
    memcpy(place + 16, mac, 6);
    for (int i = 0; i < 4; i++) {
        place[22 + i] = ofp_port >> (24 - 8 * i);
    }
}

bool
context_is_at(struct slice record, const struct context_origin *line)
{
    uint8_t here[CONTEXT_PLACE_PORT];
    bool has_host = false, is_on_host = false;
    bool has_port = false, is_at_port = false;
    struct cursor c = cursor_of(record);
    struct field f;

    context_place_put(here, line->vtep, line->mac, line->ofp_port);
    while (take_field(&c, &f)) {
        if (f.tag != VM_PLACE) {
            continue;
        } else if (f.bytes.size == CONTEXT_PLACE_HOST) {
            has_host = true;
            is_on_host |= !memcmp(f.bytes.data, here, CONTEXT_PLACE_HOST);
        } else if (f.bytes.size == CONTEXT_PLACE_PORT
                   && !memcmp(f.bytes.data, here, CONTEXT_PLACE_PORT - 4)) {
            has_port = true;
            is_at_port |= !memcmp(f.bytes.data, here, CONTEXT_PLACE_PORT);
        }
    }
    return ((!has_host || is_on_host)
            && (!has_port || is_at_port || !line->ofp_port));
}
