/* SPDX-License-Identifier: Apache-2.0
 *
 * What one vCenter has.  See vsphere-model.h. */
#include <config.h>

#include "vsphere-model.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/hmap.h"
#include "packets.h"
#include "printable.h"
#include "proxy-config.h"
#include "syslog-msg.h"
#include "util.h"
#include "uuid-bytes.h"
#include "vsphere-tags.h"

enum {
    MAX_FACTS = 16 + VSPHERE_MAX_CUSTOM + TAGS_MAX_KEYS,
    MAX_PATH = VSPHERE_MAX_TEXT,
};

/* Custom attributes are called that and their name. */
#define CUSTOM_PREFIX "attr-"
BUILD_ASSERT_DECL(VSPHERE_MAX_FIELD_NAME + sizeof CUSTOM_PREFIX - 1
                  == SYSLOG_MAX_SD_NAME);

struct object {
    struct hmap_node node;      /* In 'objects', by 'ref'. */
    char *ref;
    enum vsphere_type type;
    char *values[N_VSPHERE_PROPERTIES]; /* Null: none. */
    uint64_t pushed_ns;         /* When these were said: Unix epoch. */
    uint64_t polled_ns;
    uint64_t averaged_ns;
    bool is_unasked;
    bool is_partial;
    bool was_unasked;           /* Asked about; there is no answer yet. */
    bool was_partial;
    unsigned int round;         /* In which it was polled... */
    unsigned int average_round; /* ...and its averages read. */
    size_t n_missing;           /* The most that an answer said. */
};

struct vsphere_model {
    struct hmap objects;
    size_t n_of[N_VSPHERE_TYPES]; /* Objects of each type. */
    size_t n_bytes, max_bytes;  /* Of all values. */
    size_t n_missing;           /* Properties that may not be read. */
    unsigned int round, average_round;
    bool any_unasked;           /* Some may be: spares a search. */
    bool any_partial;
};

struct vsphere_model *
vsphere_model_create(size_t max_bytes)
{
    struct vsphere_model *m = xzalloc(sizeof *m);

    hmap_init(&m->objects);
    m->round = m->average_round = 1;
    m->max_bytes = max_bytes;
    return m;
}

static size_t
value_size(const char *value)
{
    return value ? strlen(value) + 1 : 0;
}

/* Sets a value to 'text', which is taken and may be null. */
static void
replace_value(struct vsphere_model *m, struct object *o,
              enum vsphere_property property, char *text)
{
    m->n_bytes += value_size(text) - value_size(o->values[property]);
    free(o->values[property]);
    o->values[property] = text;
}

static void
object_destroy(struct vsphere_model *m, struct object *o)
{
    m->n_of[o->type]--;
    m->n_missing -= o->n_missing;
    hmap_remove(&m->objects, &o->node);
    for (size_t i = 0; i < N_VSPHERE_PROPERTIES; i++) {
        replace_value(m, o, i, NULL);
    }
    free(o->ref);
    free(o);
}

void
vsphere_model_destroy(struct vsphere_model *m)
{
    struct object *o;

    if (m) {
        HMAP_FOR_EACH_SAFE (o, node, &m->objects) {
            object_destroy(m, o);
        }
        hmap_destroy(&m->objects);
        free(m);
    }
}

/* Finds the object, or returns null; 'ref' may be null. */
static struct object *
find(const struct vsphere_model *m, const char *ref)
{
    struct object *o;

    if (ref) {
        HMAP_FOR_EACH_WITH_HASH (o, node, hash_string(ref, 0), &m->objects) {
            if (!strcmp(o->ref, ref)) {
                return o;
            }
        }
    }
    return NULL;
}

static struct object *
add_object(struct vsphere_model *m, const struct vsphere_update *u)
{
    struct object *o = xzalloc(sizeof *o);

    o->ref = xstrdup(u->ref);
    o->type = u->type;
    o->is_unasked = o->type == VSPHERE_VM;
    m->n_of[o->type]++;
    hmap_insert(&m->objects, &o->node, hash_string(o->ref, 0));
    return o;
}

static void
set_value(struct vsphere_model *m, struct object *o, struct vsphere_value *v)
{
    /* Whatever else says that devices changed, this does. */
    if (v->property == VSPHERE_VM_CHANGE
        && !nullable_string_is_equal(o->values[v->property], v->text)) {
        o->is_unasked = true;
    }
    replace_value(m, o, v->property, v->text);
    v->text = NULL;
}

/* Returns why there may be no further object of that type, or null. */
static char *
refuse_object(const struct vsphere_model *m, enum vsphere_type type)
{
    if (hmap_count(&m->objects) >= VSPHERE_MAX_OBJECTS) {
        return xasprintf("it has more than %d objects", VSPHERE_MAX_OBJECTS);
    } else if (type == VSPHERE_CUSTOM && m->n_of[type]) {
        return xasprintf("it has more than one %s", vsphere_type_names[type]);
    }
    return NULL;
}

char *
vsphere_model_apply(struct vsphere_model *m, struct vsphere_update *u,
                    uint64_t now_ns)
{
    struct object *o = find(m, u->ref);

    if (u->kind == VSPHERE_LEAVE) {
        if (o) {
            object_destroy(m, o);
        }
        return NULL;
    }
    if (o && o->type != u->type) {
        object_destroy(m, o);
        o = NULL;
    }
    /* What is asked for may be gone by the time it is answered. */
    if (!o && u->kind == VSPHERE_MODIFY) {
        return NULL;
    } else if (!o) {
        char *problem = refuse_object(m, u->type);
        if (problem) {
            return problem;
        }
        o = add_object(m, u);
    }
    /* Each answer says it anew. */
    if (u->n_missing > o->n_missing) {
        m->n_missing += u->n_missing - o->n_missing;
        o->n_missing = u->n_missing;
    }
    o->is_partial |= u->is_partial;
    m->any_partial |= u->is_partial;
    for (size_t i = 0; i < u->n_values; i++) {
        enum vsphere_how how = vsphere_properties[u->values[i].property].how;

        if (how == VSPHERE_POLLED) {
            o->polled_ns = now_ns;
        } else if (how == VSPHERE_AVERAGED) {
            o->averaged_ns = now_ns;
        } else {
            o->pushed_ns = now_ns;
        }
        set_value(m, o, &u->values[i]);
    }
    m->any_unasked |= o->is_unasked;
    return (m->n_bytes > m->max_bytes
            ? xasprintf("all that it says is more than %"PRIuSIZE" bytes",
                        m->max_bytes) : NULL);
}

void
vsphere_model_inherit(struct vsphere_model *m,
                      const struct vsphere_model *old)
{
    struct object *o;

    HMAP_FOR_EACH (o, node, &m->objects) {
        const struct object *before = find(old, o->ref);

        for (size_t i = 0; before && i < N_VSPHERE_PROPERTIES; i++) {
            if (vsphere_properties[i].how != VSPHERE_PUSHED && !o->values[i]
                && before->type == o->type
                && m->n_bytes + value_size(before->values[i])
                   <= m->max_bytes) {
                replace_value(m, o, i, nullable_xstrdup(before->values[i]));
                o->polled_ns = before->polled_ns;
                o->averaged_ns = before->averaged_ns;
            }
        }
    }
}

/* Asking. */

static void
put_ref(struct ds *s, const struct object *o)
{
    ds_put_format(s, "<objectSet><obj type=\"%s\">%s</obj></objectSet>",
                  vsphere_type_names[o->type], o->ref);
}

/* Does what the two functions below do, by the flag at 'offset' of an object,
 * moved to that at 'taken'; '*any': some may have it. */
static size_t
take_flagged(struct vsphere_model *m, bool *any, size_t offset, size_t taken,
             size_t max, struct ds *s)
{
    struct object *o;
    size_t n = 0;

    if (!*any) {
        return 0;
    }
    HMAP_FOR_EACH (o, node, &m->objects) {
        bool *flag = ALIGNED_CAST(bool *, (char *) o + offset);

        if (n >= max) {
            break;
        }
        if (*flag) {
            *flag = false;
            *ALIGNED_CAST(bool *, (char *) o + taken) = true;
            put_ref(s, o);
            n++;
        }
    }
    *any = n > 0;
    return n;
}

size_t
vsphere_model_take_unasked(struct vsphere_model *m, size_t max, struct ds *s)
{
    return take_flagged(m, &m->any_unasked,
                        offsetof(struct object, is_unasked),
                        offsetof(struct object, was_unasked), max, s);
}

size_t
vsphere_model_take_partial(struct vsphere_model *m, size_t max, struct ds *s)
{
    return take_flagged(m, &m->any_partial,
                        offsetof(struct object, is_partial),
                        offsetof(struct object, was_partial), max, s);
}

void
vsphere_model_note_answer(struct vsphere_model *m)
{
    struct object *o;

    HMAP_FOR_EACH (o, node, &m->objects) {
        o->was_unasked = false;
        o->was_partial = false;
    }
}

void
vsphere_model_ask_again(struct vsphere_model *m)
{
    struct object *o;

    HMAP_FOR_EACH (o, node, &m->objects) {
        o->is_unasked |= o->was_unasked || (o->type == VSPHERE_VM
                                            && !o->values[VSPHERE_VM_DEVICES]);
        o->is_partial |= o->was_partial;
        o->was_unasked = false;
        o->was_partial = false;
        m->any_unasked |= o->is_unasked;
        m->any_partial |= o->is_partial;
    }
}

size_t
vsphere_model_take_unpolled(struct vsphere_model *m, size_t max, struct ds *s)
{
    struct object *o;
    size_t n = 0;

    HMAP_FOR_EACH (o, node, &m->objects) {
        if (n >= max) {
            break;
        }
        if ((o->type == VSPHERE_VM || o->type == VSPHERE_HOST)
            && o->round != m->round) {
            o->round = m->round;
            put_ref(s, o);
            n++;
        }
    }
    m->round += !n;
    return n;
}

size_t
vsphere_model_take_unaveraged(struct vsphere_model *m, size_t max,
                              const char *spec, struct ds *s)
{
    struct object *o;
    size_t n = 0;

    HMAP_FOR_EACH (o, node, &m->objects) {
        const char *power = (o->type == VSPHERE_VM
                             ? o->values[VSPHERE_VM_POWER] : NULL);

        if (n >= max) {
            break;
        }
        if ((o->type == VSPHERE_HOST
             || (power && !strcmp(power, "poweredOn")))
            && o->average_round != m->average_round) {
            o->average_round = m->average_round;
            ds_put_format(s, "<querySpec><entity type=\"%s\">%s</entity>%s"
                          "</querySpec>", vsphere_type_names[o->type], o->ref,
                          spec);
            n++;
        }
    }
    m->average_round += !n;
    return n;
}

size_t
vsphere_model_n_vms(const struct vsphere_model *m)
{
    return m->n_of[VSPHERE_VM];
}

size_t
vsphere_model_n_missing(const struct vsphere_model *m)
{
    return m->n_missing;
}

/* Facts. */

/* Those about one VM, and what they are made of. */
struct facts {
    struct fact facts[MAX_FACTS];
    size_t n;
    char *owned[MAX_FACTS * 2]; /* To be freed. */
    size_t n_owned;
};

static char *
own(struct facts *f, char *s)
{
    f->owned[f->n_owned++] = s;
    return s;
}

/* Adds a fact unless 'value', borrowed, is null or empty. */
static void
add_fact(struct facts *f, const char *key, const char *value,
         uint64_t fetched_ns, bool is_load)
{
    if (value && value[0] && f->n < MAX_FACTS) {
        f->facts[f->n++] = (struct fact) {
            .key = key, .value = value, .fetched_ns = fetched_ns,
            .is_load = is_load,
        };
    }
}

static const char *
value_of(const struct object *o, enum vsphere_property property)
{
    return o ? o->values[property] : NULL;
}

static uint64_t
number_of(const struct object *o, enum vsphere_property property)
{
    const char *text = value_of(o, property);

    return text ? strtoull(text, NULL, 10) : 0;
}

/* Adds how much 'used' is of 'all', of one unit, as a percentage. */
static void
add_percent(struct facts *f, const char *key, const struct object *o,
            enum vsphere_property used, double all)
{
    if (all > 0 && value_of(o, used)) {
        double percent = MIN(100.0 * number_of(o, used) / all, 100.0);

        add_fact(f, key, own(f, xasprintf("%.1f", percent)), o->polled_ns,
                 true);
    }
}

/* Adds an average, which is in hundredths of per cent.  'o' may be null. */
static void
add_average(struct facts *f, const char *key, const struct object *o,
            enum vsphere_property property)
{
    if (value_of(o, property)) {
        add_fact(f, key, own(f, xasprintf("%.1f", number_of(o, property)
                                          / 100.0)), o->averaged_ns, true);
    }
}

/* Adds the folders that the VM is in, from the datacenter's on. */
static void
add_folder(struct facts *f, const struct vsphere_model *m,
           const struct object *vm)
{
    const struct object *folders[VSPHERE_MAX_FOLDERS];
    const struct object *o = find(m, value_of(vm, VSPHERE_VM_PARENT));
    struct ds s = DS_EMPTY_INITIALIZER;
    size_t n = 0;

    /* In a circle it ends, too. */
    while (o && n < VSPHERE_MAX_FOLDERS
           && (o->type == VSPHERE_FOLDER || o->type == VSPHERE_DATACENTER)) {
        folders[n++] = o;
        o = find(m, value_of(o, o->type == VSPHERE_FOLDER
                             ? VSPHERE_FOLDER_PARENT
                             : VSPHERE_DATACENTER_PARENT));
    }
    while (n) {
        const struct object *folder = folders[--n];
        const char *name = value_of(folder, folder->type == VSPHERE_FOLDER
                                    ? VSPHERE_FOLDER_NAME
                                    : VSPHERE_DATACENTER_NAME);

        ds_put_format(&s, "/%s", name ? name : "");
    }
    add_fact(f, "folder", own(f, make_printable(ds_cstr(&s), MAX_PATH)),
             vm->pushed_ns, false);
    ds_destroy(&s);
}

/* Returns the text of item 'key' of an array of pairs, and its size, or
 * null. */
static const char *
find_pair(const char *pairs, const char *key, size_t key_size, size_t *size)
{
    while (pairs && *pairs) {
        const char *end = strchr(pairs, VSPHERE_ITEM_END);
        const char *part = strchr(pairs, VSPHERE_PART_END);

        if (!end || !part || part > end) {
            break;
        }
        if ((size_t) (part - pairs) == key_size
            && !memcmp(pairs, key, key_size)) {
            *size = end - part - 1;
            return part + 1;
        }
        pairs = end + 1;
    }
    return NULL;
}

static void
add_custom(struct facts *f, const struct object *vm, const char *fields)
{
    const char *item = value_of(vm, VSPHERE_VM_CUSTOM);

    while (item && *item) {
        const char *end = strchr(item, VSPHERE_ITEM_END);
        const char *part = strchr(item, VSPHERE_PART_END);
        const char *name;
        size_t size;

        if (!end || !part || part > end) {
            break;
        }
        name = find_pair(fields, item, part - item, &size);
        if (name && f->n < MAX_FACTS) {
            add_fact(f, own(f, vsphere_sd_name(CUSTOM_PREFIX, name, size)),
                     own(f, xmemdup0(part + 1, end - part - 1)),
                     vm->pushed_ns, false);
        }
        item = end + 1;
    }
}

static const char *
power_of(const struct object *vm)
{
    const char *s = value_of(vm, VSPHERE_VM_POWER);

    return (!s ? NULL
            : !strcmp(s, "poweredOn") ? "on"
            : !strcmp(s, "poweredOff") ? "off"
            : s);
}

static const char *
tools_of(const struct object *vm)
{
    const char *s = value_of(vm, VSPHERE_VM_TOOLS);

    return (!s ? NULL
            : !strcmp(s, "guestToolsRunning") ? "running"
            : !strcmp(s, "guestToolsNotRunning") ? "not-running"
            : s);
}

static void
add_facts(struct facts *f, const struct vsphere_model *m,
          const struct object *vm, const char *fields)
{
    const struct object *host = find(m, value_of(vm, VSPHERE_VM_HOST));
    const struct object *cluster = find(m, value_of(host,
                                                    VSPHERE_HOST_PARENT));
    const struct object *pool = find(m, value_of(vm, VSPHERE_VM_POOL));
    uint64_t at = vm->pushed_ns;

    add_fact(f, "guest-os", value_of(vm, VSPHERE_VM_GUEST_OS), at, false);
    if (host && host->type == VSPHERE_HOST) {
        add_fact(f, "host", value_of(host, VSPHERE_HOST_NAME), at, false);
        add_fact(f, "host-ip", value_of(host, VSPHERE_HOST_IP), at, false);
    }
    if (cluster && cluster->type == VSPHERE_CLUSTER) {
        add_fact(f, "cluster", value_of(cluster, VSPHERE_CLUSTER_NAME), at,
                 false);
    }
    if (pool && pool->type == VSPHERE_POOL) {
        add_fact(f, "resource-pool", value_of(pool, VSPHERE_POOL_NAME), at,
                 false);
    }
    add_folder(f, m, vm);
    add_fact(f, "power", power_of(vm), at, false);
    add_fact(f, "tools", tools_of(vm), at, false);
    if (power_of(vm) && !strcmp(power_of(vm), "on")) {
        add_percent(f, "cpu-percent", vm, VSPHERE_VM_CPU_MHZ,
                    number_of(vm, VSPHERE_VM_MAX_MHZ));
        /* Nothing at all means that nothing is known. */
        add_percent(f, "memory-percent", vm, VSPHERE_VM_USED_MB,
                    number_of(vm, VSPHERE_VM_USED_MB)
                    ? number_of(vm, VSPHERE_VM_MEMORY_MB) : 0);
        add_average(f, "cpu-average-percent", vm, VSPHERE_VM_CPU_AVERAGE);
        add_average(f, "memory-average-percent", vm,
                    VSPHERE_VM_MEMORY_AVERAGE);
    }
    if (host && host->type == VSPHERE_HOST) {
        add_average(f, "host-cpu-average-percent", host,
                    VSPHERE_HOST_CPU_AVERAGE);
        add_average(f, "host-memory-average-percent", host,
                    VSPHERE_HOST_MEMORY_AVERAGE);
        add_percent(f, "host-cpu-percent", host, VSPHERE_HOST_CPU_MHZ,
                    (double) number_of(host, VSPHERE_HOST_CORE_MHZ)
                    * number_of(host, VSPHERE_HOST_CORES));
        add_percent(f, "host-memory-percent", host, VSPHERE_HOST_USED_MB,
                    number_of(host, VSPHERE_HOST_MEMORY) / 1048576.0);
    }
    add_custom(f, vm, fields);
}

/* Appends the UUID that 's' says, unless it is none or all zeros or ones, as
 * that of a BIOS that was never given one, or there already. */
static size_t
add_uuid(const char *s, uint8_t (*uuids)[16], size_t n)
{
    if (!s || !uuid_bytes_parse(s, uuids[n])
        || is_all_zeros(uuids[n], UUID_BYTES)
        || is_all_ones(uuids[n], UUID_BYTES)) {
        return n;
    }
    return n + (!n || memcmp(uuids[0], uuids[n], 16));
}

static size_t
list_macs(const struct object *vm, uint8_t (*macs)[6])
{
    const char *s = value_of(vm, VSPHERE_VM_DEVICES);
    struct eth_addr mac;
    size_t n = 0;

    while (s && n < VSPHERE_MAX_MACS
           && ovs_scan(s, ETH_ADDR_SCAN_FMT, ETH_ADDR_SCAN_ARGS(mac))) {
        memcpy(macs[n++], mac.ea, 6);
        s = strchr(s, VSPHERE_ITEM_END);
        s = s ? s + 1 : NULL;
    }
    return n;
}

/* The tags of a VM, and when they were read. */
struct tags_of {
    struct facts *f;
    uint64_t read_ns;
};

static void
add_tags(const char *key, const char *value, void *tags_)
{
    struct tags_of *tags = tags_;
    struct facts *f = tags->f;

    if (f->n < MAX_FACTS) {
        add_fact(f, own(f, xstrdup(key)), own(f, xstrdup(value)),
                 tags->read_ns, false);
    }
}

static void
put_vm(const struct vsphere_model *m, const struct object *vm,
       const char *fields, const struct vsphere_tags *tags,
       struct merge *merge)
{
    struct facts *f = xzalloc(sizeof *f);
    uint8_t uuids[2][16];
    uint8_t macs[VSPHERE_MAX_MACS][6];
    size_t n_uuids = 0;
    const char *ip = value_of(vm, VSPHERE_VM_GUEST_IP);
    struct in6_addr addr;

    n_uuids = add_uuid(value_of(vm, VSPHERE_VM_INSTANCE_UUID), uuids, n_uuids);
    n_uuids = add_uuid(value_of(vm, VSPHERE_VM_BIOS_UUID), uuids, n_uuids);
    add_facts(f, m, vm, fields);
    if (tags) {
        struct tags_of of = { .f = f, .read_ns = vsphere_tags_read_ns(tags) };
        tags_model_each_of(vsphere_tags_model(tags), vm->ref, add_tags, &of);
    }
    merge_add(merge, &(struct vm_facts) {
        .uuids = (const uint8_t (*)[16]) uuids,
        .n_uuids = n_uuids,
        .macs = (const uint8_t (*)[6]) macs,
        .n_macs = list_macs(vm, macs),
        .ips = (const uint8_t (*)[16]) &addr.s6_addr,
        .n_ips = ip && config_parse_address(ip, &addr),
        .name = value_of(vm, VSPHERE_VM_NAME),
        .facts = f->facts,
        .n_facts = f->n,
    });
    for (size_t i = 0; i < f->n_owned; i++) {
        free(f->owned[i]);
    }
    free(f);
}

void
vsphere_model_put(const struct vsphere_model *m,
                  const struct vsphere_tags *tags, struct merge *merge)
{
    const struct object *o;
    const char *fields = NULL;

    HMAP_FOR_EACH (o, node, &m->objects) {
        if (o->type == VSPHERE_CUSTOM) {
            fields = value_of(o, VSPHERE_CUSTOM_FIELDS);
        }
    }
    HMAP_FOR_EACH (o, node, &m->objects) {
        if (o->type == VSPHERE_VM) {
            put_vm(m, o, fields, tags, merge);
        }
    }
}
