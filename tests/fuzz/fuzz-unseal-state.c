/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes what sluice-unseal reads of its state file.  The input is a byte, and
 * then the two records of the first stream; an odd first byte has their
 * checksums put in order, since nothing that a fuzzer makes up has right ones.
 * What is read must serve: batches are checked and accepted against it, and
 * what comes out must be valid again. */
#include <config.h>

#include <sodium.h>
#include <stdlib.h>

#include "cursor.h"
#include "state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    CHECKSUM_SIZE = 32,
    RECORD_SIZE = CHECKSUM_SIZE + 8 + sizeof(struct sink_mark)
                  + sizeof(struct chain_stream),
};

static const uint8_t recipient[32] = { 1 };

static void
put_record(uint8_t *record, struct cursor *c, bool sound)
{
    static const uint32_t index = 0;
    crypto_generichash_state hash;
    size_t n = c->left < RECORD_SIZE ? c->left : RECORD_SIZE;
    struct slice content = cursor_take(c, n);

    if (content.size) {
        memcpy(record, content.data, content.size);
    }
    if (sound) {
        crypto_generichash_init(&hash, NULL, 0, CHECKSUM_SIZE);
        crypto_generichash_update(&hash, (const uint8_t *) &index,
                                  sizeof index);
        crypto_generichash_update(&hash, record + CHECKSUM_SIZE,
                                  RECORD_SIZE - CHECKSUM_SIZE);
        crypto_generichash_final(&hash, record, CHECKSUM_SIZE);
    }
}

/* Takes batches with numbers around what the stream expects. */
static void
use(const struct state_image *image)
{
    static struct chain chain;
    const struct chain_stream *s = &chain.streams[0];

    chain_init(&chain, 7);
    memcpy(chain.streams, image->streams, sizeof chain.streams);
    for (int i = -70; i < 70; i++) {
        struct seal_header h = {
            .tenant = 7, .stream = s->stream, .origin = s->origin,
            .generation = s->generation, .number = s->next + i,
            .flags = i % 3 ? 0 : SEAL_F_RECOVERED,
        };
        uint8_t digest[SEAL_DIGEST_SIZE] = { 1, i };
        struct chain_finding f = chain_check(&chain, &h, digest);

        if (chain_verdict_deed(f.verdict) == CHAIN_STORE
            && !chain_stream_is_valid(
                &chain.streams[chain_accept(&chain, &h, digest)])) {
            abort();
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[STATE_FILE_SIZE];
    static struct state_image image;
    struct cursor c = cursor_of(slice_of(data, size));
    uint8_t first = cursor_be(&c, 1);

    if (sodium_init() < 0 || c.failed) {
        return 0;
    }
    memset(file, 0, sizeof file);
    memcpy(file, "SLUUNSL\1\7\0\0\0\0\0\0\0\1", 17);
    for (int copy = 0; copy < 2; copy++) {
        put_record(file + STATE_RECORD_SIZE * (1 + copy * CHAIN_STREAMS), &c,
                   first & 1);
    }
    if (!state_read_image(slice_of(file, sizeof file), 7, recipient,
                          &image)) {
        use(&image);
    }
    /* A file of another size is none. */
    if (!state_read_image(slice_of(data, size), 7, recipient, &image)) {
        abort();
    }
    return 0;
}
