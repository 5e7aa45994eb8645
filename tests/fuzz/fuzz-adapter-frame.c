/* SPDX-License-Identifier: Apache-2.0
 *
 * What an adapter and sluice-ship may say to each other: the first byte says
 * which end reads, the rest is the stream.  What was taken as a frame is put
 * again, to the same bytes. */
#include <errno.h>
#include <stdlib.h>

#include "adapter-frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static size_t
put_request(uint8_t *buf, size_t cap, const struct adapter_request *r)
{
    return (r->kind == ADAPTER_MARK ? adapter_put_mark(buf, cap, r->id)
            : adapter_put_message(buf, cap, r->key, r->payload));
}

static size_t
put_reply(uint8_t *buf, size_t cap, const struct adapter_reply *r)
{
    char sentence[ADAPTER_MAX_REPLY];

    switch (r->kind) {
    case ADAPTER_OPEN:
        return adapter_put_open(buf, cap);
    case ADAPTER_PROGRESS:
        return adapter_put_progress(buf, cap);
    case ADAPTER_CONFIRMED:
        return adapter_put_confirmed(buf, cap, r->id, r->n_refused);
    case ADAPTER_FAILED:
        check(r->sentence.size < sizeof sentence);
        if (r->sentence.size) {
            memcpy(sentence, r->sentence.data, r->sentence.size);
        }
        sentence[r->sentence.size] = '\0';
        /* What has a null byte in it is not a sentence that we would put. */
        return (strlen(sentence) == r->sentence.size
                ? adapter_put_failed(buf, cap, sentence) : 0);
    }
    abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[ADAPTER_HEADER + ADAPTER_MAX_REQUEST];
    bool is_ship = size && data[0] & 1;
    struct slice in = slice_of(size ? data + 1 : data, size ? size - 1 : 0);

    for (;;) {
        struct adapter_request request;
        struct adapter_reply reply;
        struct slice before = in;
        int error = (is_ship ? adapter_take_reply(&in, &reply)
                     : adapter_take_request(&in, &request));
        if (error) {
            check((error == EAGAIN || error == EBADMSG)
                  && in.data == before.data && in.size == before.size);
            break;
        }

        size_t taken = before.size - in.size;
        size_t n = (is_ship ? put_reply(again, sizeof again, &reply)
                    : put_request(again, sizeof again, &request));
        check(taken > ADAPTER_HEADER);
        check(is_ship && reply.kind == ADAPTER_FAILED && !n
              ? true : n == taken && !memcmp(again, before.data, n));
    }
    return 0;
}
