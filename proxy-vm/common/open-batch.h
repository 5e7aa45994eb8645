/* SPDX-License-Identifier: Apache-2.0
 *
 * The open batch of one tenant: a file in tmpfs, mapped shared, so that what
 * was appended outlives the process that appended it.  Nothing is in it before
 * redaction.
 *
 *     struct open_batch_header | Batch body ...
 *
 * An append writes the entries first and moves 'size' and 'n_lines' last, as
 * one 64-bit store: at any instant the file is a whole batch.  The file is
 * locked (flock) as long as its process lives.
 *
 * Runs in: sluice-intake; sluicectl, which looks on. */
#ifndef SLUICE_OPEN_BATCH_H
#define SLUICE_OPEN_BATCH_H 1

#include "slice.h"

struct open_batch;

/* Identity and books of an open batch. */
struct open_batch_info {
    uint32_t tenant;
    uint32_t generation;        /* Of the run of intake that opened it. */
    uint64_t stream;
    uint64_t number;
    uint64_t before;            /* Lines of the tenant in the batches of this
                                 * generation before it. */
    uint32_t n_lines;
    uint32_t size;              /* Bytes of the body. */
};

/* Makes DIR/<tenant>-<generation>-<number>.open, empty, for bodies of up to
 * 'max_size' bytes, with the identity in 'info'.  Takes all the memory it
 * needs, so that no append can fail.  Returns 0 and the batch, which the
 * caller owns, or a positive errno: EEXIST if there is one, of a process that
 * lives or to be recovered. */
int open_batch_create(const char *dir, const struct open_batch_info *,
                      size_t max_size, struct open_batch **ret);

/* Room at the end of the body: write here, then commit. */
uint8_t *open_batch_tail(struct open_batch *, size_t *ret_room);

/* Makes the first 'n' bytes of the tail part of the batch, with 'n_lines'
 * more lines. */
void open_batch_commit(struct open_batch *, size_t n, uint32_t n_lines);

void open_batch_get(const struct open_batch *, struct open_batch_info *ret,
                    struct slice *ret_body);

/* Empties the batch once it is safe in the spool, and gives it its next
 * number, and the lines 'before' it. */
void open_batch_reset(struct open_batch *, uint64_t number, uint64_t before);

/* Unmaps it and, if 'unlink', removes the file. */
void open_batch_close(struct open_batch *, bool unlink);

/* Calls 'cb' for each batch with lines that a dead process left in 'dir', then
 * removes it if 'cb' returned 0; a file that is no batch, or was never
 * finished, is removed if it is empty and else renamed to NAME.bad and counted
 * in '*ret_n_bad'.  Batches of living processes are let be.  Returns 0 or the
 * first error, which does not stop it. */
int open_batch_recover(const char *dir,
                       int (*cb)(const struct open_batch_info *,
                                 struct slice body, void *aux),
                       void *aux, unsigned int *ret_n_bad);

/* Look on from another process, which neither locks nor changes anything: the
 * batch in the file 'fd', or the one that was there until it was safe in the
 * spool, and what is in its body from 'start' on.  Return 0
 * or a positive errno: EINVAL if it is no batch, EAGAIN if it has become
 * another one meanwhile.  The bytes of '*ret_body', up to 'ret_info->size',
 * are malloc()ed. */
int open_batch_peek(int fd, struct open_batch_info *ret_info);
int open_batch_read(int fd, uint32_t start, struct open_batch_info *ret_info,
                    uint8_t **ret_body);

/* Returns true if 'name' is how a file with a batch is called. */
bool open_batch_is_name(const char *name);

/* Returns the highest generation of all batches in the directory 'dir', or
 * 0. */
uint32_t open_batch_latest_generation(const char *dir);

#endif /* proxy-vm/common/open-batch.h */
