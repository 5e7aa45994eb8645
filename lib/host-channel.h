/* SPDX-License-Identifier: Apache-2.0
 *
 * What protects the reports of a hypervisor on their way to the proxy: a
 * handshake in the pattern KK of the Noise protocol framework, with X25519 and
 * BLAKE2b, and then libsodium's secretstream from the host to the proxy.
 *
 * Each end has a key pair of its own and knows the other's public key; both
 * make another pair for the session.  So each knows whom it talks to, and who
 * steals a key can't read what was said before.  What was recorded can't be
 * said again.
 *
 *     host                                 proxy
 *     hello    magic and version   8
 *              host's key         32
 *              key of the session 32
 *              tag                16  -->
 *                                     <--  key of the session 32  welcome
 *                                          tag                16
 *     start    of the secretstream 24
 *              empty frame         21 -->
 *     frame    size                4  -->
 *              sealed message    size
 *     frame    ...
 *
 * Both keep a chaining key 'ck' and a hash 'h', which begin as the BLAKE2b-256
 * of PROTOCOL || host's key || proxy's key.  "Mix x" is h = BLAKE2b-256(h ||
 * x); "agree x, y" is ck || k = BLAKE2b-512(X25519(x, y)) under the key ck; a
 * tag is that of ChaCha20-Poly1305-IETF under k with nonce 0 over h and no
 * message, and mixed.
 *
 *     hello     mix the magic, mix e_host; agree e_host, s_proxy;
 *               agree s_host, s_proxy; tag
 *     welcome   mix e_proxy; agree e_proxy, e_host; agree e_proxy, s_host; tag
 *
 * after which BLAKE2b-256(h) under ck is the stream's key.  A frame's size,
 * big-endian, is what the message is sealed with as associated data.
 *
 * A hello that was recorded is answered when it is said again, so it proves
 * nothing yet.  The start does: its frame, which has no message, is sealed by
 * the session's key.  So nothing whose size the other end chooses is read of
 * somebody who does not have the host's key.
 *
 * Keys are pairs as seal.h has them, in the same files.
 *
 * Runs in: sluice-hostd, sluice-context.  No I/O. */
#ifndef SLUICE_HOST_CHANNEL_H
#define SLUICE_HOST_CHANNEL_H 1

#include "slice.h"

struct seal_key;

enum {
    HOST_CHANNEL_KEY_SIZE = 32,
    HOST_CHANNEL_HELLO_SIZE = 88,
    HOST_CHANNEL_WELCOME_SIZE = 48,
    HOST_CHANNEL_START_SIZE = 45,
    HOST_CHANNEL_SIZE_SIZE = 4, /* Of a frame, before it. */
    HOST_CHANNEL_OVERHEAD = 21, /* What a message grows by in its frame. */
    HOST_CHANNEL_MAX_MESSAGE = 1024 * 1024,
};

/* One end of a session, whose keys are in sodium_malloc() memory. */
struct host_channel;
void host_channel_destroy(struct host_channel *);

/* The host's end.  All return 0 or a positive errno: EINVAL if 'proxy' is no
 * key, ENOMEM, EBADMSG if the welcome is not that of 'proxy'.
 *
 * Begins a session with the proxy whose public key is 'proxy' and writes the
 * hello; 'own', whose public half the proxy knows, is borrowed. */
int host_channel_greet(const struct seal_key *own,
                       const uint8_t proxy[HOST_CHANNEL_KEY_SIZE],
                       uint8_t hello[HOST_CHANNEL_HELLO_SIZE],
                       struct host_channel **ret);

/* Takes the answer, and writes the start.  'own' is that of the hello. */
int host_channel_take_welcome(
    struct host_channel *, const struct seal_key *own,
    const uint8_t welcome[HOST_CHANNEL_WELCOME_SIZE],
    uint8_t start[HOST_CHANNEL_START_SIZE]);

/* Seals 'message', of HOST_CHANNEL_MAX_MESSAGE bytes at most, into 'frame',
 * which has room for HOST_CHANNEL_OVERHEAD bytes more.  Returns the frame's
 * size. */
size_t host_channel_seal(struct host_channel *, struct slice message,
                         uint8_t *frame);

/* The proxy's end.
 *
 * Reads from a hello which host it claims to be of.  Returns false if it is no
 * hello, or one of another version. */
bool host_channel_read_hello(const uint8_t hello[HOST_CHANNEL_HELLO_SIZE],
                             uint8_t host[HOST_CHANNEL_KEY_SIZE]);

/* Answers a hello of the host whose public key is 'host'.  Returns 0, or a
 * positive errno: EBADMSG if the host did not make it, or not for 'own'. */
int host_channel_answer(const struct seal_key *own,
                        const uint8_t host[HOST_CHANNEL_KEY_SIZE],
                        const uint8_t hello[HOST_CHANNEL_HELLO_SIZE],
                        uint8_t welcome[HOST_CHANNEL_WELCOME_SIZE],
                        struct host_channel **ret);

/* Takes the start.  Returns false if the host did not make it for this
 * session, which is over then. */
bool host_channel_take_start(struct host_channel *,
                             const uint8_t start[HOST_CHANNEL_START_SIZE]);

/* Returns how many bytes follow on a frame's 'size', or 0 if there are no
 * frames of that size. */
size_t host_channel_frame_size(const uint8_t size[HOST_CHANNEL_SIZE_SIZE]);

/* Opens 'frame', whose size is right, into 'message', which has room for all
 * of the frame.  Returns false if it is not the next one of the host's; the
 * session is over then.  Else '*ret_size' is the message's. */
bool host_channel_open(struct host_channel *, struct slice frame,
                       uint8_t *message, size_t *ret_size);

#endif /* lib/host-channel.h */
