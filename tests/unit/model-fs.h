/* SPDX-License-Identifier: Apache-2.0
 *
 * A file system in memory that knows what a power cut may leave of it, behind
 * the table of system calls in file-io.h.
 *
 * What the model takes for granted is little: what fsync() of a file returned 0
 * for is there, its name only once its directory was synced, too.  Until then
 * the bytes of a file may be there, be cut off, or be zeros in blocks of 512;
 * of the names that were added to and taken from a directory since its latest
 * sync any may be there, in any combination, but that a rename does not take
 * the old name away without the new one.  After an fsync() that failed the
 * bytes are lost, whatever a second one says.
 *
 * One model at a time: the table has no place for a pointer. */
#ifndef SLUICE_TESTS_MODEL_FS_H
#define SLUICE_TESTS_MODEL_FS_H 1

#include <stdbool.h>
#include <stdint.h>

#include "file-io.h"

extern const struct file_io model_io;

/* Makes the file system anew, with an empty directory "spool". */
void model_init(uint64_t seed);
void model_uninit(void);

/* A random number below 'n', from the seed. */
uint64_t model_random(uint64_t n);

/* Calls made so far. */
uint64_t model_n_calls(void);

/* From the 'n'th call from now on the power is off: every call fails, and
 * changes nothing.  0: it stays on. */
void model_cut_at(uint64_t n);

/* The 'n'th call from now on fails by 'error', without effect.  0: none. */
void model_fail_at(uint64_t n, int error);

/* A process ended: its descriptors are closed.  Returns how many it had. */
int model_kill(void);

/* Keeps and brings back all there is, as often as one likes. */
void model_save(void);
void model_restore(void);

/* Has the power back: what was not durable is there with a chance of
 * 'per_cent'.  Each call after a model_restore() gives another outcome. */
void model_power_cut(unsigned int per_cent);

/* Returns true if 'path' is there. */
bool model_exists(const char *path);

#endif /* tests/unit/model-fs.h */
