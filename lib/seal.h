/* SPDX-License-Identifier: Apache-2.0
 *
 * A sealed batch, the content of one spool file:
 *
 *     offset  bytes
 *     0       8     magic "SLUICEB" and the format version, 2
 *     8       4     tenant (all integers big-endian)
 *     12      4     n_lines
 *     16      8     stream: random, one per run of an intake process
 *     24      8     number: of the batch in its stream, from 0
 *     32      8     created, Unix epoch, nanoseconds (payload, not order)
 *     40      4     raw_size: bytes of the Batch before compression
 *     44      4     body_size: bytes of the body that follows the header
 *     48      4     generation: counts the runs of one spool's intake
 *     52      4     flags: SEAL_F_*
 *     56      8     origin: names the spool, see seal_origin()
 *     64      32    previous: seal_digest() of the batch before, or zeros
 *     96      32    recipient: X25519 public key it is sealed to
 *     128     80    content key, crypto_box_seal()ed to the recipient
 *     208     24    nonce
 *     232           body: zstd frame, XChaCha20-Poly1305-IETF (tag at its end)
 *
 * The first 232 bytes are the associated data: a header that was changed, or
 * that belongs to another body, does not open.  Tenant, stream and number
 * together are the batch id.
 *
 * A batch with several recipients is one file for each of them.  The batches
 * of one tenant, stream and recipient form a chain by 'previous'; what a
 * receiver makes of it is in chain.h.
 *
 * Runs in: sluice-intake (seals, holds public keys only), sluice-ship and
 * sluice-unseal (open), sluiced (reads headers). */
#ifndef SLUICE_SEAL_H
#define SLUICE_SEAL_H 1

#include "slice.h"

enum {
    SEAL_HEADER_SIZE = 232,
    SEAL_TAG_SIZE = 16,
    SEAL_DIGEST_SIZE = 32,
    SEAL_MAX_RAW_SIZE = 16 * 1024 * 1024, /* A larger raw_size is a bomb. */

    /* How sealers compress.  The table stays in the first-level cache: a tenth
     * faster than the level's own, for 3% more bytes. */
    SEAL_ZSTD_LEVEL = 1,
    SEAL_ZSTD_HASH_LOG = 13,
};

enum {
    SEAL_F_END = 1 << 0,        /* The last one of its stream, on purpose. */
    SEAL_F_RECOVERED = 1 << 1,  /* Sealed out of turn, after a kill or when the
                                 * spool had failed: 'previous' is zeros, and
                                 * that of the next one is not to be had. */
    SEAL_F_ALL = SEAL_F_END | SEAL_F_RECOVERED,
};

struct seal_header {
    uint32_t tenant;
    uint32_t n_lines;
    uint64_t stream;
    uint64_t number;
    uint64_t created_ns;
    uint32_t raw_size;
    uint32_t body_size;
    uint32_t generation;
    uint32_t flags;             /* SEAL_F_*. */
    uint64_t origin;
    uint8_t previous[SEAL_DIGEST_SIZE];
    uint8_t recipient[32];
};

struct seal_key;                /* A key pair in sodium_malloc() memory. */

enum seal_error {
    SEAL_OK,
    SEAL_TRUNCATED,             /* Shorter than its header says. */
    SEAL_MAGIC,                 /* Not a sealed batch. */
    SEAL_VERSION,               /* Of a version, or with a flag, that this
                                 * program can't read. */
    SEAL_LIMIT,                 /* Sizes beyond the limits. */
    SEAL_RECIPIENT,             /* Sealed to another key. */
    SEAL_TAMPERED,              /* Header or body was changed. */
    SEAL_COMPRESSION,           /* Does not decompress to raw_size. */
    SEAL_NO_MEMORY,             /* The file is sound: try again. */
};

/* Returns what is wrong, as the rest of a sentence: "it is not a sealed
 * batch". */
const char *seal_error_text(enum seal_error);

/* Compresses and seals batch bodies; holds its buffers, allocates only when it
 * is made.  Initializes libsodium.  Returns null if there is no memory or
 * 'max_raw_size' is over SEAL_MAX_RAW_SIZE. */
struct sealer;
struct sealer *sealer_create(const uint8_t recipient[32], size_t max_raw_size);
void sealer_destroy(struct sealer *);

/* Compresses 'raw' (zstd level 1) and verifies that it decompresses to the
 * same; the result stays in the sealer until the next call.  Returns 0 or a
 * positive errno: EMSGSIZE if 'raw' is too large, EIO if compressing or the
 * comparison failed.  Then there is nothing to seal. */
int sealer_compress(struct sealer *, struct slice raw);

/* Seals what was compressed last to 'recipient', as often as there are
 * recipients.  Fills in 'header''s raw_size, body_size and recipient, and
 * points '*ret' to the whole file, which belongs to the sealer and is valid
 * until the next call.  Returns 0 or a positive errno: EINVAL if the recipient
 * is no key or nothing was compressed. */
int sealer_seal(struct sealer *, const uint8_t recipient[32],
                struct seal_header *header, struct slice *ret);

/* Both, for the sealer's own recipient. */
int sealer_run(struct sealer *, struct seal_header *header, struct slice raw,
               struct slice *ret);

/* What a batch's successor has in 'previous': BLAKE2b-256 over the header and
 * the tag of 'file', which must be whole. */
void seal_digest(struct slice file, uint8_t ret[SEAL_DIGEST_SIZE]);

/* Tells the spools of several proxies apart, whose generations and streams
 * have nothing to do with each other: the first 8 bytes of the BLAKE2b-256 of
 * the shipper's public key, SPOOL/key.pub. */
uint64_t seal_origin(const uint8_t shipper[32]);

/* Reads a header without opening the body. */
enum seal_error seal_read_header(struct slice file, struct seal_header *ret);

/* Opens 'file'.  On SEAL_OK '*ret_raw' is malloc()ed, the caller's, and has
 * header.raw_size bytes; on failure outputs are untouched. */
enum seal_error seal_open(const struct seal_key *, struct slice file,
                          struct seal_header *ret_header, uint8_t **ret_raw);

/* Key pairs.  The secret half is in a file of mode 0600, the public half in
 * one of mode 0644: 64 hexadecimal digits and a line feed each.  All return 0
 * or a positive errno, and initialize libsodium.
 *
 * 'seal_key_generate' never replaces a secret key: EEXIST.  It writes the
 * secret half first; 'seal_key_publish' writes the public half of a key again,
 * for the case that something died between the two.  'seal_key_read' returns
 * EACCES for a secret key that others may read, and EINVAL for no key. */
int seal_key_generate(const char *secret_path, const char *public_path);
int seal_key_publish(const struct seal_key *, const char *public_path);
int seal_key_read(const char *secret_path, struct seal_key **ret);
int seal_public_key_read(const char *public_path, uint8_t ret[32]);
int seal_public_key_write(const char *public_path, const uint8_t public[32]);
void seal_key_public(const struct seal_key *, uint8_t ret[32]);

/* The X25519 of the secret half and of 'public'.  Returns false, with '*ret'
 * overwritten, if 'public' is no key. */
bool seal_key_agree(const struct seal_key *, const uint8_t public[32],
                    uint8_t ret[32]);
void seal_key_destroy(struct seal_key *);

#endif /* lib/seal.h */
