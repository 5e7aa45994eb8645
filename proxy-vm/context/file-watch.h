/* SPDX-License-Identifier: Apache-2.0
 *
 * Notices that a file was written, replaced, or made readable.
 *
 * It watches the directory, since editors and configuration managers write
 * another file and rename it, or turn a symbolic link to another directory
 * (then any change in the directory makes it compare the file's identity).  A
 * change counts when the file was left alone for a moment, so that one save is
 * one change.
 *
 * Runs in: sluice-context. */
#ifndef SLUICE_FILE_WATCH_H
#define SLUICE_FILE_WATCH_H 1

#include <stdbool.h>

enum {
    FILE_WATCH_QUIET_MS = 100,      /* Left alone for so long. */
    FILE_WATCH_PATIENCE_MS = 1000,  /* Never waits longer than this. */
    FILE_WATCH_RETRY_MS = 1000,     /* While there is no directory. */
};

/* Watches the file at 'path', which need not exist.  The caller owns what is
 * returned. */
struct file_watch *file_watch_create(const char *path);
void file_watch_destroy(struct file_watch *);

/* Returns true once for each change. */
bool file_watch_run(struct file_watch *);
void file_watch_wait(struct file_watch *);

#endif /* proxy-vm/context/file-watch.h */
