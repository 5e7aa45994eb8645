/* SPDX-License-Identifier: Apache-2.0
 *
 * The spool: sealed batches on their way to the tenants, one file each.
 *
 *     SPOOL/key.pub                          the shipper's public key
 *     SPOOL/generation                       counts the runs of intake
 *     SPOOL/<tenant>/                        only files not finished yet
 *     SPOOL/<tenant>/<queue>/<generation>-<number>.batch
 *     SPOOL/<tenant>/<queue>/quarantine/     what could not be read or sent,
 *                                            and files that are no batches
 *     .../quarantine/<generation>-<number>.reason  why, for people
 *
 * A tenant has a queue for each way that its batches go, most often one,
 * "main".  A batch is written once, to a temporary name, synced, linked into
 * each of its queues, and their directories synced; only then is it in the
 * spool.  From then on the queues know nothing of each other: each of them
 * deletes and quarantines its own link.
 *
 * The names sort in the order in which batches were closed, whatever the clock
 * says.  Pushing a batch again that is there already changes nothing.
 * Directories are opened beneath the spool's descriptor, and no symbolic link
 * is followed.
 *
 * Runs in: sluice-intake (push), sluice-ship (next, read, ack, quarantine),
 * sluiced (totals, and what spool-admin.h has). */
#ifndef SLUICE_SPOOL_H
#define SLUICE_SPOOL_H 1

#include "seal.h"

struct spool;

/* Opens the spool at 'path', an existing directory.  Returns 0 and the spool,
 * which the caller owns, or a positive errno. */
int spool_open(const char *path, struct spool **ret);
void spool_close(struct spool *);

/* The same by other system calls than the system's.  'io' is borrowed. */
struct file_io;
int spool_open_io(const char *path, const struct file_io *io,
                  struct spool **ret);

/* From now on batches need only survive the death of processes, which costs no
 * syncs, or the power cut, too, as at first. */
void spool_set_process_only(struct spool *, bool process_only);

/* Adds one to the spool's generation, synced, and returns it in '*ret'.  Also
 * removes what pushes that never ended left behind, so only the process that
 * pushes may call it, before its first push.  Returns 0 or a positive errno:
 * EINVAL if the file "generation" has no number in it.
 *
 * A disk that is full or fails does not keep a process from starting: if the
 * number can't be written now, spool_begin() sees to that, and fails until it
 * is written.  So there may be batches of such a number that are not in the
 * spool yet: 'least' is the highest of those that the caller knows, or 0. */
int spool_next_generation(struct spool *, uint32_t *ret);
int spool_next_generation_above(struct spool *, uint32_t least, uint32_t *ret);

/* A queue of a tenant. */
enum {
    SPOOL_QUEUE_SIZE = 33,      /* Of a queue's name and its null byte. */
    SPOOL_MAX_QUEUES = 16,      /* That a batch is put into. */
};
#define SPOOL_MAIN_QUEUE "main"
struct spool_queue {
    uint32_t tenant;
    char name[SPOOL_QUEUE_SIZE];
};

/* Returns true if 'name' can be that of a queue: 1 to 32 letters, digits, '.',
 * '_' and '-', the first of which is no '.'. */
bool spool_queue_name_is_valid(const char *name);

/* Sets '*queue'.  Returns false if 'name' can't be that of a queue. */
bool spool_queue_init(struct spool_queue *queue, uint32_t tenant,
                      const char *name);

/* Returns true if both are of the same tenant and have the same name. */
bool spool_queue_equal(const struct spool_queue *, const struct spool_queue *);

/* Finds all queues that are in the spool, whoever made them, sorted by tenant
 * and name.  '*ret' is malloc()ed and the caller's.  Returns 0 or a positive
 * errno. */
int spool_queues(struct spool *, struct spool_queue **ret, size_t *ret_n);

/* Adds a batch, to be made durable by spool_commit() with all others of its
 * group, in 'n_queues' queues of one tenant: 'file' is copied.  Returns 0,
 * ENOBUFS after SPOOL_MAX_PENDING batches, or another positive errno. */
enum { SPOOL_MAX_PENDING = 64 };
int spool_begin(struct spool *, const struct spool_queue queues[],
                size_t n_queues, uint32_t generation, uint64_t number,
                struct slice file);

/* Ends a group: 'results' gets, for each spool_begin() that returned 0, in
 * their order, what became of it.  A group costs little more time than a
 * single batch. */
struct spool_result {
    int error;                  /* 0 if all queues have it, and it survives a
                                 * power cut, or a positive errno. */
    uint32_t done;              /* Bit 1 << i: the queue 'queues[i]' has it.
                                 * Who tries again must leave those out: they
                                 * may have passed it on since. */
};
void spool_commit(struct spool *, struct spool_result results[]);

/* Adds a single batch.  When it returns 0 the batch survives a power cut. */
int spool_push(struct spool *, const struct spool_queue queues[],
               size_t n_queues, uint32_t generation, uint64_t number,
               struct slice file);

/* A batch in the spool. */
struct spool_item {
    struct spool_queue queue;
    uint32_t generation;
    uint64_t number;
    uint64_t size;              /* Bytes. */
    bool is_quarantined;
    char name[48];              /* Within its directory. */
};

/* Returns less than, equal to or more than 0 as 'a' was closed before 'b', is
 * the same, or was closed after it. */
int spool_item_compare(const struct spool_item *a, const struct spool_item *b);

/* Finds the oldest batch of 'queue' that comes after 'after' (null: the
 * oldest of all).  Returns 0 and '*ret', ENOENT if there is none, or another
 * positive errno.  With 'after', looks at the directory only once nothing is
 * left of the previous look: what came since sorts behind that. */
int spool_next(struct spool *, const struct spool_queue *queue,
               const struct spool_item *after, struct spool_item *ret);

/* Makes '*ret' the item of that identity, as spool_next() would.  Returns 0,
 * or ENOENT if it is not in the spool, or another positive errno. */
int spool_find(struct spool *, const struct spool_queue *,
               uint32_t generation, uint64_t number, struct spool_item *ret);

/* Reads a batch whole.  '*ret' is malloc()ed and the caller's.  Returns 0 or a
 * positive errno: ENOENT if it is gone, ELOOP, EINVAL or EFBIG if it is
 * nothing that spool_push() made, none of which reading again will mend. */
int spool_read(struct spool *, const struct spool_item *, uint8_t **ret,
               size_t *ret_size);

/* For who takes batch after batch out of one queue: keeps its directory open
 * from now on. */
void spool_keep_open(struct spool *, const struct spool_queue *);

/* Deletes a batch that its destination has, from this queue only.  One that is
 * gone already is no error.  No kill brings it back; nor does a power cut once
 * spool_sync_acks() returned 0. */
int spool_ack(struct spool *, const struct spool_item *);
int spool_sync_acks(struct spool *, const struct spool_queue *);

/* Sets a batch aside, and keeps 'reason', the rest of a sentence, beside it if
 * that can be done.  A process that dies in between leaves it in both places,
 * which spool_repair() mends. */
int spool_quarantine(struct spool *, const struct spool_item *,
                     const char *reason);

/* For who takes batches out of the queue, before the first: what is in
 * quarantine and in the queue as well is in the queue only from now on.  Files
 * in the queue that are no batches, of a newer version perhaps, are set aside
 * in quarantine, where no file of that name is.  Returns 0 or a positive
 * errno. */
int spool_repair(struct spool *, const struct spool_queue *);

/* Makes an inotify descriptor, nonblocking and the caller's, that is readable
 * once a batch of the queue was pushed.  Makes the queue's directory if need
 * be.  Returns 0 or a positive errno. */
int spool_watch(struct spool *, const struct spool_queue *, int *ret_fd);

/* What a queue has in the spool.  Each header is read once, however often
 * this is called; a batch without a readable one has no lines. */
struct spool_totals {
    uint64_t n_batches, n_lines, n_bytes;
    uint64_t n_quarantined_batches, n_quarantined_lines;
    uint64_t n_foreign;         /* Files that are no batches, in both. */
    uint64_t oldest_ns;         /* Unix epoch: when the first that waits was
                                 * closed; 0: none does, or its header can't
                                 * be read. */
};
int spool_totals(struct spool *, const struct spool_queue *,
                 struct spool_totals *ret);

/* The same, of batches up to this one. */
int spool_totals_until(struct spool *, const struct spool_queue *,
                       uint32_t generation, uint64_t number,
                       struct spool_totals *ret);

/* Finds out how many bytes all queues of 'tenant' have together, with what is
 * in quarantine.  A file that is in several queues counts once.  Returns 0 or
 * a positive errno. */
int spool_usage(struct spool *, uint32_t tenant, uint64_t *ret);

/* Finds the first and the last batch that waited in 'queue' at the latest call
 * of spool_usage() for its tenant.  Returns false if there was none. */
bool spool_span(struct spool *, const struct spool_queue *queue,
                struct spool_item *ret_first, struct spool_item *ret_last);

#endif /* proxy-vm/common/spool.h */
