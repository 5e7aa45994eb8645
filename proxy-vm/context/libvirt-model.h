/* SPDX-License-Identifier: Apache-2.0
 *
 * What one libvirt has: its domains, kept up to date by reports, and made into
 * facts about VMs.
 *
 * In: reports, checked.  Out: facts to merge.
 * Runs in: sluice-context. */
#ifndef SLUICE_LIBVIRT_MODEL_H
#define SLUICE_LIBVIRT_MODEL_H 1

#include "libvirt.pb-c.h"
#include "merge.h"

enum {
    LIBVIRT_MAX_DOMAINS = 16384, /* As many as libvirt's protocol can list. */
    LIBVIRT_MAX_BYTES = 64 * 1024 * 1024, /* Of all names and values. */
};

struct libvirt_model;

/* 'max_bytes' is LIBVIRT_MAX_BYTES where nobody tests that. */
struct libvirt_model *libvirt_model_create(size_t max_bytes);
void libvirt_model_destroy(struct libvirt_model *);

/* Applies a report.  'now_ns' is the Unix epoch's.  Returns null; or a
 * malloc()ed sentence, without its full stop, if it is none: what the model
 * has of an inventory that is under way is worth nothing then. */
char *libvirt_model_apply(struct libvirt_model *,
                          const Sluice__LibvirtReport *, uint64_t now_ns);

/* Gives up an inventory that is under way. */
void libvirt_model_abandon(struct libvirt_model *);

/* Whether all that the model has is what libvirt said, and no inventory is
 * under way. */
bool libvirt_model_is_whole(const struct libvirt_model *);

size_t libvirt_model_n_domains(const struct libvirt_model *);

/* How many domains could not be read, and why one of them could not: a string
 * that is the model's, or null. */
size_t libvirt_model_n_unread(const struct libvirt_model *,
                              const char **ret_why);

/* Adds what is known about each domain. */
void libvirt_model_put(const struct libvirt_model *, struct merge *);

#endif /* proxy-vm/context/libvirt-model.h */
