/* SPDX-License-Identifier: Apache-2.0
 *
 * What is otherwise in a configuration than in the one before: for the summary
 * of a reload.
 *
 * In: two configurations, and the table of keys.  Out: a list of changes.
 * Runs in: sluiced. */
#ifndef SLUICE_PROXY_CONFIG_DIFF_H
#define SLUICE_PROXY_CONFIG_DIFF_H 1

#include <stddef.h>

struct config;
struct ds;

struct config_change {
    char *key;                  /* "tunnel.port", "tenants.7.server"; of an
                                 * entry of a list also "tenants.7". */
    const char *change;         /* "added", "removed", "changed" or "moved". */
    char *before, *after;       /* Values that fit on a line; else empty. */
};

struct config_changes {
    struct config_change *list;
    size_t n, allocated;
    size_t n_more;              /* Which the list has no room for. */
};

/* Stores in '*ret', which holds nothing yet, what 'new' has otherwise than
 * 'old', in the order of the table.  Entries of lists are the same if they
 * have the same name or id. */
void config_diff(const struct config *old, const struct config *new,
                 struct config_changes *ret);
void config_changes_destroy(struct config_changes *);

/* Appends some of them in words: "tenants.7 added, tunnel.port changed and 3
 * more". */
void config_changes_format(const struct config_changes *, struct ds *out);

#endif /* proxy-vm/common/proxy-config-diff.h */
