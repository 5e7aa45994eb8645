/* SPDX-License-Identifier: Apache-2.0
 *
 * An accepted connection.  See conn.h. */
#include <config.h>

#include "conn.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "util.h"

#include "printable.h"

struct conn_tls {
    SSL_CTX *ctx;
    char *client_name;
};

struct conn {
    int fd;
    SSL *ssl;                   /* Null: plain. */
    const char *client_name;    /* Borrowed from conn_tls, or null. */
    char *peer;
    bool read_wants_write;      /* TLS, of the latest call. */
    bool write_wants_read;
    char error[256];
};

/* Returns a malloc()ed sentence about what OpenSSL says. */
static char *
tls_sentence(const char *what, const char *name)
{
    char text[160];

    ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
    ERR_clear_error();
    return xasprintf("can't use the %s %s: %s", what, name, text);
}

char *
conn_tls_create(const struct conn_tls_options *o, struct conn_tls **ret)
{
    struct conn_tls *tls = xzalloc(sizeof *tls);
    char *sentence = NULL;

    tls->client_name = nullable_xstrdup(o->client_name);
    tls->ctx = SSL_CTX_new(TLS_server_method());
    if (!tls->ctx || !SSL_CTX_set_min_proto_version(tls->ctx,
                                                    TLS1_2_VERSION)) {
        sentence = xstrdup("can't set up TLS");
    } else if (SSL_CTX_use_certificate_chain_file(
                   tls->ctx, o->certificate_file) != 1) {
        sentence = tls_sentence("certificate", o->certificate_file);
    } else if (SSL_CTX_use_PrivateKey_file(tls->ctx, o->key_file,
                                           SSL_FILETYPE_PEM) != 1
               || SSL_CTX_check_private_key(tls->ctx) != 1) {
        sentence = tls_sentence("key", o->key_file);
    } else if (SSL_CTX_load_verify_locations(tls->ctx, o->ca_file, NULL)
               != 1) {
        sentence = tls_sentence("CA certificates", o->ca_file);
    }
    if (sentence) {
        conn_tls_destroy(tls);
        return sentence;
    }
    SSL_CTX_set_client_CA_list(tls->ctx, SSL_load_client_CA_file(o->ca_file));
    SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER
                       | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_mode(tls->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE
                     | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                     | SSL_MODE_RELEASE_BUFFERS);
    /* Nothing is resumed, so that each session shows its certificate. */
    SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(tls->ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION
                        | SSL_OP_NO_COMPRESSION);
    *ret = tls;
    return NULL;
}

void
conn_tls_destroy(struct conn_tls *tls)
{
    if (tls) {
        SSL_CTX_free(tls->ctx);
        free(tls->client_name);
        free(tls);
    }
}

struct conn *
conn_create(int fd, const char *peer, struct conn_tls *tls)
{
    struct conn *c = xzalloc(sizeof *c);

    c->fd = fd;
    c->peer = xstrdup(peer);
    if (tls) {
        c->client_name = tls->client_name;
        c->ssl = SSL_new(tls->ctx);
        if (!c->ssl || !SSL_set_fd(c->ssl, fd)) {
            conn_destroy(c);
            return NULL;
        }
        SSL_set_accept_state(c->ssl);
    }
    return c;
}

void
conn_destroy(struct conn *c)
{
    if (c) {
        if (c->ssl) {
            /* The alert, if there is room for it. */
            SSL_shutdown(c->ssl);
            SSL_free(c->ssl);
            ERR_clear_error();
        }
        close(c->fd);
        free(c->peer);
        free(c);
    }
}

const char *
conn_peer(const struct conn *c)
{
    return c->peer;
}

const char *
conn_error(const struct conn *c)
{
    return c->error;
}

/* Makes of the outcome of an SSL call a negative errno. */
static int
tls_result(struct conn *c, int n, bool *ret_wants_other, int other)
{
    int error = SSL_get_error(c->ssl, n);
    int saved_errno = errno;

    *ret_wants_other = error == other;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        return -EAGAIN;
    } else if (error == SSL_ERROR_ZERO_RETURN) {
        return -EPIPE;
    } else if (error == SSL_ERROR_SYSCALL) {
        ERR_clear_error();
        ovs_strlcpy(c->error, saved_errno ? ovs_strerror(saved_errno)
                    : "it ended without notice", sizeof c->error);
        return saved_errno ? -saved_errno : -EPIPE;
    }

    char text[200];
    ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
    ERR_clear_error();
    char *printable = make_printable(text, sizeof text);
    ovs_strlcpy(c->error, printable, sizeof c->error);
    free(printable);
    return -EPROTO;
}

int
conn_handshake(struct conn *c)
{
    if (!c->ssl || SSL_is_init_finished(c->ssl)) {
        return 0;
    }
    ERR_clear_error();
    int n = SSL_do_handshake(c->ssl);
    if (n != 1) {
        return -tls_result(c, n, &c->read_wants_write, SSL_ERROR_WANT_WRITE);
    }
    if (c->client_name) {
        X509 *cert = SSL_get_peer_certificate(c->ssl);
        bool match = cert && X509_check_host(
            cert, c->client_name, 0, X509_CHECK_FLAG_NO_WILDCARDS
            | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;

        X509_free(cert);
        if (!match) {
            snprintf(c->error, sizeof c->error, "its certificate is not for "
                     "%s", c->client_name);
            return EACCES;
        }
    }
    c->read_wants_write = false;
    return 0;
}

ssize_t
conn_read(struct conn *c, uint8_t *data, size_t size)
{
    if (c->ssl) {
        ERR_clear_error();
        int n = SSL_read(c->ssl, data, MIN(size, 1 << 30));
        return n > 0 ? n : tls_result(c, n, &c->read_wants_write,
                                      SSL_ERROR_WANT_WRITE);
    }
    ssize_t n;
    do {
        n = recv(c->fd, data, size, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        ovs_strlcpy(c->error, ovs_strerror(errno), sizeof c->error);
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
    return n ? n : -EPIPE;
}

ssize_t
conn_write(struct conn *c, const uint8_t *data, size_t size)
{
    if (c->ssl) {
        ERR_clear_error();
        int n = SSL_write(c->ssl, data, MIN(size, 1 << 30));
        return n > 0 ? n : tls_result(c, n, &c->write_wants_read,
                                      SSL_ERROR_WANT_READ);
    }
    ssize_t n;
    do {
        n = send(c->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        ovs_strlcpy(c->error, ovs_strerror(errno), sizeof c->error);
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
    return n;
}

void
conn_wait(struct conn *c, bool want_read, bool want_write)
{
    short int events = 0;

    if (want_read) {
        events |= c->ssl && c->read_wants_write ? POLLOUT : POLLIN;
        if (c->ssl && SSL_pending(c->ssl)) {
            poll_immediate_wake();
        }
    }
    if (want_write) {
        events |= c->ssl && c->write_wants_read ? POLLIN : POLLOUT;
    }
    if (events) {
        poll_fd_wait(c->fd, events);
    }
}
