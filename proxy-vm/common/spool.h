/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool: sealed batches on their way to the tenants, one file each.
 *
 *     SPOOL/key.pub                          the shipper's public key
 *     SPOOL/generation                       counts the runs of intake
 *     SPOOL/<tenant>/<generation>-<number>.batch
 *     SPOOL/<tenant>/quarantine/             what could not be read or sent
 *
 * A batch is written to a temporary name, synced, renamed, and its directory
 * synced; only then is it in the spool.  The names sort in the order in which
 * batches were closed, whatever the clock says.  Pushing a batch again that is
 * there already changes nothing.  Directories are opened beneath the spool's
 * descriptor, and no symbolic link is followed.
 *
 * Runs in: sluice-intake (push), sluice-ship (next, read, ack, quarantine),
 * sluiced (totals). */
#ifndef SLUICE_SPOOL_H
#define SLUICE_SPOOL_H 1

#include "seal.h"

struct spool;

/* Opens the spool at 'path', an existing directory.  Returns 0 and the spool,
 * which the caller owns, or a positive errno. */
int spool_open(const char *path, struct spool **ret);
void spool_close(struct spool *);

/* Adds one to the spool's generation, synced, and returns it in '*ret'.  Also
 * removes what pushes that never ended left behind, so only the process that
 * pushes may call it, before its first push.  Returns 0 or a positive errno:
 * EINVAL if the file "generation" has no number in it. */
int spool_next_generation(struct spool *, uint32_t *ret);

/* Adds a batch, to be made durable by spool_commit() with all others of its
 * group: 'file' is copied.  Returns 0, ENOBUFS after SPOOL_MAX_PENDING
 * batches, or another positive errno. */
enum { SPOOL_MAX_PENDING = 64 };
int spool_begin(struct spool *, uint32_t tenant, uint32_t generation,
                uint64_t number, struct slice file);

/* Ends a group: 'errors' gets, for each spool_begin() that returned 0, in
 * their order, 0 if that batch now survives a power cut, or a positive errno.
 * A group costs little more time than a single batch. */
void spool_commit(struct spool *, int errors[]);

/* Adds a single batch.  When it returns 0 the batch survives a power cut. */
int spool_push(struct spool *, uint32_t tenant, uint32_t generation,
               uint64_t number, struct slice file);

/* A batch in the spool. */
struct spool_item {
    uint32_t tenant;
    uint32_t generation;
    uint64_t number;
    uint64_t size;              /* Bytes. */
    char name[48];              /* Within the tenant's directory. */
};

/* Finds the oldest batch of 'tenant' that comes after 'after' (null: the
 * oldest of all).  Returns 0 and '*ret', ENOENT if there is none, or another
 * positive errno.  With 'after', looks at the directory only once nothing is
 * left of the previous look: what came since sorts behind that. */
int spool_next(struct spool *, uint32_t tenant, const struct spool_item *after,
               struct spool_item *ret);

/* Makes '*ret' the item of that identity, as spool_next() would.  Returns 0,
 * or ENOENT if it is not in the spool, or another positive errno. */
int spool_find(struct spool *, uint32_t tenant, uint32_t generation,
               uint64_t number, struct spool_item *ret);

/* Reads a batch whole.  '*ret' is malloc()ed and the caller's.  Returns 0 or a
 * positive errno: ENOENT if it is gone, ELOOP, EINVAL or EFBIG if it is
 * nothing that spool_push() made, none of which reading again will mend. */
int spool_read(struct spool *, const struct spool_item *, uint8_t **ret,
               size_t *ret_size);

/* Deletes a batch that its destination has, and syncs the directory.  One that
 * is gone already is no error. */
int spool_ack(struct spool *, const struct spool_item *);

/* Sets a batch aside. */
int spool_quarantine(struct spool *, const struct spool_item *);

/* Makes an inotify descriptor, nonblocking and the caller's, that is readable
 * once a batch of 'tenant' was pushed.  Makes the tenant's directory if need
 * be.  Returns 0 or a positive errno. */
int spool_watch(struct spool *, uint32_t tenant, int *ret_fd);

/* What a tenant has in the spool.  Each header is read once, however often
 * this is called; a batch without a readable one has no lines. */
struct spool_totals {
    uint64_t n_batches, n_lines, n_bytes;
    uint64_t n_quarantined_batches, n_quarantined_lines;
};
int spool_totals(struct spool *, uint32_t tenant, struct spool_totals *ret);

#endif /* proxy-vm/common/spool.h */
