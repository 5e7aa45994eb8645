/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the lines of opened batches go.
 *
 * In: rendered frames, whole batches.
 * Out: a file, standard output, or a syslog server.
 * Runs in: sluice-unseal. */
#ifndef SLUICE_SINK_H
#define SLUICE_SINK_H 1

#include <stddef.h>
#include <stdint.h>

#include "ship-batch.h"

/* The end of a file, zeros where there is no such thing. */
struct sink_mark {
    uint64_t device;
    uint64_t inode;
    uint64_t offset;
};

struct sink;

struct sink_class {
    void (*destroy)(struct sink *);

    /* Hands over frames.  Returns 0 or a positive errno: then part of them may
     * be there. */
    int (*write)(struct sink *, const uint8_t *, size_t);

    /* When it returns 0, what was written survives whatever the sink can
     * survive, and '*ret' is its end. */
    int (*sync)(struct sink *, struct sink_mark *ret);

    /* Takes back what was written behind 'mark', as far as it can.  Returns 0
     * or a positive errno. */
    int (*restore)(struct sink *, const struct sink_mark *);

    /* Follows a file that was renamed.  May be null. */
    int (*reopen)(struct sink *);
};

struct sink {
    const struct sink_class *class;
    enum ship_framing framing;  /* Of what write() gets. */
    char *name;                 /* For sentences. */
    uint64_t n_truncated;       /* Lines cut to what the sink takes. */
};

/* Lines, LF behind each, to the file at 'path', which belongs to the sink and
 * is made if need be, or with null to standard output. */
int sink_file_create(const char *path, struct sink **ret);

/* To a syslog server: the path of a Unix socket, of datagrams or a stream
 * (LF behind each line), or HOST:PORT for TCP (octet counting).  Connects once
 * there is something to write. */
int sink_syslog_create(const char *server, uint32_t timeout_ms,
                       struct sink **ret);

static inline void
sink_destroy(struct sink *sink)
{
    if (sink) {
        sink->class->destroy(sink);
    }
}

#endif /* proxy-vm/unseal/sink.h */
