/* SPDX-License-Identifier: Apache-2.0
 *
 * The snapshot before the latest change.  See previous.h. */
#include <config.h>

#include "previous.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "context-diff.h"
#include "util.h"

static char *
held_path(const char *path)
{
    return xasprintf("%s.held", path);
}

void
previous_hold(const char *path)
{
    char *held = held_path(path);

    unlink(held);
    ignore(link(path, held));
    free(held);
}

static bool
note_change(struct slice before OVS_UNUSED, struct slice after OVS_UNUSED,
            void *any)
{
    *(bool *) any = true;
    return false;
}

void
previous_keep(const char *path)
{
    char *held = held_path(path);
    char *previous = xasprintf("%s.previous", path);
    struct snapshot *before, *after;
    bool is_other = false;

    if (!snapshot_open(held, &before)) {
        if (!snapshot_open(path, &after)) {
            context_diff(before, after, note_change, &is_other);
            snapshot_close(after);
        }
        snapshot_close(before);
    }
    if (is_other) {
        ignore(rename(held, previous));
    } else {
        unlink(held);
    }
    free(held);
    free(previous);
}
