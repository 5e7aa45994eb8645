/* SPDX-License-Identifier: Apache-2.0
 *
 * The file of the ledger: all of it, durably, or as it was before.  What is in
 * it is declared in proto/ledger.proto.
 *
 * In: figures of the other programs.
 * Out: STATE/ledger.
 * Runs in: sluiced. */
#ifndef SLUICE_LEDGER_FILE_H
#define SLUICE_LEDGER_FILE_H 1

#include "ledger.pb-c.h"
#include "slice.h"

enum { LEDGER_HASH_SIZE = 32 };

/* Writes 'ledger', packed, to the file 'path', by way of 'path'.new.  Returns
 * 0 if it survives a power cut, or a positive errno. */
int ledger_file_write(const char *path, uint64_t now_ns, struct slice ledger);

/* Reads it.  Returns 0, '*ret' (to be freed by ledger_file_free()) and when it
 * was written; ENOENT; EBADMSG if it is nothing that ledger_file_write()
 * wrote; or another positive errno. */
int ledger_file_read(const char *path, uint64_t *ret_ns,
                     Sluice__Ledger **ret);
void ledger_file_free(Sluice__Ledger *);

/* The same by other system calls than the system's.  'io' is borrowed. */
struct file_io;
int ledger_file_write_io(const struct file_io *io, const char *path,
                         uint64_t now_ns, struct slice ledger);
int ledger_file_read_io(const struct file_io *io, const char *path,
                        uint64_t *ret_ns, Sluice__Ledger **ret);

#endif /* proxy-vm/common/ledger-file.h */
