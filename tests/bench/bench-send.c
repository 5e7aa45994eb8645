/* SPDX-License-Identifier: Apache-2.0
 *
 * Sends a bounded, paced load over loopback: GENEVE as the switch sends it, or
 * plain syslog for a peer that knows a VM by its source address; or writes
 * the same packets to a capture; or puts them into shared memory, as a switch
 * of DPDK does, or plain ones, as a guest of such a switch.  Ends by itself and
 * prints what it sent.
 *
 * In: a corpus and a population.
 * Out: UDP datagrams, frames or a pcap file; on standard output one JSON
 * object.  With memif a line before says when it is connected; it goes on when
 * it is told to by a line on standard input.
 * Runs in: bench.py, which starts it. */
#include "sluice-config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "memif-peer.h"
#include "outer.h"
#include "tlv.h"
#include "traffic.h"

enum {
    BURST = 32,                 /* Datagrams per sendmmsg(). */
    CONNECT_S = 30,             /* For a client of memif to come: a switch
                                 * tries each 5 s. */
    SWITCH_RINGS = 16,          /* More than it has. */
    DRAIN_S = 5,                /* For it to take what it was sent. */
};

struct send_options {
    struct traffic_options traffic;
    bool plain;                 /* Plain syslog, not GENEVE. */
    uint16_t port;              /* On 127.0.0.1. */
    double rate;                /* Datagrams per second. */
    uint64_t count;             /* Datagrams to send. */
    const char *pcap;           /* Write to this file instead. */
    const char *memif;          /* Be a memif server with this socket. */
};

struct send_result {
    uint64_t n_sent;
    uint64_t n_bytes;           /* Payload of the datagrams. */
    uint64_t n_line_bytes;      /* Of the lines in them. */
    uint64_t n_errors;          /* Refused by sendmmsg(), or for want of room
                                 * in the ring: not in 'n_sent'. */
    uint64_t start_ns;          /* Of the first, if it had to wait. */
    double worst_lag_s;         /* Behind the schedule, at worst. */
};

struct burst {
    struct mmsghdr messages[BURST];
    struct iovec iovs[BURST];
    uint8_t packets[BURST][TRAFFIC_MAX_PACKET];
    uint8_t macs[BURST][6];     /* Of the guests. */
    uint8_t control[BURST][CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct sockaddr_in to;
};

static uint64_t
clock_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static void
burst_init(struct burst *b, uint16_t port)
{
    memset(b, 0, sizeof *b);
    b->to.sin_family = AF_INET;
    b->to.sin_port = htons(port);
    b->to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; i < BURST; i++) {
        struct msghdr *h = &b->messages[i].msg_hdr;

        b->iovs[i].iov_base = b->packets[i];
        h->msg_name = &b->to;
        h->msg_namelen = sizeof b->to;
        h->msg_iov = &b->iovs[i];
        h->msg_iovlen = 1;
        h->msg_control = b->control[i];
        h->msg_controllen = sizeof b->control[i];

        struct cmsghdr *cmsg = CMSG_FIRSTHDR(h);
        cmsg->cmsg_level = IPPROTO_IP;
        cmsg->cmsg_type = IP_PKTINFO;
        cmsg->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
    }
}

/* Fills the first 'n' datagrams of 'b'. */
static void
burst_fill(struct burst *b, size_t n, const struct send_options *options,
           struct traffic *traffic, struct send_result *result)
{
    uint64_t now_ns = clock_ns(CLOCK_REALTIME);

    for (size_t i = 0; i < n; i++) {
        struct traffic_pick pick;
        struct in_pktinfo info = { .ipi_ifindex = 0 };

        traffic_next(traffic, &pick);
        memcpy(b->macs[i], pick.vm->mac, sizeof b->macs[i]);
        if (options->plain) {
            memcpy(b->packets[i], pick.line.data, pick.line.size);
            b->iovs[i].iov_len = pick.line.size;
            info.ipi_spec_dst = pick.vm->guest;
        } else {
            b->iovs[i].iov_len = traffic_put_geneve(traffic, &pick, now_ns,
                                                    b->packets[i]);
            info.ipi_spec_dst = pick.vm->vtep;
        }
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&b->messages[i].msg_hdr)), &info,
               sizeof info);
        result->n_line_bytes += pick.line.size;
    }
}

static void
burst_send(struct burst *b, size_t n, int fd, struct send_result *result)
{
    for (size_t i = 0; i < n; ) {
        int sent = sendmmsg(fd, b->messages + i, n - i, 0);

        if (sent <= 0) {
            if (errno != EINTR) {
                result->n_errors++;
                i++;
            }
            continue;
        }
        for (int j = 0; j < sent; j++) {
            result->n_bytes += b->iovs[i + j].iov_len;
        }
        result->n_sent += sent;
        i += sent;
    }
}

static void
map_ipv4(struct in_addr addr, uint8_t ret[16])
{
    memset(ret, 0, 10);
    memset(ret + 10, 0xff, 2);
    memcpy(ret + 12, &addr, sizeof addr);
}

/* Writes the frame of datagram 'i' of 'b', of its guest or its host, to
 * 'frame'.  Returns its size. */
static size_t
burst_frame(const struct burst *b, size_t i,
            const struct send_options *options, uint8_t *frame)
{
    struct outer_self host = { .port = options->port, .mac = { 2 } };
    size_t size = b->iovs[i].iov_len;
    uint8_t to_mac[6], to_ip[16];
    struct in_pktinfo info;

    memcpy(&info, CMSG_DATA(CMSG_FIRSTHDR(&b->messages[i].msg_hdr)),
           sizeof info);
    if (options->plain) {
        memcpy(traffic_put_udp(frame, b->macs[i], info.ipi_spec_dst,
                               b->to.sin_addr, options->port, size),
               b->packets[i], size);
        return TRAFFIC_UDP_HEADERS + size;
    }
    map_ipv4(b->to.sin_addr, to_ip);
    outer_default_mac(to_ip, to_mac);
    map_ipv4(info.ipi_spec_dst, host.ip);
    return outer_write(&host, to_mac, to_ip, slice_of(b->packets[i], size),
                       frame);
}

/* Puts the first 'n' datagrams of 'b' into the ring. */
static void
burst_put(struct burst *b, size_t n, const struct send_options *options,
          struct memif_peer *peer, struct send_result *result)
{
    static uint8_t frame[OUTER_HEADERS_MAX + TRAFFIC_MAX_PACKET];

    for (size_t i = 0; i < n; i++) {
        size_t size = burst_frame(b, i, options, frame);

        if (memif_peer_send(peer, 0, slice_of(frame, size),
                            MEMIF_BUFFER_SIZE)) {
            result->n_bytes += b->iovs[i].iov_len;
            result->n_sent++;
        } else {
            result->n_errors++;
        }
    }
    memif_peer_interrupt(peer, 0);
}

/* Waits for a client. */
static int
open_memif(const char *path, unsigned int n_rings, struct memif_peer **ret)
{
    uint64_t end_ns = (clock_ns(CLOCK_MONOTONIC)
                       + CONNECT_S * UINT64_C(1000000000));
    struct memif_peer *peer = memif_peer_create(path, n_rings, n_rings);

    if (!peer) {
        return errno;
    }
    while (!memif_peer_run(peer) || !memif_peer_room(peer, 0)) {
        struct timespec moment = { .tv_nsec = 1000000 };

        if (clock_ns(CLOCK_MONOTONIC) > end_ns) {
            memif_peer_destroy(peer);
            return ETIMEDOUT;
        }
        nanosleep(&moment, NULL);
    }
    *ret = peer;
    return 0;
}

/* Waits until the client has taken all frames, so that 'room' is as it was. */
static void
drain_memif(const struct memif_peer *peer, uint16_t room)
{
    uint64_t end_ns = (clock_ns(CLOCK_MONOTONIC)
                       + DRAIN_S * UINT64_C(1000000000));

    while (memif_peer_room(peer, 0) < room
           && clock_ns(CLOCK_MONOTONIC) < end_ns) {
        struct timespec moment = { .tv_nsec = 1000000 };

        nanosleep(&moment, NULL);
    }
}

static int
send_all(const struct send_options *options, struct traffic *traffic,
         struct send_result *result)
{
    static struct burst burst;
    struct memif_peer *peer = NULL;
    uint16_t room = 0;
    int fd = -1;

    if (options->memif) {
        int error = open_memif(options->memif,
                               options->plain ? SWITCH_RINGS : 1, &peer);
        if (error) {
            return error;
        }
    } else {
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            return errno;
        }
    }
    if (peer) {
        /* What connecting costs is not to count. */
        puts("connected");
        fflush(stdout);
        if (getchar() == EOF) {
            memif_peer_destroy(peer);
            return ECANCELED;
        }
        room = memif_peer_room(peer, 0);
    }
    result->start_ns = clock_ns(CLOCK_MONOTONIC);
    burst_init(&burst, options->port);
    prctl(PR_SET_TIMERSLACK, 1);    /* Else pacing comes in 50 us steps. */

    double gap_ns = 1e9 / options->rate;
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    for (uint64_t i = 0; i < options->count; ) {
        size_t n = (options->count - i < BURST ? options->count - i : BURST);
        uint64_t due_ns = start_ns + (uint64_t) (i * gap_ns);
        uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

        if (now_ns < due_ns) {
            struct timespec due = { .tv_sec = due_ns / 1000000000,
                                    .tv_nsec = due_ns % 1000000000 };
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        } else if ((now_ns - due_ns) / 1e9 > result->worst_lag_s) {
            result->worst_lag_s = (now_ns - due_ns) / 1e9;
        }
        burst_fill(&burst, n, options, traffic, result);
        if (peer) {
            burst_put(&burst, n, options, peer, result);
        } else {
            burst_send(&burst, n, fd, result);
        }
        i += n;
    }
    if (peer && options->plain) {
        drain_memif(peer, room);
    }
    memif_peer_destroy(peer);
    if (fd >= 0) {
        close(fd);
    }
    return 0;
}

/* Writes a classic pcap file (magic 0xa1b2c3d4, link type Ethernet) in the
 * host's byte order, which is how readers tell it. */
static int
write_pcap(const struct send_options *options, struct traffic *traffic,
           struct send_result *result)
{
    static const uint8_t src_mac[6] = { 0x02, 0x5c, 0xff, 0, 0, 2 };
    static uint8_t packet[TRAFFIC_UDP_HEADERS + TRAFFIC_MAX_PACKET];
    /* Version 2.4 is two 16-bit fields. */
    const struct {
        uint32_t magic;
        uint16_t major, minor;
        uint32_t zone, accuracy, snaplen, link_type;
    } header = { 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1 };
    const struct in_addr dst = { .s_addr = htonl(INADDR_LOOPBACK) };

    FILE *f = fopen(options->pcap, "wb");
    if (!f) {
        return errno;
    }
    fwrite(&header, sizeof header, 1, f);
    for (uint64_t i = 0; i < options->count; i++) {
        /* A fixed clock: the file is the same each time. */
        uint64_t ns = (UINT64_C(1764547200) * 1000000000
                       + (uint64_t) (i * 1e9 / options->rate));
        struct traffic_pick pick;

        traffic_next(traffic, &pick);
        size_t size = traffic_put_geneve(traffic, &pick, ns,
                                         packet + TRAFFIC_UDP_HEADERS);
        traffic_put_udp(packet, src_mac, pick.vm->vtep, dst, options->port,
                        size);
        uint32_t record[4] = { ns / 1000000000, ns % 1000000000 / 1000,
                               TRAFFIC_UDP_HEADERS + size,
                               TRAFFIC_UDP_HEADERS + size };
        fwrite(record, sizeof record, 1, f);
        fwrite(packet, TRAFFIC_UDP_HEADERS + size, 1, f);
        result->n_sent++;
        result->n_bytes += size;
        result->n_line_bytes += pick.line.size;
    }
    bool failed = ferror(f);
    return fclose(f) || failed ? EIO : 0;
}

static void
usage(void)
{
    fputs("usage: bench-send --corpus FILE --population FILE --port N "
          "--count N --rate N\n"
          "         [--tenants N] [--vms N] [--seed N] [--plain] [--pcap "
          "FILE |\n          --memif SOCKET]\n", stderr);
    exit(EXIT_FAILURE);
}

static void
parse_options(int argc, char *argv[], struct send_options *o)
{
    static const struct option longopts[] = {
        { "corpus", required_argument, NULL, 'c' },
        { "population", required_argument, NULL, 'p' },
        { "tenants", required_argument, NULL, 't' },
        { "vms", required_argument, NULL, 'v' },
        { "seed", required_argument, NULL, 's' },
        { "port", required_argument, NULL, 'P' },
        { "count", required_argument, NULL, 'n' },
        { "rate", required_argument, NULL, 'r' },
        { "plain", no_argument, NULL, 'l' },
        { "pcap", required_argument, NULL, 'w' },
        { "memif", required_argument, NULL, 'm' },
        { NULL, 0, NULL, 0 },
    };

    memset(o, 0, sizeof *o);
    o->traffic.max_tenant = SLUICE_TLV_MAX_TENANT;
    o->traffic.max_vms = SIZE_MAX;
    o->traffic.seed = 1;
    for (;;) {
        int option = getopt_long(argc, argv, "", longopts, NULL);
        if (option == -1) {
            break;
        }
        unsigned long long n = optarg ? strtoull(optarg, NULL, 10) : 0;
        switch (option) {
        case 'c': o->traffic.corpus = optarg; break;
        case 'p': o->traffic.population = optarg; break;
        case 't': o->traffic.max_tenant = n; break;
        case 'v': o->traffic.max_vms = n; break;
        case 's': o->traffic.seed = n ? n : 1; break;
        case 'P': o->port = n; break;
        case 'n': o->count = n; break;
        case 'r': o->rate = n; break;
        case 'l': o->plain = true; break;
        case 'w': o->pcap = optarg; break;
        case 'm': o->memif = optarg; break;
        default: usage();
        }
    }
    if (!o->traffic.corpus || !o->traffic.population || !o->port || !o->count
        || o->rate < 1 || optind != argc) {
        usage();
    }
}

int
main(int argc, char *argv[])
{
    struct send_options options;
    struct send_result result = { .n_sent = 0 };
    struct traffic *traffic;

    parse_options(argc, argv, &options);
    /* The switch's epoch changes when its counters restart: so does ours. */
    options.traffic.epoch = options.pcap ? 1 : clock_ns(CLOCK_REALTIME) >> 24;
    char *error = traffic_create(&options.traffic, &traffic);
    if (error) {
        fprintf(stderr, "bench-send: %s\n", error);
        free(error);
        return EXIT_FAILURE;
    }

    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    int retval = (options.pcap
                  ? write_pcap(&options, traffic, &result)
                  : send_all(&options, traffic, &result));
    if (retval) {
        fprintf(stderr, "bench-send: %s\n", strerror(retval));
        traffic_destroy(traffic);
        return EXIT_FAILURE;
    }
    if (result.start_ns) {
        start_ns = result.start_ns;
    }
    double seconds = (clock_ns(CLOCK_MONOTONIC) - start_ns) / 1e9;
    struct rusage usage_;
    getrusage(RUSAGE_SELF, &usage_);
    printf("{\"sent\": %"PRIu64", \"bytes\": %"PRIu64", "
           "\"line_bytes\": %"PRIu64", \"errors\": %"PRIu64", "
           "\"vms\": %zu, \"seconds\": %.3f, \"worst_lag_s\": %.4f, "
           "\"cpu_s\": %.3f}\n",
           result.n_sent, result.n_bytes, result.n_line_bytes,
           result.n_errors, traffic_n_vms(traffic), seconds,
           result.worst_lag_s,
           (usage_.ru_utime.tv_sec + usage_.ru_stime.tv_sec
            + (usage_.ru_utime.tv_usec + usage_.ru_stime.tv_usec) / 1e6));
    traffic_destroy(traffic);
    return EXIT_SUCCESS;
}
