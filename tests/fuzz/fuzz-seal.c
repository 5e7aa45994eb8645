/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the header and the opening of sealed batches, with a fixed key.
 *
 * Nothing that a fuzzer makes up is authentic, so an input whose first byte is
 * odd is taken for a compressed body and sealed here, as someone who holds the
 * public key could. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct seal_key *key;
static uint8_t public[32];

static void
make_key(void)
{
    char path[] = "/tmp/sluice-fuzz-seal.XXXXXX";
    int fd = mkstemp(path);     /* Of mode 0600. */

    if (fd < 0
        || dprintf(fd, "%064x\n", 0x51) != 65
        || seal_key_read(path, &key)
        || seal_key_publish(key, path)
        || seal_public_key_read(path, public)) {
        abort();
    }
    unlink(path);
    close(fd);
}

static void
try_open(struct slice file)
{
    struct seal_header h;
    uint8_t *raw;

    if (!seal_open(key, file, &h, &raw)) {
        /* AddressSanitizer sees to it that every byte is there. */
        uint8_t *copy = malloc(h.raw_size + 1);
        memcpy(copy, raw, h.raw_size);
        free(copy);
        free(raw);
    }
}

/* Puts header and seal around 'body', whose first 4 bytes are the raw_size. */
static void
seal_and_open(const uint8_t *body, size_t size)
{
    uint8_t content_key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
    size_t n = size - 4;
    uint8_t *file = calloc(1, SEAL_HEADER_SIZE + n + SEAL_TAG_SIZE);
    uint32_t body_size = n + SEAL_TAG_SIZE;

    memcpy(file, "SLUICEB\2", 8);
    memcpy(file + 40, body, 4);
    for (int i = 0; i < 4; i++) {
        file[44 + i] = body_size >> (8 * (3 - i));
    }
    memcpy(file + 96, public, sizeof public);
    memset(content_key, 1, sizeof content_key);
    crypto_box_seal(file + 128, content_key, sizeof content_key, public);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        file + SEAL_HEADER_SIZE, NULL, body + 4, n, file, SEAL_HEADER_SIZE,
        NULL, file + 208, content_key);
    try_open(slice_of(file, SEAL_HEADER_SIZE + body_size));
    free(file);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!key) {
        make_key();
    }
    if (size >= 5 && data[0] & 1) {
        seal_and_open(data + 1, size - 1);
    }
    try_open(slice_of(data, size));
    return 0;
}
