/* SPDX-License-Identifier: Apache-2.0
 *
 * Gives up what sluice-hostd needs no more once its keys are read: all
 * capabilities, the right to run programs, to trace, to mount and to change
 * files, and all files but those of /proc and of control groups.
 *
 * The database's socket belongs to root, and is connected to again whenever
 * the database was restarted.  So a process that was root's stays root's, but
 * with no capability, unless another user can connect.
 *
 * Runs in: sluice-hostd. */
#ifndef SLUICE_PRIVILEGES_H
#define SLUICE_PRIVILEGES_H 1

#include <stdbool.h>

/* Becomes 'user', unless that is null.  With 'see_processes' it keeps
 * CAP_SYS_PTRACE, which it takes to see what other users' processes have open;
 * what may be read is then guarded by permissions only, since Landlock would
 * not let us look at other processes: the memory of any process can be read,
 * though not written.  Exits if that can't be done. */
void privileges_give_up(const char *user, bool see_processes);

#endif /* proxy-vm/hostd/privileges.h */
