/* SPDX-License-Identifier: Apache-2.0
 *
 * The system calls that durable files are made with, as a table: tests put
 * another in its place, which fails the n-th call, or knows what a power cut
 * would leave of a file system.
 *
 * Each row does what the system call of its name does, and fails as that does:
 * by -1 and errno.
 *
 * Runs in: all that use the spool. */
#ifndef SLUICE_FILE_IO_H
#define SLUICE_FILE_IO_H 1

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "slice.h"

struct file_io {
    int (*openat)(int dir_fd, const char *name, int flags, mode_t mode);
    int (*close)(int fd);
    ssize_t (*read)(int fd, void *buf, size_t size);
    ssize_t (*write)(int fd, const void *buf, size_t size);
    int (*fstat)(int fd, struct stat *);
    int (*fstatat)(int dir_fd, const char *name, struct stat *);
                                /* Of a symbolic link, itself. */
    int (*fsync)(int fd);
    void (*sync_many)(const int fds[], int errors[], size_t n);
                                /* See sync-many.h.  May be null: each file
                                 * is synced by 'fsync'. */
    int (*begin_sync)(int fd);  /* Has the disk begin with what is to be
                                 * synced; may do nothing. */
    int (*mkdirat)(int dir_fd, const char *name, mode_t mode);
    int (*renameat)(int from_fd, const char *from, int to_fd, const char *to);
    int (*linkat)(int from_fd, const char *from, int to_fd, const char *to);
    int (*unlinkat)(int dir_fd, const char *name);

    /* Calls 'cb' for each name in the directory, until that returns nonzero.
     * Returns that, or 0, or -1 and errno. */
    int (*list)(int dir_fd, int (*cb)(const char *name, void *aux), void *aux);
};

/* The system's. */
extern const struct file_io file_io_system;

/* Those that a program uses: the system's, behind failpoints in a test. */
const struct file_io *file_io_default(void);

/* Writes all of 'content'.  Returns 0 or a positive errno. */
int file_io_write_all(const struct file_io *, int fd, struct slice content);

#endif /* proxy-vm/common/file-io.h */
