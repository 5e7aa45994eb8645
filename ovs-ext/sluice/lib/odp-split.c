/* SPDX-License-Identifier: Apache-2.0
 *
 * Cuts packets into parts: see odp-split.h. */

#include <config.h>

#include "sluice/odp-split.h"

#include <netinet/in.h>
#include <netinet/ip6.h>

#include "csum.h"
#include "packets.h"
#include "sluice/ovs-compat.h"
#include "sluice/tlv.h"
#include "util.h"

enum {
    /* Room before a part, for what the underlay puts there. */
    PART_HEADROOM = 64,

    /* With fewer bytes of the frame, a part would not make room for SPLIT in
     * the last one; see make_last(). */
    MIN_CAPACITY = SLUICE_TLV_WHOLE(SPLIT),
};

/* Where things are in a packet, from its first byte. */
struct layout {
    size_t l4;                  /* UDP header. */
    size_t geneve;              /* Base header. */
    size_t auth;                /* Data of AUTH; 0 if there is none. */
    size_t inner;               /* Inner frame; SPLIT goes here. */
    bool is_ipv6;
    uint16_t opt_class;
};

/* What is the same for all parts of a packet. */
struct frame {
    struct layout layout;
    const uint8_t *key;         /* May be null. */
    uint16_t id;
    uint8_t n_parts;
};

/* Looks for the data of an AUTH option from 'ofs' on. */
static size_t
find_auth(const uint8_t *data, size_t ofs, const struct layout *layout)
{
    while (ofs + SLUICE_TLV_OPT_HEADER_SIZE <= layout->inner) {
        const uint8_t *option = data + ofs;
        size_t size = (option[3] & 0x1f) * 4;

        ofs += SLUICE_TLV_OPT_HEADER_SIZE;
        if (ofs + size > layout->inner) {
            break;
        }
        if ((option[0] << 8 | option[1]) == layout->opt_class
            && option[2] == SLUICE_TLV_TYPE_AUTH
            && size == SLUICE_TLV_SIZE_AUTH) {
            return ofs;
        }
        ofs += size;
    }
    return 0;
}

/* Finds out where things are in 'packet', whose stamped part begins at
 * 'stamp'.  Returns false if that is no header which translation makes, or
 * one whose options are full. */
static bool
find_layout(const struct dp_packet *packet, const uint8_t *stamp,
            struct layout *layout)
{
    const uint8_t *data = dp_packet_data(packet);
    const size_t size = dp_packet_size(packet);
    const size_t stamp_ofs = stamp - data;

    if (packet->l3_ofs != ETH_HEADER_LEN
        || packet->l4_ofs == UINT16_MAX
        || size < ((size_t) packet->l4_ofs + UDP_HEADER_LEN
                   + SLUICE_TLV_BASE_SIZE)) {
        return false;
    }

    const uint8_t *l3 = data + packet->l3_ofs;
    const size_t l3_size = packet->l4_ofs - packet->l3_ofs;

    layout->is_ipv6 = l3[0] >> 4 == 6;
    if (layout->is_ipv6
        ? l3_size != IPV6_HEADER_LEN
        : l3[0] != IP_IHL_VER(5, 4) || l3_size != IP_HEADER_LEN) {
        return false;
    }

    layout->l4 = packet->l4_ofs;
    layout->geneve = layout->l4 + UDP_HEADER_LEN;
    const size_t options_size = (data[layout->geneve] & 0x3f) * 4;

    layout->inner = layout->geneve + SLUICE_TLV_BASE_SIZE + options_size;
    if (layout->inner > size
        || stamp_ofs < layout->geneve + SLUICE_TLV_BASE_SIZE
        || stamp_ofs + SLUICE_TLV_STAMP_SIZE > layout->inner
        || (options_size + SLUICE_TLV_WHOLE(SPLIT)
            > SLUICE_TLV_MAX_OPTIONS_SIZE)) {
        return false;
    }
    layout->opt_class = stamp[0] << 8 | stamp[1];
    layout->auth = find_auth(data, stamp_ofs + SLUICE_TLV_STAMP_SIZE, layout);
    return true;
}

/* Writes SPLIT behind the other options of the part at 'data', and AUTH. */
static void
write_options(uint8_t *data, size_t size, const struct frame *f,
              uint8_t index)
{
    const struct layout *layout = &f->layout;
    uint8_t *geneve = data + layout->geneve;
    uint8_t *split = sluice_tlv_put_header(data + layout->inner,
                                           layout->opt_class,
                                           SLUICE_TLV_TYPE_SPLIT,
                                           SLUICE_TLV_SIZE_SPLIT);

    split = sluice_tlv_put_be16(split, f->id);
    *split++ = index;
    *split = f->n_parts;

    geneve[0] += SLUICE_TLV_WHOLE(SPLIT) / 4;
    geneve[1] |= SLUICE_TLV_C_BIT;
    if (f->key && layout->auth) {
        sluice_tlv_auth(f->key, geneve, size - layout->geneve,
                        layout->auth - layout->geneve, data + layout->auth);
    }
}

/* Makes the outer headers of the part at 'data' those of a packet of 'size'
 * bytes. */
static void
write_lengths(uint8_t *data, size_t size, const struct layout *layout)
{
    struct udp_header *udp = ALIGNED_CAST(struct udp_header *,
                                          data + layout->l4);
    const size_t udp_size = size - layout->l4;
    uint32_t pseudo;

    udp->udp_len = htons(udp_size);
    if (layout->is_ipv6) {
        struct ovs_16aligned_ip6_hdr *ip6
            = ALIGNED_CAST(struct ovs_16aligned_ip6_hdr *,
                           data + ETH_HEADER_LEN);

        ip6->ip6_plen = htons(udp_size);
        pseudo = packet_csum_pseudoheader6(ip6);
    } else {
        struct ip_header *ip = ALIGNED_CAST(struct ip_header *,
                                            data + ETH_HEADER_LEN);

        ip->ip_tot_len = htons(size - ETH_HEADER_LEN);
        ip->ip_csum = 0;
        ip->ip_csum = csum(ip, IP_HEADER_LEN);
        pseudo = packet_csum_pseudoheader(ip);
    }
    if (udp->udp_csum) {
        udp->udp_csum = 0;
        udp->udp_csum = csum_finish(csum_continue(pseudo, udp, udp_size));
        if (!udp->udp_csum) {
            udp->udp_csum = htons(0xffff);
        }
    }
}

/* Returns a new packet with part 'index' of 'packet', whose bytes of the inner
 * frame are the 'size' at 'bytes'. */
static struct dp_packet *
make_part(const struct dp_packet *packet, const struct frame *f,
          uint8_t index, const uint8_t *bytes, size_t size)
{
    const size_t header_size = f->layout.inner + SLUICE_TLV_WHOLE(SPLIT);
    struct dp_packet *part
        = dp_packet_new_with_headroom(header_size + size, PART_HEADROOM);

    dp_packet_put(part, dp_packet_data(packet), f->layout.inner);
    dp_packet_put_zeros(part, SLUICE_TLV_WHOLE(SPLIT));
    dp_packet_put(part, bytes, size);

    part->l2_pad_size = 0;
    part->l3_ofs = packet->l3_ofs;
    part->l4_ofs = packet->l4_ofs;
    part->packet_type = packet->packet_type;
    part->md = packet->md;
    if (dp_packet_rss_valid(packet)) {
        /* A bond of the underlay sends all parts the same way. */
        dp_packet_set_rss_hash(part, dp_packet_get_rss_hash(packet));
    }

    write_options(dp_packet_data(part), header_size + size, f, index);
    write_lengths(dp_packet_data(part), header_size + size, &f->layout);
    return part;
}

/* Makes 'packet' its own last part, with the bytes from 'ofs' on.  They move
 * to the header, over bytes that other parts have taken along, so there is
 * need of neither memory nor headroom, which a DPDK buffer may not have.  (The
 * header cannot move to them: an offset in a buffer has 16 bits.) */
static void
make_last(struct dp_packet *packet, const struct frame *f, size_t ofs)
{
    const size_t header_size = f->layout.inner + SLUICE_TLV_WHOLE(SPLIT);
    const size_t size = dp_packet_size(packet) - ofs;
    uint8_t *data = dp_packet_data(packet);

    memmove(data + header_size, data + ofs, size);
    dp_packet_set_size(packet, header_size + size);
    write_options(data, header_size + size, f, f->n_parts - 1);
    write_lengths(data, header_size + size, &f->layout);
    sluice_compat_checksums_are_done(packet);
}

/* Executes the rest of the actions on the parts that are waiting. */
void
sluice_parts_flush(struct sluice_parts *parts)
{
    if (!dp_packet_batch_is_empty(&parts->batch)) {
        const struct sluice_odp_rest *rest = parts->rest;

        odp_execute_actions(rest->dp, &parts->batch, true, rest->actions,
                            rest->size, rest->execute);
        dp_packet_batch_init(&parts->batch);
    }
}

/* Cuts 'packet', which is larger than 'mtu' without its Ethernet header and
 * has its stamp at 'stamp', into parts that are not.  'id' is the same in
 * all of them.  'key' is for AUTH, if there is that option; it may be null.
 * All parts but the last go to 'parts'. */
enum sluice_split_result
sluice_split(struct dp_packet *packet, const uint8_t *stamp, uint16_t mtu,
             uint16_t id, const uint8_t *key, struct sluice_parts *parts)
{
    struct frame f = { .key = key, .id = id };

    if (!find_layout(packet, stamp, &f.layout)) {
        return SLUICE_SPLIT_MALFORMED;
    }

    const size_t overhead = (f.layout.inner - ETH_HEADER_LEN
                             + SLUICE_TLV_WHOLE(SPLIT));
    if (mtu < overhead + MIN_CAPACITY) {
        return SLUICE_SPLIT_TOO_LARGE;
    }

    const size_t capacity = mtu - overhead;
    const size_t size = dp_packet_size(packet) - f.layout.inner;
    const size_t n_parts = DIV_ROUND_UP(size, capacity);
    if (n_parts > UINT8_MAX) {
        return SLUICE_SPLIT_TOO_LARGE;
    }
    ovs_assert(n_parts >= 2);

    f.n_parts = n_parts;
    const uint8_t *bytes = ((const uint8_t *) dp_packet_data(packet)
                            + f.layout.inner);
    for (size_t i = 0; i < n_parts - 1; i++) {
        dp_packet_batch_add(&parts->batch,
                            make_part(packet, &f, i, bytes + i * capacity,
                                      capacity));
        if (dp_packet_batch_size(&parts->batch) >= parts->burst) {
            sluice_parts_flush(parts);
        }
    }
    make_last(packet, &f, f.layout.inner + (n_parts - 1) * capacity);
    return SLUICE_SPLIT_OK;
}
