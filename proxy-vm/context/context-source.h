/* SPDX-License-Identifier: Apache-2.0
 *
 * What a source of context is.  Each is a file source-NAME.c and a row of the
 * table in collector.c; a source asks whoever knows something about VMs, keeps
 * what it was told, and puts that into a snapshot when the collector makes
 * one.
 *
 * Runs in: sluice-context. */
#ifndef SLUICE_CONTEXT_SOURCE_H
#define SLUICE_CONTEXT_SOURCE_H 1

#include <stdbool.h>

#include "context-snapshot.h"

/* Where sources get what they know from.  Strings are the holder's. */
struct context_settings {
    char *static_file;          /* See sluice-context.yaml(5).  May be null. */
};

struct context_source {
    const char *name;           /* ContextValue.source. */

    /* Starts the source.  Returns its state, or null if 'settings', borrowed
     * until init() returns, leave it nothing to do. */
    void *(*init)(const struct context_settings *settings);
    void (*uninit)(void *state);

    /* Has the next run() ask anew, whatever it knows already. */
    void (*reload)(void *state);

    /* Does what is due, without waiting.  Returns true if put() has something
     * else to say than before. */
    bool (*run)(void *state);

    /* Has poll_block() return when something will be due. */
    void (*wait)(void *state);

    /* Returns why the source can't learn more than it knows: a sentence that
     * is the source's, or null if nothing is wrong. */
    const char *(*problem)(const void *state);

    /* Adds what the source knows, which may be nothing.  Returns null or a
     * malloc()ed sentence. */
    char *(*put)(const void *state, struct snapshot_builder *);
};

extern const struct context_source source_static;

#endif /* proxy-vm/context/context-source.h */
