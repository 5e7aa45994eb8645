/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the GENEVE parser.  What it accepts must lie inside the input and
 * name a tenant; what it drops must leave the outputs alone. */
#include <stdlib.h>

#include "geneve.h"
#include "tlv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tunnel_meta meta, untouched;
    struct slice frame = slice_of(NULL, 42);

    memset(&untouched, 0xa5, sizeof untouched);
    meta = untouched;
    enum sluice_drop drop = geneve_parse(slice_of(data, size),
                                         SLUICE_TLV_CLASS, &meta, &frame);
    if (drop) {
        if (drop >= SLUICE_N_DROPS || frame.data || frame.size != 42
            || memcmp(&meta, &untouched, sizeof meta)) {
            abort();
        }
        return 0;
    }

    if (!meta.vni || meta.vni > SLUICE_TLV_MAX_TENANT
        || (meta.has & TUNNEL_HAS_SPLIT
            && meta.split_index >= meta.split_count)
        || meta.flags & ~(SLUICE_TLV_F_TRACE | SLUICE_TLV_F_TRUNCATED)
        || frame.data < data || frame.data + frame.size != data + size) {
        abort();
    }
    if (meta.has & TUNNEL_HAS_NAME
        && (meta.name.size > SLUICE_TLV_SIZE_NAME || meta.name.data < data
            || meta.name.data + meta.name.size > frame.data)) {
        abort();
    }

    uint8_t header[GENEVE_MAX_HEADER_SIZE];
    size_t n = geneve_whole_header(slice_of(data, size), SLUICE_TLV_CLASS,
                                   header);
    if (n > sizeof header || n > size
        || geneve_parse(slice_of(header, n), SLUICE_TLV_CLASS, &meta, &frame)
        || frame.size || meta.has & (TUNNEL_HAS_SPLIT | TUNNEL_HAS_AUTH)) {
        abort();
    }
    geneve_parse(slice_of(data, size), SLUICE_TLV_CLASS, &meta, &frame);

    /* Guessing 8 bytes takes longer than any fuzzer runs. */
    static const uint8_t key[16] = { 1 };
    if (geneve_verify(slice_of(data, size), &meta, key)) {
        abort();
    }
    return 0;
}
