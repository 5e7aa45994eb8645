/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines from VMs, see traffic.h. */
#include "sluice-config.h"

#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tlv.h"

struct traffic {
    uint64_t random;            /* State of the generator (xorshift64). */
    uint32_t epoch;
    struct slice *lines;        /* Each malloc()ed. */
    size_t n_lines;
    struct traffic_vm *vms;
    size_t n_vms;
};

/* Returns an array with room for one element of 'size' bytes more than 'n',
 * which doubles as it grows.  Without memory a benchmark has no figures. */
static void *
grow(void *array, size_t n, size_t size)
{
    if (n & (n - 1)) {
        return array;
    }
    array = realloc(array, (n ? n * 2 : 1) * size);
    if (!array) {
        abort();
    }
    return array;
}

/* Returns what is wrong with 'path', or with its line 'line' if not 0. */
static char *
complain(const char *path, size_t line, const char *what)
{
    char *sentence = NULL;
    int n = (line ? asprintf(&sentence, "%s:%zu: %s", path, line, what)
             : asprintf(&sentence, "%s: %s", path, what));

    if (n < 0) {
        abort();
    }
    return sentence;
}

static char *
read_corpus(struct traffic *t, const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f) {
        return complain(path, 0, strerror(errno));
    }

    char *error = NULL;
    char *text = NULL;
    size_t room = 0;
    ssize_t n;
    while ((n = getline(&text, &room, f)) > 0) {
        n -= text[n - 1] == '\n';
        if (n < 1 || n > TRAFFIC_MAX_LINE) {
            error = complain(path, t->n_lines + 1,
                             "a line has 1 to 2048 bytes");
            goto out;
        }

        uint8_t *copy = malloc(n);
        if (!copy) {
            abort();
        }
        memcpy(copy, text, n);
        t->lines = grow(t->lines, t->n_lines, sizeof *t->lines);
        t->lines[t->n_lines++] = slice_of(copy, n);
    }
    if (!t->n_lines) {
        error = complain(path, 0, "the corpus is empty: make it by corpus.py");
    }

out:
    free(text);
    fclose(f);
    return error;
}

/* Reads 'size' bytes written as hexadecimal digits, with 'separator' (if not
 * null) allowed between them. */
static bool
parse_hex(const char *s, char separator, uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned int byte;

        if (*s == separator) {
            s++;
        }
        if (sscanf(s, "%2x", &byte) != 1) {
            return false;
        }
        bytes[i] = byte;
        s += 2;
    }
    return *s == '\0';
}

static bool
parse_vm(const char *text, struct traffic_vm *vm)
{
    char uuid[40], mac[20], guest[20], vtep[20];

    memset(vm, 0, sizeof *vm);
    return (sscanf(text, "%39s %19s %u %u %19s %19s", uuid, mac, &vm->tenant,
                   &vm->ofp_port, guest, vtep) == 6
            && vm->tenant && vm->tenant <= SLUICE_TLV_MAX_TENANT
            && parse_hex(uuid, '-', vm->uuid, sizeof vm->uuid)
            && parse_hex(mac, ':', vm->mac, sizeof vm->mac)
            && inet_pton(AF_INET, guest, &vm->guest) == 1
            && inet_pton(AF_INET, vtep, &vm->vtep) == 1);
}

static char *
read_population(struct traffic *t, const struct traffic_options *options)
{
    FILE *f = fopen(options->population, "r");
    if (!f) {
        return complain(options->population, 0, strerror(errno));
    }

    char *error = NULL;
    char text[256];
    for (size_t i = 1; t->n_vms < options->max_vms; i++) {
        struct traffic_vm vm;

        if (!fgets(text, sizeof text, f)) {
            break;
        }
        if (!parse_vm(text, &vm)) {
            error = complain(options->population, i,
                             "not a VM: make the file by population.py");
            goto out;
        }
        if (vm.tenant <= options->max_tenant) {
            t->vms = grow(t->vms, t->n_vms, sizeof *t->vms);
            t->vms[t->n_vms++] = vm;
        }
    }
    if (!t->n_vms) {
        error = complain(options->population, 0,
                         "no VM: make the file by population.py");
    }

out:
    fclose(f);
    return error;
}

char *
traffic_create(const struct traffic_options *options, struct traffic **ret)
{
    struct traffic *t = calloc(1, sizeof *t);
    if (!t) {
        abort();
    }
    t->random = options->seed;
    t->epoch = options->epoch;

    char *error = read_corpus(t, options->corpus);
    if (!error) {
        error = read_population(t, options);
    }
    if (error) {
        traffic_destroy(t);
        return error;
    }
    *ret = t;
    return NULL;
}

void
traffic_destroy(struct traffic *t)
{
    if (t) {
        for (size_t i = 0; i < t->n_lines; i++) {
            free((void *) t->lines[i].data);
        }
        free(t->lines);
        free(t->vms);
        free(t);
    }
}

size_t
traffic_n_vms(const struct traffic *t)
{
    return t->n_vms;
}

static uint64_t
next_random(struct traffic *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random;
}

void
traffic_next(struct traffic *t, struct traffic_pick *ret)
{
    uint64_t a = next_random(t);
    uint64_t b = next_random(t);

    ret->line = t->lines[(a >> 16) % t->n_lines];
    ret->vm = &t->vms[(b >> 16) % t->n_vms];
    memcpy(ret->activity, &a, sizeof a);
    memcpy(ret->activity + sizeof a, &b, sizeof b);
}

uint8_t *
traffic_put_udp(uint8_t *p, const uint8_t src_mac[6], struct in_addr src,
                struct in_addr dst, uint16_t dst_port, size_t size)
{
    static const uint8_t dst_mac[6] = { 0x02, 0x5c, 0xff, 0, 0, 1 };

    memcpy(p, dst_mac, sizeof dst_mac);
    memcpy(p + 6, src_mac, 6);
    p = sluice_tlv_put_be16(p + 12, 0x0800);

    /* IPv4 (RFC 791 section 3.1), its checksum last. */
    uint8_t *ip = p;
    p = sluice_tlv_put_be16(p, 0x4500);
    p = sluice_tlv_put_be16(p, 20 + 8 + size);
    p = sluice_tlv_put_be32(p, 0x00004000);
    p = sluice_tlv_put_be16(p, 64 << 8 | IPPROTO_UDP);
    p = sluice_tlv_put_be16(p, 0);
    memcpy(p, &src, 4);
    memcpy(p + 4, &dst, 4);
    p += 8;
    uint32_t sum = 0;
    for (const uint8_t *word = ip; word < p; word += 2) {
        sum += word[0] << 8 | word[1];
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sluice_tlv_put_be16(ip + 10, ~sum & 0xffff);

    p = sluice_tlv_put_be16(p, 40514);
    p = sluice_tlv_put_be16(p, dst_port);
    p = sluice_tlv_put_be16(p, 8 + size);
    return sluice_tlv_put_be16(p, 0);
}

size_t
traffic_put_geneve(const struct traffic *t, const struct traffic_pick *pick,
                   uint64_t time_ns, uint8_t *packet)
{
    struct traffic_vm *vm = pick->vm;
    struct sluice_tlv_constants constants = {
        .opt_class = SLUICE_TLV_CLASS,
        .has_vm = true,
        .ofp_port = vm->ofp_port,
    };
    memcpy(constants.vm, vm->uuid, sizeof constants.vm);
    struct sluice_tlv_stamp stamp = {
        .time_ns = time_ns,
        .epoch = t->epoch,
        .number = ++vm->sequence,
    };
    memcpy(stamp.activity, pick->activity, sizeof stamp.activity);

    /* Base header (RFC 8926 section 3.4), whose first byte is the options'
     * size in words of 4 bytes. */
    uint8_t *options = packet + SLUICE_TLV_BASE_SIZE;
    size_t size = sluice_tlv_encode(options, &constants);
    sluice_tlv_stamp(options + sluice_tlv_stamp_offset(&constants), &stamp);
    uint8_t *p = sluice_tlv_put_be16(packet, (size / 4) << 8);
    p = sluice_tlv_put_be16(p, SLUICE_TLV_PROTO_ETHERNET);
    sluice_tlv_put_be32(p, vm->tenant << 8);

    struct in_addr server = { .s_addr = htonl(0x0a630001) };
    p = traffic_put_udp(options + size, vm->mac, vm->guest, server, 514,
                        pick->line.size);
    memcpy(p, pick->line.data, pick->line.size);
    return p + pick->line.size - packet;
}
