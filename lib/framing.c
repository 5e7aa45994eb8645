/* SPDX-License-Identifier: Apache-2.0
 *
 * Framing of syslog over TCP.  See framing.h. */
#include "framing.h"

#include "cursor.h"

/* Takes 'min' to 'max' digits.  Returns FRAMING_MORE if they reach the end and
 * could go on. */
static enum framing_verdict
take_digits(struct cursor *c, size_t max, size_t *ret)
{
    size_t n = 0;

    *ret = 0;
    while (n < max && cursor_peek(c) >= '0' && cursor_peek(c) <= '9') {
        *ret = *ret * 10 + (cursor_be(c, 1) - '0');
        n++;
    }
    return n ? FRAMING_YES : c->left ? FRAMING_NO : FRAMING_MORE;
}

/* Takes 'byte', which must stand here. */
static enum framing_verdict
take_byte(struct cursor *c, uint8_t byte)
{
    return (!c->left ? FRAMING_MORE
            : cursor_match(c, byte) ? FRAMING_YES : FRAMING_NO);
}

enum framing_verdict
framing_count(struct slice bytes, size_t *ret_header, size_t *ret_size)
{
    struct cursor c = cursor_of(bytes);
    size_t size;

    if (!c.left) {
        return FRAMING_MORE;
    }
    if (!framing_counts(cursor_peek(&c))) {
        return FRAMING_NO;
    }
    enum framing_verdict verdict = take_digits(&c, FRAMING_MAX_DIGITS, &size);
    if (verdict == FRAMING_YES) {
        verdict = take_byte(&c, ' ');
    }
    if (verdict == FRAMING_YES) {
        *ret_header = bytes.size - c.left;
        *ret_size = size;
    }
    return verdict;
}

enum framing_verdict
framing_pri(struct slice bytes)
{
    struct cursor c = cursor_of(bytes);
    enum framing_verdict verdict = take_byte(&c, '<');
    size_t pri;

    if (verdict == FRAMING_YES) {
        verdict = take_digits(&c, 3, &pri);
    }
    return verdict == FRAMING_YES ? take_byte(&c, '>') : verdict;
}

enum framing_verdict
framing_tls(struct slice bytes)
{
    struct cursor c = cursor_of(bytes);

    if (c.left && (cursor_peek(&c) < 0x14 || cursor_peek(&c) > 0x17)) {
        return FRAMING_NO;
    }
    cursor_take(&c, 1);
    if (c.left && cursor_peek(&c) != 3) {
        return FRAMING_NO;
    }
    cursor_take(&c, 1);
    return (!c.left || c.failed ? FRAMING_MORE
            : cursor_peek(&c) <= 4 ? FRAMING_YES : FRAMING_NO);
}
