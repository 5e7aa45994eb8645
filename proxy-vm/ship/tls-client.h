/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's side of TLS over a connected socket: OpenSSL, version 1.2 or
 * newer, without renegotiation, the server's certificate checked against a CA
 * and a name.  Nonblocking; deadlines are the caller's.
 *
 * In: files with certificates, a name, a socket.
 * Out: bytes to and fro; sentences.
 * Runs in: sluice-ship. */
#ifndef SLUICE_TLS_CLIENT_H
#define SLUICE_TLS_CLIENT_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All strings are borrowed for as long as the client lives, and may be null
 * but for 'server'. */
struct tls_options {
    const char *server;         /* HOST:PORT, for sentences. */
    const char *name;           /* In the certificate: a name or address. */
    const char *ca_file;        /* Null: whom the system trusts. */
    const char *certificate_file;
    const char *key_file;
};

struct tls_client;

/* Reads the files and begins a session over the socket 'fd', which stays the
 * caller's.  Returns null and '*ret', or a malloc()ed sentence. */
char *tls_client_create(const struct tls_options *, int fd,
                        struct tls_client **ret);

/* Frees the client; says goodbye (close_notify) if the session is sound and
 * that does not block. */
void tls_client_destroy(struct tls_client *);

/* Each returns 0 or a positive errno, EAGAIN if it would block: until
 * tls_client_events() come.  Any other error is the session's end, and
 * tls_client_error() says why.
 *
 * Bytes for tls_client_send() that it did not take must be offered again
 * before others. */
int tls_client_handshake(struct tls_client *);
int tls_client_send(struct tls_client *, const uint8_t *, size_t size,
                    size_t *ret_n);
int tls_client_receive(struct tls_client *, uint8_t *, size_t size,
                       size_t *ret_n);

/* What to wait for on the socket: POLLIN, POLLOUT, or both. */
short tls_client_events(const struct tls_client *, bool want_send);

/* Bytes written to the socket since the session began. */
uint64_t tls_client_written(const struct tls_client *);

const char *tls_client_error(const struct tls_client *);

#endif /* proxy-vm/ship/tls-client.h */
