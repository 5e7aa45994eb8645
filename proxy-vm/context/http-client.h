/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTPS requests to one server, by libcurl, that nobody waits for: calls are
 * started, run by http_client_run(), and looked at when they have ended.
 *
 * libcurl's multi interface in the program's own loop rather than a thread:
 * then there is nothing to lock, a call is dropped by forgetting it, and a
 * reply is read in pieces between which everything else runs.
 *
 * The server's certificate is verified, always.  Cookies are kept between
 * calls; redirections are not followed, and proxies of the environment not
 * used.
 *
 * Runs in: sluice-context. */
#ifndef SLUICE_HTTP_CLIENT_H
#define SLUICE_HTTP_CLIENT_H 1

#include "slice.h"

enum { HTTP_PIN_SIZE = 32 };    /* SHA-256 of a certificate, in DER. */

struct http_options {
    const char *url;
    const char *ca_file;        /* PEM; null: that of the system, or none
                                 * where there is a pin. */
    const uint8_t *pin;         /* Null, or HTTP_PIN_SIZE bytes: no other
                                 * certificate is taken. */
};

struct http_client;
struct http_call;

/* Takes a piece of the body of a reply.  Returns false to end the call, which
 * then fails. */
typedef bool http_body_cb(struct slice piece, void *aux);

/* Makes a client, which the caller owns; 'options' are copied. */
struct http_client *http_client_create(const struct http_options *options);

/* All calls must have been destroyed. */
void http_client_destroy(struct http_client *);

/* Forgets all cookies. */
void http_client_forget(struct http_client *);
bool http_client_has_cookies(const struct http_client *);

void http_client_run(struct http_client *);
void http_client_wait(struct http_client *);

/* Posts 'body', copied, which is text/xml.  'take_body' is called from
 * http_client_run(), for each piece of a reply whose status is 200 or 500 (the
 * latter is a SOAP fault).  The call fails if it takes longer than
 * 'timeout_ms', or if not a byte of it moves for 'stall_ms'. */
struct http_call *http_call_start(struct http_client *, const char *body,
                                  unsigned int timeout_ms,
                                  unsigned int stall_ms,
                                  http_body_cb *take_body, void *aux);

/* What of a REST interface is asked for. */
struct http_query {
    const char *path;           /* Behind the client's URL. */
    const char *body;           /* JSON to post; null: nothing, GET. */
    const char *user;           /* With 'password', to log in with; or null. */
    const char *password;
};

/* The same for REST: 'query' is copied, and a reply whose status is not 200 is
 * a failure. */
struct http_call *http_call_ask(struct http_client *, const struct http_query *,
                                unsigned int timeout_ms, unsigned int stall_ms,
                                http_body_cb *take_body, void *aux);

/* Ends the call if it has not ended. */
void http_call_destroy(struct http_call *);

bool http_call_has_ended(const struct http_call *);

/* Of a call that has ended.  Returns null if its reply is whole, else a
 * sentence, without its full stop, that belongs to the call. */
const char *http_call_problem(const struct http_call *);

/* The status of its reply, or 0 if there is none. */
long int http_call_status(const struct http_call *);

#endif /* proxy-vm/context/http-client.h */
