/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes what both ends of a delivery read: frames out of a byte stream, and
 * the messages in them.  What can be read is written again, and must come out
 * as the same bytes. */
#include <stdlib.h>

#include "delivery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect_same(const uint8_t *buf, size_t size, struct slice frame)
{
    if (size != frame.size + DELIVERY_SIZE_SIZE
        || memcmp(buf + DELIVERY_SIZE_SIZE, frame.data, frame.size)) {
        abort();
    }
}

static void
read_all(struct slice frame)
{
    uint8_t buf[DELIVERY_MAX_SMALL];
    struct delivery_hello hello;
    struct delivery_welcome welcome;
    struct delivery_receipt receipt;
    struct slice reason;

    if (delivery_read_hello(frame, &hello)) {
        expect_same(buf, delivery_put_hello(buf, &hello), frame);
    }
    if (delivery_read_welcome(frame, &welcome)
        && welcome.version == DELIVERY_VERSION) {
        expect_same(buf, delivery_put_welcome(buf, &welcome), frame);
    }
    if (delivery_read_receipt(frame, &receipt)) {
        expect_same(buf, delivery_put_receipt(buf, &receipt), frame);
    }
    if (delivery_read_failed(frame, &reason)) {
        expect_same(buf, delivery_put_failed(buf, reason), frame);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size), frame;

    while (!delivery_take_frame(&in, 4096, &frame)) {
        read_all(frame);
    }
    read_all(slice_of(data, size));
    return 0;
}
