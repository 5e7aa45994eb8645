/* SPDX-License-Identifier: Apache-2.0
 *
 * The handshake and the frames of a hypervisor's reports.  See
 * host-channel.h. */
#include "host-channel.h"

#include <errno.h>
#include <sodium.h>

#include "cursor.h"
#include "seal.h"

#define PROTOCOL "Sluice host channel 1: KK X25519 ChaCha20-Poly1305 BLAKE2b"
#define MAGIC "SLUICEH\1"

enum {
    KEY_SIZE = HOST_CHANNEL_KEY_SIZE,
    MAGIC_SIZE = sizeof MAGIC - 1,
    TAG_SIZE = crypto_aead_chacha20poly1305_ietf_ABYTES,
    STREAM_SIZE = crypto_secretstream_xchacha20poly1305_ABYTES,
    HEADER_SIZE = crypto_secretstream_xchacha20poly1305_HEADERBYTES,
};

_Static_assert(HOST_CHANNEL_HELLO_SIZE
               == MAGIC_SIZE + 2 * KEY_SIZE + TAG_SIZE, "hello");
_Static_assert(HOST_CHANNEL_WELCOME_SIZE == KEY_SIZE + TAG_SIZE, "welcome");
_Static_assert(HOST_CHANNEL_START_SIZE
               == HEADER_SIZE + HOST_CHANNEL_OVERHEAD, "start");
_Static_assert(HOST_CHANNEL_OVERHEAD
               == HOST_CHANNEL_SIZE_SIZE + STREAM_SIZE, "overhead");

struct host_channel {
    /* Of the handshake. */
    uint8_t ck[KEY_SIZE];
    uint8_t h[KEY_SIZE];
    uint8_t k[KEY_SIZE];
    uint8_t e_secret[KEY_SIZE];
    uint8_t e_public[KEY_SIZE];
    uint8_t shared[KEY_SIZE];
    uint8_t both[2 * KEY_SIZE];

    uint8_t key[KEY_SIZE];      /* Of the stream. */
    crypto_secretstream_xchacha20poly1305_state stream;
};

void
host_channel_destroy(struct host_channel *ch)
{
    sodium_free(ch);            /* Wipes it, too. */
}

static void
mix(struct host_channel *ch, const void *data, size_t size)
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, sizeof ch->h);
    crypto_generichash_update(&state, ch->h, sizeof ch->h);
    crypto_generichash_update(&state, data, size);
    crypto_generichash_final(&state, ch->h, sizeof ch->h);
}

static struct host_channel *
channel_create(const uint8_t host[KEY_SIZE], const uint8_t proxy[KEY_SIZE])
{
    struct host_channel *ch = (sodium_init() < 0 ? NULL
                               : sodium_malloc(sizeof *ch));
    crypto_generichash_state state;

    if (!ch) {
        return NULL;
    }
    crypto_generichash_init(&state, NULL, 0, sizeof ch->h);
    crypto_generichash_update(&state, (const uint8_t *) PROTOCOL,
                              sizeof PROTOCOL - 1);
    crypto_generichash_update(&state, host, KEY_SIZE);
    crypto_generichash_update(&state, proxy, KEY_SIZE);
    crypto_generichash_final(&state, ch->h, sizeof ch->h);
    memcpy(ch->ck, ch->h, sizeof ch->ck);
    crypto_box_keypair(ch->e_public, ch->e_secret);
    return ch;
}

/* Goes on with 'ch->shared'. */
static void
chain(struct host_channel *ch)
{
    crypto_generichash(ch->both, sizeof ch->both, ch->shared,
                       sizeof ch->shared, ch->ck, sizeof ch->ck);
    memcpy(ch->ck, ch->both, KEY_SIZE);
    memcpy(ch->k, ch->both + KEY_SIZE, KEY_SIZE);
}

/* Agrees with 'public' by our key of the session.  Returns false if it is no
 * key. */
static bool
agree_by_session(struct host_channel *ch, const uint8_t public[KEY_SIZE])
{
    if (crypto_scalarmult(ch->shared, ch->e_secret, public)) {
        return false;
    }
    chain(ch);
    return true;
}

/* The same by our own key. */
static bool
agree_by_own(struct host_channel *ch, const struct seal_key *own,
             const uint8_t public[KEY_SIZE])
{
    if (!seal_key_agree(own, public, ch->shared)) {
        return false;
    }
    chain(ch);
    return true;
}

static const uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

static void
put_tag(struct host_channel *ch, uint8_t tag[TAG_SIZE])
{
    uint8_t nothing[1];

    crypto_aead_chacha20poly1305_ietf_encrypt_detached(
        nothing, tag, NULL, NULL, 0, ch->h, sizeof ch->h, NULL, nonce, ch->k);
    mix(ch, tag, TAG_SIZE);
}

static bool
take_tag(struct host_channel *ch, const uint8_t tag[TAG_SIZE])
{
    static const uint8_t nothing[1];

    if (crypto_aead_chacha20poly1305_ietf_decrypt_detached(
            NULL, NULL, nothing, 0, tag, ch->h, sizeof ch->h, nonce, ch->k)) {
        return false;
    }
    mix(ch, tag, TAG_SIZE);
    return true;
}

/* The handshake is through: makes the stream's key, and forgets the rest. */
static void
finish(struct host_channel *ch)
{
    crypto_generichash(ch->key, sizeof ch->key, ch->h, sizeof ch->h,
                       ch->ck, sizeof ch->ck);
    sodium_memzero(ch, offsetof(struct host_channel, key));
}

int
host_channel_greet(const struct seal_key *own, const uint8_t proxy[KEY_SIZE],
                   uint8_t hello[HOST_CHANNEL_HELLO_SIZE],
                   struct host_channel **ret)
{
    uint8_t host[KEY_SIZE];

    seal_key_public(own, host);
    struct host_channel *ch = channel_create(host, proxy);
    if (!ch) {
        return ENOMEM;
    }
    memcpy(hello, MAGIC, MAGIC_SIZE);
    memcpy(hello + MAGIC_SIZE, host, KEY_SIZE);
    memcpy(hello + MAGIC_SIZE + KEY_SIZE, ch->e_public, KEY_SIZE);
    mix(ch, MAGIC, MAGIC_SIZE);
    mix(ch, ch->e_public, KEY_SIZE);
    if (!agree_by_session(ch, proxy) || !agree_by_own(ch, own, proxy)) {
        host_channel_destroy(ch);
        return EINVAL;
    }
    put_tag(ch, hello + MAGIC_SIZE + 2 * KEY_SIZE);
    *ret = ch;
    return 0;
}

int
host_channel_take_welcome(struct host_channel *ch, const struct seal_key *own,
                          const uint8_t welcome[HOST_CHANNEL_WELCOME_SIZE],
                          uint8_t start[HOST_CHANNEL_START_SIZE])
{
    mix(ch, welcome, KEY_SIZE);
    if (!agree_by_session(ch, welcome) || !agree_by_own(ch, own, welcome)
        || !take_tag(ch, welcome + KEY_SIZE)) {
        return EBADMSG;
    }
    finish(ch);
    crypto_secretstream_xchacha20poly1305_init_push(&ch->stream, start,
                                                    ch->key);
    host_channel_seal(ch, slice_of(start, 0), start + HEADER_SIZE);
    return 0;
}

size_t
host_channel_seal(struct host_channel *ch, struct slice message,
                  uint8_t *frame)
{
    uint32_t size = message.size + STREAM_SIZE;

    for (int i = 0; i < HOST_CHANNEL_SIZE_SIZE; i++) {
        frame[i] = size >> (8 * (HOST_CHANNEL_SIZE_SIZE - 1 - i));
    }
    crypto_secretstream_xchacha20poly1305_push(
        &ch->stream, frame + HOST_CHANNEL_SIZE_SIZE, NULL, message.data,
        message.size, frame, HOST_CHANNEL_SIZE_SIZE, 0);
    return HOST_CHANNEL_SIZE_SIZE + size;
}

bool
host_channel_read_hello(const uint8_t hello[HOST_CHANNEL_HELLO_SIZE],
                        uint8_t host[KEY_SIZE])
{
    if (memcmp(hello, MAGIC, MAGIC_SIZE)) {
        return false;
    }
    memcpy(host, hello + MAGIC_SIZE, KEY_SIZE);
    return true;
}

int
host_channel_answer(const struct seal_key *own, const uint8_t host[KEY_SIZE],
                    const uint8_t hello[HOST_CHANNEL_HELLO_SIZE],
                    uint8_t welcome[HOST_CHANNEL_WELCOME_SIZE],
                    struct host_channel **ret)
{
    struct cursor c = cursor_of(slice_of(hello, HOST_CHANNEL_HELLO_SIZE));
    uint8_t proxy[KEY_SIZE], claimed[KEY_SIZE], e_host[KEY_SIZE];
    uint8_t tag[TAG_SIZE];

    seal_key_public(own, proxy);
    struct host_channel *ch = channel_create(host, proxy);
    if (!ch) {
        return ENOMEM;
    }
    cursor_take(&c, MAGIC_SIZE);
    cursor_copy(&c, claimed, sizeof claimed);
    cursor_copy(&c, e_host, sizeof e_host);
    cursor_copy(&c, tag, sizeof tag);
    mix(ch, hello, MAGIC_SIZE);
    mix(ch, e_host, KEY_SIZE);
    if (memcmp(claimed, host, KEY_SIZE)
        || !agree_by_own(ch, own, e_host) || !agree_by_own(ch, own, host)
        || !take_tag(ch, tag)) {
        goto error;
    }

    memcpy(welcome, ch->e_public, KEY_SIZE);
    mix(ch, ch->e_public, KEY_SIZE);
    if (!agree_by_session(ch, e_host) || !agree_by_session(ch, host)) {
        goto error;
    }
    put_tag(ch, welcome + KEY_SIZE);
    finish(ch);
    *ret = ch;
    return 0;

error:
    host_channel_destroy(ch);
    return EBADMSG;
}

bool
host_channel_take_start(struct host_channel *ch,
                        const uint8_t start[HOST_CHANNEL_START_SIZE])
{
    struct slice frame = slice_of(start + HEADER_SIZE, HOST_CHANNEL_OVERHEAD);
    uint8_t nothing[HOST_CHANNEL_OVERHEAD];
    size_t size;

    crypto_secretstream_xchacha20poly1305_init_pull(&ch->stream, start,
                                                    ch->key);
    return host_channel_open(ch, frame, nothing, &size);
}

size_t
host_channel_frame_size(const uint8_t size[HOST_CHANNEL_SIZE_SIZE])
{
    struct cursor c = cursor_of(slice_of(size, HOST_CHANNEL_SIZE_SIZE));
    size_t n = cursor_be(&c, HOST_CHANNEL_SIZE_SIZE);

    return (n >= STREAM_SIZE && n <= HOST_CHANNEL_MAX_MESSAGE + STREAM_SIZE
            ? n : 0);
}

bool
host_channel_open(struct host_channel *ch, struct slice frame,
                  uint8_t *message, size_t *ret_size)
{
    struct cursor c = cursor_of(frame);
    struct slice size = cursor_take(&c, HOST_CHANNEL_SIZE_SIZE);
    struct slice sealed = cursor_rest(&c);
    unsigned long long n;
    uint8_t tag;

    if (c.failed || sealed.size < STREAM_SIZE
        || crypto_secretstream_xchacha20poly1305_pull(
               &ch->stream, message, &n, &tag, sealed.data, sealed.size,
               size.data, size.size)) {
        return false;
    }
    *ret_size = n;
    return true;
}
