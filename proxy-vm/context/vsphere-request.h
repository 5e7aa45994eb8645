/* SPDX-License-Identifier: Apache-2.0
 *
 * The SOAP requests that are made of vCenter.  Each function returns a
 * malloc()ed request.
 *
 * Runs in: sluice-context. */
#ifndef SLUICE_VSPHERE_REQUEST_H
#define SLUICE_VSPHERE_REQUEST_H 1

#include "vsphere-update.h"

/* The objects of a vCenter that requests name: their ids. */
struct vsphere_service {
    char *root_folder;
    char *property_collector;
    char *view_manager;
    char *session_manager;
    char *custom_fields;        /* Null: there are none. */
    char *performance;          /* Likewise. */
    char *view;                 /* Once it is made. */
};

/* Returns the id in the child 'name' of an element of a reply, malloc()ed, or
 * null if there is none or it can't stand in a request. */
char *vsphere_request_id(const xmlNode *parent, const char *name);

char *vsphere_request_content(void);

/* Holds the password: overwrite it before you free it. */
char *vsphere_request_login(const struct vsphere_service *, const char *user,
                            const char *password);
char *vsphere_request_logout(const struct vsphere_service *);
char *vsphere_request_view(const struct vsphere_service *);

/* A filter for all that is pushed. */
char *vsphere_request_filter(const struct vsphere_service *);

/* Waits for up to 'max_seconds' for what changed since 'version', "" at
 * first. */
char *vsphere_request_wait(const struct vsphere_service *,
                           const char *version, unsigned int max_seconds,
                           unsigned int max_objects);

/* Reads the properties of the kind 'how' of the objects in 'object_set',
 * elements of XML. */
char *vsphere_request_retrieve(const struct vsphere_service *,
                               enum vsphere_how how, const char *object_set);
char *vsphere_request_continue(const struct vsphere_service *,
                               const char *token);

/* Asks which counters PerformanceManager has; for the 'specs', elements of
 * XML, what they say. */
char *vsphere_request_counters(const struct vsphere_service *);
char *vsphere_request_averages(const struct vsphere_service *,
                               const char *specs);

#endif /* proxy-vm/context/vsphere-request.h */
