/* SPDX-License-Identifier: Apache-2.0
 *
 * What domains and their host use.  See load.h. */
#include <config.h>

#include "load.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "libvirt-domain.h"
#include "openvswitch/hmap.h"
#include "report.h"
#include "timeval.h"
#include "util.h"

enum {
    UUID_SIZE = 16,
    AT_ONCE = 500,              /* Loads in a report. */
    MAX_CPU_STATS = 32,
    MAX_MEMORY_STATS = 32,
};

/* Processor time of a domain, or of the host, at a time. */
struct reading {
    uint64_t used_ns;
    uint64_t all_ns;            /* Of the same processors, idle or not. */
};

struct domain {
    struct hmap_node node;
    uint8_t uuid[UUID_SIZE];
    struct reading before;
    uint64_t round;             /* In which it was there last. */
};

struct load {
    virConnectPtr conn;
    struct hmap domains;
    uint64_t round;
    bool no_stats;              /* It has none. */
    bool may_wait;              /* It does not know the flag not to. */
    struct reading host_before;
    Sluice__LibvirtHost host;
    char *host_name;
};

struct load *
load_create(virConnectPtr conn)
{
    struct load *l = xzalloc(sizeof *l);

    l->conn = conn;
    hmap_init(&l->domains);
    sluice__libvirt_host__init(&l->host);
    return l;
}

/* Tenths of a percent, plus one, that 'part' is of 'all'; 0 if there is
 * nothing that it could be a part of. */
static uint32_t
tenths(double part, double all)
{
    return all > 0 ? MIN((uint32_t) (1000 * part / all + 0.5), 1000) + 1 : 0;
}

/* How much was used since '*before', which becomes 'now'. */
static uint32_t
used_since(struct reading *before, struct reading now)
{
    uint32_t result = 0;

    if (before->all_ns && now.all_ns > before->all_ns
        && now.used_ns >= before->used_ns) {
        result = tenths(now.used_ns - before->used_ns,
                        now.all_ns - before->all_ns);
    }
    *before = now;
    return result;
}

/* The host. */

static void
read_host_cpu(struct load *l)
{
    virNodeCPUStats stats[MAX_CPU_STATS];
    int n = 0;
    struct reading now = { 0, 0 };

    l->host.cpu = 0;
    if (virNodeGetCPUStats(l->conn, VIR_NODE_CPU_STATS_ALL_CPUS, NULL, &n, 0)
        || n <= 0 || n > MAX_CPU_STATS
        || virNodeGetCPUStats(l->conn, VIR_NODE_CPU_STATS_ALL_CPUS, stats, &n,
                              0)) {
        return;
    }
    for (int i = 0; i < n; i++) {
        bool is_idle = (!strcmp(stats[i].field, VIR_NODE_CPU_STATS_IDLE)
                        || !strcmp(stats[i].field,
                                   VIR_NODE_CPU_STATS_IOWAIT));

        if (is_idle || !strcmp(stats[i].field, VIR_NODE_CPU_STATS_KERNEL)
            || !strcmp(stats[i].field, VIR_NODE_CPU_STATS_USER)
            || !strcmp(stats[i].field, VIR_NODE_CPU_STATS_INTR)) {
            now.all_ns += stats[i].value;
            now.used_ns += is_idle ? 0 : stats[i].value;
        }
    }
    l->host.cpu = used_since(&l->host_before, now);
}

static void
read_host_memory(struct load *l)
{
    virNodeMemoryStats stats[MAX_MEMORY_STATS];
    unsigned long long int total = 0, unused = 0;
    int n = 0;

    l->host.memory = 0;
    if (virNodeGetMemoryStats(l->conn, VIR_NODE_MEMORY_STATS_ALL_CELLS, NULL,
                              &n, 0)
        || n <= 0 || n > MAX_MEMORY_STATS
        || virNodeGetMemoryStats(l->conn, VIR_NODE_MEMORY_STATS_ALL_CELLS,
                                 stats, &n, 0)) {
        return;
    }
    for (int i = 0; i < n; i++) {
        if (!strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_TOTAL)) {
            total = stats[i].value;
        } else if (!strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_FREE)
                   || !strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_BUFFERS)
                   || !strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_CACHED)) {
            unused += stats[i].value;
        }
    }
    if (total >= unused) {
        l->host.memory = tenths(total - unused, total);
    }
}

static void
read_host(struct load *l)
{
    virNodeInfo info;
    char *name = virConnectGetHostname(l->conn);

    if (name) {
        free(l->host_name);
        l->host_name = xmemdup0(name, strnlen(name, LIBVIRT_MAX_NAME));
        free(name);
    }
    l->host.name = l->host_name ? l->host_name : CONST_CAST(char *, "");
    if (!virNodeGetInfo(l->conn, &info)) {
        l->host.cpus = info.cpus;
        l->host.memory_mib = info.memory / 1024;
    }
    read_host_cpu(l);
    read_host_memory(l);
}

void
load_report_end(struct load *l)
{
    read_host(l);
    report_loads(SLUICE__LIBVIRT_KIND__LIBVIRT_END, &l->host, NULL, 0);
}

/* Domains. */

static struct domain *
find(struct load *l, const uint8_t uuid[UUID_SIZE])
{
    uint32_t hash = hash_bytes(uuid, UUID_SIZE, 0);
    struct domain *d;

    HMAP_FOR_EACH_WITH_HASH (d, node, hash, &l->domains) {
        if (!memcmp(d->uuid, uuid, UUID_SIZE)) {
            return d;
        }
    }
    d = xzalloc(sizeof *d);
    memcpy(d->uuid, uuid, UUID_SIZE);
    hmap_insert(&l->domains, &d->node, hash);
    return d;
}

/* Forgets domains that were not in this round. */
static void
forget(struct load *l)
{
    struct domain *d;

    HMAP_FOR_EACH_SAFE (d, node, &l->domains) {
        if (d->round != l->round) {
            hmap_remove(&l->domains, &d->node);
            free(d);
        }
    }
}

/* The number called 'name' among what is said of a domain; false if there is
 * none. */
static bool
number_of(const virDomainStatsRecord *record, const char *name,
          unsigned long long int *ret)
{
    unsigned int u;

    if (virTypedParamsGetULLong(record->params, record->nparams, name, ret)
        == 1) {
        return true;
    } else if (virTypedParamsGetUInt(record->params, record->nparams, name,
                                     &u) == 1) {
        *ret = u;
        return true;
    }
    return false;
}

static uint32_t
cpu_of(struct domain *d, const virDomainStatsRecord *record, uint64_t now_ns)
{
    unsigned long long int used_ns, n;

    if (!number_of(record, "cpu.time", &used_ns)
        || !number_of(record, "vcpu.current", &n) || !n || n > 4096) {
        d->before = (struct reading) { 0, 0 };
        return 0;
    }
    return used_since(&d->before, (struct reading) {
        .used_ns = used_ns / n, .all_ns = now_ns
    });
}

/* What the guest uses of what it has, if its balloon driver tells; else what
 * the host gave it of that. */
static uint32_t
memory_of(const virDomainStatsRecord *record)
{
    unsigned long long int has, unused, rss;

    if (number_of(record, "balloon.available", &has)
        && (number_of(record, "balloon.usable", &unused)
            || number_of(record, "balloon.unused", &unused))
        && unused <= has) {
        return tenths(has - unused, has);
    } else if (number_of(record, "balloon.current", &has)
               && number_of(record, "balloon.rss", &rss)) {
        return tenths(MIN(rss, has), has);
    }
    return 0;
}

/* Whether the latest call failed because libvirt is older than a flag. */
static bool
is_flag_unknown(void)
{
    int code = virGetLastErrorCode();

    return code == VIR_ERR_INVALID_ARG || code == VIR_ERR_ARGUMENT_UNSUPPORTED;
}

/* Asks for the records of all domains that run. */
static int
get_records(struct load *l, virDomainStatsRecordPtr **ret)
{
    const unsigned int stats = (VIR_DOMAIN_STATS_CPU_TOTAL
                                | VIR_DOMAIN_STATS_BALLOON
                                | VIR_DOMAIN_STATS_VCPU);
    const unsigned int active = VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE;
    int n = -1;

    if (!l->may_wait) {
        n = virConnectGetAllDomainStats(
            l->conn, stats, ret,
            active | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
        l->may_wait = n < 0 && is_flag_unknown();
    }
    if (l->may_wait) {
        n = virConnectGetAllDomainStats(l->conn, stats, ret, active);
    }
    if (n < 0 && virGetLastErrorCode() == VIR_ERR_NO_SUPPORT) {
        l->no_stats = true;
    }
    return n;
}

static void
report_domains(struct load *l, virDomainStatsRecordPtr *records, int n)
{
    static Sluice__LibvirtLoad loads[AT_ONCE];
    Sluice__LibvirtLoad *pointers[AT_ONCE];
    uint64_t now_ns = time_msec() * UINT64_C(1000000);
    size_t n_loads = 0;

    for (int i = 0; i < n; i++) {
        uint8_t uuid[UUID_SIZE];

        if (virDomainGetUUID(records[i]->dom, uuid)) {
            continue;
        }
        struct domain *d = find(l, uuid);
        Sluice__LibvirtLoad *load = &loads[n_loads];

        d->round = l->round;
        sluice__libvirt_load__init(load);
        load->uuid = (ProtobufCBinaryData) {
            .data = d->uuid, .len = UUID_SIZE
        };
        load->cpu = cpu_of(d, records[i], now_ns);
        load->memory = memory_of(records[i]);
        pointers[n_loads++] = load;
        if (n_loads == AT_ONCE) {
            report_loads(SLUICE__LIBVIRT_KIND__LIBVIRT_LOADS, NULL, pointers,
                         n_loads);
            n_loads = 0;
        }
    }
    report_loads(SLUICE__LIBVIRT_KIND__LIBVIRT_LOADS, &l->host, pointers,
                 n_loads);
}

void
load_read(struct load *l)
{
    virDomainStatsRecordPtr *records = NULL;
    int n = l->no_stats ? 0 : get_records(l, &records);

    read_host(l);
    l->round++;
    report_domains(l, records, n);
    forget(l);
    if (records) {
        virDomainStatsRecordListFree(records);
    }
}
