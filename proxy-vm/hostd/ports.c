/* SPDX-License-Identifier: Apache-2.0
 *
 * The ports that belong to somebody.  See ports.h. */
#include <config.h>

#include "ports.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "packets.h"
#include "sluice/identity.h"
#include "smap.h"
#include "util.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(ports);

struct ports {
    struct ovsdb_idl *idl;
    struct ovsdb_idl_txn *txn;  /* Under way, or null. */
    unsigned int seqno;         /* Of the database, when it was looked at. */
    uint32_t digest;            /* Of all but the counters. */
};

struct ports *
ports_create(const char *db)
{
    struct ports *p = xzalloc(sizeof *p);

    p->idl = ovsdb_idl_create(db, &ovsrec_idl_class, false, true);
    ovsdb_idl_add_table(p->idl, &ovsrec_table_interface);
    ovsdb_idl_add_column(p->idl, &ovsrec_interface_col_name);
    ovsdb_idl_add_column(p->idl, &ovsrec_interface_col_type);
    ovsdb_idl_add_column(p->idl, &ovsrec_interface_col_ofport);
    ovsdb_idl_add_column(p->idl, &ovsrec_interface_col_external_ids);
    ovsdb_idl_add_column(p->idl, &ovsrec_interface_col_statistics);
    p->seqno = ovsdb_idl_get_seqno(p->idl);
    return p;
}

void
ports_destroy(struct ports *p)
{
    if (p) {
        if (p->txn) {
            ovsdb_idl_txn_destroy(p->txn);
        }
        ovsdb_idl_destroy(p->idl);
        free(p);
    }
}

bool
ports_are_known(const struct ports *p)
{
    return ovsdb_idl_has_ever_connected(p->idl) && ovsdb_idl_is_alive(p->idl);
}

/* Whether the switch stamps what comes in on the port. */
static bool
has_owner(const struct ovsrec_interface *row)
{
    const struct smap *ids = &row->external_ids;

    return smap_get(ids, "sluice-tenant") || smap_get(ids, "vm-id");
}

static uint32_t
digest_of_row(const struct ovsrec_interface *row)
{
    uint32_t digest = hash_string(row->name,
                                  row->n_ofport ? row->ofport[0] : 0);
    const struct smap_node *node;

    SMAP_FOR_EACH (node, &row->external_ids) {
        digest += hash_string(node->key, hash_string(node->value, 0));
    }
    return hash_int(digest, 0);
}

static uint32_t
digest_of(const struct ports *p)
{
    const struct ovsrec_interface *row;
    uint32_t digest = 0;

    OVSREC_INTERFACE_FOR_EACH (row, p->idl) {
        if (has_owner(row)) {
            /* A sum: rows come in any order. */
            digest += digest_of_row(row);
        }
    }
    return digest;
}

/* Goes on with what is being written. */
static void
run_txn(struct ports *p)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit(p->txn);

    if (status == TXN_INCOMPLETE) {
        return;
    } else if (status != TXN_SUCCESS && status != TXN_UNCHANGED
               && status != TXN_TRY_AGAIN) {
        VLOG_WARN_RL(&rl, "owners of sockets can't be written to the "
                     "database: %s", ovsdb_idl_txn_status_to_string(status));
    }
    ovsdb_idl_txn_destroy(p->txn);
    p->txn = NULL;
}

bool
ports_run(struct ports *p)
{
    ovsdb_idl_run(p->idl);
    if (p->txn) {
        run_txn(p);
    }
    unsigned int seqno = ovsdb_idl_get_seqno(p->idl);
    if (seqno == p->seqno) {
        return false;
    }
    p->seqno = seqno;

    uint32_t digest = digest_of(p);
    bool changed = digest != p->digest;
    p->digest = digest;
    return changed;
}

void
ports_wait(struct ports *p)
{
    ovsdb_idl_wait(p->idl);
    if (p->txn) {
        ovsdb_idl_txn_wait(p->txn);
    }
}

static uint64_t
get_counter(const struct ovsrec_interface *row, const char *name)
{
    for (size_t i = 0; i < row->n_statistics; i++) {
        if (!strcmp(row->key_statistics[i], name)) {
            return MAX(row->value_statistics[i], 0);
        }
    }
    return 0;
}

static void
fill_port(struct port *port, const struct ovsrec_interface *row)
{
    const struct smap *ids = &row->external_ids;
    const char *mac = smap_get_def(ids, "attached-mac", "");
    const char *owner = smap_get(ids, "sluice-owner");
    struct eth_addr ea;

    *port = (struct port) {
        .name = row->name,
        .is_internal = !strcmp(row->type, "internal"),
        .ofport = row->n_ofport && row->ofport[0] > 0 ? row->ofport[0] : 0,
        .socket = smap_get(ids, "sluice-socket"),
        .counters = {
            .rx_packets = get_counter(row, "rx_packets"),
            .tx_packets = get_counter(row, "tx_packets"),
            .rx_dropped = get_counter(row, "rx_dropped"),
            .tx_dropped = get_counter(row, "tx_dropped"),
            .rx_errors = get_counter(row, "rx_errors"),
            .tx_errors = get_counter(row, "tx_errors"),
        },
    };
    port->has_mac = eth_addr_from_string(mac, &ea);
    if (port->has_mac) {
        memcpy(port->mac, ea.ea, sizeof port->mac);
    }
    sluice_tenant_from_string(smap_get_def(ids, "sluice-tenant", ""),
                              &port->tenant);
    port->has_owner = owner && sluice_owner_from_string(owner,
                                                        &port->owner_pid,
                                                        &port->owner_uid);
}

/* Returns the one of 'n' owners that has 'vm', or null. */
static struct port_owner *
find_owner(struct port_owner *owners, size_t n, const uint8_t vm[16])
{
    for (size_t i = 0; i < n; i++) {
        if (owners[i].has_vm && !memcmp(owners[i].vm, vm, 16)) {
            return &owners[i];
        }
    }
    return NULL;
}

static int
compare_rows(const void *a_, const void *b_)
{
    const struct ovsrec_interface *const *a = a_, *const *b = b_;

    return strcmp((*a)->name, (*b)->name);
}

/* Returns the rows of ports that belong to somebody, by name. */
static const struct ovsrec_interface **
list_rows(const struct ports *p, size_t *ret_n)
{
    const struct ovsrec_interface **rows = NULL, *row;
    size_t n = 0, allocated = 0;

    OVSREC_INTERFACE_FOR_EACH (row, p->idl) {
        if (has_owner(row) && strlen(row->name) <= HOST_REPORT_MAX_NAME) {
            if (n >= allocated) {
                rows = x2nrealloc(rows, &allocated, sizeof *rows);
            }
            rows[n++] = row;
        }
    }
    if (n) {
        qsort(rows, n, sizeof *rows, compare_rows);
    }
    *ret_n = n;
    return rows;
}

struct port_owner *
ports_list(struct ports *p, size_t *ret_n, size_t *ret_omitted)
{
    size_t n_rows, n = 0, n_omitted = 0;
    const struct ovsrec_interface **rows = list_rows(p, &n_rows);
    struct port_owner *owners = xcalloc(MIN(n_rows, HOST_REPORT_MAX_VMS),
                                        sizeof *owners);

    for (size_t i = 0; i < n_rows; i++) {
        const struct smap *ids = &rows[i]->external_ids;
        uint8_t vm[16];
        bool has_vm = sluice_vm_from_string(smap_get_def(ids, "vm-id", ""),
                                            vm);
        struct port_owner *owner = has_vm ? find_owner(owners, n, vm) : NULL;

        if (!owner) {
            if (n >= HOST_REPORT_MAX_VMS) {
                n_omitted++;
                continue;
            }
            owner = &owners[n++];
            *owner = (struct port_owner) { .has_vm = has_vm };
            if (has_vm) {
                memcpy(owner->vm, vm, sizeof vm);
            }
        }
        if (!owner->name) {
            owner->name = smap_get(ids, "vm-name");
            owner->name = (owner->name ? owner->name
                           : smap_get(ids, "container_id"));
        }
        if (owner->n_ports < HOST_REPORT_MAX_PORTS) {
            fill_port(&owner->ports[owner->n_ports++], rows[i]);
        }
    }
    free(rows);
    *ret_n = n;
    *ret_omitted = n_omitted;
    return owners;
}

/* Returns the one of 'n' owners that has a port of that name, or null. */
static const struct port_owner *
find_owner_of_port(const struct port_owner owners[], size_t n,
                   const char *name)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < owners[i].n_ports; j++) {
            if (!strcmp(owners[i].ports[j].name, name)) {
                return &owners[i];
            }
        }
    }
    return NULL;
}

/* Has the row say whose its port is, if it does not. */
static void
keep_owner(const struct ovsrec_interface *row, const struct port_owner *owner)
{
    const char *old = smap_get(&row->external_ids, "sluice-owner");
    char *new = (owner->has_process && owner->pid
                 ? xasprintf("%"PRIu32":%"PRIu32, owner->pid, owner->uid)
                 : NULL);

    if (new && (!old || strcmp(old, new))) {
        ovsrec_interface_update_external_ids_setkey(row, "sluice-owner", new);
    } else if (!new && old) {
        ovsrec_interface_update_external_ids_delkey(row, "sluice-owner");
    }
    free(new);
}

void
ports_keep_owners(struct ports *p, const struct port_owner owners[], size_t n)
{
    const struct ovsrec_interface *row;

    if (p->txn) {
        return;
    }
    p->txn = ovsdb_idl_txn_create(p->idl);
    OVSREC_INTERFACE_FOR_EACH (row, p->idl) {
        if (has_owner(row) && smap_get(&row->external_ids, "sluice-socket")) {
            const struct port_owner *owner
                = find_owner_of_port(owners, n, row->name);

            if (owner) {
                keep_owner(row, owner);
            }
        }
    }
    run_txn(p);
}
