/* SPDX-License-Identifier: Apache-2.0
 *
 * The load of the benchmark: lines of a corpus, each from one of many VMs,
 * packed as the switch would pack them.  The same seed makes the same
 * sequence of lines and VMs, whichever way they are packed.
 *
 * In: a corpus (corpus.py) and a population (population.py).
 * Out: GENEVE packets with META, VM, TENANT, TIME, SEQUENCE and ACTIVITY.
 * Runs in: bench-send, bench-stages. */
#ifndef SLUICE_BENCH_TRAFFIC_H
#define SLUICE_BENCH_TRAFFIC_H 1

#include <netinet/in.h>

#include "slice.h"

enum {
    TRAFFIC_MAX_LINE = 2048,    /* A longer line of the corpus is refused. */
    TRAFFIC_MAX_PACKET = TRAFFIC_MAX_LINE + 512,
    TRAFFIC_UDP_HEADERS = 14 + 20 + 8,  /* Ethernet, IPv4, UDP. */
};

struct traffic_vm {
    uint8_t uuid[16];
    uint8_t mac[6];
    uint32_t tenant;
    uint32_t ofp_port;
    struct in_addr guest;       /* Its own address, in 127.0.0.0/8 so that
                                 * plain syslog can be sent from it too. */
    struct in_addr vtep;        /* Of the host it runs on. */
    uint32_t sequence;          /* Of its latest packet. */
};

struct traffic_options {
    const char *corpus;         /* One message a line. */
    const char *population;     /* One VM a line. */
    uint32_t max_tenant;        /* Only VMs of tenants up to this one. */
    size_t max_vms;             /* And only so many of them. */
    uint64_t seed;              /* Not 0. */
    uint32_t epoch;             /* Of the SEQUENCE options. */
};

struct traffic;

/* Reads both files.  On success returns null and '*ret', which the caller
 * owns; else a malloc()ed sentence that says what was wrong. */
char *traffic_create(const struct traffic_options *, struct traffic **ret);
void traffic_destroy(struct traffic *);

size_t traffic_n_vms(const struct traffic *);

/* A line and who says it.  Both borrowed from the traffic. */
struct traffic_pick {
    struct traffic_vm *vm;
    struct slice line;
    uint8_t activity[16];
};

/* Picks the next line. */
void traffic_next(struct traffic *, struct traffic_pick *ret);

/* Writes 'pick' as the payload of a GENEVE datagram into 'packet', which has
 * room for TRAFFIC_MAX_PACKET bytes, and counts it in the VM's sequence.
 * Returns its size. */
size_t traffic_put_geneve(const struct traffic *, const struct traffic_pick *,
                          uint64_t time_ns, uint8_t *packet);

/* Writes the Ethernet, IPv4 and UDP headers of a datagram with 'size' bytes of
 * payload to 'p': TRAFFIC_UDP_HEADERS bytes.  Returns what is behind them. */
uint8_t *traffic_put_udp(uint8_t *p, const uint8_t src_mac[6],
                         struct in_addr src, struct in_addr dst,
                         uint16_t dst_port, size_t size);

#endif /* tests/bench/traffic.h */
