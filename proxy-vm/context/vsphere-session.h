/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps up with one vCenter: logs in once, has a filter made for everything
 * that matters, and is told of changes from then on; asks, beside that, for
 * what is too large or too lively to be told.
 *
 *     content ─► login ─► view ─► filter ─► wait ─┐
 *        ▲                                 ▲──────┘ for each answer
 *        └── logout ◄── back-off ◄── whatever went wrong, anywhere
 *
 * Two calls are under way at most: the one above, and one that retrieves.
 * Whatever goes wrong, what is known stays until a whole new inventory is
 * there.
 *
 * In: replies, nothing in them trusted.  Out: a vsphere_model.
 * Runs in: sluice-context. */
#ifndef SLUICE_VSPHERE_SESSION_H
#define SLUICE_VSPHERE_SESSION_H 1

#include "http-client.h"
#include "vsphere-model.h"

struct vsphere_options {
    const char *name;           /* For sentences. */
    const char *credentials_file; /* Two lines: user and password. */
    unsigned int poll_ms;       /* Between measurements; 0: none. */
    unsigned int average_ms;    /* Between averages; 0: none. */
    struct http_options http;
};

struct vsphere_session;

/* 'options' are copied. */
struct vsphere_session *vsphere_session_create(const struct vsphere_options *);

/* Logs out, too, and waits for that for half a second at most. */
void vsphere_session_destroy(struct vsphere_session *);

/* Returns true if the model has something else to say than before. */
bool vsphere_session_run(struct vsphere_session *);
void vsphere_session_wait(struct vsphere_session *);

/* Ends a back-off. */
void vsphere_session_hurry(struct vsphere_session *);

/* Returns what is wrong: a sentence that is the session's, or null. */
const char *vsphere_session_problem(const struct vsphere_session *);

/* Returns time_msec() of when the model was known to be whole and right, or 0
 * if it never was. */
long long int vsphere_session_heard_at(const struct vsphere_session *);

const struct vsphere_model *
vsphere_session_model(const struct vsphere_session *);

/* Says for people how it goes: logins, answers... */
void vsphere_session_put_status(const struct vsphere_session *, struct ds *);

#endif /* proxy-vm/context/vsphere-session.h */
