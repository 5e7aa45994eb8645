/* SPDX-License-Identifier: Apache-2.0
 *
 * See http.h. */
#include <config.h>

#include "http.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "metrics.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(http);

enum {
    MAX_CONNECTIONS = 16,
    TIMEOUT_S = 10,             /* Of a client that says nothing. */
    MEMORY = 16 * 1024,         /* For the head of a request. */
};

struct http_server {
    struct MHD_Daemon *daemon;
};

/* What there is to get.  'make' appends the body to its second argument and
 * returns the status. */
struct page {
    const char *path;
    const char *type;
    unsigned int (*make)(const struct http_content *, struct ds *);
};

static unsigned int
make_metrics(const struct http_content *content, struct ds *body)
{
    char *sentence = metrics_gather(content->control, content->max_vms, body);

    if (sentence) {
        ds_put_format(body, "%s\n", sentence);
        free(sentence);
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    return MHD_HTTP_OK;
}

/* This process lives, or it would not answer. */
static unsigned int
make_healthz(const struct http_content *content OVS_UNUSED, struct ds *body)
{
    ds_put_cstr(body, "ok\n");
    return MHD_HTTP_OK;
}

static unsigned int
make_readyz(const struct http_content *content, struct ds *body)
{
    return (metrics_ready(content->control, body) ? MHD_HTTP_OK
            : MHD_HTTP_SERVICE_UNAVAILABLE);
}

#define TEXT "text/plain; charset=utf-8"

static const struct page pages[] = {
    { "/metrics", "text/plain; version=0.0.4; charset=utf-8", make_metrics },
    { "/healthz", TEXT, make_healthz },
    { "/readyz", TEXT, make_readyz },
};

static enum MHD_Result
answer(struct MHD_Connection *connection, unsigned int status,
       const char *type, struct ds *body)
{
    size_t size = body->length;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        size, ds_steal_cstr(body), MHD_RESPMEM_MUST_FREE);

    if (!response) {
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    }
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result
handle(void *content, struct MHD_Connection *connection, const char *url,
       const char *method, const char *version OVS_UNUSED,
       const char *upload OVS_UNUSED, size_t *upload_size,
       void **request)
{
    static int seen;
    struct ds body = DS_EMPTY_INITIALIZER;

    /* First its head alone comes, then what follows that. */
    if (!*request) {
        *request = &seen;
        return MHD_YES;
    } else if (*upload_size) {
        *upload_size = 0;       /* Nobody wants it. */
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET)
        && strcmp(method, MHD_HTTP_METHOD_HEAD)) {
        ds_put_cstr(&body, "only GET and HEAD are understood\n");
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, TEXT, &body);
    }
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
        if (!strcmp(url, pages[i].path)) {
            unsigned int status = pages[i].make(content, &body);
            return answer(connection, status,
                          status == MHD_HTTP_OK ? pages[i].type : TEXT, &body);
        }
    }
    ds_put_cstr(&body, "there is nothing here but");
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
        ds_put_format(&body, " %s", pages[i].path);
    }
    ds_put_char(&body, '\n');
    return answer(connection, MHD_HTTP_NOT_FOUND, TEXT, &body);
}

static void
log_error(void *aux OVS_UNUSED, const char *format, va_list args)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    char *text = xvasprintf(format, args);

    text[strcspn(text, "\n")] = '\0';
    VLOG_INFO_RL(&rl, "libmicrohttpd: %s", text);
    free(text);
}

struct http_server *
http_start(int fd, const struct http_content *content)
{
    struct http_server *server = xzalloc(sizeof *server);

    /* A thread for each, so that no one waits for another that waits for
     * sluiced. */
    server->daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION
        | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        handle, (void *) content,
        MHD_OPTION_EXTERNAL_LOGGER, log_error, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned int) MAX_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int) TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) MEMORY,
        MHD_OPTION_END);
    if (!server->daemon) {
        close(fd);
        free(server);
        return NULL;
    }
    return server;
}

void
http_stop(struct http_server *server)
{
    if (server) {
        MHD_stop_daemon(server->daemon);
        free(server);
    }
}
