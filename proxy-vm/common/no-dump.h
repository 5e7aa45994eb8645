/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps a program's memory, where packets lie before redaction and keys, out
 * of core files.
 *
 * Runs in: sluice-intake, sluice-ship and its adapters, before anything secret
 * is there. */
#ifndef SLUICE_NO_DUMP_H
#define SLUICE_NO_DUMP_H 1

void no_dump(void);

#endif /* proxy-vm/common/no-dump.h */
