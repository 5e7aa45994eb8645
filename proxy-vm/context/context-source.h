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

#include "merge.h"
#include "proxy-config.h"

struct ds;

/* Where sources get what they know from. */
struct context_settings {
    const char *static_file;    /* See sluice-context.yaml(5).  May be null. */
    const struct config_manager *managers;
    size_t n_managers;
    const char *host_listen;    /* Where hosts report, ADDR:PORT, or null. */
    const char *host_key_file;  /* With the key pair for them. */
    const struct config_host *hosts;
    size_t n_hosts;
};

struct context_source {
    const char *name;           /* ContextValue.source, see name_of(). */
    enum source_rank rank;
    unsigned int validity_ms;   /* What it knows is stale if it was not
                                 * heard of for so long; 0: never. */

    /* Returns what 'settings' say about instance 'i' of the source, from 0
     * on, as a malloc()ed text; or null if there is no such instance. */
    char *(*settings_of)(const struct context_settings *settings, size_t i);

    /* Starts instance 'i', which is there, and returns its state.  'settings'
     * are borrowed until init() returns. */
    void *(*init)(const struct context_settings *settings, size_t i);
    void (*uninit)(void *state);

    /* Returns what tells the instance from others of the source, which is
     * ContextValue.source behind name and ':'; null: there is one at most. */
    const char *(*name_of)(const void *state);

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

    /* Returns time_msec() of when what the source knows was known to be right
     * and whole, or 0 if it never was since init(): then what an earlier run
     * published is taken in its place. */
    long long int (*heard_at)(const void *state);

    /* Appends lines about how it goes, for people.  May be null. */
    void (*put_status)(const void *state, struct ds *);

    /* Adds what the source knows, which may be nothing, by merge_add(). */
    void (*put)(const void *state, struct merge *);
};

extern const struct context_source source_static;
extern const struct context_source source_vsphere;
extern const struct context_source source_hosts;
extern const struct context_source source_libvirt;

#endif /* proxy-vm/context/context-source.h */
