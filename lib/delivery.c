/* SPDX-License-Identifier: Apache-2.0
 *
 * The protocol that brings sealed batches to sluice-unseal.  See delivery.h.
 */
#include "delivery.h"

#include <errno.h>

#include "cursor.h"

#define MAGIC "SLUICED"

enum { MAGIC_SIZE = 7 };

int
delivery_take_frame(struct slice *in, uint32_t max, struct slice *ret)
{
    struct cursor c = cursor_of(*in);
    uint32_t size = cursor_be(&c, DELIVERY_SIZE_SIZE);

    if (c.failed) {
        return EAGAIN;
    } else if (!size || size > max) {
        return EMSGSIZE;
    }
    struct slice frame = cursor_take(&c, size);
    if (c.failed) {
        return EAGAIN;
    }
    *ret = frame;
    *in = cursor_rest(&c);
    return 0;
}

static bool
take_magic(struct cursor *c)
{
    struct slice magic = cursor_take(c, MAGIC_SIZE);

    return !c->failed && !memcmp(magic.data, MAGIC, MAGIC_SIZE);
}

bool
delivery_take_name(struct slice *names, struct slice *ret)
{
    struct cursor c = cursor_of(*names);
    struct slice name = cursor_take(&c, cursor_be(&c, 1));

    if (c.failed || !name.size || name.size > DELIVERY_MAX_NAME) {
        return false;
    }
    *ret = name;
    *names = cursor_rest(&c);
    return true;
}

bool
delivery_read_hello(struct slice frame, struct delivery_hello *ret)
{
    struct cursor c = cursor_of(frame);
    struct delivery_hello h;

    if (!take_magic(&c)) {
        return false;
    }
    h.version = cursor_be(&c, 1);
    h.tenant = cursor_be(&c, 4);
    cursor_copy(&c, h.recipient, sizeof h.recipient);
    h.queue = cursor_take(&c, cursor_be(&c, 1));
    h.elsewhere = cursor_rest(&c);
    if (c.failed || h.queue.size > DELIVERY_MAX_NAME) {
        return false;
    }

    struct slice names = h.elsewhere, name;
    int n = 0;
    while (n <= DELIVERY_MAX_NAMES && delivery_take_name(&names, &name)) {
        n++;
    }
    if (names.size || n > DELIVERY_MAX_NAMES) {
        return false;
    }
    *ret = h;
    return true;
}

bool
delivery_read_welcome(struct slice frame, struct delivery_welcome *ret)
{
    struct cursor c = cursor_of(frame);
    struct delivery_welcome w;

    if (cursor_be(&c, 1) != DELIVERY_WELCOME || !take_magic(&c)) {
        return false;
    }
    w.version = cursor_be(&c, 1);
    w.window = cursor_be(&c, 4);
    w.max_batch = cursor_be(&c, 4);
    /* A later version may have more to say. */
    if (c.failed || !w.window
        || (c.left && w.version == DELIVERY_VERSION)) {
        return false;
    }
    *ret = w;
    return true;
}

bool
delivery_read_receipt(struct slice frame, struct delivery_receipt *ret)
{
    struct cursor c = cursor_of(frame);
    struct delivery_receipt r;

    if (cursor_be(&c, 1) != DELIVERY_RECEIPT) {
        return false;
    }
    r.status = cursor_be(&c, 1);
    r.stream = cursor_be(&c, 8);
    r.number = cursor_be(&c, 8);
    r.n_lines = cursor_be(&c, 4);
    r.reason = cursor_rest(&c);
    if (c.failed || r.status < DELIVERY_STORED || r.status > DELIVERY_REFUSED
        || r.reason.size > DELIVERY_MAX_TEXT) {
        return false;
    }
    *ret = r;
    return true;
}

bool
delivery_read_failed(struct slice frame, struct slice *ret_reason)
{
    struct cursor c = cursor_of(frame);
    bool is_failed = cursor_be(&c, 1) == DELIVERY_FAILED;
    struct slice reason = cursor_rest(&c);

    if (c.failed || !is_failed || reason.size > DELIVERY_MAX_TEXT) {
        return false;
    }
    *ret_reason = reason;
    return true;
}

static uint8_t *
put_be(uint8_t *p, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = value >> (8 * (n - 1 - i));
    }
    return p + n;
}

static uint8_t *
put_text(uint8_t *p, struct slice text, size_t max)
{
    size_t n = text.size < max ? text.size : max;

    if (n) {
        memcpy(p, text.data, n);
    }
    return p + n;
}

/* Puts the size in front of what ends at 'end'. */
static size_t
end_frame(uint8_t *buf, const uint8_t *end)
{
    size_t size = end - buf;

    put_be(buf, size - DELIVERY_SIZE_SIZE, DELIVERY_SIZE_SIZE);
    return size;
}

size_t
delivery_add_name(uint8_t *buf, size_t cap, size_t size, struct slice name)
{
    size_t n = name.size < DELIVERY_MAX_NAME ? name.size : DELIVERY_MAX_NAME;

    if (cap - size < 1 + n) {
        return size;
    }
    uint8_t *p = put_be(buf + size, n, 1);
    return put_text(p, name, n) - buf;
}

size_t
delivery_put_hello(uint8_t buf[DELIVERY_MAX_SMALL],
                   const struct delivery_hello *h)
{
    uint8_t *p = buf + DELIVERY_SIZE_SIZE;

    memcpy(p, MAGIC, MAGIC_SIZE);
    p = put_be(p + MAGIC_SIZE, h->version, 1);
    p = put_be(p, h->tenant, 4);
    memcpy(p, h->recipient, sizeof h->recipient);
    p += sizeof h->recipient;
    p += delivery_add_name(p, 1 + DELIVERY_MAX_NAME, 0, h->queue);
    p = put_text(p, h->elsewhere, DELIVERY_MAX_NAMES
                 * (1 + DELIVERY_MAX_NAME));
    return end_frame(buf, p);
}

size_t
delivery_put_welcome(uint8_t buf[DELIVERY_MAX_SMALL],
                     const struct delivery_welcome *w)
{
    uint8_t *p = put_be(buf + DELIVERY_SIZE_SIZE, DELIVERY_WELCOME, 1);

    memcpy(p, MAGIC, MAGIC_SIZE);
    p = put_be(p + MAGIC_SIZE, w->version, 1);
    p = put_be(p, w->window, 4);
    p = put_be(p, w->max_batch, 4);
    return end_frame(buf, p);
}

size_t
delivery_put_receipt(uint8_t buf[DELIVERY_MAX_SMALL],
                     const struct delivery_receipt *r)
{
    uint8_t *p = put_be(buf + DELIVERY_SIZE_SIZE, DELIVERY_RECEIPT, 1);

    p = put_be(p, r->status, 1);
    p = put_be(p, r->stream, 8);
    p = put_be(p, r->number, 8);
    p = put_be(p, r->n_lines, 4);
    p = put_text(p, r->reason, DELIVERY_MAX_TEXT);
    return end_frame(buf, p);
}

size_t
delivery_put_failed(uint8_t buf[DELIVERY_MAX_SMALL], struct slice reason)
{
    uint8_t *p = put_be(buf + DELIVERY_SIZE_SIZE, DELIVERY_FAILED, 1);

    return end_frame(buf, put_text(p, reason, DELIVERY_MAX_TEXT));
}
