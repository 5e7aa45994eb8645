/* SPDX-License-Identifier: Apache-2.0
 *
 * The key under which log_tunnel authenticates what it sends, from the file
 * that other_config:sluice-key-file in the Open_vSwitch table names.
 *
 * bridge.c brings the configuration and has a changed file looked for, flow
 * translation asks whether there is a key, the datapath action uses it.
 *
 * A file that can't be used changes nothing: the key before stays in use, and
 * "sluice/show" says so.  Only taking the name out of the database takes the
 * key away.
 *
 * Thread-safety
 * =============
 *
 * The main thread alone configures, runs, waits and reads the
 * status.  Any thread may
 * get the key, which stays valid until the thread next quiesces. */

#ifndef SLUICE_AUTH_KEY_H
#define SLUICE_AUTH_KEY_H 1

#include <stdbool.h>
#include <stdint.h>

struct smap;

/* What there is to show.  Strings are borrowed until the main thread next
 * configures or runs. */
struct sluice_auth_status {
    const char *path;           /* Of the key file; null: none configured. */
    const char *refusal;        /* Why it is not in use, or null. */
    bool has_key;               /* Whether there is a key, be it an older
                                 * one. */
};

/* Main thread only. */
void sluice_auth_configure(const struct smap *other_config);
void sluice_auth_run(void);
void sluice_auth_wait(void);
void sluice_auth_read(struct sluice_auth_status *);

/* Any thread. */
const uint8_t *sluice_auth_key(void);

#endif /* sluice/auth-key.h */
