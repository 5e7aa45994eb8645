/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTPS by libcurl in the loop of the program.  See http-client.h. */
#include <config.h>

#include "http-client.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#include "openvswitch/poll-loop.h"
#include "printable.h"
#include "util.h"

enum {
    CONNECT_MS = 10 * 1000,
    RESOLVE_POLL_MS = 50,       /* While libcurl has no descriptor. */
};

struct http_client {
    CURLM *multi;
    CURLSH *share;              /* Cookies, connections. */
    struct curl_slist *headers; /* Of SOAP... */
    struct curl_slist *rest_headers; /* ...and REST. */
    char *url;
    char *ca_file;
    bool has_pin;
    uint8_t pin[HTTP_PIN_SIZE];
};

struct http_call {
    struct http_client *client;
    CURL *easy;
    http_body_cb *take_body;
    void *aux;
    bool has_ended;
    bool wants_200;             /* Another status is a failure. */
    bool was_refused;           /* By 'take_body'. */
    long int status;
    char *problem;
    char error[CURL_ERROR_SIZE];
};

struct http_client *
http_client_create(const struct http_options *options)
{
    static bool is_initialized;
    struct http_client *h = xzalloc(sizeof *h);

    if (!is_initialized) {
        curl_global_init(CURL_GLOBAL_DEFAULT);
        is_initialized = true;
    }
    h->multi = curl_multi_init();
    h->share = curl_share_init();
    if (!h->multi || !h->share) {
        out_of_memory();
    }
    curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
    curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    h->headers = curl_slist_append(NULL, "Content-Type: text/xml; "
                                   "charset=utf-8");
    h->headers = curl_slist_append(h->headers, "SOAPAction: "
                                   "\"urn:vim25/6.0\"");
    h->headers = curl_slist_append(h->headers, "Expect:");
    h->rest_headers = curl_slist_append(NULL, "Content-Type: "
                                        "application/json");
    h->rest_headers = curl_slist_append(h->rest_headers, "Expect:");
    h->url = xstrdup(options->url);
    h->ca_file = nullable_xstrdup(options->ca_file);
    h->has_pin = options->pin != NULL;
    if (h->has_pin) {
        memcpy(h->pin, options->pin, sizeof h->pin);
    }
    return h;
}

void
http_client_destroy(struct http_client *h)
{
    if (h) {
        curl_multi_cleanup(h->multi);
        curl_share_cleanup(h->share);
        curl_slist_free_all(h->headers);
        curl_slist_free_all(h->rest_headers);
        free(h->url);
        free(h->ca_file);
        free(h);
    }
}

/* Returns a handle for the client's cookies, which are shared. */
static CURL *
cookie_handle(const struct http_client *h)
{
    CURL *easy = curl_easy_init();

    if (!easy) {
        out_of_memory();
    }
    curl_easy_setopt(easy, CURLOPT_SHARE, h->share);
    curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "");
    return easy;
}

void
http_client_forget(struct http_client *h)
{
    CURL *easy = cookie_handle(h);

    curl_easy_setopt(easy, CURLOPT_COOKIELIST, "ALL");
    curl_easy_cleanup(easy);
}

bool
http_client_has_cookies(const struct http_client *h)
{
    struct curl_slist *list = NULL;
    CURL *easy = cookie_handle(h);

    curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &list);
    bool any = list != NULL;
    curl_slist_free_all(list);
    curl_easy_cleanup(easy);
    return any;
}

/* The server's certificate. */

/* Verifies a chain: its first certificate has to be the pinned one, and the
 * chain right, if there is a file with authorities. */
static int
verify_pinned(X509_STORE_CTX *ctx, void *h_)
{
    const struct http_client *h = h_;
    X509 *leaf = X509_STORE_CTX_get0_cert(ctx);
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;

    if (!leaf || !X509_digest(leaf, EVP_sha256(), digest, &size)
        || size != HTTP_PIN_SIZE || memcmp(digest, h->pin, HTTP_PIN_SIZE)) {
        X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_REJECTED);
        return 0;
    } else if (h->ca_file) {
        return X509_verify_cert(ctx);
    }
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
    return 1;
}

static CURLcode
pin_certificate(CURL *easy OVS_UNUSED, void *ssl_ctx, void *h)
{
    SSL_CTX_set_cert_verify_callback(ssl_ctx, verify_pinned, h);
    return CURLE_OK;
}

/* Calls. */

static size_t
take_piece(char *data, size_t size, size_t n, void *call_)
{
    struct http_call *call = call_;
    long int status = 0;

    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200 && (status != 500 || call->wants_200)) {
        return size * n;
    }
    if (!call->take_body(slice_of(data, size * n), call->aux)) {
        call->was_refused = true;
        return 0;
    }
    return size * n;
}

static void
set_security(struct http_call *call)
{
    struct http_client *h = call->client;

    curl_easy_setopt(call->easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(call->easy, CURLOPT_SSLVERSION,
                     (long int) CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(call->easy, CURLOPT_SSL_VERIFYPEER, 1L);
    /* A pin says more than a name. */
    curl_easy_setopt(call->easy, CURLOPT_SSL_VERIFYHOST,
                     h->has_pin && !h->ca_file ? 0L : 2L);
    if (h->ca_file) {
        curl_easy_setopt(call->easy, CURLOPT_CAINFO, h->ca_file);
        curl_easy_setopt(call->easy, CURLOPT_CAPATH, NULL);
    }
    if (h->has_pin) {
        curl_easy_setopt(call->easy, CURLOPT_SSL_CTX_FUNCTION,
                         pin_certificate);
        curl_easy_setopt(call->easy, CURLOPT_SSL_CTX_DATA, h);
    }
}

/* Makes a call, which is still to be told what to ask for. */
static struct http_call *
create_call(struct http_client *h, unsigned int timeout_ms,
            unsigned int stall_ms, http_body_cb *take_body, void *aux)
{
    struct http_call *call = xzalloc(sizeof *call);

    call->client = h;
    call->take_body = take_body;
    call->aux = aux;
    call->easy = cookie_handle(h);
    curl_easy_setopt(call->easy, CURLOPT_URL, h->url);
    curl_easy_setopt(call->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(call->easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, take_piece);
    curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(call->easy, CURLOPT_NOSIGNAL, 1L);
    /* Without this a call that ends while a name is looked up waits for the
     * thread that does it, as long as no DNS server answers. */
    curl_easy_setopt(call->easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(call->easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long int) CONNECT_MS);
    curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, (long int) timeout_ms);
    curl_easy_setopt(call->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(call->easy, CURLOPT_LOW_SPEED_TIME,
                     (long int) (stall_ms + 999) / 1000);
    set_security(call);
    curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
    return call;
}

static void
post(struct http_call *call, const char *body)
{
    curl_easy_setopt(call->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(call->easy, CURLOPT_COPYPOSTFIELDS, body);
}

struct http_call *
http_call_start(struct http_client *h, const char *body,
                unsigned int timeout_ms, unsigned int stall_ms,
                http_body_cb *take_body, void *aux)
{
    struct http_call *call = create_call(h, timeout_ms, stall_ms, take_body,
                                         aux);

    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, h->headers);
    post(call, body);
    curl_multi_add_handle(h->multi, call->easy);
    return call;
}

struct http_call *
http_call_ask(struct http_client *h, const struct http_query *query,
              unsigned int timeout_ms, unsigned int stall_ms,
              http_body_cb *take_body, void *aux)
{
    struct http_call *call = create_call(h, timeout_ms, stall_ms, take_body,
                                         aux);
    char *url = xasprintf("%s%s", h->url, query->path);

    call->wants_200 = true;
    curl_easy_setopt(call->easy, CURLOPT_URL, url);
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, h->rest_headers);
    if (query->body) {
        post(call, query->body);
    }
    if (query->user) {
        curl_easy_setopt(call->easy, CURLOPT_HTTPAUTH,
                         (long int) CURLAUTH_BASIC);
        curl_easy_setopt(call->easy, CURLOPT_USERNAME, query->user);
        curl_easy_setopt(call->easy, CURLOPT_PASSWORD, query->password);
    }
    free(url);
    curl_multi_add_handle(h->multi, call->easy);
    return call;
}

void
http_call_destroy(struct http_call *call)
{
    if (call) {
        curl_multi_remove_handle(call->client->multi, call->easy);
        curl_easy_cleanup(call->easy);
        free(call->problem);
        free(call);
    }
}

bool
http_call_has_ended(const struct http_call *call)
{
    return call->has_ended;
}

const char *
http_call_problem(const struct http_call *call)
{
    return call->problem;
}

long int
http_call_status(const struct http_call *call)
{
    return call->status;
}

static void
end_call(struct http_call *call, CURLcode code)
{
    call->has_ended = true;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &call->status);
    if (call->was_refused) {
        call->problem = xstrdup("its reply was refused");
    } else if (code != CURLE_OK) {
        char *why = make_printable(call->error[0] ? call->error
                                   : curl_easy_strerror(code), 200);
        call->problem = xasprintf("the request failed: %s", why);
        free(why);
    } else if (call->status != 200
               && (call->status != 500 || call->wants_200)) {
        call->problem = xasprintf("the server answered with HTTP status %ld",
                                  call->status);
    }
}

void
http_client_run(struct http_client *h)
{
    int n_running, n_left;
    CURLMsg *msg;

    curl_multi_perform(h->multi, &n_running);
    while ((msg = curl_multi_info_read(h->multi, &n_left)) != NULL) {
        if (msg->msg == CURLMSG_DONE) {
            char *call;

            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call);
            end_call(ALIGNED_CAST(struct http_call *, call),
                     msg->data.result);
        }
    }
}

void
http_client_wait(struct http_client *h)
{
    fd_set in, out, urgent;
    int max = -1;
    long int timeout = -1;

    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&urgent);
    curl_multi_fdset(h->multi, &in, &out, &urgent, &max);
    for (int fd = 0; fd <= max; fd++) {
        short int events = ((FD_ISSET(fd, &in) ? POLLIN : 0)
                            | (FD_ISSET(fd, &out) ? POLLOUT : 0));
        if (events) {
            poll_fd_wait(fd, events);
        }
    }
    curl_multi_timeout(h->multi, &timeout);
    if (timeout >= 0) {
        /* Names are looked up in a thread of libcurl, without descriptor. */
        poll_timer_wait(max < 0 ? MIN(timeout, RESOLVE_POLL_MS) : timeout);
    }
}
