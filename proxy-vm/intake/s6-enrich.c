/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 6, enrich.  See s6-enrich.h. */
#include <config.h>

#include "s6-enrich.h"

#include <errno.h>
#include <stdlib.h>

#include "context-place.h"
#include "context-policy.h"
#include "context-snapshot.h"
#include "context-view.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(enrich);

enum {
    REFRESH_MS = 100,

    /* So many looks of a source are given up by IP address, in so long.  The
     * address is the guest's to choose, for each line another, and each look
     * brings all that is known of a VM into the batch. */
    MAX_BY_IP = SOURCE_LOOKS,
    BY_IP_MS = 1000,

    /* Bytes of what lines of one snapshot get.  More VMs than there can be
     * sources have room for what they are in the mean. */
    ARENA_SIZE = 16 * 1024 * 1024,

    /* A record with the sets of each value. */
    MAX_CONTEXT = 2 * SNAPSHOT_MAX_RECORD,
};

struct enrich {
    char *path;                     /* Null: no context. */
    struct snapshot *snapshot;      /* Null: none yet. */
    uint64_t serial;                /* Of 'snapshot'; 1: none yet. */
    long long int refresh_due;      /* Look for another; time_msec(). */
    long long int now;              /* Of the latest burst; time_msec(). */
    const char *assumed;            /* Name of a VM that is not known. */
    struct intake_stats *stats;     /* Borrowed. */
    struct context_policy *policy;
    uint8_t *arena;                 /* What looks of 'serial' have. */
    size_t arena_used;
};

struct enrich *
enrich_create(const char *path, struct context_policy *policy,
              struct intake_stats *stats)
{
    struct enrich *e = xzalloc(sizeof *e);

    e->policy = policy;
    /* Of which no page is there before it is used. */
    e->arena = xmalloc(ARENA_SIZE);

    e->path = nullable_xstrdup(path);
    e->serial = 1;
    e->assumed = "";
    e->stats = stats;
    enrich_refresh(e, 0);
    return e;
}

void
enrich_destroy(struct enrich *e)
{
    if (e) {
        snapshot_close(e->snapshot);
        context_policy_destroy(e->policy);
        free(e->arena);
        free(e->path);
        free(e);
    }
}

/* Has every source look again, and takes back what they have. */
static void
forget_looks(struct enrich *e)
{
    e->serial++;
    e->arena_used = 0;
}

void
enrich_use(struct enrich *e, struct context_policy **policy)
{
    context_policy_destroy(e->policy);
    e->policy = *policy;
    *policy = NULL;
    forget_looks(e);
}

void
enrich_refresh(struct enrich *e, long long int now)
{
    e->now = now;
    if (e->snapshot && now < e->refresh_due) {
        return;
    }
    e->refresh_due = now + REFRESH_MS;
    if (!e->path || !snapshot_is_stale(e->snapshot, e->path)) {
        return;
    }

    struct snapshot *snapshot;
    int error = snapshot_open(e->path, &snapshot);
    if (error) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
        if (error != ENOENT) {
            VLOG_WARN_RL(&rl, "%s: can't map the context snapshot: %s; "
                         "the one in use stays", e->path,
                         ovs_strerror(error));
        }
        return;
    }
    snapshot_close(e->snapshot);
    e->snapshot = snapshot;
    forget_looks(e);
    stats_add(&e->stats->counters[INTAKE_SNAPSHOTS], 1);
}

/* A line on its look-up. */
struct quest {
    const struct record *rec;
    uint64_t from_ns, until_ns; /* Switch times that the answer is for. */
    bool by_ip;                 /* It went by the IP address, too. */
    bool is_elsewhere;          /* The VM that has the MAC address is. */
    struct snapshot_found found;
    struct context_view view;
};

/* What is known about one tenant's VM must not reach another tenant, whose
 * guest may have taken the address of that VM. */
static bool
tenant_fits(const struct record *rec, const struct context_view *vm)
{
    return !vm->tenant || vm->tenant == rec->meta.vni;
}

/* Decides whether the record found may speak for the line.  By MAC and IP
 * address, which are the guest's claims, it may not if the packet names a VM
 * and the record names others.  A UUID that several VMs have is no key; it and
 * the MAC address tell which of them it is.  Nor if the VM that has the MAC
 * address is known to be elsewhere.  By IP address the tenant must be known:
 * others have the same addresses. */
static bool
fits(struct quest *q, enum context_match match)
{
    bool names_other = (q->rec->meta.has & TUNNEL_HAS_VM && q->view.names_vm
                        && !q->view.has_vm);
    const struct context_origin line = {
        .vtep = q->rec->vtep,
        .mac = q->rec->inner.src_mac,
        .ofp_port = q->rec->meta.ofp_port,
    };

    if (match == MATCH_MAC && !context_is_at(q->found.record, &line)) {
        q->is_elsewhere = true;
        return false;
    }
    return (tenant_fits(q->rec, &q->view)
            && (match == MATCH_VM || !names_other)
            && (match != MATCH_IP || q->view.tenant));
}

/* Looks the key of 'match' up as of 'at_ns', or that of what the line's host
 * alone says.  Returns true if it has a record that may speak for the line. */
static bool
try(struct quest *q, const struct snapshot *s, enum context_match match,
    bool of_host, uint64_t at_ns)
{
    const struct record *rec = q->rec;
    bool found = false;

    switch (match) {
    case MATCH_VM:
        found = (rec->meta.has & TUNNEL_HAS_VM
                 && (of_host
                     ? snapshot_find_host_vm_at(s, rec->vtep, rec->meta.vm,
                                                at_ns, &q->found)
                     : snapshot_find_vm_at(s, rec->meta.vm, at_ns,
                                           &q->found)));
        break;
    case MATCH_MAC:
        found = (of_host
                 ? snapshot_find_host_mac_at(s, rec->vtep, rec->inner.src_mac,
                                             at_ns, &q->found)
                 : snapshot_find_mac_at(s, rec->inner.src_mac, at_ns,
                                        &q->found));
        break;
    case MATCH_IP:
        q->by_ip = snapshot_has_ips(s);
        found = snapshot_find_ip_at(s, rec->meta.vni, rec->inner.src_ip,
                                    at_ns, &q->found);
        break;
    case MATCH_NONE:
    case MATCH_SKIPPED:
    default:
        OVS_NOT_REACHED();
    }
    if (match != MATCH_VM || rec->meta.has & TUNNEL_HAS_VM) {
        q->from_ns = MAX(q->from_ns, q->found.from_ns);
        q->until_ns = MIN(q->until_ns, q->found.until_ns);
    }
    return (found
            && context_view(q->found.record,
                            rec->meta.has & TUNNEL_HAS_VM ? rec->meta.vm
                            : NULL, &q->view)
            && fits(q, match));
}

/* Looks the line of 'q' up as of 'at_ns', by the keys in their order, what a
 * host alone says behind what others do.  Returns
 * by which it was found; of an answer the first key that has one counts, so
 * that the times for which it holds are those for which the keys before it
 * have none. */
static enum context_match
look_up(const struct enrich *e, struct quest *q, uint64_t at_ns)
{
    static const struct {
        enum context_match match;
        bool of_host;
    } order[] = {
        { MATCH_VM, false },
        { MATCH_VM, true },
        { MATCH_MAC, false },
        { MATCH_MAC, true },
        { MATCH_IP, false },
    };

    q->from_ns = 0;
    q->until_ns = UINT64_MAX;
    for (size_t i = 0; e->snapshot && i < ARRAY_SIZE(order); i++) {
        if (try(q, e->snapshot, order[i].match, order[i].of_host, at_ns)) {
            return order[i].match;
        }
    }
    return MATCH_NONE;
}

/* The tenant whose VM it is now decides as well: about one that the operator
 * gave to another since, for whatever reason, this one is told no more. */
static bool
still_fits(const struct enrich *e, const struct quest *q,
           enum context_match match)
{
    const struct record *rec = q->rec;
    struct snapshot_found found;
    struct context_view now;

    if (q->found.until_ns == UINT64_MAX) {
        return true;
    }
    bool is_known = (q->view.vm.size
                ? snapshot_find_vm_at(e->snapshot, q->view.vm.data,
                                      UINT64_MAX, &found)
                : match == MATCH_MAC
                ? snapshot_find_mac_at(e->snapshot, rec->inner.src_mac,
                                       UINT64_MAX, &found)
                : snapshot_find_ip_at(e->snapshot, rec->meta.vni,
                                      rec->inner.src_ip, UINT64_MAX, &found));
    return (!is_known || !context_view(found.record, NULL, &now)
            || tenant_fits(rec, &now));
}

static void
count(const struct enrich *e, const struct quest *q, enum context_match match)
{
    static const enum intake_counter counters[] = {
        [MATCH_NONE] = INTAKE_CONTEXT_MISS,
        [MATCH_VM] = INTAKE_CONTEXT_HIT_VM,
        [MATCH_MAC] = INTAKE_CONTEXT_HIT_MAC,
        [MATCH_IP] = INTAKE_CONTEXT_HIT_IP,
    };

    stats_add(&e->stats->counters[counters[match]], 1);
    if (q->is_elsewhere) {
        stats_add(&e->stats->counters[INTAKE_CONTEXT_ELSEWHERE], 1);
    }
    if (match != MATCH_NONE && q->found.until_ns != UINT64_MAX) {
        stats_add(&e->stats->counters[INTAKE_CONTEXT_EARLIER], 1);
    }
}

/* Has the source go by the name that its VM has now, whatever it had when a
 * line was sent that comes late.  Who is known by IP address alone has none:
 * rules do not go by claims. */
static void
name_source(struct enrich *e, const struct record *rec,
            enum context_match match, const struct quest *q)
{
    struct source *source = rec->source;
    char *name = source->stats->vm_name;
    struct quest now = { .rec = rec };

    if (q->until_ns != UINT64_MAX) {
        match = look_up(e, &now, UINT64_MAX);
        q = &now;
    }
    if (match == MATCH_VM || match == MATCH_MAC) {
        size_t n = MIN(q->view.name.size, sizeof source->stats->vm_name - 1);
        memcpy(name, q->view.name.data ? q->view.name.data
               : (const uint8_t *) "", n);
        name[n] = '\0';
    } else {
        ovs_strlcpy(name, e->assumed, sizeof source->stats->vm_name);
    }
    source->snapshot_serial = e->serial;
}

static bool
is_for(const struct source_look *look, const struct enrich *e,
       const struct record *rec)
{
    return (look->snapshot_serial == e->serial
            && rec->switch_ns >= look->from_ns
            && rec->switch_ns < look->until_ns
            && (OVS_LIKELY(!look->has_ip)
                || !memcmp(look->ip, rec->inner.src_ip, sizeof look->ip)));
}

/* Returns true if one more look of 'source' may be given up by IP address. */
static bool
may_give_up(const struct enrich *e, struct source *source)
{
    if (e->now - source->ip_since >= BY_IP_MS || e->now < source->ip_since) {
        source->ip_since = e->now;
        source->n_ip = 0;
    }
    return source->n_ip < MAX_BY_IP && ++source->n_ip;
}

/* Returns the look of 'source' that says just this already, so that its batch
 * need not have it twice, or else the one to be given up: an old one before
 * others, so that one that is often asked for is found at once.  Returns null
 * if none may be. */
static struct source_look *
place_look(struct enrich *e, struct source *source, const uint8_t *record,
           enum context_match match)
{
    for (size_t i = 0; i < SOURCE_LOOKS; i++) {
        struct source_look *look = &source->looks[i];

        if (look->snapshot_serial == e->serial && look->match == match
            && look->record == record) {
            return look;
        }
    }
    for (size_t i = 0; i < SOURCE_LOOKS; i++) {
        if (source->looks[i].snapshot_serial != e->serial) {
            return &source->looks[i];
        }
    }
    return (match == MATCH_IP && !may_give_up(e, source) ? NULL
            : &source->looks[source->next_look++ % SOURCE_LOOKS]);
}

/* Puts what the tenant may see of 'record' into the arena.  If that is full,
 * everybody has to look again, a few times a snapshot at most: none of the
 * looks of before is good any more. */
static struct slice
choose_values(struct enrich *e, const struct context_tenant *tenant,
              struct slice record)
{
    if (e->arena_used + MAX_CONTEXT > ARENA_SIZE) {
        forget_looks(e);
    }

    uint8_t *p = e->arena + e->arena_used;
    size_t n = context_policy_filter(e->policy, tenant, record, p,
                                     MAX_CONTEXT);

    e->arena_used += n;
    return slice_of(p, n);
}

/* Makes 'look' one of 'record', which is empty if nothing was found. */
static void
begin_look(struct enrich *e, const struct record *rec, struct slice record,
           enum context_match match, struct source_look *look)
{
    const struct context_tenant *tenant
        = context_policy_tenant(e->policy, rec->meta.vni);

    *look = (struct source_look) {
        .tenant = tenant,
        .record = record.data,
        .context = (match == MATCH_NONE ? slice_of(NULL, 0)
                    : choose_values(e, tenant, record)),
        .match = match,
    };
}

static struct source_look *
look_again(struct enrich *e, struct record *rec)
{
    struct source *source = rec->source;
    struct quest q = { .rec = rec };
    enum context_match match = look_up(e, &q, rec->switch_ns);

    if (match != MATCH_NONE && !still_fits(e, &q, match)) {
        match = MATCH_NONE;
    }
    if (source->snapshot_serial != e->serial) {
        name_source(e, rec, match, &q);
    }

    struct slice record = (match == MATCH_NONE ? slice_of(NULL, 0)
                           : q.found.record);
    struct source_look *look = place_look(e, source, record.data, match);
    if (!look) {
        look = &source->unplaced;
        match = MATCH_NONE;
        record = slice_of(NULL, 0);
    }
    count(e, &q, match);
    if (look->snapshot_serial != e->serial || look->match != match
        || look->record != record.data) {
        begin_look(e, rec, record, match, look);
    }
    look->snapshot_serial = e->serial;
    look->from_ns = q.from_ns;
    look->until_ns = q.until_ns;
    look->has_ip = q.by_ip;
    memcpy(look->ip, rec->inner.src_ip, sizeof look->ip);
    return look;
}

void
enrich_assume(struct enrich *e, const char *name)
{
    e->assumed = name;
}

void
enrich_skip(const struct enrich *e, struct record *rec)
{
    struct source *source = rec->source;

    source->snapshot_serial = e->serial;
    source->looks[0] = (struct source_look) {
        .snapshot_serial = e->serial,
        .tenant = context_policy_tenant(e->policy, rec->meta.vni),
        .until_ns = UINT64_MAX,
        .match = MATCH_SKIPPED,
    };
    rec->look = &source->looks[0];
}

void
enrich_run(struct enrich *e, struct record *rec)
{
    struct source *source = rec->source;

    for (size_t i = 0; i < SOURCE_LOOKS; i++) {
        if (OVS_LIKELY(is_for(&source->looks[i], e, rec))) {
            rec->look = &source->looks[i];
            return;
        }
    }
    rec->look = look_again(e, rec);
}

void
enrich_choose(struct record *rec)
{
    const struct source_look *look = rec->look;

    rec->context_sets = (look->context.size && !rec->verbose
                         ? context_policy_line(look->tenant, rec->msg.pri,
                                               rec->msg.app_name)
                         : 0);
}
