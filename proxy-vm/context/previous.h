/* SPDX-License-Identifier: Apache-2.0
 *
 * The snapshot before the latest change, kept for "sluicectl context diff" as
 * SNAPSHOT.previous: another name of the file that was the snapshot.  It is
 * for people, so that nothing of it need survive a power cut.
 *
 * Runs in: sluice-context. */
#ifndef SLUICE_CONTEXT_PREVIOUS_H
#define SLUICE_CONTEXT_PREVIOUS_H 1

/* Holds on to the snapshot at 'path', which is about to be replaced. */
void previous_hold(const char *path);

/* Keeps what was held if that at 'path' now says something else than it, but
 * for what was measured; else keeps the one before. */
void previous_keep(const char *path);

#endif /* proxy-vm/context/previous.h */
