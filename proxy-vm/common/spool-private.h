/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two halves of the spool share: spool.c writes, reads and moves
 * batches, spool-list.c finds and counts them.  Nobody else includes this. */
#ifndef SLUICE_SPOOL_PRIVATE_H
#define SLUICE_SPOOL_PRIVATE_H 1

#include <unistd.h>

#include "spool.h"

#define BATCH_SUFFIX ".batch"
#define TEMP_SUFFIX ".tmp"
#define QUARANTINE "quarantine"

enum {
    SPOOL_NAME_SIZE = sizeof ((struct spool_item *) 0)->name,
    TEMP_NAME_SIZE = SPOOL_NAME_SIZE + sizeof TEMP_SUFFIX,
    GENERATION_DIGITS = 10,     /* Of UINT32_MAX. */
    NUMBER_DIGITS = 20,         /* Of UINT64_MAX. */
};

/* A file in a directory of the spool. */
struct spool_file {
    uint32_t generation;
    uint32_t n_lines;           /* From its header, 0 if that can't be read. */
    uint64_t number;
    uint64_t size;
};

/* What was in a directory at the latest look, sorted. */
struct spool_listing {
    struct spool_file *files;
    size_t n, allocated;
};

/* What is remembered of a tenant, so that each header is read once only. */
struct spool_tenant {
    uint32_t tenant;
    struct spool_listing waiting;   /* spool_next() goes along this one. */
    struct spool_listing counted;   /* With sizes and lines, as is the next: */
    struct spool_listing quarantined; /* for spool_totals(). */
};

/* A batch between spool_begin() and spool_commit(). */
struct spool_pending {
    int dir_fd;
    int fd;                     /* Of the temporary file; -1: there already. */
    char name[SPOOL_NAME_SIZE];
    char temp[TEMP_NAME_SIZE];
};

struct spool {
    int fd;
    char *path;
    struct spool_pending pending[SPOOL_MAX_PENDING];
    size_t n_pending;
    struct spool_tenant *tenants;
    size_t n_tenants;
};

/* Writes the name of a batch to 'buf'. */
void spool_format_name(char *buf, size_t size, uint32_t generation,
                       uint64_t number);

/* Opens 'name' beneath 'dir_fd', never through a symbolic link.  With 'create'
 * makes it if need be, synced.  Returns the descriptor or a negative errno. */
int spool_open_directory(int dir_fd, const char *name, bool create);

/* The same for the directory of 'tenant'. */
int spool_open_tenant(struct spool *, uint32_t tenant, bool create);

/* Reads up to 'size' bytes, fewer only at the end of the file.  Returns 0 or a
 * positive errno. */
int spool_read_all(int fd, uint8_t *buf, size_t size, size_t *ret_n);

static inline void
spool_close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

#endif /* proxy-vm/common/spool-private.h */
