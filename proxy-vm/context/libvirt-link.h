/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps up with one libvirt, by way of a process of the program
 * sluice-libvirt.
 *
 * libvirt's calls wait: for an answer, for a name, for ssh; and they have no
 * deadline, nor do its keep-alives end a call that is under way.  In a thread
 * of ours one that never returns could not be ended.  So they are made by a
 * process of its own, which has one connection, tells what it learns as
 * reports (proto/libvirt.proto) in a pipe, and ends when the connection
 * breaks.  If it says nothing for too long it is killed.  Either way another
 * one is started, after a while that grows with each failure.  What is known
 * stays.
 *
 * Runs in: sluice-context. */
#ifndef SLUICE_LIBVIRT_LINK_H
#define SLUICE_LIBVIRT_LINK_H 1

#include <stdbool.h>

struct ds;
struct libvirt_model;

enum {
    LIBVIRT_MAX_FRAME = 64 * 1024, /* Bytes of a report. */
    LIBVIRT_STALL_MS = 30 * 1000,
};

struct libvirt_options {
    const char *name;           /* For people: "libvirt:NAME". */
    const char *program;        /* Null: sluice-libvirt, from where it is. */
    const char *uri;
    unsigned int poll_ms;       /* Between two readings of use. */
    unsigned int stall_ms;      /* Silence after which it is killed. */
};

struct libvirt_link;

/* Strings of 'options' are borrowed until this returns. */
struct libvirt_link *libvirt_link_create(const struct libvirt_options *);

/* Ends the process, too. */
void libvirt_link_destroy(struct libvirt_link *);

/* Does what is due, without waiting.  Returns true if the model changed. */
bool libvirt_link_run(struct libvirt_link *);
void libvirt_link_wait(struct libvirt_link *);

/* Ends a wait before another process is started, or has that which runs ask
 * for everything anew. */
void libvirt_link_hurry(struct libvirt_link *);

/* What is wrong: a sentence that is the link's, or null. */
const char *libvirt_link_problem(const struct libvirt_link *);

/* time_msec() of when what is known was known to be right; 0: never. */
long long int libvirt_link_heard_at(const struct libvirt_link *);

const struct libvirt_model *libvirt_link_model(const struct libvirt_link *);
void libvirt_link_put_status(const struct libvirt_link *, struct ds *);

#endif /* proxy-vm/context/libvirt-link.h */
