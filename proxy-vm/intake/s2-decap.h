/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 2, decap: opens the tunnel packet and asks who may have sent it.
 *
 * In: 'packet', 'vtep', 'received_ns' of a record.
 * Out: 'meta', 'inner', 'switch_ns'. */
#ifndef SLUICE_DECAP_H
#define SLUICE_DECAP_H 1

#include "config.h"
#include "record.h"

struct decap {
    uint16_t option_class;
    const struct config *config;    /* Borrowed.  Null: everyone may send. */
};

/* What decap_run() found. */
struct decap_verdict {
    enum sluice_drop origin;    /* The packet is no tenant's. */
    enum sluice_drop inner;     /* It is a tenant's, but can't be read. */
};

struct decap_verdict decap_run(const struct decap *, struct record *);

#endif /* proxy-vm/intake/s2-decap.h */
