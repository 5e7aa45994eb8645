/* SPDX-License-Identifier: Apache-2.0
 *
 * What one libvirt has.  See libvirt-model.h. */
#include <config.h>

#include "libvirt-model.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "libvirt-domain.h"
#include "openvswitch/hmap.h"
#include "printable.h"
#include "util.h"

enum {
    UUID_SIZE = 16,
    MAX_PROBLEM = 300,          /* Bytes. */
    N_HOST_FACTS = 5,           /* Beside those of libvirt-keys.def... */
    N_LOAD_FACTS = 2,           /* ...and these. */
};

/* A domain.  Two may have one UUID, if libvirt says so: neither of them has
 * that as a key then, see merge.h. */
struct domain {
    struct hmap_node node;      /* By 'uuid'. */
    uint8_t uuid[UUID_SIZE];
    char *name;
    uint8_t macs[LIBVIRT_MAX_MACS][6];
    size_t n_macs;
    char *values[N_LIBVIRT_KEYS]; /* Null: not known. */
    uint64_t said_ns;           /* When these were said: Unix epoch. */
    uint32_t cpu, memory;       /* Tenths of a percent, plus one; 0: not
                                 * known. */
    uint64_t measured_ns;       /* When. */
    char *problem;              /* Why it could not be read, or null. */
};

struct domains {
    struct hmap map;
    size_t n_bytes;             /* Of names and values. */
};

struct host {
    char *name;                 /* Null: not known. */
    char *cpus, *memory_mib;    /* Likewise. */
    uint32_t cpu, memory;       /* As of a domain. */
    uint64_t said_ns;
};

struct libvirt_model {
    struct domains now;
    struct domains next;        /* An inventory that is under way... */
    bool is_listing;            /* ...if there is one. */
    bool was_listed;            /* There was one. */
    size_t max_bytes;
    struct host host;
};

/* Domains. */

static size_t
bytes_of(const struct domain *d)
{
    size_t n = strlen(d->name) + sizeof *d;

    for (size_t i = 0; i < N_LIBVIRT_KEYS; i++) {
        n += d->values[i] ? strlen(d->values[i]) : 0;
    }
    return n;
}

static void
domain_destroy(struct domain *d)
{
    if (d) {
        for (size_t i = 0; i < N_LIBVIRT_KEYS; i++) {
            free(d->values[i]);
        }
        free(d->problem);
        free(d->name);
        free(d);
    }
}

static uint32_t
hash_uuid(const uint8_t uuid[UUID_SIZE])
{
    return hash_bytes(uuid, UUID_SIZE, 0);
}

/* Removes 'd' and returns it. */
static struct domain *
take_out(struct domains *all, struct domain *d)
{
    hmap_remove(&all->map, &d->node);
    all->n_bytes -= bytes_of(d);
    return d;
}

static void
put_in(struct domains *all, struct domain *d)
{
    hmap_insert(&all->map, &d->node, hash_uuid(d->uuid));
    all->n_bytes += bytes_of(d);
}

static void
clear(struct domains *all)
{
    struct domain *d;

    HMAP_FOR_EACH_SAFE (d, node, &all->map) {
        domain_destroy(take_out(all, d));
    }
}

/* Finds a domain of that UUID, preferably the one called 'name'.  Returns null
 * if there is none; '*ret_n' says how many have the UUID. */
static struct domain *
find(const struct domains *all, const uint8_t uuid[UUID_SIZE],
     const char *name, size_t *ret_n)
{
    struct domain *d, *found = NULL;

    *ret_n = 0;
    HMAP_FOR_EACH_WITH_HASH (d, node, hash_uuid(uuid), &all->map) {
        if (!memcmp(d->uuid, uuid, UUID_SIZE)) {
            *ret_n += 1;
            if (!found || !strcmp(d->name, name)) {
                found = d;
            }
        }
    }
    return found;
}

struct libvirt_model *
libvirt_model_create(size_t max_bytes)
{
    struct libvirt_model *m = xzalloc(sizeof *m);

    hmap_init(&m->now.map);
    hmap_init(&m->next.map);
    m->max_bytes = max_bytes;
    return m;
}

static void
host_clear(struct host *host)
{
    free(host->name);
    free(host->cpus);
    free(host->memory_mib);
    *host = (struct host) { .name = NULL };
}

void
libvirt_model_destroy(struct libvirt_model *m)
{
    if (m) {
        clear(&m->now);
        hmap_destroy(&m->now.map);
        clear(&m->next);
        hmap_destroy(&m->next.map);
        host_clear(&m->host);
        free(m);
    }
}

/* Reports. */

/* The key called 'name', or N_LIBVIRT_KEYS. */
static enum libvirt_key
find_key(const char *name)
{
    size_t i = 0;

    while (i < N_LIBVIRT_KEYS && strcmp(libvirt_keys[i].name, name)) {
        i++;
    }
    return i;
}

static bool
is_percent(uint32_t tenths)
{
    return tenths <= 1001;
}

/* Makes a domain of what a report says, or returns null: it says none.
 * sluice-libvirt sends nothing else than what is right; but it reads what
 * others wrote, and may be in their hands. */
static struct domain *
read_domain(const Sluice__LibvirtDomain *said, uint64_t now_ns)
{
    if (!said || said->uuid.len != UUID_SIZE
        || said->n_mac > LIBVIRT_MAX_MACS) {
        return NULL;
    }

    struct domain *d = xzalloc(sizeof *d);
    memcpy(d->uuid, said->uuid.data, UUID_SIZE);
    d->name = make_printable(said->name, LIBVIRT_MAX_NAME);
    d->said_ns = now_ns;
    for (size_t i = 0; i < said->n_mac; i++) {
        if (said->mac[i].len == sizeof d->macs[0]) {
            memcpy(d->macs[d->n_macs++], said->mac[i].data,
                   sizeof d->macs[0]);
        }
    }
    for (size_t i = 0; i < said->n_fact; i++) {
        enum libvirt_key key = find_key(said->fact[i]->key);

        if (key < N_LIBVIRT_KEYS && said->fact[i]->value[0]) {
            free(d->values[key]);
            d->values[key] = make_printable(said->fact[i]->value,
                                            libvirt_keys[key].max);
        }
    }
    if (said->problem[0]) {
        d->problem = make_printable(said->problem, MAX_PROBLEM);
    }
    return d;
}

/* Has 'd' keep what was known of 'old', which may be null, and what it does
 * not say itself. */
static void
inherit(struct domain *d, const struct domain *old)
{
    if (!old) {
        return;
    }
    d->cpu = old->cpu;
    d->memory = old->memory;
    d->measured_ns = old->measured_ns;
    if (d->problem) {
        d->n_macs = old->n_macs;
        memcpy(d->macs, old->macs, sizeof d->macs);
        for (size_t i = 0; i < N_LIBVIRT_KEYS; i++) {
            free(d->values[i]);
            d->values[i] = nullable_xstrdup(old->values[i]);
        }
        d->said_ns = old->said_ns;
    }
}

static char *
apply_domain(struct libvirt_model *m, const Sluice__LibvirtDomain *said,
             uint64_t now_ns)
{
    struct domains *all = m->is_listing ? &m->next : &m->now;
    struct domain *d = read_domain(said, now_ns);
    size_t n;

    if (!d) {
        return xstrdup("it reports a domain that is none");
    } else if (m->is_listing && hmap_count(&all->map) >= LIBVIRT_MAX_DOMAINS) {
        domain_destroy(d);
        return xasprintf("it has more than %d domains", LIBVIRT_MAX_DOMAINS);
    }
    struct domain *old = find(&m->now, d->uuid, d->name, &n);
    inherit(d, old);
    /* In an inventory the UUID is that of another one; else it is the same
     * one, which may have been renamed. */
    if (!m->is_listing && old && (n == 1 || !strcmp(old->name, d->name))) {
        domain_destroy(take_out(all, old));
    }
    put_in(all, d);
    return (hmap_count(&all->map) > LIBVIRT_MAX_DOMAINS
            ? xasprintf("it has more than %d domains", LIBVIRT_MAX_DOMAINS)
            : all->n_bytes > m->max_bytes
            ? xasprintf("all that it says is more than %"PRIuSIZE" bytes",
                        m->max_bytes)
            : NULL);
}

static char *
apply_gone(struct libvirt_model *m, const ProtobufCBinaryData *uuid)
{
    struct domains *all = m->is_listing ? &m->next : &m->now;
    struct domain *d;
    size_t n;

    if (uuid->len != UUID_SIZE) {
        return xstrdup("it reports that nothing is gone");
    }
    while ((d = find(all, uuid->data, "", &n))) {
        domain_destroy(take_out(all, d));
    }
    return NULL;
}

static void
apply_host(struct host *host, const Sluice__LibvirtHost *said,
           uint64_t now_ns)
{
    host_clear(host);
    host->said_ns = now_ns;
    if (said->name[0]) {
        host->name = make_printable(said->name, LIBVIRT_MAX_NAME);
    }
    if (said->cpus) {
        host->cpus = xasprintf("%"PRIu32, said->cpus);
    }
    if (said->memory_mib) {
        host->memory_mib = xasprintf("%"PRIu64, said->memory_mib);
    }
    host->cpu = is_percent(said->cpu) ? said->cpu : 0;
    host->memory = is_percent(said->memory) ? said->memory : 0;
}

static char *
apply_loads(struct libvirt_model *m, const Sluice__LibvirtReport *report,
            uint64_t now_ns)
{
    for (size_t i = 0; i < report->n_load; i++) {
        const Sluice__LibvirtLoad *load = report->load[i];
        struct domain *d;

        if (load->uuid.len != UUID_SIZE || !is_percent(load->cpu)
            || !is_percent(load->memory)) {
            return xstrdup("it reports a load that is none");
        }
        HMAP_FOR_EACH_WITH_HASH (d, node, hash_uuid(load->uuid.data),
                                 &m->now.map) {
            if (!memcmp(d->uuid, load->uuid.data, UUID_SIZE)) {
                d->cpu = load->cpu;
                d->memory = load->memory;
                d->measured_ns = now_ns;
            }
        }
    }
    if (report->host) {
        apply_host(&m->host, report->host, now_ns);
    }
    return NULL;
}

static char *
apply_end(struct libvirt_model *m, const Sluice__LibvirtReport *report,
          uint64_t now_ns)
{
    if (!m->is_listing) {
        return xstrdup("it reports the end of what did not begin");
    }
    clear(&m->now);
    hmap_swap(&m->now.map, &m->next.map);
    m->now.n_bytes = m->next.n_bytes;
    m->next.n_bytes = 0;
    m->is_listing = false;
    m->was_listed = true;
    if (report->host) {
        apply_host(&m->host, report->host, now_ns);
    }
    return NULL;
}

char *
libvirt_model_apply(struct libvirt_model *m,
                    const Sluice__LibvirtReport *report, uint64_t now_ns)
{
    switch ((int) report->kind) {
    case SLUICE__LIBVIRT_KIND__LIBVIRT_ALIVE:
        return NULL;
    case SLUICE__LIBVIRT_KIND__LIBVIRT_BEGIN:
        clear(&m->next);
        m->is_listing = true;
        return NULL;
    case SLUICE__LIBVIRT_KIND__LIBVIRT_DOMAIN:
        return apply_domain(m, report->domain, now_ns);
    case SLUICE__LIBVIRT_KIND__LIBVIRT_GONE:
        return apply_gone(m, &report->gone);
    case SLUICE__LIBVIRT_KIND__LIBVIRT_END:
        return apply_end(m, report, now_ns);
    case SLUICE__LIBVIRT_KIND__LIBVIRT_LOADS:
        return apply_loads(m, report, now_ns);
    case SLUICE__LIBVIRT_KIND__LIBVIRT_PROBLEM: {
        char *problem = make_printable(report->problem, MAX_PROBLEM);
        return problem[0] ? problem : (free(problem), xstrdup("it failed"));
    }
    default:
        return xstrdup("it reports what is not known here");
    }
}

void
libvirt_model_abandon(struct libvirt_model *m)
{
    clear(&m->next);
    m->is_listing = false;
}

bool
libvirt_model_is_whole(const struct libvirt_model *m)
{
    return m->was_listed && !m->is_listing;
}

size_t
libvirt_model_n_domains(const struct libvirt_model *m)
{
    return hmap_count(&m->now.map);
}

size_t
libvirt_model_n_unread(const struct libvirt_model *m, const char **ret_why)
{
    const struct domain *d;
    size_t n = 0;

    *ret_why = NULL;
    HMAP_FOR_EACH (d, node, &m->now.map) {
        if (d->problem) {
            *ret_why = d->problem;
            n++;
        }
    }
    return n;
}

/* Facts. */

struct facts {
    struct fact facts[N_LIBVIRT_KEYS + N_HOST_FACTS + N_LOAD_FACTS];
    size_t n;
    char loads[4][16];          /* Of domain and host. */
    size_t n_loads;
};

/* Adds a fact unless 'value', borrowed, is null. */
static void
add_fact(struct facts *f, const char *key, const char *value,
         uint64_t fetched_ns, bool is_load)
{
    if (value) {
        f->facts[f->n++] = (struct fact) {
            .key = key, .value = value, .fetched_ns = fetched_ns,
            .is_load = is_load,
        };
    }
}

static void
add_percent(struct facts *f, const char *key, uint32_t tenths,
            uint64_t fetched_ns)
{
    if (tenths) {
        char *text = f->loads[f->n_loads++];

        snprintf(text, sizeof f->loads[0], "%u.%u", (tenths - 1) / 10,
                 (tenths - 1) % 10);
        add_fact(f, key, text, fetched_ns, true);
    }
}

static bool
is_running(const struct domain *d)
{
    const char *power = d->values[LIBVIRT_KEY_POWER];

    return power && !strcmp(power, "on");
}

static void
put_domain(const struct libvirt_model *m, const struct domain *d,
           struct merge *merge)
{
    const struct host *host = &m->host;
    struct facts f = { .n = 0 };

    for (size_t i = 0; i < N_LIBVIRT_KEYS; i++) {
        add_fact(&f, libvirt_keys[i].name, d->values[i], d->said_ns, false);
    }
    add_fact(&f, "host", host->name, host->said_ns, false);
    add_fact(&f, "host-cpus", host->cpus, host->said_ns, false);
    add_fact(&f, "host-memory-mib", host->memory_mib, host->said_ns, false);
    if (is_running(d)) {
        add_percent(&f, "cpu-percent", d->cpu, d->measured_ns);
        add_percent(&f, "memory-percent", d->memory, d->measured_ns);
    }
    add_percent(&f, "host-cpu-percent", host->cpu, host->said_ns);
    add_percent(&f, "host-memory-percent", host->memory, host->said_ns);

    merge_add(merge, &(struct vm_facts) {
        .uuids = &d->uuid,
        .n_uuids = !is_all_zeros(d->uuid, UUID_SIZE),
        .macs = (const uint8_t (*)[6]) d->macs,
        .n_macs = d->n_macs,
        .name = d->name[0] ? d->name : NULL,
        .facts = f.facts,
        .n_facts = f.n,
    });
}

void
libvirt_model_put(const struct libvirt_model *m, struct merge *merge)
{
    const struct domain *d;

    HMAP_FOR_EACH (d, node, &m->now.map) {
        put_domain(m, d, merge);
    }
}

BUILD_ASSERT_DECL((int) LIBVIRT_MAX_MACS <= (int) MERGE_MAX_MACS);
