/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the joining of parts.  The input is a list of packets, each behind
 * its size in 2 bytes and a byte whose bits say: 0x01, another host sent it; 0x02, the
 * process is killed and started before it; 0x04, half a second goes by before it.
 * What comes out must be the sum of what went in. */
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "join.h"
#include "tlv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t n_dropped;

static void
on_drop(void *aux, uint32_t tenant, enum sluice_drop drop, unsigned int n)
{
    (void) aux;
    if (!tenant || tenant > SLUICE_TLV_MAX_TENANT || !n
        || (drop != SLUICE_DROP_SPLIT_INCOMPLETE
            && drop != SLUICE_DROP_SPLIT_ROOM)) {
        abort();
    }
    n_dropped += n;
}

/* Checks the packet that was joined last of all, of 'part'. */
static void
check_whole(struct slice whole, const struct tunnel_meta *part)
{
    struct tunnel_meta meta;
    struct slice frame;

    if (geneve_parse(whole, SLUICE_TLV_CLASS, &meta, &frame)
        || meta.has & (TUNNEL_HAS_SPLIT | TUNNEL_HAS_AUTH)
        || meta.vni != part->vni || meta.seq_number != part->seq_number
        || meta.time_ns != part->time_ns
        || frame.size < part->split_count
        || frame.size > JOIN_MAX_FRAME_SIZE) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void *memory;
    struct cursor c = cursor_of(slice_of(data, size));
    uint32_t n_taken = 0;
    int64_t now_ms = 0;

    if (!memory) {
        memory = malloc(join_memory_size());
    }
    memset(memory, 0, 16);      /* Without its magic it is empty. */
    n_dropped = 0;
    struct join *j = join_create(memory, now_ms, on_drop, NULL);
    if (!memory || !j) {
        abort();
    }

    while (c.left) {
        uint8_t flags = cursor_be(&c, 1);
        struct slice packet = cursor_take(&c, cursor_be(&c, 2));
        uint8_t vtep[16] = { flags & 1 };
        struct tunnel_meta meta;
        struct slice frame, whole;

        if (flags & 2) {
            uint32_t n = join_n_parts(j);

            join_destroy(j);
            j = join_create(memory, now_ms, on_drop, NULL);
            if (!j || join_n_parts(j) != n) {
                abort();
            }
        }
        now_ms += flags & 4 ? 500 : 0;
        join_expire(j, now_ms);
        if (geneve_parse(packet, SLUICE_TLV_CLASS, &meta, &frame)
            || !(meta.has & TUNNEL_HAS_SPLIT)) {
            continue;
        }
        if (!join_add(j, vtep, packet, &meta, frame, SLUICE_TLV_CLASS, now_ms,
                      false, &whole)) {
            n_taken++;
        }
        if (whole.size) {
            check_whole(whole, &meta);
            n_taken -= meta.split_count;
        }
        join_release(j);
        if (join_n_parts(j) + n_dropped != n_taken) {
            abort();
        }
    }
    join_expire(j, now_ms + JOIN_MAX_AGE_MS);
    if (join_n_parts(j) || n_dropped != n_taken) {
        abort();
    }
    join_destroy(j);
    return 0;
}
