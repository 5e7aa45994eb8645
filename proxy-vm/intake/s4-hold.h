/* SPDX-License-Identifier: Apache-2.0
 *
 * Where stage 4 keeps what can't be a line yet: fragments of datagrams and
 * pieces of TCP streams.  All of it lies in one mapped file of fixed size,
 * without pointers, so that it outlives the process:
 *
 *     header, undo | slot slot slot ... | chunk chunk chunk ...
 *
 * A slot is one datagram or stream; its bytes are in chunks, each of which has
 * HOLD_CHUNK bytes of it, by offset.
 *
 * A step (see s1-receive.h) is done or not done.  Before it changes a slot,
 * the slot is copied aside; a process that finds the step of that copy
 * unfinished puts it back and begins the step again.  Bytes are only ever
 * written where the slot as it was has none, and chunks are wiped and given
 * back only after the step, so that the copy of the slot is enough.
 *
 * In: RUN/intake.held, or memory where nothing need survive.
 * Runs in: sluice-intake. */
#ifndef SLUICE_HOLD_H
#define SLUICE_HOLD_H 1

#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "slice.h"
#include "spans.h"

enum {
    HOLD_CHUNK = 2048,          /* Bytes. */
    HOLD_N_CHUNKS = 8192,       /* 16 MiB. */
    HOLD_N_SLOTS = 8192,
    HOLD_WINDOW_CHUNKS = 72,    /* Of one slot: a frame of 99,999 bytes, and
                                 * what comes early behind it. */
    HOLD_WINDOW = (HOLD_WINDOW_CHUNKS - 1) * HOLD_CHUNK,
    HOLD_MAX_TOUCHED = 2,       /* Slots that one step may change. */
};

enum hold_kind { HOLD_FREE, HOLD_DATAGRAM, HOLD_STREAM };

/* Which datagram or stream a slot is.  Without padding: it is compared and
 * hashed as bytes. */
struct hold_key {
    uint32_t kind;              /* enum hold_kind. */
    uint32_t tenant;
    uint32_t source;            /* Slot of the source in the statistics. */
    uint32_t id;                /* Of a datagram: of the fragments. */
    uint8_t src_ip[16];
    uint8_t dst_ip[16];
    uint16_t src_port;
    uint16_t dst_port;
    uint16_t vlans[2];          /* VLAN ids, 0 where there is none. */
    uint8_t ip_version;
    uint8_t protocol;           /* Of a datagram of IPv4. */
    uint8_t pad[2];
};

struct hold_datagram {
    uint32_t n_fragments;
    uint32_t size;              /* Of the whole; 0: not known yet. */
    uint8_t next;               /* inner_packet.fragment_next of the first. */
    bool has_first;
};

enum framing_mode {
    FRAMING_UNKNOWN,            /* No byte has come. */
    FRAMING_OCTETS,             /* RFC 6587 section 3.4.1. */
    FRAMING_TRAILER,            /* Section 3.4.2, which trailer not known. */
    FRAMING_LF,
    FRAMING_NUL,
    FRAMING_JOIN,               /* Joined in the middle: look for LF <PRI>. */
    FRAMING_LOST,               /* No boundary can be known any more. */
    FRAMING_TLS,
};

struct hold_stream {
    uint32_t first_seq;         /* Of offset 0. */
    uint8_t mode;               /* enum framing_mode. */
    bool resync;                /* In the modes with a trailer: skip up to and
                                 * with the next one. */
    bool cut;                   /* The same, of a frame whose beginning was
                                 * taken: no loss. */
    bool has_end;               /* FIN or RST was seen, at offset 'end'. */
    bool end_is_reset;
    bool settling;              /* Joined in the middle, or data overtook the
                                 * SYN: wait before looking at it. */
    bool has_new_seq;           /* A SYN with another number was seen. */
    bool ambiguous;             /* Bytes came twice and differed. */
    uint32_t new_seq;           /* What would follow that SYN. */
    uint64_t next;              /* Offset: frames before it are through. */
    uint64_t scanned;           /* No trailer from 'next' up to here. */
    uint64_t end;
    uint64_t skip_to;           /* Offset: what is before it is lost. */
    uint64_t hole_at;           /* Offset where bytes are missing, */
    uint64_t hole_ms;           /* and since when; 0: none are. */
    uint64_t wait_ms;           /* Since when a whole line waits for what
                                 * might continue it; 0: none. */
    uint64_t lost;              /* Bytes that no line has and no gap record
                                 * told of. */
    uint64_t lost_from_ns;      /* Switch time. */
    uint32_t lost_reason;       /* enum gap_reason. */
};

struct hold_slot {
    struct hold_key key;
    uint64_t created_ms;
    uint64_t latest_ms;         /* When a packet of it came. */
    uint64_t latest_ns;         /* The same, switch time. */
    struct spans spans;         /* What is held. */
    uint32_t n_chunks;
    uint32_t chunks[HOLD_WINDOW_CHUNKS]; /* Number + 1, by offset. */
    union {
        struct hold_datagram datagram;
        struct hold_stream stream;
    };
};

/* What a source, a tenant and all of them together have. */
struct hold_share {
    struct hmap_node node;
    uint32_t id;
    uint32_t n_slots;
    uint32_t n_chunks;
    struct ovs_list slots;      /* Of struct hold_index, longest unused first.*/
};

enum { HOLD_OF_SOURCE, HOLD_OF_TENANT, HOLD_OF_ALL, N_HOLD_SHARES };

/* What is known of a slot besides, and can be found out again. */
struct hold_index {
    struct hmap_node node;      /* In hold's 'by_key', unless it is free. */
    struct ovs_list in_share[N_HOLD_SHARES];
    struct hold_share *shares[N_HOLD_SHARES];
    struct ovs_list due_node;   /* In hold's 'due', or empty. */
};

struct hold;

/* Maps the file at 'path', or memory if that is null, and undoes what the step
 * 'ticket' had done.  Returns 0 and the hold, which the caller owns, or a
 * positive errno. */
int hold_open(const char *path, uint64_t ticket, struct hold **ret);
void hold_close(struct hold *);

struct hold_limits {
    uint32_t tenant_slots;
    uint32_t tenant_chunks;
};
void hold_configure(struct hold *, const struct hold_limits *);

/* Begins step 'ticket', and ends it once it can't be undone any more. */
void hold_begin(struct hold *, uint64_t ticket);
void hold_end(struct hold *);

struct hold_slot *hold_find(struct hold *, const struct hold_key *);
struct hold_slot *hold_slot(struct hold *, uint32_t number);
uint32_t hold_number(const struct hold *, const struct hold_slot *);

/* Returns the slot that has to go before 'key' can have another slot (if it has
 * none) and 'n_chunks' more chunks, or null if there is room.  A source that
 * has half of its tenant's share, or a tenant that has an eighth of all, gives
 * up its own. */
struct hold_slot *hold_victim(struct hold *, const struct hold_key *,
                              uint32_t n_chunks);

/* Takes a slot for 'key', which has none.  There must be room. */
struct hold_slot *hold_take(struct hold *, const struct hold_key *,
                            uint64_t now_ms);

/* Comes before any change of a slot; the other one also says that it is used.
 */
void hold_change(struct hold *, struct hold_slot *);
void hold_touch(struct hold *, struct hold_slot *, uint64_t now_ms);

/* Whether the slot is to be looked at by hold_due(). */
void hold_set_due(struct hold *, struct hold_slot *, bool due);

/* Gives a slot back. */
void hold_release(struct hold *, struct hold_slot *);

/* Copies 'bytes' to offset 'from', where nothing is held yet.  Returns false if
 * that is too far from what is held, or memory is short; then nothing
 * changed. */
bool hold_put(struct hold *, struct hold_slot *, uint64_t base, uint64_t from,
              struct slice bytes);

/* Returns the bytes at ['from', 'to'), which are held; valid until the next
 * call.  At most HOLD_WINDOW. */
struct slice hold_get(struct hold *, const struct hold_slot *, uint64_t from,
                      uint64_t to);

/* Returns the offset of the first 'byte' in ['from', 'to'), or 'to'. */
uint64_t hold_search(const struct hold *, const struct hold_slot *,
                     uint64_t from, uint64_t to, uint8_t byte);

/* Forgets what is before 'base'. */
void hold_forget(struct hold *, struct hold_slot *, uint64_t base);

/* Returns the slot that was unused for longest, or null; and the first one that
 * is due, and the one behind 'slot'. */
struct hold_slot *hold_oldest(struct hold *);
struct hold_slot *hold_first_due(struct hold *);
struct hold_slot *hold_next_due(struct hold *, struct hold_slot *);

/* Returns how many slots are in use. */
uint32_t hold_n_slots(const struct hold *);

#endif /* proxy-vm/intake/s4-hold.h */
