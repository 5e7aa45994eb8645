/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP server of sluice-metrics, by libmicrohttpd: GET and HEAD of
 * /metrics, /healthz and /readyz.
 *
 * Runs in: sluice-metrics. */
#ifndef SLUICE_HTTP_H
#define SLUICE_HTTP_H 1

struct http_server;

/* What is served. */
struct http_content {
    const char *control;        /* sluiced's socket.  Borrowed. */
    unsigned int max_vms;       /* See metrics_gather(). */
};

/* Serves 'content', which it borrows, in a thread of its own, to who connects
 * to 'fd', which listens and which it takes.  Returns null if there is no
 * memory or thread. */
struct http_server *http_start(int fd, const struct http_content *content);
void http_stop(struct http_server *);

#endif /* proxy-vm/metrics/http.h */
