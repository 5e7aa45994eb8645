/* SPDX-License-Identifier: Apache-2.0
 *
 * What sluice-ship and its adapters say to each other.  See adapter-frame.h.
 *
 * Nothing of Open vSwitch's: the adapters do without. */
#include "adapter-frame.h"

#include <errno.h>

#include "cursor.h"

/* Takes a frame of 1 to 'max' bytes behind its size from the front of '*in',
 * and makes '*ret' a cursor over those. */
static int
take_frame(struct slice *in, size_t max, struct cursor *ret)
{
    struct cursor c = cursor_of(*in);
    size_t size = cursor_be(&c, ADAPTER_HEADER);

    if (c.failed) {
        return EAGAIN;
    }
    if (!size || size > max) {
        return EBADMSG;
    }
    struct slice body = cursor_take(&c, size);
    if (c.failed) {
        return EAGAIN;
    }
    *in = cursor_rest(&c);
    *ret = cursor_of(body);
    return 0;
}

int
adapter_take_request(struct slice *in, struct adapter_request *ret)
{
    struct slice rest = *in;
    struct adapter_request r = { .kind = 0 };
    struct cursor c;

    int error = take_frame(&rest, ADAPTER_MAX_REQUEST, &c);
    if (error) {
        return error;
    }
    r.kind = cursor_be(&c, 1);
    switch (r.kind) {
    case ADAPTER_MESSAGE:
        r.key = cursor_take(&c, cursor_be(&c, 1));
        r.payload = cursor_rest(&c);
        break;

    case ADAPTER_MARK:
        r.id = cursor_be(&c, 8);
        break;

    default:
        return EBADMSG;
    }
    if (c.failed || c.left) {
        return EBADMSG;
    }
    *in = rest;
    *ret = r;
    return 0;
}

int
adapter_take_reply(struct slice *in, struct adapter_reply *ret)
{
    struct slice rest = *in;
    struct adapter_reply r = { .kind = 0 };
    struct cursor c;

    int error = take_frame(&rest, ADAPTER_MAX_REPLY, &c);
    if (error) {
        return error;
    }
    r.kind = cursor_be(&c, 1);
    switch (r.kind) {
    case ADAPTER_OPEN:
    case ADAPTER_PROGRESS:
        break;

    case ADAPTER_CONFIRMED:
        r.id = cursor_be(&c, 8);
        r.n_refused = cursor_be(&c, 4);
        break;

    case ADAPTER_FAILED:
        r.sentence = cursor_rest(&c);
        break;

    default:
        return EBADMSG;
    }
    if (c.failed || c.left) {
        return EBADMSG;
    }
    *in = rest;
    *ret = r;
    return 0;
}

static uint8_t *
put_be(uint8_t *p, uint64_t value, size_t n)
{
    while (n-- > 0) {
        *p++ = value >> (8 * n);
    }
    return p;
}

/* Begins a frame of 'kind' with 'n' bytes behind the kind.  Returns where
 * those go, or null if they don't fit. */
static uint8_t *
begin_frame(uint8_t *buf, size_t cap, size_t max, uint8_t kind, size_t n)
{
    if (n >= max || cap < ADAPTER_HEADER + 1 + n) {
        return NULL;
    }
    return put_be(put_be(buf, n + 1, ADAPTER_HEADER), kind, 1);
}

static uint8_t *
put_slice(uint8_t *p, struct slice s)
{
    if (s.size) {
        memcpy(p, s.data, s.size);
    }
    return p + s.size;
}

size_t
adapter_put_message(uint8_t *buf, size_t cap, struct slice key,
                    struct slice payload)
{
    if (key.size > ADAPTER_MAX_KEY || payload.size > ADAPTER_MAX_REQUEST) {
        return 0;
    }

    uint8_t *p = begin_frame(buf, cap, ADAPTER_MAX_REQUEST, ADAPTER_MESSAGE,
                             1 + key.size + payload.size);
    if (!p) {
        return 0;
    }
    p = put_slice(put_slice(put_be(p, key.size, 1), key), payload);
    return p - buf;
}

size_t
adapter_put_mark(uint8_t *buf, size_t cap, uint64_t id)
{
    uint8_t *p = begin_frame(buf, cap, ADAPTER_MAX_REQUEST, ADAPTER_MARK, 8);

    return p ? put_be(p, id, 8) - buf : 0;
}

/* A reply that is nothing but its kind. */
static size_t
put_bare(uint8_t *buf, size_t cap, enum adapter_reply_kind kind)
{
    uint8_t *p = begin_frame(buf, cap, ADAPTER_MAX_REPLY, kind, 0);

    return p ? p - buf : 0;
}

size_t
adapter_put_open(uint8_t *buf, size_t cap)
{
    return put_bare(buf, cap, ADAPTER_OPEN);
}

size_t
adapter_put_progress(uint8_t *buf, size_t cap)
{
    return put_bare(buf, cap, ADAPTER_PROGRESS);
}

size_t
adapter_put_confirmed(uint8_t *buf, size_t cap, uint64_t id,
                      uint32_t n_refused)
{
    uint8_t *p = begin_frame(buf, cap, ADAPTER_MAX_REPLY, ADAPTER_CONFIRMED,
                             12);

    return p ? put_be(put_be(p, id, 8), n_refused, 4) - buf : 0;
}

size_t
adapter_put_failed(uint8_t *buf, size_t cap, const char *sentence)
{
    size_t n = strnlen(sentence, ADAPTER_MAX_REPLY - 1);
    uint8_t *p = begin_frame(buf, cap, ADAPTER_MAX_REPLY, ADAPTER_FAILED, n);

    return p ? put_slice(p, slice_of(sentence, n)) - buf : 0;
}
