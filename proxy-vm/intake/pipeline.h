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
 *     s6-rules     client rules                                -> verdict
 *     s7-store     open batch, zstd, seal                      -> spool
 *
 * Stages do not know each other.  Redaction comes before parsing, since a
 * secret may stand in any field or across two, and nothing unredacted is
 * written anywhere. */
#ifndef SLUICE_PIPELINE_H
#define SLUICE_PIPELINE_H 1

#include "s1-receive.h"
#include "s7-store.h"

/* Shows what would become of lines, instead of storing them. */
struct pipeline_trial {
    const char *vm_name;        /* Borrowed: of VMs that have none; or null. */
    /* Called for each line, packet that is dropped before it is one, and gap
     * record (rec->gap); all is valid until it returns. */
    void (*show)(void *aux, const struct record *rec, enum sluice_drop);
    void *aux;
};

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
    const struct pipeline_trial *trial; /* Null: this is none.  Then 'receive'
                                         * is null, 'store' is not used, and
                                         * every host may send. */
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

/* Sends a line through all stages but those of the tunnel: of 'rec' the first
 * two stages' parts say where from. */
void pipeline_run_line(struct pipeline *, struct record *);

/* Explains the line that a trial shows: the rules that looked at it and what
 * they said. */
const struct rules_verdict *pipeline_explain(const struct pipeline *,
                                             const struct rules **rules);

/* Sends all packets through that the receiver has. */
void pipeline_drain(struct pipeline *);

/* Does what is due; returns the milliseconds until the next time. */
int pipeline_tick(struct pipeline *);

/* Closes all open batches and goes on. */
void pipeline_close_batches(struct pipeline *);

/* Closes all open batches: nothing more comes. */
void pipeline_flush(struct pipeline *);

/* From now on 'config', which it borrows, says which tenants and hosts there
 * are.  Reads the key files of the hosts, too.  Returns null, or a malloc()ed
 * sentence if the configuration before stays in use. */
char *pipeline_reconfigure(struct pipeline *, const struct config *config);

#endif /* proxy-vm/intake/pipeline.h */
