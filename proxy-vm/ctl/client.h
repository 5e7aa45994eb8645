/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks sluiced over its control socket.
 *
 * Runs in: sluicectl, sluice-metrics. */
#ifndef SLUICE_CLIENT_H
#define SLUICE_CLIENT_H 1

#include "control.pb-c.h"

/* From now on each step of sluiced may take so long; 15 s at first. */
void client_set_patience(unsigned int seconds);

/* Sends 'request' to the sluiced at 'path' and waits for the whole answer.
 * Returns null and '*ret', to be freed with control_free_response(), or a
 * malloc()ed sentence. */
char *client_request(const char *path, const Sluice__Request *request,
                     Sluice__Response **ret);

/* The same for a request that is nothing but its verb. */
char *client_ask(const char *path, Sluice__Verb verb, Sluice__Response **ret);

#endif /* proxy-vm/ctl/client.h */
