/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the passive end of BFD: packets, one after the other, each behind a
 * byte that says how much later it comes (in units of 20 ms), one whose lowest
 * bit is who sent it, and one for its size.  No packet may bring about more
 * than one answer, an answer is one that BFD takes, and a session is Up only
 * for who knows its discriminator. */
#include <stdlib.h>

#include "bfd.h"
#include "cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void
check_answer(struct slice packet, const struct bfd_answer *answer)
{
    struct slice out = slice_of(answer->packet, sizeof answer->packet);
    struct cursor c = cursor_of(out);

    check(packet.size >= out.size);
    check(bfd_is_control(out));
    cursor_take(&c, BFD_TUNNELLED_SIZE - BFD_SIZE);
    check(cursor_be(&c, 1) >> 5 == 1);
    uint8_t state_flags = cursor_be(&c, 1);
    check(state_flags >> 6 == answer->state);
    check(answer->state != BFD_ADMIN_DOWN);
    check(!(state_flags & 0x2f));               /* Nothing but Final. */
    check(cursor_be(&c, 1) > 0);
    check(cursor_be(&c, 1) == BFD_SIZE);
    check(cursor_be(&c, 4) != 0);
    check(cursor_be(&c, 4) != 0);
    check(!c.failed);
    /* What asked says of itself Down or AdminDown where it has no
     * discriminator of ours. */
    check(answer->state != BFD_UP
          || memcmp(packet.data + 58, "\0\0\0\0", 4));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_of(slice_of(data, size));
    struct bfd *bfd = bfd_create(1, 4);
    uint64_t now_ms = 1000;

    if (!bfd) {
        return 0;
    }
    while (c.left && !c.failed) {
        struct bfd_answer answer, untouched;
        uint8_t sender[16] = { 0 };

        now_ms += cursor_be(&c, 1) * 20;
        sender[15] = cursor_be(&c, 1) & 1;
        struct slice packet = cursor_take(&c, cursor_be(&c, 1));

        memset(&answer, 0xa5, sizeof answer);
        untouched = answer;
        if (bfd_is_control(packet)
            && bfd_run(bfd, packet, sender, now_ms,
                       &answer) == BFD_ANSWERED) {
            check_answer(packet, &answer);
        } else {
            check(!memcmp(&answer, &untouched, sizeof answer));
        }
    }
    bfd_destroy(bfd);
    return 0;
}
