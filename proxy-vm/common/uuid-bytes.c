/* SPDX-License-Identifier: Apache-2.0
 *
 * See uuid-bytes.h. */
#include <config.h>

#include "uuid-bytes.h"

#include <string.h>

#include "util.h"
#include "uuid.h"

bool
uuid_bytes_parse(const char *s, uint8_t ret[UUID_BYTES])
{
    struct uuid uuid;

    if (!uuid_from_string(&uuid, s)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(uuid.parts); i++) {
        uuid.parts[i] = htonl(uuid.parts[i]);
    }
    memcpy(ret, &uuid, UUID_BYTES);
    return true;
}

char *
uuid_bytes_format(const uint8_t bytes[UUID_BYTES])
{
    struct uuid uuid;

    memcpy(&uuid, bytes, sizeof uuid);
    for (size_t i = 0; i < ARRAY_SIZE(uuid.parts); i++) {
        uuid.parts[i] = ntohl(uuid.parts[i]);
    }
    return xasprintf(UUID_FMT, UUID_ARGS(&uuid));
}
