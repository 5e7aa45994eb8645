/* SPDX-License-Identifier: Apache-2.0
 *
 * What one vCenter has: its objects and their properties, kept up to date by
 * updates, and made into facts about VMs.
 *
 * In: updates.  Out: facts to merge; which VMs want to be asked about.
 * Runs in: sluice-context. */
#ifndef SLUICE_VSPHERE_MODEL_H
#define SLUICE_VSPHERE_MODEL_H 1

#include "merge.h"
#include "openvswitch/dynamic-string.h"
#include "vsphere-update.h"

enum {
    VSPHERE_MAX_OBJECTS = 131072,
    VSPHERE_MAX_FOLDERS = 32,   /* In one another. */
    VSPHERE_MAX_BYTES = 512 * 1024 * 1024, /* Of all values of a vCenter. */
};

struct vsphere_model;

/* 'max_bytes' is VSPHERE_MAX_BYTES where nobody tests that. */
struct vsphere_model *vsphere_model_create(size_t max_bytes);
void vsphere_model_destroy(struct vsphere_model *);

/* Applies 'u', whose values it may take.  'now_ns' is the Unix epoch's.
 * Returns null; or a malloc()ed sentence, without its full stop, if that was
 * too much, of which the model may have a part then. */
char *vsphere_model_apply(struct vsphere_model *, struct vsphere_update *u,
                         uint64_t now_ns);

/* Takes from 'old' what is asked for or polled, of the objects that are the
 * same: 'm' was made anew from what is pushed.  All VMs are to be asked about
 * again. */
void vsphere_model_inherit(struct vsphere_model *m,
                           const struct vsphere_model *old);

/* Appends <objectSet> elements for up to 'max' VMs that are new or were
 * reconfigured since they were asked about, and takes it that they are now.
 * Returns how many there are. */
size_t vsphere_model_take_unasked(struct vsphere_model *, size_t max,
                                  struct ds *);

/* Appends <objectSet> elements for up to 'max' objects that changed in part,
 * so that all that is pushed of them is to be read again.  Returns how many
 * there are. */
size_t vsphere_model_take_partial(struct vsphere_model *, size_t max,
                                  struct ds *);

/* The two functions above ask; this says that the answers are there, all of
 * them. */
void vsphere_model_note_answer(struct vsphere_model *);

/* This says that there will be none: has those objects be asked about again
 * for which there was no answer yet, and VMs of which no devices are known. */
void vsphere_model_ask_again(struct vsphere_model *);

/* Appends <objectSet> elements for up to 'max' VMs and hosts whose
 * measurements were not taken in this round yet.  Returns how many there are;
 * none: the round is over, and the next one begins. */
size_t vsphere_model_take_unpolled(struct vsphere_model *, size_t max,
                                   struct ds *);

/* The same for averages, of hosts and of VMs that run: appends <querySpec>
 * elements that name them, and have 'spec' behind that. */
size_t vsphere_model_take_unaveraged(struct vsphere_model *, size_t max,
                                     const char *spec, struct ds *);

size_t vsphere_model_n_vms(const struct vsphere_model *);
size_t vsphere_model_n_missing(const struct vsphere_model *);

/* Adds what is known about each VM; 'tags' may be null. */
struct vsphere_tags;
void vsphere_model_put(const struct vsphere_model *,
                       const struct vsphere_tags *tags, struct merge *);

#endif /* proxy-vm/context/vsphere-model.h */
