/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the reader of batch bodies.  What it makes of an entry must survive
 * being written and read again. */
#include <stdlib.h>

#include "batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads what was written to 'buf' and aborts if it is another kind. */
static void
expect(const uint8_t *buf, size_t size, enum batch_entry_kind kind)
{
    struct batch_reader reader;
    struct batch_entry again;

    batch_reader_init(&reader, slice_of(buf, size));
    if (batch_reader_next(&reader, &again) != kind || reader.rest.size) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Unlike the reader's, our lengths may take more bytes than the input's:
     * it may have put fields in place of others. */
    size_t cap = size + 256;
    uint8_t *buf = malloc(cap);
    struct batch_reader reader;
    struct batch_entry e;
    enum batch_entry_kind kind;

    batch_reader_init(&reader, slice_of(data, size));
    while ((kind = batch_reader_next(&reader, &e)) != BATCH_END
           && kind != BATCH_MALFORMED) {
        if (kind == BATCH_SOURCE) {
            expect(buf, batch_put_source(buf, cap, &e.source), kind);
        } else if (kind == BATCH_LINE) {
            expect(buf, batch_put_line(buf, cap, &e.line), kind);
        }
    }
    free(buf);
    return 0;
}
