/* SPDX-License-Identifier: Apache-2.0
 *
 * The ports of the switch that belong to somebody, as the database has them.
 * Nothing is written there but, where it is asked for, whose a socket is.
 *
 * In: the Interface table, replicated by OVSDB's IDL.
 * Out: virtual machines, containers and processes with their ports.
 * Runs in: sluice-hostd. */
#ifndef SLUICE_PORTS_H
#define SLUICE_PORTS_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host-report.h"

/* Strings are those of the database, and no longer valid after the next
 * ports_run(). */
struct port {
    const char *name;
    bool is_internal;           /* It is the host's own. */
    bool has_mac;
    uint8_t mac[6];             /* external_ids:attached-mac */
    uint32_t tenant;            /* external_ids:sluice-tenant; 0: none. */
    uint32_t ofport;            /* 0: none. */
    bool has_owner;             /* external_ids:sluice-owner */
    uint32_t owner_pid, owner_uid;
    const char *socket;         /* external_ids:sluice-socket, or null. */
    struct port_counters {      /* Packets. */
        uint64_t rx_packets, tx_packets;
        uint64_t rx_dropped, tx_dropped;
        uint64_t rx_errors, tx_errors;
    } counters;
};

/* All ports with one UUID, or one port without. */
struct port_owner {
    bool has_vm;
    uint8_t vm[16];             /* external_ids:vm-id */
    const char *name;           /* external_ids:vm-name or container_id, or
                                 * null. */
    size_t n_ports;
    struct port ports[HOST_REPORT_MAX_PORTS];

    /* What owners_find() found; the database has none of it. */
    bool has_process;
    uint32_t pid;               /* 0: not known. */
    uint32_t uid;
    char process[64];           /* "" if it is not known. */
};

struct ports;

/* 'db' is as in ovs-vswitchd(8): "unix:/run/openvswitch/db.sock". */
struct ports *ports_create(const char *db);
void ports_destroy(struct ports *);

/* Returns true if an owner, or what a port says of one, is not what it was. */
bool ports_run(struct ports *);
void ports_wait(struct ports *);

/* Whether the database was read, and is connected to. */
bool ports_are_known(const struct ports *);

/* Returns the owners, in the order of their names or UUIDs, with the counters
 * of now.  '*ret_n' is their number, '*ret_omitted' how many more there are
 * than HOST_REPORT_MAX_VMS.  The caller frees the array. */
struct port_owner *ports_list(struct ports *, size_t *ret_n,
                              size_t *ret_omitted);

/* Has external_ids:sluice-owner of the ports that have a sluice-socket be what
 * was found about 'n' owners, so that the switch stamps it on their packets.
 * Does not wait for the database; what changes meanwhile is written the next
 * time. */
void ports_keep_owners(struct ports *, const struct port_owner[], size_t n);

#endif /* proxy-vm/hostd/ports.h */
