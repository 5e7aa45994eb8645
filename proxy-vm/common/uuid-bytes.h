/* SPDX-License-Identifier: Apache-2.0
 *
 * UUIDs as packets, messages and snapshots have them: 16 bytes in network
 * order (RFC 9562 section 4), where struct uuid of Open vSwitch has words of
 * the host's.
 *
 * Runs in: all programs of the proxy. */
#ifndef SLUICE_UUID_BYTES_H
#define SLUICE_UUID_BYTES_H 1

#include <stdbool.h>
#include <stdint.h>

enum { UUID_BYTES = 16 };

/* Reads the text form, nothing before or behind it.  Returns false, and leaves
 * 'ret' as it is, if 's' is none. */
bool uuid_bytes_parse(const char *s, uint8_t ret[UUID_BYTES]);

/* Returns the text form, which the caller owns. */
char *uuid_bytes_format(const uint8_t uuid[UUID_BYTES]);

#endif /* proxy-vm/common/uuid-bytes.h */
