/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads a SOAP reply piece by piece, nothing in it trusted.
 *
 * Elements of one name, those that repeat without end, are handed over one by
 * one and forgotten, so that memory does not grow with the reply.  The rest is
 * kept as a tree.
 *
 * A document type, with it every entity but XML's own five, ends the reading;
 * so does what is too deep, too large or too much.  Nothing is ever fetched.
 *
 * Runs in: sluice-context, sluice-libvirt. */
#ifndef SLUICE_SOAP_REPLY_H
#define SLUICE_SOAP_REPLY_H 1

#include <libxml/tree.h>

#include "slice.h"

enum {
    SOAP_MAX_DEPTH = 64,        /* Elements in one another. */
    SOAP_MAX_NODES = 200000,    /* In memory at a time. */
    SOAP_MAX_TREE = 16 * 1024 * 1024, /* Bytes between two elements that are
                                       * handed over. */
    SOAP_MAX_TAG = 16 * 1024,   /* Bytes of a tag, roughly; of a comment or a
                                 * CDATA section, too. */
    SOAP_MAX_NAMESPACES = 256,  /* Declared by elements that are open. */
};

struct soap_reply;

/* Takes an element, which is gone when this returns.  Returns null, or a
 * malloc()ed sentence, without its full stop, which ends the reading. */
typedef char *soap_element_cb(const xmlNode *element, void *aux);

/* Makes a reader of a reply of at most 'max_size' bytes.  'take' gets each
 * element of the local name 'name' that is within no other such; both may be
 * null. */
struct soap_reply *soap_reply_create(size_t max_size, const char *name,
                                     soap_element_cb *take, void *aux);
void soap_reply_destroy(struct soap_reply *);

/* Reads on.  Returns false if the reply is refused, then or earlier. */
bool soap_reply_feed(struct soap_reply *, struct slice piece);

/* Says that there is no more.  Returns true if the reply was whole. */
bool soap_reply_finish(struct soap_reply *);

/* The same of a document that is no SOAP reply: returns its root element, or
 * null if it is refused. */
const xmlNode *soap_reply_finish_document(struct soap_reply *);

/* Why the reply was refused: a sentence, without its full stop, that belongs
 * to the reply; or null. */
const char *soap_reply_problem(const struct soap_reply *);

/* Returns the first element of the Body of a whole reply, or null. */
const xmlNode *soap_reply_body(const struct soap_reply *);

/* If the body is a fault, returns the name of its detail ("InvalidLogin"), or
 * "Fault" if it has none, and its text in '*ret_text': both malloc()ed and
 * printable.  Else returns null. */
char *soap_reply_fault(const struct soap_reply *, char **ret_text);

/* Walking trees. */

/* Whether the element's local name is 'name'. */
bool soap_is(const xmlNode *, const char *name);

/* Returns the first child element of 'parent' of that local name, or null;
 * 'parent' may be null. */
const xmlNode *soap_child(const xmlNode *parent, const char *name);

/* Returns the next element with the same local name behind 'node'. */
const xmlNode *soap_next(const xmlNode *node);

/* Returns the first child element, or null. */
const xmlNode *soap_first(const xmlNode *parent);

/* Returns the text within 'node', malloc()ed: at most 'max' bytes of it,
 * without the null byte.  'node' may be null: "". */
char *soap_text(const xmlNode *node, size_t max);

/* The value of an attribute of that local name, malloc()ed, at most 'max'
 * bytes, or null. */
char *soap_attribute(const xmlNode *, const char *name, size_t max);

#endif /* proxy-vm/context/soap-reply.h */
