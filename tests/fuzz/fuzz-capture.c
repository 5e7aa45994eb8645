/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the reader of captures (sluice-intake --pcap), libpcap's part of it,
 * too: each packet that comes out can be read to its last byte. */
#include "sluice-config.h"      /* For memfd_create(). */

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "s1-receive.h"
#include "tlv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_packet(struct record *rec, void *n_)
{
    uint64_t *n = n_;

    if (!rec->packet.size) {
        abort();
    }
    /* AddressSanitizer sees to it that every byte is there. */
    uint8_t *copy = malloc(rec->packet.size);
    memcpy(copy, rec->packet.data, rec->packet.size);
    free(copy);
    ++*n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[32];
    uint64_t n = 0, n_skipped = UINT64_MAX;

    if (fd < 0) {
        fd = memfd_create("fuzz-capture", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t) size) {
        abort();
    }
    char *sentence = receive_pcap(path, SLUICE_TLV_UDP_PORT, read_packet, &n,
                                  &n_skipped);
    if (!sentence && n_skipped == UINT64_MAX) {
        abort();
    }
    free(sentence);
    return 0;
}
