/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the spool share: spool.c opens it and its directories,
 * spool-write.c puts batches in, spool-read.c reads them and takes them out,
 * spool-list.c finds and counts them, spool-queues.c does so for all queues of
 * a tenant, spool-admin.c is for operators.  Nobody else includes this. */
#ifndef SLUICE_SPOOL_PRIVATE_H
#define SLUICE_SPOOL_PRIVATE_H 1

#include "file-io.h"
#include "spool.h"

#define BATCH_SUFFIX ".batch"
#define TEMP_SUFFIX ".tmp"
#define REASON_SUFFIX ".reason"
#define QUARANTINE "quarantine"

enum {
    SPOOL_NAME_SIZE = sizeof ((struct spool_item *) 0)->name,
    TEMP_NAME_SIZE = SPOOL_NAME_SIZE + SPOOL_QUEUE_SIZE + sizeof TEMP_SUFFIX,
    MAX_FILE_SIZE = SEAL_HEADER_SIZE + SEAL_MAX_RAW_SIZE
                    + SEAL_MAX_RAW_SIZE / 128 + 4096,
    GENERATION_DIGITS = 10,     /* Of UINT32_MAX. */
    NUMBER_DIGITS = 20,         /* Of UINT64_MAX. */
};

/* A file in a directory of the spool. */
struct spool_file {
    uint32_t generation;
    uint32_t n_lines;           /* From its header, 0 if that can't be read. */
    uint64_t number;
    uint64_t size;
    uint64_t inode;             /* With the lines. */
    uint64_t created_ns;        /* Likewise; 0 if it is not known. */
};

/* What was in a directory at the latest look, sorted. */
struct spool_listing {
    struct spool_file *files;
    size_t n, allocated;
    uint64_t n_foreign;         /* Files that are no batches. */
};

/* What is remembered of a queue, so that each header is read once only. */
struct spool_known {
    struct spool_queue queue;
    bool is_lasting;            /* Its directory survives a power cut. */
    struct spool_listing waiting;   /* spool_next() goes along this one. */
    struct spool_listing counted;   /* With sizes and lines, as is the next: */
    struct spool_listing quarantined; /* for spool_totals(). */
};

/* A batch between spool_begin() and spool_commit(). */
struct spool_pending {
    struct spool_queue queues[SPOOL_MAX_QUEUES];
    size_t n_queues;
    uint32_t missing;           /* Bit 1 << i: queues[i] does not have it. */
    int dir_fd;                 /* Of the tenant. */
    int fd;                     /* Of the temporary file; -1: there already. */
    char name[SPOOL_NAME_SIZE];
    char temp[TEMP_NAME_SIZE];
};

struct spool {
    const struct file_io *io;
    int fd;
    char *path;
    bool process_only;          /* Batches need not survive a power cut. */
    uint32_t unrecorded;        /* The generation, where it could not be
                                 * written; else 0. */
    struct spool_pending pending[SPOOL_MAX_PENDING];
    size_t n_pending;
    struct spool_known *known;
    size_t n_known;
    struct spool_queue kept;    /* Whose directory stays open; tenant 0: none.*/
    int kept_fd;                /* Or -1: it was not opened yet. */
};

/* Has 'known' list what is in its queue now.  Returns 0, ENOENT if there is no
 * such queue, or another positive errno. */
int spool_refresh(struct spool *, struct spool_known *known);

/* Returns true if 'name' is none that the spool gives to anything in the
 * directory of a queue or its quarantine, nor hidden. */
bool spool_name_is_foreign(const char *name);

/* Writes the name of what says why a batch was set aside to 'buf'. */
void spool_format_reason(char *buf, size_t size, uint32_t generation,
                         uint64_t number);

/* Returns the item of 'f'. */
struct spool_item spool_item_of(const struct spool_queue *,
                                const struct spool_file *f,
                                bool is_quarantined);

/* Opens the directory that 'item' is in.  Returns the descriptor or a negative
 * errno. */
int spool_open_place(struct spool *, const struct spool_item *item);

/* Finds the file of 'f''s generation and number in 'l', or returns null. */
const struct spool_file *spool_listing_find(const struct spool_listing *l,
                                            const struct spool_file *f);

/* Writes the name of a batch to 'buf'. */
void spool_format_name(char *buf, size_t size, uint32_t generation,
                       uint64_t number);

/* Opens 'name' beneath 'dir_fd', never through a symbolic link.  With 'create'
 * makes it if need be, and sees to it that it lasts.  Returns the descriptor
 * or a negative errno. */
int spool_open_directory(struct spool *, int dir_fd, const char *name,
                         bool create);

/* The same for the directory of a tenant, and of a queue. */
int spool_open_tenant(struct spool *, uint32_t tenant, bool create);
int spool_open_queue(struct spool *, const struct spool_queue *, bool create);

/* The same for who gives the descriptor back by spool_release_queue() and not
 * by closing it.  With 'anew' looks the directory up, even if it is kept open:
 * another may have taken its place. */
int spool_use_queue(struct spool *, const struct spool_queue *, bool anew);
void spool_release_queue(struct spool *, int fd);

/* Returns what is remembered of a queue, or null for want of memory. */
struct spool_known *spool_find_known(struct spool *,
                                     const struct spool_queue *);

/* Parses the name of a tenant's directory. */
bool spool_parse_tenant(const char *name, uint32_t *ret);

/* Reads up to 'size' bytes, fewer only at the end of the file.  Returns 0 or a
 * positive errno. */
int spool_read_all(struct spool *, int fd, uint8_t *buf, size_t size,
                   size_t *ret_n);

/* Writes 'content' to the temporary file 'temp' in 'dir_fd': returns its
 * descriptor or a negative errno.  And to 'fd': 0 or a positive errno. */
int spool_write_temp(struct spool *, int dir_fd, const char *temp,
                     struct slice content);

int spool_write_all(struct spool *, int fd, struct slice content);

/* Syncs the temporary file of 'fd', which it takes, if 'sync'.  Returns 0 or a
 * positive errno. */
int spool_finish_temp(struct spool *, int fd, bool sync);

/* Syncs what a batch is made of, if batches are to survive a power cut.
 * Returns 0 or a positive errno. */
int spool_sync(struct spool *, int fd);

/* Writes the generation, if that could not be done before.  Returns 0 or a
 * positive errno. */
int spool_record_generation(struct spool *);

/* Removes what pushes that never ended left behind.  Returns 0 or a positive
 * errno. */
int spool_remove_temps(struct spool *);

static inline void
spool_close_fd(const struct spool *s, int fd)
{
    if (fd >= 0) {
        s->io->close(fd);
    }
}

#endif /* proxy-vm/common/spool-private.h */
