/* SPDX-License-Identifier: Apache-2.0
 *
 * Parses GENEVE (RFC 8926) as the switch sends it; see geneve.h.  What an
 * option holds and how many bytes it has comes from tlv.def: a row there
 * without a reader here does not compile. */
#include "geneve.h"

#include <sodium.h>

#include "cursor.h"
#include "tlv.h"

/* The O bit.  Its neighbour, the C bit, only tells a reader that it may not
 * skip the options; this one reads them always. */
enum { GENEVE_F_CONTROL = 0x80 };

/* Readers of the options' data, whose size geneve_parse() has checked. */

static enum sluice_drop
read_META(struct cursor *c, struct tunnel_meta *meta)
{
    uint8_t version = cursor_be(c, 1);
    uint8_t flags = cursor_be(c, 1);

    cursor_take(c, 2);
    meta->flags = flags & (SLUICE_TLV_F_TRACE | SLUICE_TLV_F_TRUNCATED);
    meta->ofp_port = cursor_be(c, 4);
    return (version == SLUICE_TLV_VERSION
            ? SLUICE_DROP_NONE : SLUICE_DROP_GENEVE_VERSION);
}

static enum sluice_drop
read_VM(struct cursor *c, struct tunnel_meta *meta)
{
    cursor_copy(c, meta->vm, sizeof meta->vm);
    return SLUICE_DROP_NONE;
}

/* The base header comes first, so 'meta->vni' is known.  A number of more than
 * 24 bits equals no VNI. */
static enum sluice_drop
read_TENANT(struct cursor *c, struct tunnel_meta *meta)
{
    return (cursor_be(c, 4) == meta->vni
            ? SLUICE_DROP_NONE : SLUICE_DROP_TENANT_VNI);
}

static enum sluice_drop
read_TIME(struct cursor *c, struct tunnel_meta *meta)
{
    meta->time_ns = cursor_be(c, 8);
    return SLUICE_DROP_NONE;
}

static enum sluice_drop
read_SEQUENCE(struct cursor *c, struct tunnel_meta *meta)
{
    meta->seq_epoch = cursor_be(c, 4);
    meta->seq_number = cursor_be(c, 4);
    return SLUICE_DROP_NONE;
}

static enum sluice_drop
read_ACTIVITY(struct cursor *c, struct tunnel_meta *meta)
{
    cursor_copy(c, meta->activity, sizeof meta->activity);
    return SLUICE_DROP_NONE;
}

static enum sluice_drop
read_AUTH(struct cursor *c, struct tunnel_meta *meta)
{
    meta->auth = cursor_rest(c);
    return SLUICE_DROP_NONE;
}

static enum sluice_drop
read_OWNER(struct cursor *c, struct tunnel_meta *meta)
{
    meta->owner_pid = cursor_be(c, 4);
    meta->owner_uid = cursor_be(c, 4);
    return SLUICE_DROP_NONE;
}

static enum sluice_drop
read_SPLIT(struct cursor *c, struct tunnel_meta *meta)
{
    meta->split_id = cursor_be(c, 2);
    meta->split_index = cursor_be(c, 1);
    meta->split_count = cursor_be(c, 1);
    return (meta->split_count >= 2 && meta->split_index < meta->split_count
            ? SLUICE_DROP_NONE : SLUICE_DROP_SPLIT_MALFORMED);
}

static enum sluice_drop
read_NAME(struct cursor *c, struct tunnel_meta *meta)
{
    meta->name = cursor_rest(c);
    while (meta->name.size && !meta->name.data[meta->name.size - 1]) {
        meta->name.size--;
    }
    return SLUICE_DROP_NONE;
}

/* What is known of each option type; 'read' is null for unknown ones. */
static const struct option {
    enum sluice_drop (*read)(struct cursor *, struct tunnel_meta *);
    uint32_t has;               /* TUNNEL_HAS_*. */
    uint8_t max_size;           /* Bytes of data... */
    uint8_t min_size;           /* ...which only NAME may have fewer of. */
} options[UINT8_MAX + 1] = {
#define SLUICE_TLV_OPTION(NAME, TYPE, SIZE, DOC)                            \
    [TYPE] = {                                                              \
        .read = read_##NAME,                                                \
        .has = TUNNEL_HAS_##NAME,                                           \
        .max_size = SIZE,                                                   \
        .min_size = (TYPE) == SLUICE_TLV_TYPE_NAME ? 0 : (SIZE),            \
    },
#include "tlv.def"
#undef SLUICE_TLV_OPTION
};

/* Takes one option off 'c' (RFC 8926 section 3.5). */
static enum sluice_drop
parse_option(struct cursor *c, uint16_t option_class, struct tunnel_meta *meta)
{
    uint16_t class = cursor_be(c, 2);
    uint8_t type = cursor_be(c, 1);
    /* Three reserved bits are ignored on receipt; then 4-byte words. */
    size_t size = (cursor_be(c, 1) & 0x1f) * 4;
    struct cursor data = cursor_of(cursor_take(c, size));

    if (c->failed) {
        return SLUICE_DROP_OPTION_LENGTH;
    }

    const struct option *option = &options[type];
    if (class != option_class || !option->read) {
        return (type & SLUICE_TLV_CRITICAL
                ? SLUICE_DROP_OPTION_CRITICAL : SLUICE_DROP_NONE);
    }
    if (size > option->max_size || size < option->min_size) {
        return SLUICE_DROP_OPTION_LENGTH;
    }
    if (meta->has & option->has) {
        return SLUICE_DROP_OPTION_DUPLICATE;
    }
    meta->has |= option->has;
    return option->read(&data, meta);
}

enum sluice_drop
geneve_parse(struct slice packet, uint16_t option_class,
             struct tunnel_meta *ret_meta, struct slice *ret_frame)
{
    struct cursor c = cursor_of(packet);
    uint8_t version_opt_len = cursor_be(&c, 1);
    uint8_t flags = cursor_be(&c, 1);
    uint16_t protocol = cursor_be(&c, 2);
    struct tunnel_meta meta = { .vni = cursor_be(&c, 3) };

    cursor_take(&c, 1);         /* Reserved. */
    if (c.failed) {
        return SLUICE_DROP_GENEVE_TRUNCATED;
    }
    if (version_opt_len >> 6) {
        return SLUICE_DROP_GENEVE_VERSION;
    }
    if (flags & GENEVE_F_CONTROL) {
        return SLUICE_DROP_GENEVE_CONTROL;
    }
    if (protocol != SLUICE_TLV_PROTO_ETHERNET) {
        return SLUICE_DROP_GENEVE_PROTOCOL;
    }

    struct cursor opts = cursor_of(cursor_take(&c,
                                               (version_opt_len & 0x3f) * 4));
    if (c.failed) {
        return SLUICE_DROP_GENEVE_TRUNCATED;
    }
    while (opts.left) {
        enum sluice_drop drop = parse_option(&opts, option_class, &meta);
        if (drop) {
            return drop;
        }
    }

    /* Tenants are numbered from 1. */
    if (!meta.vni) {
        return SLUICE_DROP_TENANT_UNKNOWN;
    }

    *ret_frame = cursor_rest(&c);
    *ret_meta = meta;
    return SLUICE_DROP_NONE;
}

bool
geneve_verify(struct slice packet, const struct tunnel_meta *meta,
              const uint8_t key[16])
{
    uint8_t auth[SLUICE_TLV_SIZE_AUTH];

    if (!(meta->has & TUNNEL_HAS_AUTH)) {
        return false;
    }
    sluice_tlv_auth(key, packet.data, packet.size,
                    meta->auth.data - packet.data, auth);
    return !sodium_memcmp(auth, meta->auth.data, sizeof auth);
}

size_t
geneve_whole_header(struct slice packet, uint16_t option_class,
                    uint8_t header[GENEVE_MAX_HEADER_SIZE])
{
    struct cursor c = cursor_of(packet);
    size_t size = 0;

    cursor_copy(&c, header, SLUICE_TLV_BASE_SIZE);
    size += SLUICE_TLV_BASE_SIZE;
    struct cursor opts = cursor_of(cursor_take(&c, (header[0] & 0x3f) * 4));

    while (opts.left) {
        struct slice option = slice_of(opts.p, opts.left);
        uint16_t class = cursor_be(&opts, 2);
        uint8_t type = cursor_be(&opts, 1);

        cursor_take(&opts, (cursor_be(&opts, 1) & 0x1f) * 4);
        option.size -= opts.left;
        if (class != option_class || (type != SLUICE_TLV_TYPE_SPLIT
                                      && type != SLUICE_TLV_TYPE_AUTH)) {
            memcpy(header + size, option.data, option.size);
            size += option.size;
        }
    }
    header[0] = (size - SLUICE_TLV_BASE_SIZE) / 4;
    header[1] &= ~SLUICE_TLV_C_BIT;
    return size;
}
