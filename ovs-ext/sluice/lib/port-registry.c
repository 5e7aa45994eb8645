/* SPDX-License-Identifier: Apache-2.0
 *
 * The ports that log_tunnel knows: see port-registry.h.  In: names,
 * external_ids, counts.  Out: identities, sequence numbers, figures. */

#include <config.h>

#include "sluice/port-registry.h"

#include <time.h>

#include "cmap.h"
#include "coverage.h"
#include "hash.h"
#include "netdev.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "packets.h"
#include "seq.h"
#include "sluice/port-show.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(sluice);

COVERAGE_DEFINE(log_tunnel_taken);
COVERAGE_DEFINE(log_tunnel_metered);
COVERAGE_DEFINE(log_tunnel_passed);
COVERAGE_DEFINE(log_tunnel_stamped);
COVERAGE_DEFINE(log_tunnel_dropped);

#define NUMBERS_PER_EPOCH UINT32_MAX    /* 1 to UINT32_MAX. */

/* An epoch is the time of creation in units of 250 ms since 2025-01-01, so
 * that a receiver can tell the newer of two until 2059. */
#define EPOCH_ZERO INT64_C(1735689600)
#define EPOCHS_PER_SECOND 4

/* One port, or a further destination of one. */
struct sluice_port {
    /* Constant. */
    struct cmap_node node;      /* In 'ports', by 'id'. */
    uint32_t id;                /* Never used again in this process. */
    uint32_t first_epoch;       /* Epoch of the first packet. */
    bool is_further;            /* A further destination, not a port. */
    char *bridge;               /* Name of the bridge. */
    char *name;                 /* Name of the port. */
    ofp_port_t ofp_port;        /* OpenFlow port number. */

    /* Configuration. */
    OVSRCU_TYPE(struct sluice_identity *) identity; /* Never null. */
    char *vm_id;                /* external_ids:vm-id, or null. */
    char *tenant_id;            /* external_ids:sluice-tenant, or null. */
    char *owner_id;             /* external_ids:sluice-owner, or null. */

    int mtu;                    /* See sluice_port_set_mtu(); at first -1. */
    bool is_live;               /* See sluice_port_set_live(). */
    unsigned int n_deaths;      /* Likewise. */

    /* Destinations.  All guarded by 'ports_mutex'. */
    bool is_gone;               /* Destroyed, and no more gets in. */
    bool has_destination;       /* Whether 'destination' is valid. */
    struct sluice_destination destination; /* Of what this entry counts. */
    size_t n_further;           /* Entries of the port's other destinations. */
    struct sluice_port *further[SLUICE_MAX_DESTINATIONS - 1];

    /* What sluice_port_read() leaves out.  Main thread only. */
    struct sluice_figures base;

    /* Counters, on a cache line of their own.  Relaxed order will do: each is
     * exact by itself. */
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        atomic_uint64_t taken;   /* Packets that reached the action. */
        atomic_uint64_t bytes;   /* Bytes in those, without the tunnel. */
        atomic_uint64_t metered; /* Packets taken that a meter gets. */
        atomic_uint64_t passed;  /* Those of them that the meter let pass. */
        atomic_uint64_t sent;    /* Packets stamped and passed on. */
        atomic_uint64_t drops[SLUICE_N_DROP_REASONS]; /* The others. */
    );
};

/* All ports by id, and the lock for changing the map. */
static struct cmap ports = CMAP_INITIALIZER;
static struct ovs_mutex ports_mutex = OVS_MUTEX_INITIALIZER;
static uint32_t next_id OVS_GUARDED_BY(ports_mutex) = SLUICE_NO_PORT_ID;

/* No port created from now on may have an epoch below this one. */
static uint32_t min_epoch OVS_GUARDED_BY(ports_mutex);

/* How many were removed from the map, and what a thread found last, when. */
static atomic_uint32_t n_removed = 0;
struct last_found {
    struct sluice_port *port;
    uint32_t n_removed;
};
DEFINE_STATIC_PER_THREAD_DATA(struct last_found, last_found, { .port = NULL })

static atomic_uint16_t option_class = SLUICE_TLV_CLASS;

static void sluice_init(void);
static struct sluice_port *sluice_port_create__(const char *bridge,
                                                const char *name, ofp_port_t);
static void sluice_port_free(struct sluice_port *);
static struct sluice_port *entry_create(const char *bridge, const char *name,
                                        ofp_port_t);
static void entry_insert(struct sluice_port *) OVS_REQUIRES(ports_mutex);
static void entry_remove(struct sluice_port *) OVS_REQUIRES(ports_mutex);

static uint64_t
counter_read(const atomic_uint64_t *counter)
{
    uint64_t value;

    atomic_read_relaxed(CONST_CAST(atomic_uint64_t *, counter), &value);
    return value;
}

static void
counter_add(atomic_uint64_t *counter, uint64_t n)
{
    uint64_t orig;

    atomic_add_relaxed(counter, n, &orig);
}

/* Makes '*stringp' a copy of 's', either of which may be null.  Returns true
 * if that changed it. */
static bool
replace_string(char **stringp, const char *s)
{
    if (nullable_string_is_equal(*stringp, s)) {
        return false;
    }
    free(*stringp);
    *stringp = nullable_xstrdup(s);
    return true;
}

/* Returns the epoch that the latest packet of 'port' had. */
static uint32_t
sluice_port_last_epoch(const struct sluice_port *port)
{
    uint64_t taken = counter_read(&port->taken);

    return port->first_epoch + (taken ? (taken - 1) / NUMBERS_PER_EPOCH : 0);
}

/* Name and explanation of each drop reason. */
static const struct {
    const char *name;
    const char *text;
} reasons[SLUICE_N_DROP_REASONS] = {
#define SLUICE_DROP_REASON(ENUM, NAME, TEXT) { NAME, TEXT },
#include "sluice/drop-reasons.def"
#undef SLUICE_DROP_REASON
};

/* Returns the one-word name of 'reason', which need not be a valid one. */
const char *
sluice_drop_reason_name(enum sluice_drop_reason reason)
{
    return reason < SLUICE_N_DROP_REASONS ? reasons[reason].name : "unknown";
}

/* Returns the explanation of 'reason', which must be a valid one. */
const char *
sluice_drop_reason_text(enum sluice_drop_reason reason)
{
    return reasons[reason].text;
}

/* Finds the reason called 'name'.  Returns false if there is none. */
bool
sluice_drop_reason_from_name(const char *name,
                             enum sluice_drop_reason *ret_reason)
{
    for (int i = 0; i < SLUICE_N_DROP_REASONS; i++) {
        if (!strcmp(name, reasons[i].name)) {
            *ret_reason = i;
            return true;
        }
    }
    return false;
}

/* Takes the option class from 'other_config', the Open_vSwitch table's
 * column.  Makes flows revalidate if it changed.  Being called with each new
 * configuration, also makes "sluice/show" available. */
void
sluice_set_option_class(const struct smap *other_config)
{
    const char *s = smap_get(other_config, "sluice-option-class");
    unsigned int new_class = SLUICE_TLV_CLASS;
    uint16_t old_class = sluice_option_class();

    sluice_init();
    if (s && (!str_to_uint(s, 0, &new_class) || new_class > UINT16_MAX)) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);

        VLOG_WARN_RL(&rl, "other_config:sluice-option-class: \"%s\" is not a "
                     "number from 0 to 0xffff, using %#x", s,
                     SLUICE_TLV_CLASS);
        new_class = SLUICE_TLV_CLASS;
    }
    if (new_class != old_class) {
        atomic_store_relaxed(&option_class, new_class);
        seq_change(tnl_conf_seq);
    }
}

/* Returns the option class to use. */
uint16_t
sluice_option_class(void)
{
    uint16_t class_;

    atomic_read_relaxed(&option_class, &class_);
    return class_;
}

/* Creates and returns an entry for the port 'name' with number 'ofp_port' of
 * 'bridge'.  Until it is configured, it has no identity.  The caller owns it
 * and must destroy it with sluice_port_destroy(). */
struct sluice_port *
sluice_port_create(const char *bridge, const char *name, ofp_port_t ofp_port)
{
    sluice_init();
    return sluice_port_create__(bridge, name, ofp_port);
}

/* Destroys 'port', which may be null, after a grace period.  Its id is not
 * used again; what its counters say goes to the log. */
void
sluice_port_destroy(struct sluice_port *port)
{
    if (!port) {
        return;
    }

    ovs_mutex_lock(&ports_mutex);
    uint64_t taken = counter_read(&port->taken);
    uint64_t sent = counter_read(&port->sent);
    port->is_gone = true;
    entry_remove(port);
    for (size_t i = 0; i < port->n_further; i++) {
        entry_remove(port->further[i]);
        taken += counter_read(&port->further[i]->taken);
        sent += counter_read(&port->further[i]->sent);
    }
    ovs_mutex_unlock(&ports_mutex);

    if (taken) {
        VLOG_INFO("%s: deleted from bridge %s after %"PRIu64" log packets, "
                  "of which %"PRIu64" were sent",
                  port->name, port->bridge, taken, sent);
    }
    ovsrcu_postpone(sluice_port_free, port);
}

/* Records whether 'port' is live, in the sense of OFPPS_LIVE: for a tunnel,
 * whether BFD, if it is enabled there, says that the other end is. */
void
sluice_port_set_live(struct sluice_port *port, bool is_live)
{
    port->n_deaths += port->is_live && !is_live;
    port->is_live = is_live;
}

/* Takes the identity of 'port' from 'external_ids'.  A value that cannot be
 * read counts as absent, with a warning.  Makes flows revalidate if anything
 * changed; the counters go on. */
void
sluice_port_configure(struct sluice_port *port,
                      const struct smap *external_ids)
{
    const char *vm_id = smap_get(external_ids, "vm-id");
    const char *tenant_id = smap_get(external_ids, "sluice-tenant");
    const char *owner_id = smap_get(external_ids, "sluice-owner");
    bool vm_changed = replace_string(&port->vm_id, vm_id);
    bool tenant_changed = replace_string(&port->tenant_id, tenant_id);
    bool owner_changed = replace_string(&port->owner_id, owner_id);

    if (!vm_changed && !tenant_changed && !owner_changed) {
        return;
    }

    struct sluice_identity *identity = xzalloc(sizeof *identity);

    if (vm_id) {
        identity->has_vm = sluice_vm_from_string(vm_id, identity->vm);
        if (vm_changed && !identity->has_vm) {
            VLOG_WARN("interface %s: external_ids:vm-id \"%s\" is not a "
                      "UUID, ignoring it", port->name, vm_id);
        }
    }
    if (tenant_id) {
        identity->has_tenant = sluice_tenant_from_string(tenant_id,
                                                         &identity->tenant);
        if (tenant_changed && !identity->has_tenant) {
            VLOG_WARN("interface %s: external_ids:sluice-tenant \"%s\" is "
                      "not a number from 1 to %d, ignoring it",
                      port->name, tenant_id, SLUICE_TLV_MAX_TENANT);
        }
    }
    if (owner_id) {
        identity->has_owner = sluice_owner_from_string(owner_id,
                                                       &identity->owner_pid,
                                                       &identity->owner_uid);
        if (owner_changed && !identity->has_owner) {
            VLOG_WARN("interface %s: external_ids:sluice-owner \"%s\" is not "
                      "PID:UID with a process id other than 0, ignoring it",
                      port->name, owner_id);
        }
    }

    ovsrcu_postpone(free, ovsrcu_get_protected(struct sluice_identity *,
                                               &port->identity));
    ovsrcu_set(&port->identity, identity);
    seq_change(tnl_conf_seq);
}

/* Makes flows revalidate if 'mtu', 0 if it is unknown, is not what it was at
 * the last call: what is too large for an underlay is decided when a flow is
 * translated.  The first call is for a port that no flow knows yet. */
void
sluice_port_set_mtu(struct sluice_port *port, int mtu)
{
    if (port->mtu != mtu) {
        bool is_change = port->mtu >= 0;

        port->mtu = mtu;
        if (is_change) {
            seq_change(tnl_conf_seq);
        }
    }
}

/* Whether 'entry', which has a destination, counts what goes to that. */
static bool
goes_to(const struct sluice_port *entry,
        const struct sluice_destination *destination)
    OVS_REQUIRES(ports_mutex)
{
    return (ipv6_addr_equals(&entry->destination.ip, &destination->ip)
            && entry->destination.udp_port == destination->udp_port);
}

/* Returns a new entry for a further destination of 'port', null if there is no
 * room.  Its epoch is later than all of the port, in case that two addresses
 * are one proxy's. */
static struct sluice_port *
add_further(struct sluice_port *port)
    OVS_REQUIRES(ports_mutex)
{
    struct sluice_port *entry;

    if (port->n_further >= ARRAY_SIZE(port->further)) {
        return NULL;
    }
    entry = entry_create(port->bridge, port->name, port->ofp_port);
    entry->is_further = true;
    min_epoch = MAX(min_epoch, sluice_port_last_epoch(port) + 1);
    entry_insert(entry);
    min_epoch = entry->first_epoch + 1;
    port->further[port->n_further++] = entry;
    return entry;
}

/* Returns the entry with 'id', or null.  The datapath asks twice for each
 * batch, so a thread tries the one that it found last, which is still there as
 * long as none was removed since.  Should it not see yet that one was, it has
 * not quiesced yet, and until then the entry stays valid. */
struct sluice_port *
sluice_port_find(uint32_t id)
{
    struct last_found *last = last_found_get();
    struct sluice_port *port;
    uint32_t n;

    atomic_read_explicit(&n_removed, &n, memory_order_acquire);
    if (OVS_LIKELY(last->n_removed == n && last->port
                   && last->port->id == id)) {
        return last->port;
    }
    CMAP_FOR_EACH_WITH_HASH (port, node, hash_int(id, 0), &ports) {
        if (port->id == id) {
            *last = (struct last_found) { port, n };
            return port;
        }
    }
    return NULL;
}

/* Returns the id of 'port'. */
uint32_t
sluice_port_id(const struct sluice_port *port)
{
    return port->id;
}

/* Stores the id of the entry that counts packets of 'port' to 'destination',
 * which is made if there is none: flow translation calls this.  Returns false
 * if there are too many. */
bool
sluice_port_find_destination(const struct sluice_port *port_,
                             const struct sluice_destination *destination,
                             uint32_t *ret_id)
{
    struct sluice_port *port = CONST_CAST(struct sluice_port *, port_);
    struct sluice_port *entry = port;
    bool found = true;

    ovs_mutex_lock(&ports_mutex);
    for (size_t i = 0; entry->has_destination
                       && !goes_to(entry, destination); i++) {
        if (i == port->n_further) {
            entry = port->is_gone ? port : add_further(port);
            break;
        }
        entry = port->further[i];
    }
    if (entry) {
        entry->has_destination = true;
        entry->destination = *destination;
        *ret_id = entry->id;
    } else {
        found = false;
    }
    ovs_mutex_unlock(&ports_mutex);
    return found;
}

/* Returns the name of 'port'. */
const char *
sluice_port_name(const struct sluice_port *port)
{
    return port->name;
}

/* Returns the identity of 'port', never null. */
const struct sluice_identity *
sluice_port_identity(const struct sluice_port *port)
{
    return ovsrcu_get(struct sluice_identity *, &port->identity);
}

/* Counts 'n_packets' of together 'n_bytes' as taken by the action on 'port'.
 * Returns the index of the first of them, for sluice_port_sequence(); the
 * others follow. */
uint64_t
sluice_port_take(struct sluice_port *port, uint64_t n_packets,
                 uint64_t n_bytes)
{
    uint64_t index;

    COVERAGE_ADD(log_tunnel_taken, n_packets);
    atomic_add_relaxed(&port->taken, n_packets, &index);
    counter_add(&port->bytes, n_bytes);
    return index;
}

/* Stores epoch and number of packet 'index' of 'port'. */
void
sluice_port_sequence(const struct sluice_port *port, uint64_t index,
                     uint32_t *ret_epoch, uint32_t *ret_number)
{
    *ret_epoch = port->first_epoch + index / NUMBERS_PER_EPOCH;
    *ret_number = 1 + index % NUMBERS_PER_EPOCH;
}

/* Counts 'n_packets' taken before as about to be metered. */
void
sluice_port_count_metered(struct sluice_port *port, uint64_t n_packets)
{
    COVERAGE_ADD(log_tunnel_metered, n_packets);
    counter_add(&port->metered, n_packets);
}

/* Counts 'n_packets' counted as metered before as passed by the meter. */
void
sluice_port_count_passed(struct sluice_port *port, uint64_t n_packets)
{
    COVERAGE_ADD(log_tunnel_passed, n_packets);
    counter_add(&port->passed, n_packets);
}

/* Counts 'n_packets' taken before as sent. */
void
sluice_port_count_sent(struct sluice_port *port, uint64_t n_packets)
{
    COVERAGE_ADD(log_tunnel_stamped, n_packets);
    counter_add(&port->sent, n_packets);
}

/* Counts 'n_packets' taken before as dropped for 'reason'. */
void
sluice_port_count_drop(struct sluice_port *port,
                       enum sluice_drop_reason reason, uint64_t n_packets)
{
    COVERAGE_ADD(log_tunnel_dropped, n_packets);
    counter_add(&port->drops[reason], n_packets);
}

/* Returns the epoch of now.  Not from timeval.h, whose time a test may stop or
 * warp: epochs must differ also then. */
static uint32_t
epoch_now(void)
{
    struct timespec now;

    xclock_gettime(CLOCK_REALTIME, &now);
    return ((now.tv_sec - EPOCH_ZERO) * EPOCHS_PER_SECOND
            + now.tv_nsec / (1000000000 / EPOCHS_PER_SECOND));
}

/* Returns a new entry that is in no map yet. */
static struct sluice_port *
entry_create(const char *bridge, const char *name, ofp_port_t ofp_port)
{
    struct sluice_port *port = xzalloc_cacheline(sizeof *port);

    port->bridge = xstrdup(bridge);
    port->name = xstrdup(name);
    port->ofp_port = ofp_port;
    port->mtu = -1;
    ovsrcu_init(&port->identity, xzalloc(sizeof(struct sluice_identity)));
    atomic_init(&port->taken, 0);
    atomic_init(&port->bytes, 0);
    atomic_init(&port->metered, 0);
    atomic_init(&port->passed, 0);
    atomic_init(&port->sent, 0);
    for (int i = 0; i < SLUICE_N_DROP_REASONS; i++) {
        atomic_init(&port->drops[i], 0);
    }
    return port;
}

/* Makes 'port' one that can be found, with an epoch of its own. */
static void
entry_insert(struct sluice_port *port)
    OVS_REQUIRES(ports_mutex)
{
    port->id = next_id++;
    port->first_epoch = MAX(epoch_now(), min_epoch);
    cmap_insert(&ports, &port->node, hash_int(port->id, 0));
}

/* Makes 'port' one that cannot be found, and its epochs ones that no other
 * entry has from now on. */
static void
entry_remove(struct sluice_port *port)
    OVS_REQUIRES(ports_mutex)
{
    uint32_t n;

    cmap_remove(&ports, &port->node, hash_int(port->id, 0));
    atomic_add_explicit(&n_removed, 1, &n, memory_order_release);
    min_epoch = MAX(min_epoch, sluice_port_last_epoch(port) + 1);
}

static struct sluice_port *
sluice_port_create__(const char *bridge, const char *name,
                     ofp_port_t ofp_port)
{
    struct sluice_port *port = entry_create(bridge, name, ofp_port);

    ovs_mutex_lock(&ports_mutex);
    entry_insert(port);
    ovs_mutex_unlock(&ports_mutex);
    return port;
}

static void
sluice_port_free(struct sluice_port *port)
{
    for (size_t i = 0; i < port->n_further; i++) {
        sluice_port_free(port->further[i]);
    }
    free(ovsrcu_get_protected(struct sluice_identity *, &port->identity));
    free(port->bridge);
    free(port->name);
    free(port->vm_id);
    free(port->tenant_id);
    free(port->owner_id);
    free_cacheline(port);
}

static int
compare_ports(const void *a_, const void *b_)
{
    const struct sluice_port *const *a = a_;
    const struct sluice_port *const *b = b_;
    int cmp = strcmp((*a)->bridge, (*b)->bridge);

    return cmp ? cmp : strcmp((*a)->name, (*b)->name);
}

/* Returns all ports, the one that stands for none included, sorted by bridge
 * and name, and stores their number.  The caller must free() the array, not
 * the ports. */
struct sluice_port **
sluice_ports_list(size_t *ret_n)
{
    struct sluice_port **list = NULL;
    size_t allocated = 0;
    size_t n = 0;
    struct sluice_port *port;

    CMAP_FOR_EACH (port, node, &ports) {
        if (port->is_further) {
            continue;
        }
        if (n >= allocated) {
            list = x2nrealloc(list, &allocated, sizeof *list);
        }
        list[n++] = port;
    }
    if (n) {
        qsort(list, n, sizeof *list, compare_ports);
    }
    *ret_n = n;
    return list;
}

/* Stores what the counters of 'port' say since the port was made.
 *
 * The datapath does not tell us of packets lost between being taken and being
 * stamped.  What a meter dropped is the difference between what it got and
 * what it let pass; what is left over then, the push of the header lost.
 * Reading later what is counted earlier, 'taken' last, may show a packet that
 * is just on its way as lost for a moment, but never too few. */
static void
read_figures(const struct sluice_port *port, struct sluice_figures *f)
{
    uint64_t settled = f->sent = counter_read(&port->sent);
    uint64_t passed, rate;

    for (int i = 0; i < SLUICE_N_DROP_REASONS; i++) {
        f->drops[i] = counter_read(&port->drops[i]);
        settled += f->drops[i];
    }
    passed = counter_read(&port->passed);
    rate = counter_read(&port->metered) - passed;
    f->bytes = counter_read(&port->bytes);
    f->taken = counter_read(&port->taken);
    f->drops[SLUICE_DROP_METER] += rate;
    f->drops[SLUICE_DROP_PUSH] += f->taken - settled - rate;
}

/* Adapts 'base', the figures at the time of a reset, to 'f', the ones of now:
 * what was on its way at the reset seemed lost for 'reason' then.  It was not,
 * so it belongs to what came after. */
static void
forgive_reset(struct sluice_figures *base, const struct sluice_figures *f,
              enum sluice_drop_reason reason)
{
    if (f->drops[reason] < base->drops[reason]) {
        base->taken -= base->drops[reason] - f->drops[reason];
        base->drops[reason] = f->drops[reason];
    }
}

/* Stores the figures of the entry 'port' since sluice_port_reset(), and its
 * last epoch and number. */
static void
read_entry(struct sluice_port *port, struct sluice_figures *f,
           uint32_t *ret_epoch, uint32_t *ret_number)
{
    struct sluice_figures *base = &port->base;

    read_figures(port, f);
    *ret_epoch = port->first_epoch;
    *ret_number = 0;
    if (f->taken) {
        sluice_port_sequence(port, f->taken - 1, ret_epoch, ret_number);
    }

    forgive_reset(base, f, SLUICE_DROP_METER);
    forgive_reset(base, f, SLUICE_DROP_PUSH);
    f->taken -= base->taken;
    f->bytes -= base->bytes;
    f->sent -= base->sent;
    for (int i = 0; i < SLUICE_N_DROP_REASONS; i++) {
        f->drops[i] -= base->drops[i];
    }
}

/* Stores what is known of 'port', with figures since sluice_port_reset(). */
void
sluice_port_read(struct sluice_port *port, struct sluice_port_status *status)
{
    struct sluice_figures *f = &status->figures;

    status->bridge = port->bridge;
    status->name = port->name;
    status->ofp_port = port->ofp_port;
    status->is_configured = (port->vm_id || port->tenant_id
                             || port->owner_id);
    status->identity = sluice_port_identity(port);
    read_entry(port, f, &status->epoch, &status->number);
    status->is_used = status->number > 0;

    ovs_mutex_lock(&ports_mutex);
    for (size_t i = 0; i < port->n_further; i++) {
        struct sluice_figures more;
        uint32_t epoch, number;

        read_entry(port->further[i], &more, &epoch, &number);
        status->is_used |= number > 0;
        f->taken += more.taken;
        f->bytes += more.bytes;
        f->sent += more.sent;
        for (int j = 0; j < SLUICE_N_DROP_REASONS; j++) {
            f->drops[j] += more.drops[j];
        }
    }
    ovs_mutex_unlock(&ports_mutex);
}

/* Stores what is known of the tunnel port of 'bridge' that 'status' names. */
static void
read_tunnel(const char *bridge, struct sluice_destination_status *status)
{
    const struct sluice_port *port;

    status->tunnel_name = NULL;
    status->is_live = false;
    status->n_deaths = 0;
    CMAP_FOR_EACH (port, node, &ports) {
        if (!port->is_further && !strcmp(port->bridge, bridge)
            && port->ofp_port == status->destination.tunnel) {
            free(status->tunnel_name);
            status->tunnel_name = xstrdup(port->name);
            status->is_live = port->is_live;
            status->n_deaths = port->n_deaths;
        }
    }
    if (!status->tunnel_name) {
        status->tunnel_name = xstrdup("");
    }
}

/* Returns what is known of the destinations that packets of 'port' had, the
 * first one first, and stores their number.  The caller must free() the names
 * and the array. */
struct sluice_destination_status *
sluice_port_read_destinations(struct sluice_port *port, size_t *ret_n)
{
    struct sluice_destination_status *list = NULL;
    size_t n = 0;

    ovs_mutex_lock(&ports_mutex);
    if (port->has_destination) {
        list = xcalloc(1 + port->n_further, sizeof *list);
        for (n = 0; n <= port->n_further; n++) {
            struct sluice_port *entry = n ? port->further[n - 1] : port;

            list[n].destination = entry->destination;
            read_entry(entry, &list[n].figures, &list[n].epoch,
                       &list[n].number);
        }
    }
    ovs_mutex_unlock(&ports_mutex);

    for (size_t i = 0; i < n; i++) {
        read_tunnel(port->bridge, &list[i]);
    }
    *ret_n = n;
    return list;
}

/* Makes sluice_port_read() begin from zero.  The counters themselves go on,
 * since sequence numbers come from them. */
void
sluice_port_reset(struct sluice_port *port)
{
    read_figures(port, &port->base);
    ovs_mutex_lock(&ports_mutex);
    for (size_t i = 0; i < port->n_further; i++) {
        read_figures(port->further[i], &port->further[i]->base);
    }
    ovs_mutex_unlock(&ports_mutex);
}

/* Makes the entry for "no port", whose id is SLUICE_NO_PORT_ID because it is
 * the first, and registers our commands. */
static void
sluice_init(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;

    if (ovsthread_once_start(&once)) {
        sluice_port_create__("", "", OFPP_NONE);
        sluice_show_init();
        ovsthread_once_done(&once);
    }
}
