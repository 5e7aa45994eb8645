/* SPDX-License-Identifier: Apache-2.0
 *
 * Compresses and seals batch bodies, opens them again, and keeps the key pairs
 * for it.  See seal.h for the format, what comes in and goes out. */
#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "cursor.h"
#include "durable.h"

#define SEAL_MAGIC_TEXT "SLUICEB"

enum {
    SEAL_MAGIC_SIZE = 7,
    SEAL_FORMAT_VERSION = 2,

    KEY_SIZE = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
    NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    SEALED_KEY_SIZE = KEY_SIZE + crypto_box_SEALBYTES,

    /* A zstd block of three bytes of header and one of content stands for
     * 128 KiB at most (RFC 8878 section 3.1.1.2): no frame does better. */
    ZSTD_MAX_RATIO = 128 * 1024 / 4,

    KEY_TEXT_SIZE = 2 * crypto_box_SECRETKEYBYTES + 1, /* With line feed. */
};

_Static_assert(SEAL_HEADER_SIZE
               == 64 + SEAL_DIGEST_SIZE + crypto_box_PUBLICKEYBYTES
                  + SEALED_KEY_SIZE + NONCE_SIZE,
               "the header is as seal.h draws it");
_Static_assert(SEAL_TAG_SIZE == crypto_aead_xchacha20poly1305_ietf_ABYTES,
               "the tag is libsodium's");
_Static_assert(crypto_box_PUBLICKEYBYTES == crypto_box_SECRETKEYBYTES,
               "both halves of a key have the same text form");

/* A key pair, whole in sodium_malloc() memory. */
struct seal_key {
    uint8_t secret[crypto_box_SECRETKEYBYTES];
    uint8_t public[crypto_box_PUBLICKEYBYTES];
    uint8_t *content_key;       /* In such memory, too, which takes five system
                                 * calls: for seal_open(), time after time. */
};

struct sealer {
    uint8_t recipient[crypto_box_PUBLICKEYBYTES];
    uint8_t *content_key;       /* sodium_malloc(), new for each batch. */
    size_t max_raw_size;
    ZSTD_CCtx *cctx;
    ZSTD_DCtx *dctx;
    uint8_t *check;             /* 'max_raw_size' bytes: decompressed again. */
    uint8_t *frame;             /* What was compressed last... */
    size_t frame_size;          /* ...or 0... */
    size_t raw_size;            /* ...out of so much. */
    size_t frame_cap;
    uint8_t *file;              /* The sealed batch. */
};

const char *
seal_error_text(enum seal_error error)
{
    static const char *const texts[] = {
        [SEAL_OK] = "no error",
        [SEAL_TRUNCATED] = "it is shorter or longer than its header says",
        [SEAL_MAGIC] = "it is not a sealed batch",
        [SEAL_VERSION] = "its format version is one this program can't read",
        [SEAL_LIMIT] = "its header names sizes beyond the limits",
        [SEAL_RECIPIENT] = "it is sealed to another key",
        [SEAL_TAMPERED] = "its header or body was changed after sealing",
        [SEAL_COMPRESSION] = "its body does not decompress as it should",
        [SEAL_NO_MEMORY] = "there is no memory to open it",
    };
    return (error < sizeof texts / sizeof *texts ? texts[error]
            : "unknown error");
}

void
sealer_destroy(struct sealer *s)
{
    if (s) {
        ZSTD_freeCCtx(s->cctx);
        ZSTD_freeDCtx(s->dctx);
        sodium_free(s->content_key);
        free(s->check);
        free(s->frame);
        free(s->file);
        free(s);
    }
}

struct sealer *
sealer_create(const uint8_t recipient[32], size_t max_raw_size)
{
    struct sealer *s = calloc(1, sizeof *s);

    if (!s || sodium_init() < 0 || max_raw_size > SEAL_MAX_RAW_SIZE) {
        goto error;
    }
    memcpy(s->recipient, recipient, sizeof s->recipient);
    s->max_raw_size = max_raw_size;
    s->frame_cap = ZSTD_compressBound(max_raw_size);
    s->cctx = ZSTD_createCCtx();
    s->dctx = ZSTD_createDCtx();
    s->content_key = sodium_malloc(KEY_SIZE);
    s->check = calloc(1, max_raw_size ? max_raw_size : 1);
    s->frame = malloc(s->frame_cap);
    s->file = malloc(SEAL_HEADER_SIZE + s->frame_cap + SEAL_TAG_SIZE);
    if (!s->cctx || !s->dctx || !s->content_key || !s->check || !s->frame
        || !s->file
        || ZSTD_isError(ZSTD_CCtx_setParameter(s->cctx,
                                               ZSTD_c_compressionLevel,
                                               SEAL_ZSTD_LEVEL))
        || ZSTD_isError(ZSTD_CCtx_setParameter(s->cctx, ZSTD_c_hashLog,
                                               SEAL_ZSTD_HASH_LOG))) {
        goto error;
    }

    /* The context takes its memory at the first use: have that now. */
    size_t n = ZSTD_compress2(s->cctx, s->frame, s->frame_cap, s->check,
                              max_raw_size);
    if (ZSTD_isError(n)) {
        goto error;
    }
    return s;

error:
    sealer_destroy(s);
    return NULL;
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
put_header(uint8_t *p, const struct seal_header *h)
{
    memcpy(p, SEAL_MAGIC_TEXT, SEAL_MAGIC_SIZE);
    p = put_be(p + SEAL_MAGIC_SIZE, SEAL_FORMAT_VERSION, 1);
    p = put_be(p, h->tenant, 4);
    p = put_be(p, h->n_lines, 4);
    p = put_be(p, h->stream, 8);
    p = put_be(p, h->number, 8);
    p = put_be(p, h->created_ns, 8);
    p = put_be(p, h->raw_size, 4);
    p = put_be(p, h->body_size, 4);
    p = put_be(p, h->generation, 4);
    p = put_be(p, h->flags, 4);
    p = put_be(p, h->origin, 8);
    memcpy(p, h->previous, sizeof h->previous);
    p += sizeof h->previous;
    memcpy(p, h->recipient, sizeof h->recipient);
    return p + sizeof h->recipient;
}

int
sealer_compress(struct sealer *s, struct slice raw)
{
    s->frame_size = 0;
    if (raw.size > s->max_raw_size) {
        return EMSGSIZE;
    }

    size_t n = ZSTD_compress2(s->cctx, s->frame, s->frame_cap,
                              raw.data, raw.size);
    if (ZSTD_isError(n)) {
        return EIO;
    }

    /* zstd before 1.5.5 can corrupt what it compresses.  Look before the
     * source goes. */
    size_t n_check = ZSTD_decompressDCtx(s->dctx, s->check, s->max_raw_size,
                                         s->frame, n);
    if (ZSTD_isError(n_check) || n_check != raw.size
        || (raw.size && memcmp(s->check, raw.data, raw.size))) {
        return EIO;
    }
    s->frame_size = n;
    s->raw_size = raw.size;
    return 0;
}

int
sealer_seal(struct sealer *s, const uint8_t recipient[32],
            struct seal_header *header, struct slice *ret)
{
    if (!s->frame_size) {
        return EINVAL;
    }
    header->raw_size = s->raw_size;
    header->body_size = s->frame_size + SEAL_TAG_SIZE;
    memcpy(header->recipient, recipient, sizeof header->recipient);
    uint8_t *sealed_key = put_header(s->file, header);
    uint8_t *nonce = sealed_key + SEALED_KEY_SIZE;

    crypto_aead_xchacha20poly1305_ietf_keygen(s->content_key);
    randombytes_buf(nonce, NONCE_SIZE);
    if (crypto_box_seal(sealed_key, s->content_key, KEY_SIZE, recipient)) {
        /* The recipient is a point of small order: no key at all. */
        return EINVAL;
    }
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        s->file + SEAL_HEADER_SIZE, NULL, s->frame, s->frame_size,
        s->file, SEAL_HEADER_SIZE, NULL, nonce, s->content_key);
    sodium_memzero(s->content_key, KEY_SIZE);
    *ret = slice_of(s->file, SEAL_HEADER_SIZE + header->body_size);
    return 0;
}

int
sealer_run(struct sealer *s, struct seal_header *header, struct slice raw,
           struct slice *ret)
{
    int error = sealer_compress(s, raw);

    return error ? error : sealer_seal(s, s->recipient, header, ret);
}

void
seal_digest(struct slice file, uint8_t ret[SEAL_DIGEST_SIZE])
{
    struct cursor c = cursor_of(file);
    struct slice header = cursor_take(&c, SEAL_HEADER_SIZE);
    struct slice body = cursor_rest(&c);
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, SEAL_DIGEST_SIZE);
    crypto_generichash_update(&state, header.data, header.size);
    if (body.size >= SEAL_TAG_SIZE) {
        crypto_generichash_update(&state,
                                  body.data + body.size - SEAL_TAG_SIZE,
                                  SEAL_TAG_SIZE);
    }
    crypto_generichash_final(&state, ret, SEAL_DIGEST_SIZE);
}

uint64_t
seal_origin(const uint8_t shipper[32])
{
    uint8_t hash[SEAL_DIGEST_SIZE];

    crypto_generichash(hash, sizeof hash, shipper, 32, NULL, 0);
    struct cursor c = cursor_of(slice_of(hash, sizeof hash));
    return cursor_be(&c, 8);
}

enum seal_error
seal_read_header(struct slice file, struct seal_header *ret)
{
    struct cursor c = cursor_of(file);
    struct seal_header h;
    struct slice magic = cursor_take(&c, SEAL_MAGIC_SIZE);

    if (!c.failed && memcmp(magic.data, SEAL_MAGIC_TEXT, SEAL_MAGIC_SIZE)) {
        return SEAL_MAGIC;
    }
    uint8_t version = cursor_be(&c, 1);
    if (!c.failed && version != SEAL_FORMAT_VERSION) {
        return SEAL_VERSION;
    }
    h.tenant = cursor_be(&c, 4);
    h.n_lines = cursor_be(&c, 4);
    h.stream = cursor_be(&c, 8);
    h.number = cursor_be(&c, 8);
    h.created_ns = cursor_be(&c, 8);
    h.raw_size = cursor_be(&c, 4);
    h.body_size = cursor_be(&c, 4);
    h.generation = cursor_be(&c, 4);
    h.flags = cursor_be(&c, 4);
    h.origin = cursor_be(&c, 8);
    cursor_copy(&c, h.previous, sizeof h.previous);
    cursor_copy(&c, h.recipient, sizeof h.recipient);
    cursor_take(&c, SEALED_KEY_SIZE + NONCE_SIZE);
    if (c.failed) {
        return SEAL_TRUNCATED;
    }
    if (h.flags & ~SEAL_F_ALL) {
        return SEAL_VERSION;
    }
    if (h.raw_size > SEAL_MAX_RAW_SIZE || h.body_size < SEAL_TAG_SIZE
        || h.raw_size / ZSTD_MAX_RATIO > h.body_size - SEAL_TAG_SIZE) {
        return SEAL_LIMIT;
    }
    *ret = h;
    return SEAL_OK;
}

/* Decompresses 'body', which must be one zstd frame, to '*ret', 'raw_size'
 * bytes that the caller owns.  The frame's window never matters: it goes in
 * one piece into a buffer of its whole size, which the caller has bounded. */
static enum seal_error
decompress(struct slice body, size_t raw_size, uint8_t **ret)
{
    if (ZSTD_getFrameContentSize(body.data, body.size) != raw_size
        || ZSTD_findFrameCompressedSize(body.data, body.size) != body.size) {
        return SEAL_COMPRESSION;
    }

    uint8_t *raw = malloc(raw_size ? raw_size : 1);
    if (!raw) {
        return SEAL_NO_MEMORY;
    }
    if (ZSTD_decompress(raw, raw_size, body.data, body.size) != raw_size) {
        free(raw);
        return SEAL_COMPRESSION;
    }
    *ret = raw;
    return SEAL_OK;
}

enum seal_error
seal_open(const struct seal_key *key, struct slice file,
          struct seal_header *ret_header, uint8_t **ret_raw)
{
    struct seal_header h;
    enum seal_error error = seal_read_header(file, &h);
    if (error) {
        return error;
    }
    if (file.size - SEAL_HEADER_SIZE != h.body_size) {
        return SEAL_TRUNCATED;
    }
    if (memcmp(h.recipient, key->public, sizeof h.recipient)) {
        return SEAL_RECIPIENT;
    }

    struct cursor c = cursor_of(file);
    struct slice ad = cursor_take(&c, SEAL_HEADER_SIZE);
    struct slice body = cursor_rest(&c);
    struct cursor keys = cursor_of(ad);
    cursor_take(&keys, SEAL_HEADER_SIZE - SEALED_KEY_SIZE - NONCE_SIZE);
    struct slice sealed_key = cursor_take(&keys, SEALED_KEY_SIZE);
    struct slice nonce = cursor_take(&keys, NONCE_SIZE);

    uint8_t *frame = malloc(body.size);
    unsigned long long n;
    if (!frame) {
        error = SEAL_NO_MEMORY;
    } else if (crypto_box_seal_open(key->content_key, sealed_key.data,
                                    sealed_key.size, key->public, key->secret)
               || crypto_aead_xchacha20poly1305_ietf_decrypt(
                   frame, &n, NULL, body.data, body.size, ad.data, ad.size,
                   nonce.data, key->content_key)) {
        error = SEAL_TAMPERED;
    } else {
        error = decompress(slice_of(frame, n), h.raw_size, ret_raw);
    }
    if (!error) {
        *ret_header = h;
    }
    free(frame);
    sodium_memzero(key->content_key, KEY_SIZE);
    return error;
}

/* Keys. */

static struct seal_key *
seal_key_alloc(void)
{
    if (sodium_init() < 0) {
        return NULL;
    }
    struct seal_key *key = sodium_malloc(sizeof *key);
    if (key) {
        key->content_key = sodium_malloc(KEY_SIZE);
        if (!key->content_key) {
            sodium_free(key);
            key = NULL;
        }
    }
    return key;
}

void
seal_key_public(const struct seal_key *key, uint8_t ret[32])
{
    memcpy(ret, key->public, sizeof key->public);
}

bool
seal_key_agree(const struct seal_key *key, const uint8_t public[32],
               uint8_t ret[32])
{
    return !crypto_scalarmult(ret, key->secret, public);
}

void
seal_key_destroy(struct seal_key *key)
{
    if (key) {
        sodium_free(key->content_key);
        sodium_free(key);       /* Wipes it, too. */
    }
}

/* Writes half of a key to the file at 'path', of 'mode': all of it, synced, or
 * none.  Replaces a file that is there, or with 'replace' false returns
 * EEXIST. */
static int
write_key_file(const char *path, mode_t mode, const uint8_t half[32],
               bool replace)
{
    char text[KEY_TEXT_SIZE + 1];
    size_t size = strlen(path) + sizeof ".new";
    char *temp = malloc(size);
    int error = 0;
    int fd = -1;

    if (!temp) {
        return ENOMEM;
    }
    snprintf(temp, size, "%s.new", path);
    sodium_bin2hex(text, sizeof text, half, crypto_box_SECRETKEYBYTES);
    text[KEY_TEXT_SIZE - 1] = '\n';

    /* A leftover of a process that died here. */
    unlink(temp);
    fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
              mode);
    if (fd < 0) {
        error = errno;
        goto out;
    }
    error = durable_write(fd, text, KEY_TEXT_SIZE);
    if (!error && (fchmod(fd, mode) || fsync(fd)
                   || (replace ? rename(temp, path) : link(temp, path)))) {
        error = errno;
    }
    if (error || !replace) {
        unlink(temp);
    }
    if (!error) {
        error = durable_sync_directory_of(path);
    }

out:
    if (fd >= 0) {
        close(fd);
    }
    sodium_memzero(text, sizeof text);
    free(temp);
    return error;
}

/* Reads half of a key from the file at 'path'.  Returns EACCES if the file's
 * mode has a bit of 'forbidden', EINVAL if it is not a key file. */
static int
read_key_file(const char *path, mode_t forbidden, uint8_t ret[32])
{
    char text[KEY_TEXT_SIZE + 1]; /* Room to see that there is more. */
    uint8_t half[crypto_box_SECRETKEYBYTES];
    size_t n_half;
    struct stat st;
    int error = 0;

    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) {
        error = errno;
        goto out;
    }
    if (st.st_mode & forbidden) {
        error = EACCES;
        goto out;
    }
    ssize_t n = S_ISREG(st.st_mode) ? read(fd, text, sizeof text) : 0;
    if (n < 0) {
        error = errno;
    } else if (n != KEY_TEXT_SIZE || text[KEY_TEXT_SIZE - 1] != '\n'
               || sodium_hex2bin(half, sizeof half, text, KEY_TEXT_SIZE - 1,
                                 NULL, &n_half, NULL)
               || n_half != sizeof half) {
        error = EINVAL;
    } else {
        memcpy(ret, half, sizeof half);
    }

out:
    if (fd >= 0) {
        close(fd);
    }
    sodium_memzero(text, sizeof text);
    sodium_memzero(half, sizeof half);
    return error;
}

int
seal_key_generate(const char *secret_path, const char *public_path)
{
    struct seal_key *key = seal_key_alloc();
    int error;

    if (!key) {
        return ENOMEM;
    }
    crypto_box_keypair(key->public, key->secret);
    error = write_key_file(secret_path, 0600, key->secret, false);
    if (!error) {
        error = seal_key_publish(key, public_path);
    }
    seal_key_destroy(key);
    return error;
}

int
seal_key_publish(const struct seal_key *key, const char *public_path)
{
    return seal_public_key_write(public_path, key->public);
}

int
seal_public_key_write(const char *public_path, const uint8_t public[32])
{
    return write_key_file(public_path, 0644, public, true);
}

int
seal_key_read(const char *secret_path, struct seal_key **ret)
{
    struct seal_key *key = seal_key_alloc();
    int error = key ? read_key_file(secret_path, 0077, key->secret) : ENOMEM;

    if (!error && crypto_scalarmult_base(key->public, key->secret)) {
        error = EINVAL;
    }
    if (error) {
        seal_key_destroy(key);
        return error;
    }
    *ret = key;
    return 0;
}

int
seal_public_key_read(const char *public_path, uint8_t ret[32])
{
    return (sodium_init() < 0 ? ENOMEM
            : read_key_file(public_path, 0, ret));
}
