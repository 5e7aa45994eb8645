/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the reader of outer frames: the first byte says whether we are in IPv4
 * or IPv6, the rest is a frame.  What is read must lie in the frame; an answer
 * goes to who asked, and is one that we take ourselves where we can be asked. */
#include <stdlib.h>

#include "outer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct outer_self selves[] = {
    { .mac = { 0x02, 0x53, 198, 18, 0, 2 },
      .ip = { [10] = 0xff, [11] = 0xff, [12] = 198, 18, 0, 2 },
      .port = 6081 },
    { .mac = { 0x02, 0x53, 0xab, 0xcd, 0, 2 },
      .ip = { 0x20, 0x01, 0x0d, 0xb8, [12] = 0xab, 0xcd, 0, 2 },
      .port = 6081 },
};

static void
check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void
check_tunnel(const struct outer_self *self, struct slice frame,
             const struct outer_packet *packet)
{
    static uint8_t back[OUTER_HEADERS_MAX + UINT16_MAX];
    uint8_t answer[OUTER_ANSWER_MAX];
    struct outer_packet again;
    size_t size;

    check(packet->payload.data > frame.data
          && packet->payload.size > 0
          && packet->payload.data + packet->payload.size
             <= frame.data + frame.size);
    if (memcmp(packet->src_ip, self->ip, 12)) {
        return;                 /* Might be another version's address. */
    }
    /* As its sender would read what goes back. */
    struct outer_self peer = { .port = self->port };
    memcpy(peer.mac, packet->src_mac, 6);
    memcpy(peer.ip, packet->src_ip, 16);
    size = outer_write(self, peer.mac, peer.ip, packet->payload, back);
    check(outer_read(slice_of(back, size), &peer, &again, answer, &size)
          == OUTER_TUNNEL);
    check(slice_equal(again.payload, packet->payload));
    check(!memcmp(again.src_ip, self->ip, 16));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) {
        return 0;
    }
    const struct outer_self *self = &selves[*data & 1];
    struct slice frame = slice_of(data + 1, size - 1);
    struct outer_packet packet = { .payload = { NULL, 0 } };
    uint8_t answer[OUTER_ANSWER_MAX];
    size_t answer_size = 0;

    enum outer_verdict verdict = outer_read(frame, self, &packet, answer,
                                            &answer_size);
    check(verdict <= OUTER_TUNNEL && verdict != OUTER_UNANSWERED
          && verdict != OUTER_RING);
    check((verdict == OUTER_TUNNEL) == (packet.payload.data != NULL));
    check((verdict == OUTER_ANSWERED) == (answer_size > 0));
    if (verdict == OUTER_TUNNEL) {
        check_tunnel(self, frame, &packet);
    } else if (verdict == OUTER_ANSWERED) {
        check(answer_size >= 42 && answer_size <= sizeof answer);
        check(!memcmp(answer, frame.data + 6, 6));
        check(!memcmp(answer + 6, self->mac, 6));
    }
    return 0;
}
