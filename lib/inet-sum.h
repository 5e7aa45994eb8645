/* SPDX-License-Identifier: Apache-2.0
 *
 * The Internet checksum (RFC 1071), in the host's byte order: the sum of what
 * it covers, with the checksum itself, folds to ffff where that is right. */
#ifndef SLUICE_INET_SUM_H
#define SLUICE_INET_SUM_H 1

#include "slice.h"

/* Adds up 'bytes', without folding. */
static inline uint64_t
inet_sum(struct slice bytes)
{
    uint64_t sum = 0;
    size_t i = 0;

    for (; i + 4 <= bytes.size; i += 4) {
        uint32_t word;
        memcpy(&word, &bytes.data[i], 4);
        sum += word;
    }
    if (i < bytes.size) {
        uint8_t last[4] = { 0 };
        uint32_t word;
        memcpy(last, &bytes.data[i], bytes.size - i);
        memcpy(&word, last, 4);
        sum += word;
    }
    return sum;
}

static inline uint16_t
inet_sum_fold(uint64_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* The sum of the pseudo-header before 'size' bytes of 'protocol'.  The bytes
 * ffff in front of an IPv4 address, written as ::ffff:a.b.c.d, add nothing. */
static inline uint64_t
inet_sum_pseudo(const uint8_t src_ip[16], const uint8_t dst_ip[16],
                size_t size, uint8_t protocol)
{
    const uint8_t rest[8] = {
        size >> 24, size >> 16, size >> 8, size, 0, 0, 0, protocol,
    };

    return (inet_sum(slice_of(rest, sizeof rest))
            + inet_sum(slice_of(src_ip, 16)) + inet_sum(slice_of(dst_ip, 16)));
}

#endif /* lib/inet-sum.h */
