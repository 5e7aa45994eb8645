/* SPDX-License-Identifier: Apache-2.0
 *
 * Shows the answers of sluiced to programs.
 *
 * Runs in: sluicectl. */
#ifndef SLUICE_RENDER_JSON_H
#define SLUICE_RENDER_JSON_H 1

#include "control.pb-c.h"

struct ds;

/* Appends the answer to the verb 'name' as a JSON object, and a line feed: the
 * error, or the fields of 'status', or the list that is called as the verb is.
 * Keys are those of control.proto. */
void render_json(const Sluice__Response *, const char *name, struct ds *out);

/* From now on an object is one line, for who reads one after the other. */
void render_json_in_lines(void);

/* A UUID (16 bytes), a MAC address (6 bytes) or other bytes as people write
 * them, malloc()ed; "" if there are none. */
char *format_id(ProtobufCBinaryData);

#endif /* proxy-vm/ctl/render-json.h */
