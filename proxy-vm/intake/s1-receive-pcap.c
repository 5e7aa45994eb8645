/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 1, receive, from a capture file: for tests and for looking into what
 * happened.  See s1-receive.h. */
#include "sluice-config.h"      /* For asprintf(). */

#include "s1-receive.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

/* The outer packet is Ethernet, IP and UDP as the inner one is, so the same
 * parser reads it. */
char *
receive_pcap(const char *path, uint16_t port,
             void (*cb)(struct record *, void *aux), void *aux,
             uint64_t *ret_n_skipped)
{
    char error[PCAP_ERRBUF_SIZE];
    char *sentence = NULL;
    pcap_t *pcap = pcap_open_offline_with_tstamp_precision(
        path, PCAP_TSTAMP_PRECISION_NANO, error);
    if (!pcap) {
        if (asprintf(&sentence, "can't read the capture %s: %s", path,
                     error) < 0) {
            abort();
        }
        return sentence;
    }
    if (pcap_datalink(pcap) != DLT_EN10MB) {
        if (asprintf(&sentence, "the capture %s is not of Ethernet frames; "
                     "capture on one interface, not on \"any\"", path) < 0) {
            abort();
        }
        goto out;
    }

    uint64_t n_skipped = 0;
    struct pcap_pkthdr *header;
    const u_char *data;
    int result;
    while ((result = pcap_next_ex(pcap, &header, &data)) == 1) {
        struct record rec = { .source = NULL };
        struct inner_packet outer;

        if (inner_parse(slice_of(data, header->caplen), &outer)
            || outer.kind != INNER_UDP || outer.dst_port != port) {
            n_skipped++;
            continue;
        }
        rec.packet = outer.payload;
        memcpy(rec.vtep, outer.src_ip, sizeof rec.vtep);
        rec.received_ns = header->ts.tv_sec * UINT64_C(1000000000)
                          + header->ts.tv_usec;
        cb(&rec, aux);
    }
    if (result == PCAP_ERROR
        && asprintf(&sentence, "the capture %s is damaged: %s", path,
                    pcap_geterr(pcap)) < 0) {
        abort();
    }
    *ret_n_skipped = n_skipped;

out:
    pcap_close(pcap);
    return sentence;
}
