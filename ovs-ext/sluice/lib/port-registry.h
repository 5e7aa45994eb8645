/* SPDX-License-Identifier: Apache-2.0
 *
 * What log_tunnel knows of each OpenFlow port: whose packets come in there,
 * and how many of them were taken, sent and dropped, for each proxy.
 *
 * ofproto.c creates and destroys an entry with each port, bridge.c configures
 * it from the Interface's external_ids, flow translation reads the identity,
 * the datapath action counts.  Nothing that a packet contains is stored here.
 *
 * Thread-safety
 * =============
 *
 * The main thread alone creates, configures and destroys.  Any thread may
 * look up, read an identity and count; what a lookup returns stays valid until
 * the thread next quiesces (see ovs-rcu.h).
 *
 * The counter
 * ===========
 *
 * An entry has a single counter of packets taken.  SEQUENCE follows from it,
 * so that the two cannot disagree and no number is used twice or left out,
 * with any number of threads:
 *
 *      packet     1    2   ...  2^32-1   2^32  ...
 *      epoch      E    E   ...  E        E+1   ...
 *      number     1    2   ...  2^32-1   1     ...
 *
 * Several proxies
 * ===============
 *
 * A proxy that got only some of a port's numbers would report the others as
 * lost.  So each destination that a port's packets have gets an entry of its
 * own, with its own counter and an epoch that no other entry of the port has:
 *
 *      port v1   entry 5, the port's own     first destination    epoch E
 *                entry 9                     second destination   epoch E + 7
 *
 * The port's own entry also counts what has no destination.  Destinations are
 * addresses, not tunnel ports, since it is the proxy that keeps books.  They
 * are forgotten with the port. */

#ifndef SLUICE_PORT_REGISTRY_H
#define SLUICE_PORT_REGISTRY_H 1

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>

#include "openvswitch/ofp-port.h"
#include "sluice/identity.h"

struct smap;
struct sluice_port;

/* Why a packet was not sent. */
enum sluice_drop_reason {
#define SLUICE_DROP_REASON(ENUM, NAME, TEXT) SLUICE_DROP_##ENUM,
#include "sluice/drop-reasons.def"
#undef SLUICE_DROP_REASON
    SLUICE_N_DROP_REASONS
};

const char *sluice_drop_reason_name(enum sluice_drop_reason);
const char *sluice_drop_reason_text(enum sluice_drop_reason);
bool sluice_drop_reason_from_name(const char *, enum sluice_drop_reason *);

/* Option class.  For the main thread to set and any thread to read. */
void sluice_set_option_class(const struct smap *other_config);
uint16_t sluice_option_class(void);

/* What a port has counted.  taken = sent + all drops, once nothing is on its
 * way. */
struct sluice_figures {
    uint64_t taken;             /* Packets that reached the action. */
    uint64_t bytes;             /* Bytes in those, without the tunnel. */
    uint64_t sent;              /* Packets stamped and passed on. */
    uint64_t drops[SLUICE_N_DROP_REASONS]; /* The others. */
};

/* What there is to say of a port.  Borrows from the port. */
struct sluice_port_status {
    const char *bridge;         /* Empty for the entry for "no port". */
    const char *name;           /* Likewise. */
    ofp_port_t ofp_port;        /* OFPP_NONE for the entry for "no port". */
    bool is_configured;         /* Whether it has one of our external_ids. */
    bool is_used;               /* Whether a packet ever reached the action. */
    const struct sluice_identity *identity; /* Never null. */
    uint32_t epoch, number;     /* Last SEQUENCE; number 0 if there is none. */
    struct sluice_figures figures; /* Since sluice_port_reset(), over all
                                    * destinations. */
};

/* Where packets go. */
struct sluice_destination {
    struct in6_addr ip;         /* IPv6 or IPv4-mapped. */
    uint16_t udp_port;          /* Of GENEVE there. */
    ofp_port_t tunnel;          /* The port they were last sent through. */
};

/* How many destinations a port can have. */
enum { SLUICE_MAX_DESTINATIONS = 64 };

/* What there is to say of a destination. */
struct sluice_destination_status {
    struct sluice_destination destination;
    char *tunnel_name;          /* Owned; empty if that port is gone. */
    bool is_live;               /* Whether the tunnel port is. */
    unsigned int n_deaths;      /* How often it was and was not any more. */
    uint32_t epoch, number;     /* Last SEQUENCE; number 0 if there is none. */
    struct sluice_figures figures; /* Since sluice_port_reset(). */
};

/* Main thread only. */
struct sluice_port *sluice_port_create(const char *bridge, const char *name,
                                       ofp_port_t);
void sluice_port_destroy(struct sluice_port *);
void sluice_port_configure(struct sluice_port *,
                           const struct smap *external_ids);
void sluice_port_set_mtu(struct sluice_port *, int mtu);
void sluice_port_set_live(struct sluice_port *, bool is_live);
struct sluice_port **sluice_ports_list(size_t *ret_n);
void sluice_port_read(struct sluice_port *, struct sluice_port_status *);
struct sluice_destination_status *
sluice_port_read_destinations(struct sluice_port *, size_t *ret_n);
void sluice_port_reset(struct sluice_port *);

/* Any thread. */
struct sluice_port *sluice_port_find(uint32_t id);
uint32_t sluice_port_id(const struct sluice_port *);
bool sluice_port_find_destination(const struct sluice_port *,
                                  const struct sluice_destination *,
                                  uint32_t *id);
const char *sluice_port_name(const struct sluice_port *);
const struct sluice_identity *sluice_port_identity(const struct sluice_port *);
uint64_t sluice_port_take(struct sluice_port *, uint64_t n_packets,
                          uint64_t n_bytes);
void sluice_port_sequence(const struct sluice_port *, uint64_t index,
                          uint32_t *epoch, uint32_t *number);
static inline uint64_t sluice_port_next(uint64_t sequence);
void sluice_port_count_metered(struct sluice_port *, uint64_t n_packets);
void sluice_port_count_passed(struct sluice_port *, uint64_t n_packets);
void sluice_port_count_sent(struct sluice_port *, uint64_t n_packets);
void sluice_port_count_drop(struct sluice_port *, enum sluice_drop_reason,
                            uint64_t n_packets);

/* Returns epoch and number of the packet with the next index.  The epoch is
 * the upper half of 'sequence', which it is carried to; 0 is no number. */
static inline uint64_t
sluice_port_next(uint64_t sequence)
{
    sequence++;
    return sequence + !(uint32_t) sequence;
}

/* The entry that stands for "no port": it counts what belongs to none. */
#define SLUICE_NO_PORT_ID 0

#endif /* sluice/port-registry.h */
