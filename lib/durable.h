/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are whole on the disk or not there, written beside their place
 * and renamed into it.
 *
 * Functions return 0 or a positive errno. */
#ifndef SLUICE_DURABLE_H
#define SLUICE_DURABLE_H 1

#include <stddef.h>
#include <sys/types.h>

/* Makes the file 'path', which must not be there, with 'mode' whatever the
 * umask, and with the group of its directory if we may: as where the
 * directory is set-group-ID, which a service manager may forbid to make.
 * Stores a descriptor to write to. */
int durable_create(const char *path, mode_t mode, int *ret_fd);

/* Writes all of 'data'. */
int durable_write(int fd, const void *data, size_t size);

/* Syncs the directory that 'path' is in, so that its entries last. */
int durable_sync_directory_of(const char *path);

/* Syncs and closes 'fd', which is the file 'temporary', and renames that to
 * 'path', in the same directory.  With an 'error' that came before, or one
 * that comes now, removes 'temporary' instead and returns the error. */
int durable_publish(int fd, const char *temporary, const char *path,
                    int error);

#endif /* lib/durable.h */
