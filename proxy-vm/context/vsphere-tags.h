/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the tags of one vCenter by its REST interface, from time to time: its
 * SOAP interface does not have them.
 *
 *     login ─► list ─► tag ... ─► category ... ─► holders ... ─┐
 *       ▲       ▲                                              │ after a while
 *       │       └──────────────────────────────────────────────┘
 *       └── back-off ◄── whatever went wrong, anywhere
 *
 * One call is under way at most; what it costs grows with the tags, not with
 * the VMs.  What is known stays until a whole new reading is there.
 *
 * In: replies, nothing in them trusted.  Out: a tags_model.
 * Runs in: sluice-context. */
#ifndef SLUICE_VSPHERE_TAGS_H
#define SLUICE_VSPHERE_TAGS_H 1

#include "http-client.h"
#include "vsphere-tags-model.h"

struct vsphere_tags_options {
    const char *name;           /* For sentences. */
    const char *credentials_file; /* Two lines: user and password. */
    unsigned int interval_ms;   /* From one reading to the next. */
    struct http_options http;   /* 'url': https://SERVER/rest/com/vmware/cis */
};

struct vsphere_tags;

/* 'options' are copied. */
struct vsphere_tags *
vsphere_tags_create(const struct vsphere_tags_options *);
void vsphere_tags_destroy(struct vsphere_tags *);

/* Returns true if there was a whole reading. */
bool vsphere_tags_run(struct vsphere_tags *);
void vsphere_tags_wait(struct vsphere_tags *);

/* Reads them anew, and ends a back-off. */
void vsphere_tags_hurry(struct vsphere_tags *);

/* Returns what is wrong: a sentence that is the reader's, or null. */
const char *vsphere_tags_problem(const struct vsphere_tags *);

/* What the latest whole reading had, and when it was: Unix epoch; 0: there is
 * none. */
const struct tags_model *vsphere_tags_model(const struct vsphere_tags *);
uint64_t vsphere_tags_read_ns(const struct vsphere_tags *);

void vsphere_tags_put_status(const struct vsphere_tags *, struct ds *);

#endif /* proxy-vm/context/vsphere-tags.h */
