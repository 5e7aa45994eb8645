/* SPDX-License-Identifier: Apache-2.0
 *
 * An accepted connection, plain or TLS: nonblocking.
 *
 * In: a socket, and for TLS a context.
 * Out: bytes, or a sentence that says why it is over.
 * Runs in: sluice-unseal. */
#ifndef SLUICE_UNSEAL_CONN_H
#define SLUICE_UNSEAL_CONN_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What TLS wants to know: TLS 1.2 at least, and a certificate of the client,
 * signed by one of 'ca_file'.  If 'client_name' is nonnull the client's
 * certificate must have exactly this DNS name. */
struct conn_tls_options {
    const char *certificate_file;
    const char *key_file;
    const char *ca_file;
    const char *client_name;
};

struct conn_tls;
char *conn_tls_create(const struct conn_tls_options *, struct conn_tls **ret);
void conn_tls_destroy(struct conn_tls *);

struct conn;

/* Takes 'fd', of 'peer'.  'tls' is null for a plain connection. */
struct conn *conn_create(int fd, const char *peer, struct conn_tls *tls);
void conn_destroy(struct conn *);

/* Shakes hands.  Returns 0 once that is done, EAGAIN while it goes on, or
 * another positive errno: then conn_error() says what is wrong. */
int conn_handshake(struct conn *);

/* Both return the bytes transferred, at least one, or a negative errno:
 * -EAGAIN if there are none now, and for conn_read() -EPIPE at the end. */
ssize_t conn_read(struct conn *, uint8_t *, size_t);
ssize_t conn_write(struct conn *, const uint8_t *, size_t);

/* Wakes the poll loop when the latest call that returned EAGAIN can go on. */
void conn_wait(struct conn *, bool want_read, bool want_write);

const char *conn_peer(const struct conn *);
const char *conn_error(const struct conn *);

#endif /* proxy-vm/unseal/conn.h */
