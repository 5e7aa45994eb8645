/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes batches from files: those named, and in directories those that end in
 * ".batch", in the order of their names.
 *
 * In: paths.
 * Out: batches to the unsealer; on standard error, or with 'report' on
 * standard output, what is wrong, a line for each batch concerned.
 * Runs in: sluice-unseal. */
#ifndef SLUICE_UNSEAL_FILES_H
#define SLUICE_UNSEAL_FILES_H 1

#include "unsealer.h"

struct files_result {
    uint64_t n_batches;
    uint64_t n_lines;
    uint64_t n_duplicates;
    uint64_t n_faults;          /* Batches that something is wrong with, and
                                 * files that can't be read. */
};

/* Takes all of them, and commits.  Returns null or a malloc()ed sentence: then
 * it stopped in the middle. */
char *files_take(struct unsealer *, char *const paths[], size_t n,
                 uint32_t max_batch, bool report, struct files_result *ret);

#endif /* proxy-vm/unseal/files.h */
