/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes what sluice-ship does with a batch: the input is the body of one that
 * is sealed properly, as a broken sluice-intake could.  What it takes comes
 * out in frames, as many as it says, which, octet-counted, please a strict
 * parser; what it refuses it refuses whole.
 *
 * The input begins with 2 bytes, the room for frames, whose lowest bits say
 * which framing and format, and 1, the number of lines that the header says;
 * with 255 it says how many there are. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../strict-rfc5424.h"
#include "batch.h"
#include "cursor.h"
#include "printable.h"
#include "ship-batch.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SD_ID "sluice@32473"

enum { TENANT = 7, MAX_BODY = 65536, MIN_ROOM = 256 };

static struct seal_key *key;
static struct sealer *sealer;

static void
set_up(void)
{
    char dir[] = "/tmp/sluice-fuzz-ship.XXXXXX";
    char secret[64], public[64];
    uint8_t recipient[32];

    ovs_assert(mkdtemp(dir));
    snprintf(secret, sizeof secret, "%s/ship.key", dir);
    snprintf(public, sizeof public, "%s/key.pub", dir);
    ovs_assert(!seal_key_generate(secret, public));
    ovs_assert(!seal_key_read(secret, &key));
    ovs_assert(!seal_public_key_read(public, recipient));
    sealer = sealer_create(recipient, MAX_BODY);
    ovs_assert(sealer);
    unlink(secret);
    unlink(public);
    rmdir(dir);
}

/* The lines of 'body' of which there is a source, or of any kind. */
static uint32_t
count_lines(struct slice body)
{
    struct batch_reader reader;
    struct batch_entry e;
    enum batch_entry_kind kind;
    uint32_t n = 0;

    batch_reader_init(&reader, body);
    while ((kind = batch_reader_next(&reader, &e)) != BATCH_END
           && kind != BATCH_MALFORMED) {
        n += kind == BATCH_LINE;
    }
    return n;
}

/* Checks the 'size' bytes at 'frames' and returns how many frames they are. */
static uint32_t
check_frames(enum ship_format format, const uint8_t *frames, size_t size)
{
    static struct strict_message m;
    uint32_t n = 0;

    for (size_t ofs = 0; ofs < size; n++) {
        size_t length = 0, digits = 0;

        while (ofs + digits < size && frames[ofs + digits] != ' ') {
            length = length * 10 + (frames[ofs + digits] - '0');
            ovs_assert(++digits <= 9);
        }
        size_t whole = digits + 1 + length;
        ovs_assert(digits && ofs + whole <= size);
        if (format != SHIP_RFC5424) {
            ofs += whole;
            continue;
        }
        const char *wanted = strict_parse(frames + ofs, whole, &m);
        if (wanted) {
            fprintf(stderr, "wanted %s in: %.*s\n", wanted, (int) whole,
                    (const char *) frames + ofs);
            abort();
        }
        for (size_t i = 0; i < m.n_elements; i++) {
            ovs_assert(strict_is(m.elements[i].id, SD_ID, strlen(SD_ID))
                       == !i);
        }
        ofs += whole;
    }
    return n;
}

/* Returns how many lines, or records, the 'size' bytes at 'frames' are. */
static uint32_t
count_frames(const struct ship_form *form, const uint8_t *frames, size_t size)
{
    struct cursor c = cursor_of(slice_of(frames, size));
    uint32_t n = 0;

    if (form->framing == SHIP_OCTET_COUNTED) {
        return check_frames(form->format, frames, size);
    }
    for (; c.left; n++) {
        if (form->framing == SHIP_RECORD) {
            struct cursor record = cursor_of(cursor_take(&c,
                                                         cursor_be(&c, 4)));

            cursor_take(&record, cursor_be(&record, 1));
            ovs_assert(!c.failed && !record.failed);
        } else {
            const uint8_t *end = memchr(c.p, '\n', c.left);

            ovs_assert(end);
            cursor_take(&c, end + 1 - c.p);
        }
    }
    return n;
}

static void
check_batch(struct ship_batch *b, const struct ship_form *form, size_t room,
            uint32_t n_lines)
{
    uint8_t *buf = xmalloc(room);
    uint32_t n = 0;
    size_t size;

    while ((size = ship_batch_render(b, buf, room))) {
        ovs_assert(size <= room);
        n += count_frames(form, buf, size);
    }
    ovs_assert(ship_batch_n_lines(b) == n_lines);
    ovs_assert(n + ship_batch_n_dropped(b) == n_lines);
    free(buf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_of(slice_of(data, size));
    struct ship_batch *b = NULL;
    char reason[128] = "";
    struct slice file;

    if (!sealer) {
        set_up();
    }
    size_t room = MIN_ROOM + cursor_be(&c, 2);
    const struct ship_form form = {
        .format = room / SHIP_SEALED % (SHIP_RAW + 1),
        .framing = room % SHIP_SEALED,
    };
    uint8_t n_lines = cursor_be(&c, 1);
    struct slice body = cursor_rest(&c);
    if (c.failed || body.size > MAX_BODY) {
        return 0;
    }
    struct seal_header h = {
        .tenant = TENANT,
        .n_lines = n_lines < 255 ? n_lines : count_lines(body),
    };
    ovs_assert(!sealer_run(sealer, &h, body, &file));
    int error = ship_batch_open(file, TENANT, key, SD_ID, &form, &b, reason,
                                sizeof reason);
    if (error) {
        ovs_assert(error == EBADMSG && !b && *reason);
        ovs_assert(is_printable(slice_from_string(reason)));
    } else {
        check_batch(b, &form, room, h.n_lines);
        ship_batch_destroy(b);
    }
    return 0;
}
