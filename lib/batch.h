/* SPDX-License-Identifier: Apache-2.0
 *
 * Batch bodies (proto/batch.proto): appends sources and lines to a buffer, and
 * reads them back one by one.
 *
 * In: struct batch_source, struct batch_line (what the pipeline found out).
 * Out: a serialized Batch, whole after each append.
 * Runs in: sluice-intake (writer), sluice-ship (reader). */
#ifndef SLUICE_BATCH_H
#define SLUICE_BATCH_H 1

#include "slice.h"

struct batch_source {
    uint32_t id;                /* Within the batch, from 1. */
    uint32_t tenant;
    bool has_vm;
    uint8_t vm[16];
    uint32_t ofp_port;
    struct slice vtep;          /* 4 or 16 bytes. */
    bool stock;
    uint8_t mac[6];
    bool context_pending;
    struct slice context;       /* A serialized VmContext, or empty. */
    bool context_by_ip;         /* Found by what the guest says to be its
                                 * address. */
};

/* What a line that Sluice wrote itself announces; see gap.h. */
struct batch_gap {
    struct slice reason;        /* Empty: the line is a guest's. */
    uint64_t packets;
    uint64_t bytes;
    uint64_t from_ns;
    uint64_t to_ns;
    uint32_t protocol;
    uint32_t src_port;
    uint32_t dst_port;
    struct slice dst_ip;        /* 16 bytes, or empty. */
    uint64_t lines;
    struct slice rule;          /* Empty: not of a client rule. */
};

/* What else is known of a line. */
struct batch_verbose {
    struct slice rule;          /* Empty: no rule asks for it. */
    uint64_t received_ns;
    uint32_t protocol;
    uint32_t src_port;
    uint32_t dst_port;
    struct slice dst_ip;        /* 16 bytes. */
};

struct batch_line {
    uint32_t source;            /* batch_source.id. */
    uint64_t switch_ns;
    bool switch_ns_is_receipt;
    uint32_t seq_epoch;
    uint32_t seq_number;
    struct slice activity;      /* 16 bytes, or empty. */
    uint8_t pri;
    bool has_time;
    int64_t time_ns;
    struct slice hostname;
    struct slice app_name;
    struct slice procid;
    struct slice msgid;
    struct slice sd;
    struct slice msg;
    uint32_t redactions;
    struct slice src_ip;        /* 16 bytes. */
    struct batch_gap gap;
    bool ambiguous;
    uint32_t owner_pid;         /* 0: the host does not know the owner. */
    uint32_t owner_uid;
    struct slice receipt;       /* See struct redact_result. */
    int64_t clock_skew_ms;      /* 0: not worth to be told. */
    struct slice route;         /* Name of a destination, or empty: all. */
    struct batch_verbose verbose;
    uint32_t context_sets;      /* Of the source's context it gets the values
                                 * in one of these; 0: all. */
};

/* Writes an entry into 'buf' of 'cap' bytes.  Returns the bytes written, or 0
 * if it does not fit.  No allocation. */
size_t batch_put_source(uint8_t *buf, size_t cap, const struct batch_source *);
size_t batch_put_line(uint8_t *buf, size_t cap, const struct batch_line *);

/* Reads the entries of a batch in order.  Slices in what it returns point into
 * 'body', which the reader borrows. */
struct batch_reader {
    struct slice rest;
};

enum batch_entry_kind {
    BATCH_END,                  /* No more entries. */
    BATCH_SOURCE,
    BATCH_LINE,
    BATCH_UNKNOWN,              /* Of a newer version: skip it, count it. */
    BATCH_MALFORMED,            /* Stop: the rest can't be read. */
};

struct batch_entry {
    enum batch_entry_kind kind;
    union {
        struct batch_source source;
        struct batch_line line;
    };
};

/* batch_reader_next() returns the kind of the next entry and fills in '*ret',
 * which BATCH_MALFORMED leaves untouched; that stays the answer from then on.
 * An entry that got through has fields of the sizes that the structures above
 * name, and nothing else in it is checked. */
void batch_reader_init(struct batch_reader *, struct slice body);
enum batch_entry_kind batch_reader_next(struct batch_reader *,
                                        struct batch_entry *ret);

#endif /* lib/batch.h */
