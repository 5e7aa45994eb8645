/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of a log packet through sluice-intake: wires the stages.
 *
 *     s1-receive   socket or capture                     -> a datagram
 *     s2-decap     GENEVE, options, who may send; inner frame  -> origin
 *     s2-join      parts of frames too large for the underlay  -> whole ones
 *     s3-account   books of the switch port, replays           -> source
 *     s4-reassemble  fragments, TCP streams                   -> a message
 *     (s5)         lib/redact.h, then lib/syslog-msg.h         -> fields
 *     s5-claims    claimed time against the switch's           -> clock skew
 *     s6-enrich    context snapshot                            -> context
 *     s7-store     open batch, zstd, seal                      -> spool
 *
 * Stages do not know each other.  Redaction comes before parsing, since a
 * secret may stand in any field or across two, and nothing unredacted is
 * written anywhere. */
#ifndef SLUICE_PIPELINE_H
#define SLUICE_PIPELINE_H 1

#include "s1-receive.h"
#include "s7-store.h"

struct pipeline_options {
    uint16_t option_class;
    const struct config *config;    /* Borrowed; null: every tenant. */
    const char *host_keys;          /* Borrowed; see s2-decap.h. */
    const char *snapshot;           /* Null: no context. */
    const char *held;               /* File of stage 4; null: memory. */
    struct receive *receive;        /* Borrowed; null: pipeline_run() brings
                                     * the packets. */
    const char *parts;              /* File for parts of frames that are not
                                     * whole; null: memory. */
    uint32_t bfd_sessions;          /* With switches; 0: none is answered. */
    struct intake_stats *stats;     /* Borrowed. */
    struct store_options store;
};

struct pipeline;

/* Returns null and '*ret', which the caller owns, or a malloc()ed sentence. */
char *pipeline_create(const struct pipeline_options *, struct pipeline **ret);
void pipeline_destroy(struct pipeline *);

/* Takes up what a dead process left: its open batches and the packets that had
 * left the socket.  Returns null or a malloc()ed sentence. */
char *pipeline_recover(struct pipeline *);

/* Sends one packet through all stages. */
void pipeline_run(struct pipeline *, struct record *);

/* Sends all packets through that the receiver has. */
void pipeline_drain(struct pipeline *);

/* Does what is due; returns the milliseconds until the next time. */
int pipeline_tick(struct pipeline *);

/* Closes all open batches. */
void pipeline_flush(struct pipeline *);

/* From now on 'config', which it borrows, says which tenants and hosts there
 * are.  Reads the key files of the hosts, too.  Returns null, or a malloc()ed
 * sentence if the configuration before stays in use. */
char *pipeline_reconfigure(struct pipeline *, const struct config *config);

#endif /* proxy-vm/intake/pipeline.h */
