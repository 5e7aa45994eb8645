/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 2, decap: opens the tunnel packet and asks who may have sent it.
 *
 * In: 'packet', 'vtep', 'received_ns' of a record; the keys of the hosts.
 * Out: 'meta', 'frame', 'inner', 'switch_ns'; the latter two not for a part of
 * a frame (SPLIT). */
#ifndef SLUICE_DECAP_H
#define SLUICE_DECAP_H 1

#include "proxy-config.h"
#include "record.h"

struct host_keys;

struct decap {
    uint16_t option_class;
    const struct config *config;    /* Borrowed.  Null: everyone may send. */
    const char *host_keys;          /* Directory with copies of the hosts'
                                     * key files.  Borrowed.  Null: the files
                                     * themselves are read. */
    struct host_keys *keys;         /* Null without 'config'. */
};

/* What decap_run() found. */
struct decap_verdict {
    enum sluice_drop origin;    /* The packet is no tenant's. */
    enum sluice_drop inner;     /* It is a tenant's, but can't be read. */
};

/* Makes 'decap', zeroed but for 'host_keys', or one that is in use, go by 'config', which it
 * borrows and which may be null, and by the key files named there.  Returns
 * null, or a malloc()ed sentence and leaves 'decap' as it was. */
char *decap_configure(struct decap *, uint16_t option_class,
                      const struct config *config);
void decap_uninit(struct decap *);

/* Nothing that a packet says of itself counts before its host is known and,
 * where the host has a key, AUTH is verified. */
struct decap_verdict decap_run(const struct decap *, struct record *);

/* The same for a packet that was joined of parts which decap_run() admitted. */
enum sluice_drop decap_whole(const struct decap *, struct record *);

#endif /* proxy-vm/intake/s2-decap.h */
