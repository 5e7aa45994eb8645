/* SPDX-License-Identifier: Apache-2.0
 *
 * The tags of one vCenter: each has a name and is of a category, and hangs on
 * objects.  What is here is made anew at each reading, in the order of the
 * functions.
 *
 * In: replies of vCenter's REST interface, JSON, nothing in them trusted.
 * Out: facts.
 * Runs in: sluice-context. */
#ifndef SLUICE_VSPHERE_TAGS_MODEL_H
#define SLUICE_VSPHERE_TAGS_MODEL_H 1

#include "openvswitch/dynamic-string.h"
#include "slice.h"

enum {
    TAGS_MAX_TAGS = 1024,       /* That a vCenter has. */
    TAGS_MAX_CATEGORIES = 128,
    TAGS_MAX_HOLDERS = 131072,  /* Objects with tags. */
    TAGS_MAX_OF_ONE = 32,       /* Tags of one object. */
    TAGS_MAX_KEYS = 16,         /* Categories of one object. */
    TAGS_MAX_NAME = 128,        /* Bytes. */
    TAGS_MAX_CATEGORY_NAME = 28, /* Bytes: a key is "tag-" and it. */
    TAGS_MAX_VALUE = 512,       /* Bytes of all tags of a category. */
    TAGS_AT_ONCE = 8,           /* Of which it is asked who has them. */
    TAGS_MAX_REPLY = 8 * 1024 * 1024,
};

struct tags_model;

struct tags_model *tags_model_create(void);
void tags_model_destroy(struct tags_model *);

/* Take a reply: which tags there are; what tag 'i' is; what category 'i' is;
 * who has some of the tags.  Return null, or a malloc()ed sentence without its
 * full stop: then the model is worth nothing. */
char *tags_model_take_list(struct tags_model *, struct slice reply);
char *tags_model_take_tag(struct tags_model *, size_t i, struct slice reply);
char *tags_model_take_category(struct tags_model *, size_t i,
                               struct slice reply);
char *tags_model_take_holders(struct tags_model *, struct slice reply);

size_t tags_model_n_tags(const struct tags_model *);
size_t tags_model_n_categories(const struct tags_model *);
size_t tags_model_n_holders(const struct tags_model *);

/* Their ids, which can stand in a URL and in JSON as they are. */
const char *tags_model_tag_id(const struct tags_model *, size_t i);
const char *tags_model_category_id(const struct tags_model *, size_t i);

/* Calls 'cb' for each category of which the object 'ref' has tags, up to
 * TAGS_MAX_KEYS: 'key' is an SD-NAME, 'value' the names of the tags; both are
 * borrowed until it returns. */
void tags_model_each_of(const struct tags_model *, const char *ref,
                        void (*cb)(const char *key, const char *value,
                                   void *aux), void *aux);

#endif /* proxy-vm/context/vsphere-tags-model.h */
