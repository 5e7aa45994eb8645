/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A RELP session with a tenant's server, by librelp, and which of its messages
 * the server has acknowledged.
 *
 * There is one in the process.  Whatever goes wrong ends the program, with a
 * sentence for sluice-ship: see adapter-end.h.
 *
 * In: options; messages.
 * Out: messages at the server; in the marks, what it acknowledged.
 * Runs in: sluice-relp. */
#ifndef SLUICE_RELP_SESSION_H
#define SLUICE_RELP_SESSION_H 1

#include "adapter-marks.h"
#include "slice.h"

struct relp_options {
    char *server;               /* As given, for sentences. */
    char *host, *port;
    bool tls;
    char *ca_file, *certificate_file, *key_file;
    char *server_name;          /* That the certificate must be of. */
    unsigned int timeout_ms;    /* For each phase. */
};

/* Connects, to one address of the server's after the other, and opens the
 * session.  Borrows both arguments for as long as the program runs. */
void relp_session_open(const struct relp_options *, struct adapter_marks *);

/* The socket, readable when there is something to receive. */
int relp_session_fd(void);

/* True if nothing may be sent until more was acknowledged. */
bool relp_session_is_full(void);

/* Sends a message; relp_session_is_full() is false. */
void relp_session_send(struct slice message);

/* Messages sent between these two may share packets. */
void relp_session_begin_burst(void);
void relp_session_end_burst(void);

/* Takes what the server has said.  Returns true if it acknowledged anything
 * since the last call. */
bool relp_session_receive(void);

/* Milliseconds since the server acknowledged something, or was first asked
 * to; -1 if nothing is on its way. */
int64_t relp_session_silence_ms(void);

/* Closes the session in order. */
void relp_session_close(void);

#endif /* proxy-vm/relp/relp-session.h */
