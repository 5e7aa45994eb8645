/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a queue's batches go: an output is one destination of a tenant, and a
 * class is one way to get there (a transport).  The classes are the rows of
 * output-classes.def.
 *
 *     closed --open()--> opening --run()--> open
 *        ^                  |                 |
 *        +------------------+-----------------+   output_fail(), close()
 *
 * Between open() and the next closing lies a session.  Its bytes count from
 * 0: 'sent' says how many of them send() took, and 'delivered' how many of
 * those have arrived, as far as the transport can tell.  Whole batches go
 * out one behind the other, and are rendered anew for each session.
 *
 * Everything is nonblocking, on Open vSwitch's poll loop.  Every phase has a
 * deadline, options.timeout_ms: to find the address, to connect, to shake
 * hands, and then for 'delivered' to move while it is behind 'sent'.  A class
 * that can't keep to that breaks the session by output_fail() with a sentence.
 *
 * Ownership: who creates an output owns it and the options, which must outlive
 * it and do not change.  An output owns its descriptors and memory, and
 * borrows the bytes that send() gets during the call only.
 *
 * In: a destination's options; rendered batches.
 * Out: how far they have got, or why the session broke.
 * Runs in: sluice-ship. */
#ifndef SLUICE_OUTPUT_H
#define SLUICE_OUTPUT_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ship-batch.h"

/* What the configuration says of a destination.  A string that is not there is
 * null; config_check() has seen to it that a class finds what it needs. */
struct output_options {
    char *name;                 /* "main", "archive": for people. */
    char *type;                 /* Which class: "tcp". */
    char *server;               /* HOST:PORT, or a list of such. */
    char *ca_file;
    char *certificate_file;
    char *key_file;
    char *server_name;          /* In the server's certificate. */
    char *recipient_file;       /* The tenant's public key. */
    char *path;
    char *topic;
    enum ship_format format;
    uint32_t tenant;
    uint32_t timeout_ms;        /* Of each phase. */
    char *const *elsewhere;     /* Borrowed: destinations of other queues. */
    size_t n_elsewhere;
};

void output_options_uninit(struct output_options *);

enum output_state {
    OUTPUT_CLOSED,              /* Never opened, or broken. */
    OUTPUT_OPENING,
    OUTPUT_OPEN,
};

/* What a destination says of a batch, besides that it has it. */
struct output_receipt {
    uint64_t end;               /* Of the batch, in the session's bytes. */
    bool refused;               /* It will never take it, for 'reason'. */
    uint32_t n_dropped;         /* Else, if not 0: lines of it beyond the
                                 * destination's limits, which are given up. */
    uint32_t n_lines;           /* Else: lines of it that it took. */
    char reason[256];
};

/* What all outputs have.  A class embeds it as the first member of its own
 * structure; ship.c reads it, and the class writes it. */
struct output {
    const struct output_class *class;
    const struct output_options *o; /* Borrowed. */
    enum output_state state;
    uint64_t sent;              /* Bytes of this session that send() took... */
    uint64_t delivered;         /* ...and of those the ones that arrived. */
    long long int opened;       /* time_msec() when it became OUTPUT_OPEN. */
    long long int progress;     /* When 'delivered' last moved, or had to. */
    uint64_t truncated;         /* Lines cut to the transport's limit, ever. */

    /* A receipt that ship.c has to deal with, by output_receipt_done(), before
     * the class goes on to others; 'delivered' stays before it until then. */
    bool has_receipt;
    struct output_receipt receipt;
    char error[256];            /* Why the session broke: a sentence. */
};

struct output_class {
    const char *type;           /* As the configuration names it. */
    enum ship_framing framing;  /* Of what send() gets. */

    /* 'delivered' means that the destination said that it has it, and not only
     * that it is on its way (acknowledgement point A4).  Batches are then not
     * held any longer, and are settled as soon as 'delivered' is behind their
     * end.  A class that confirms moves 'delivered' to the ends that mark()
     * told it, no further. */
    bool confirms;

    /* Makes an output, closed.  Returns null and '*ret', or a malloc()ed
     * sentence about the options, "ca-file: ...".  Does no network I/O. */
    char *(*create)(const struct output_options *, struct output **ret);

    /* Ends a session without further ado, and frees the output. */
    void (*destroy)(struct output *);

    /* Begins a session; the output is closed.  May fail at once. */
    void (*open)(struct output *);

    /* Does what can be done at once, unless closed.  May open the session,
     * break it, or move 'delivered'. */
    void (*run)(struct output *);

    /* Wakes the poll loop when run() has something to do, or, with
     * 'want_send', when send() would take something. */
    void (*wait)(const struct output *, bool want_send);

    /* Takes what it can of 'size' bytes, while open, and returns how many
     * bytes that were, by which it moves 'sent'.  May break the session.
     * A class whose framing is SHIP_RECORD takes whole records only, and is
     * given bytes that begin with one. */
    size_t (*send)(struct output *, const uint8_t *, size_t size);

    /* A batch ended with the byte of the session before 'sent'.  May be
     * null. */
    void (*mark)(struct output *);

    /* Releases what the session holds, politely where the transport has such
     * a thing and it does not block.  Called by output_fail() and
     * output_close(), also during open(). */
    void (*close)(struct output *);
};

/* Makes an output of the class that 'options' name.  Returns null and '*ret',
 * which the caller owns, or a malloc()ed sentence. */
char *output_create(const struct output_options *, struct output **ret);
void output_destroy(struct output *);

/* As the functions of the class that have these names. */
void output_open(struct output *);
void output_run(struct output *);
void output_wait(const struct output *, bool want_send);
size_t output_send(struct output *, const uint8_t *, size_t size);
void output_mark(struct output *);

/* Ends the session, which nothing is wrong with. */
void output_close(struct output *);

/* For the classes. */

void output_init(struct output *, const struct output_class *,
                 const struct output_options *);

/* The session is open from now on. */
void output_opened(struct output *);

/* Closes the session for the reason that 'format' gives: a sentence without
 * its full stop that names the server, "logs.example:514 closed the
 * session".  What foreigners wrote must be made printable before. */
void output_fail(struct output *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* 'n' bytes more were taken, or 'delivered' bytes in all have arrived.  The
 * latter breaks the session if it makes no progress in time. */
void output_sent(struct output *, size_t n);
void output_delivered(struct output *, uint64_t delivered);

/* Hands a receipt on. */
void output_put_receipt(struct output *, const struct output_receipt *);

/* What the receipt asks for is done: its batch is behind us. */
void output_receipt_done(struct output *);

/* Milliseconds since the session opened. */
long long int output_age(const struct output *);

/* The classes, by name. */
#define OUTPUT_CLASS(NAME) \
    extern const struct output_class output_##NAME##_class;
#include "output-classes.def"
#undef OUTPUT_CLASS

#endif /* proxy-vm/ship/output.h */
