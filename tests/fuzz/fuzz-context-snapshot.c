/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens the input as a context snapshot, walks its records, and looks up keys:
 * those that the input itself holds, wherever a table may be in it. */
#include "context-snapshot.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every byte, so that a record beyond the input is noticed. */
static void
read_record(struct slice record)
{
    volatile uint8_t sum = 0;

    if (record.size > SNAPSHOT_MAX_RECORD) {
        abort();
    }
    for (size_t i = 0; i < record.size; i++) {
        sum ^= record.data[i];
    }
    (void) sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MAX_KEYS = 4096 };
    struct snapshot *s;
    struct slice record;
    uint64_t position = 0;

    if (snapshot_from_bytes(slice_of(data, size), &s)) {
        return 0;
    }
    while (snapshot_next(s, &position, &record)) {
        read_record(record);
    }
    for (size_t i = 0; i + 16 <= size && i < MAX_KEYS; i++) {
        if (snapshot_find_vm(s, data + i, &record)) {
            read_record(record);
        }
        if (snapshot_find_mac(s, data + i, &record)) {
            read_record(record);
        }
    }
    snapshot_close(s);
    return 0;
}
