/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the parser of the inner frame.  The payload of what it accepts must
 * lie inside the input; what it drops must leave the output alone. */
#include <stdlib.h>

#include "inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct inner_packet packet, untouched;

    memset(&untouched, 0xa5, sizeof untouched);
    packet = untouched;
    enum sluice_drop drop = inner_parse(slice_of(data, size), &packet);
    if (drop) {
        if (drop >= SLUICE_N_DROPS
            || memcmp(&packet, &untouched, sizeof packet)) {
            abort();
        }
        return 0;
    }

    if ((!packet.payload.size && packet.kind != INNER_TCP)
        || packet.n_vlans > 2
        || (packet.ip_version != 4 && packet.ip_version != 6)
        || (packet.payload.size
            && (packet.payload.data < data + 14 + 20
                || packet.payload.data + packet.payload.size
                   > data + size))) {
        abort();
    }

    /* What is the payload of one is what the fragments of another carried. */
    struct inner_packet whole = packet;
    whole.fragment_next = packet.ip_version == 4 ? 17 : 60;
    drop = inner_parse_whole(packet.payload, &whole);
    if (drop ? whole.kind != packet.kind : whole.kind == INNER_FRAGMENT) {
        abort();
    }
    return 0;
}
