/* SPDX-License-Identifier: Apache-2.0
 *
 * The GENEVE parser, and the option codec at both ends: packets are made with
 * the switch's encoder (tlv.h) and read with the proxy's decoder. */
#include "unit.h"

#include <stdlib.h>

#include "geneve.h"
#include "tlv.h"

#define FRAME "an inner frame"

static const uint8_t uuid[16] = {
    0x8a, 0x6e, 0x08, 0x04, 0x2b, 0xd0, 0x46, 0x72,
    0xb7, 0x9d, 0xd9, 0x70, 0x27, 0xf9, 0x07, 0x1a,
};
static const uint8_t activity[16] = {
    0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6,
    0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36,
};

/* A packet under construction. */
struct packet {
    uint8_t bytes[512];
    size_t size;
};

static void
put(struct packet *p, const void *data, size_t size)
{
    memcpy(p->bytes + p->size, data, size);
    p->size += size;
}

/* A base header of tenant 'vni' with no options yet. */
static struct packet
base(uint32_t vni)
{
    struct packet p = { .size = 0 };
    const uint8_t header[8] = {
        0, 0, 0x65, 0x58, vni >> 16, vni >> 8, vni, 0
    };

    put(&p, header, sizeof header);
    return p;
}

static void
put_options(struct packet *p, const void *data, size_t size)
{
    p->bytes[0] += size / 4;
    put(p, data, size);
}

static void
put_option(struct packet *p, uint16_t class, uint8_t type, const void *data,
           size_t size)
{
    uint8_t header[4];

    sluice_tlv_put_header(header, class, type, size);
    put_options(p, header, sizeof header);
    put_options(p, data, size);
}

static void
put_ours(struct packet *p, uint8_t type, const void *data, size_t size)
{
    put_option(p, SLUICE_TLV_CLASS, type, data, size);
}

/* Parses a copy of exactly 'size' bytes, so that a sanitizer sees more. */
static enum sluice_drop
parse_bytes(const uint8_t *bytes, size_t size, struct tunnel_meta *meta,
            struct slice *frame)
{
    static uint8_t *exact;

    free(exact);
    exact = malloc(size ? size : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, size);
    return geneve_parse(slice_of(exact, size), SLUICE_TLV_CLASS, meta, frame);
}

static enum sluice_drop
parse(struct packet *p, struct tunnel_meta *meta, struct slice *frame)
{
    put(p, FRAME, strlen(FRAME));
    return parse_bytes(p->bytes, p->size, meta, frame);
}

/* Checks that 'p' is dropped for 'expected' and the outputs stay as they
 * are. */
static void
assert_dropped(struct packet p, enum sluice_drop expected)
{
    struct tunnel_meta meta, untouched;
    struct slice frame = slice_from_string("untouched");

    memset(&meta, 0xa5, sizeof meta);
    untouched = meta;
    assert_string_equal(sluice_drop_name(parse(&p, &meta, &frame)),
                        sluice_drop_name(expected));
    assert_memory_equal(&meta, &untouched, sizeof meta);
    assert_slice_equal(frame, "untouched");
}

static void
what_the_switch_encodes_is_what_the_proxy_decodes(void **state)
{
    (void) state;
    for (int i = 0; i < 4; i++) {
        const struct sluice_tlv_constants constants = {
            .opt_class = SLUICE_TLV_CLASS,
            .flags = SLUICE_TLV_F_TRUNCATED,
            .has_vm = i & 1,
            .has_tenant = i & 2,
            .ofp_port = 0x01020304,
            .tenant = 0xabcdef,
            .vm = { 0x8a, [15] = 0x1a },
        };
        struct sluice_tlv_stamp stamp = {
            .time_ns = UINT64_C(1789000000123456789),
            .epoch = 0xdeadbeef,
            .number = 42,
        };
        memcpy(stamp.activity, activity, sizeof activity);

        uint8_t block[SLUICE_TLV_MAX_BLOCK_SIZE];
        size_t size = sluice_tlv_encode(block, &constants);
        sluice_tlv_stamp(block + sluice_tlv_stamp_offset(&constants), &stamp);
        struct packet p = base(0xabcdef);
        put_options(&p, block, size);

        struct tunnel_meta meta;
        struct slice frame;
        assert_int_equal(parse(&p, &meta, &frame), SLUICE_DROP_NONE);
        assert_slice_equal(frame, FRAME);
        assert_int_equal(meta.has,
                         TUNNEL_HAS_META | TUNNEL_HAS_TIME
                         | TUNNEL_HAS_SEQUENCE | TUNNEL_HAS_ACTIVITY
                         | (i & 1 ? TUNNEL_HAS_VM : 0)
                         | (i & 2 ? TUNNEL_HAS_TENANT : 0));
        assert_int_equal(meta.vni, 0xabcdef);
        assert_int_equal(meta.flags, SLUICE_TLV_F_TRUNCATED);
        assert_int_equal(meta.ofp_port, 0x01020304);
        assert_int_equal(meta.time_ns, stamp.time_ns);
        assert_int_equal(meta.seq_epoch, 0xdeadbeef);
        assert_int_equal(meta.seq_number, 42);
        assert_memory_equal(meta.activity, activity, 16);
        if (i & 1) {
            assert_memory_equal(meta.vm, constants.vm, 16);
        }
    }
}

static void
the_options_that_the_switch_does_not_write_yet_are_read(void **state)
{
    struct packet p = base(7);
    struct tunnel_meta meta;
    struct slice frame;

    (void) state;
    put_ours(&p, SLUICE_TLV_TYPE_AUTH, "abcdefgh", 8);
    put_ours(&p, SLUICE_TLV_TYPE_OWNER, "\0\0\1\2\0\0\3\4", 8);
    put_ours(&p, SLUICE_TLV_TYPE_NAME, "web-1\0\0\0", 8);
    assert_int_equal(parse(&p, &meta, &frame), SLUICE_DROP_NONE);
    assert_int_equal(meta.has,
                     TUNNEL_HAS_AUTH | TUNNEL_HAS_OWNER | TUNNEL_HAS_NAME);
    assert_slice_equal(meta.auth, "abcdefgh");
    assert_int_equal(meta.owner_pid, 0x102);
    assert_int_equal(meta.owner_uid, 0x304);
    assert_slice_equal(meta.name, "web-1");
}

static void
a_stock_switch_s_packet_has_no_meta(void **state)
{
    struct packet p = base(7);
    struct tunnel_meta meta;
    struct slice frame;

    (void) state;
    put_ours(&p, SLUICE_TLV_TYPE_VM, uuid, 16);
    put_ours(&p, SLUICE_TLV_TYPE_TENANT, "\0\0\0\7", 4);
    assert_int_equal(parse(&p, &meta, &frame), SLUICE_DROP_NONE);
    assert_int_equal(meta.has, TUNNEL_HAS_VM | TUNNEL_HAS_TENANT);
    assert_memory_equal(meta.vm, uuid, 16);
    assert_int_equal(meta.time_ns, 0);
}

static void
a_packet_without_options_and_frame_is_whole(void **state)
{
    struct packet p = base(7);
    struct tunnel_meta meta;
    struct slice frame;

    (void) state;
    assert_int_equal(parse_bytes(p.bytes, p.size, &meta, &frame),
                     SLUICE_DROP_NONE);
    assert_int_equal(meta.has, 0);
    assert_int_equal(frame.size, 0);
}

static void
a_name_may_have_any_size_up_to_64(void **state)
{
    static const uint8_t name[64] = "n";

    (void) state;
    for (size_t size = 0; size <= 64; size += 4) {
        struct packet p = base(7);
        struct tunnel_meta meta;
        struct slice frame;

        put_ours(&p, SLUICE_TLV_TYPE_NAME, name, size);
        assert_int_equal(parse(&p, &meta, &frame), SLUICE_DROP_NONE);
        assert_true(meta.has & TUNNEL_HAS_NAME);
        assert_slice_equal(meta.name, size ? "n" : "");
    }
}

static void
other_classes_and_unknown_types_are_skipped(void **state)
{
    static const uint8_t zeros[124];
    struct packet p = base(7);
    struct tunnel_meta meta;
    struct slice frame;

    (void) state;
    put_option(&p, 0x0102, SLUICE_TLV_TYPE_VM, zeros, 124);
    put_option(&p, 0x0102, SLUICE_TLV_TYPE_VM, zeros, 0);
    put_ours(&p, 0x7f, zeros, 0);
    put_ours(&p, 0x7f, zeros, 8);
    put_ours(&p, SLUICE_TLV_TYPE_VM, uuid, 16);
    assert_int_equal(parse(&p, &meta, &frame), SLUICE_DROP_NONE);
    assert_int_equal(meta.has, TUNNEL_HAS_VM);
    assert_slice_equal(frame, FRAME);
}

static void
reserved_bits_and_the_c_bit_are_ignored(void **state)
{
    struct packet p = base(7);
    struct tunnel_meta meta;
    struct slice frame;

    (void) state;
    put_ours(&p, SLUICE_TLV_TYPE_META, "\1\xfd\xff\xff\0\0\0\3", 8);
    p.bytes[1] = 0x7f;              /* C and six reserved bits. */
    p.bytes[7] = 0xff;
    p.bytes[8 + 3] |= 0xe0;         /* Reserved bits of the option. */
    assert_int_equal(parse(&p, &meta, &frame), SLUICE_DROP_NONE);
    assert_int_equal(meta.flags, SLUICE_TLV_F_TRACE);
    assert_int_equal(meta.ofp_port, 3);
}

static void
any_cut_of_header_or_options_is_dropped(void **state)
{
    struct packet p = base(7);
    struct tunnel_meta meta;
    struct slice frame;

    (void) state;
    put_ours(&p, SLUICE_TLV_TYPE_META, "\1\0\0\0\0\0\0\3", 8);
    put_ours(&p, SLUICE_TLV_TYPE_VM, uuid, 16);
    for (size_t size = 0; size < p.size; size++) {
        assert_int_equal(parse_bytes(p.bytes, size, &meta, &frame),
                         SLUICE_DROP_GENEVE_TRUNCATED);
    }
}

static void
a_wrong_version_of_geneve_or_meta_is_dropped(void **state)
{
    (void) state;
    for (int version = 1; version < 4; version++) {
        struct packet p = base(7);
        p.bytes[0] |= version << 6;
        assert_dropped(p, SLUICE_DROP_GENEVE_VERSION);
    }

    struct packet p = base(7);
    put_ours(&p, SLUICE_TLV_TYPE_META, "\2\0\0\0\0\0\0\3", 8);
    assert_dropped(p, SLUICE_DROP_GENEVE_VERSION);
    p = base(7);
    put_ours(&p, SLUICE_TLV_TYPE_META, "\0\0\0\0\0\0\0\3", 8);
    assert_dropped(p, SLUICE_DROP_GENEVE_VERSION);
}

static void
control_packets_and_other_protocols_are_dropped(void **state)
{
    struct packet p = base(7);

    (void) state;
    p.bytes[1] = 0x80;
    assert_dropped(p, SLUICE_DROP_GENEVE_CONTROL);
    p = base(7);
    p.bytes[2] = 0x08;
    p.bytes[3] = 0x00;
    assert_dropped(p, SLUICE_DROP_GENEVE_PROTOCOL);
}

static void
an_option_that_overruns_the_options_is_dropped(void **state)
{
    struct packet p = base(7);

    (void) state;
    put_ours(&p, SLUICE_TLV_TYPE_VM, uuid, 16);
    p.bytes[0]--;
    assert_dropped(p, SLUICE_DROP_OPTION_LENGTH);

    /* One of another class, and by as much as its length field can say. */
    p = base(7);
    put_option(&p, 0x0102, 0x01, uuid, 16);
    p.bytes[8 + 3] = 0x1f;
    assert_dropped(p, SLUICE_DROP_OPTION_LENGTH);
}

static void
every_option_of_a_wrong_size_is_dropped(void **state)
{
    static const struct {
        uint8_t type;
        size_t size;
    } rows[] = {
#define SLUICE_TLV_OPTION(NAME, TYPE, SIZE, DOC) { TYPE, SIZE },
#include "tlv.def"
#undef SLUICE_TLV_OPTION
    };
    static const uint8_t zeros[128];

    (void) state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t size = 0; size <= 124; size += 4) {
            if (size > rows[i].size
                || (size < rows[i].size
                    && rows[i].type != SLUICE_TLV_TYPE_NAME)) {
                struct packet p = base(7);
                put_ours(&p, rows[i].type, zeros, size);
                assert_dropped(p, SLUICE_DROP_OPTION_LENGTH);
            }
        }
    }
}

static void
every_option_that_stands_twice_is_dropped(void **state)
{
    static const struct {
        uint8_t type;
        size_t size;
        const char *data;
    } rows[] = {
        { SLUICE_TLV_TYPE_META, 8, "\1\0\0\0\0\0\0\3" },
        { SLUICE_TLV_TYPE_VM, 16, (const char *) uuid },
        { SLUICE_TLV_TYPE_TENANT, 4, "\0\0\0\7" },
        { SLUICE_TLV_TYPE_TIME, 8, "\0\0\0\0\0\0\0\0" },
        { SLUICE_TLV_TYPE_SEQUENCE, 8, "\0\0\0\0\0\0\0\0" },
        { SLUICE_TLV_TYPE_ACTIVITY, 16, (const char *) activity },
        { SLUICE_TLV_TYPE_AUTH, 8, "\0\0\0\0\0\0\0\0" },
        { SLUICE_TLV_TYPE_OWNER, 8, "\0\0\0\0\0\0\0\0" },
        { SLUICE_TLV_TYPE_NAME, 0, "" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct packet p = base(7);
        put_ours(&p, rows[i].type, rows[i].data, rows[i].size);
        put_ours(&p, 0x7e, "", 0);
        put_ours(&p, rows[i].type, rows[i].data, rows[i].size);
        assert_dropped(p, SLUICE_DROP_OPTION_DUPLICATE);
    }
}

static void
an_unknown_critical_option_is_dropped_whatever_its_class(void **state)
{
    struct packet p = base(7);

    (void) state;
    put_ours(&p, 0x8f, "", 0);
    assert_dropped(p, SLUICE_DROP_OPTION_CRITICAL);

    p = base(7);
    put_option(&p, 0x0102, 0x80, uuid, 16);
    assert_dropped(p, SLUICE_DROP_OPTION_CRITICAL);

    /* The critical bit is part of the type: this is not VM. */
    p = base(7);
    put_ours(&p, 0x80 | SLUICE_TLV_TYPE_VM, uuid, 16);
    assert_dropped(p, SLUICE_DROP_OPTION_CRITICAL);

    /* SPLIT is known in our class only. */
    p = base(7);
    put_option(&p, 0x0102, SLUICE_TLV_TYPE_SPLIT, "\0\1\0\2", 4);
    assert_dropped(p, SLUICE_DROP_OPTION_CRITICAL);
}

static void
a_part_of_a_split_frame_says_which(void **state)
{
    struct packet p = base(7);
    struct tunnel_meta meta;
    struct slice frame;

    (void) state;
    put_ours(&p, SLUICE_TLV_TYPE_SPLIT, "\x12\x34\1\2", 4);
    assert_int_equal(geneve_parse(slice_of(p.bytes, p.size), SLUICE_TLV_CLASS,
                                  &meta, &frame), SLUICE_DROP_NONE);
    assert_int_equal(meta.has, TUNNEL_HAS_SPLIT);
    assert_int_equal(meta.split_id, 0x1234);
    assert_int_equal(meta.split_index, 1);
    assert_int_equal(meta.split_count, 2);

    p = base(7);
    put_ours(&p, SLUICE_TLV_TYPE_SPLIT, "\0\1\2\2", 4);
    assert_dropped(p, SLUICE_DROP_SPLIT_MALFORMED);
    p = base(7);
    put_ours(&p, SLUICE_TLV_TYPE_SPLIT, "\0\1\0\1", 4);
    assert_dropped(p, SLUICE_DROP_SPLIT_MALFORMED);
}

static void
a_tenant_that_is_not_the_vni_is_dropped(void **state)
{
    struct packet p = base(7);

    (void) state;
    put_ours(&p, SLUICE_TLV_TYPE_TENANT, "\0\0\0\10", 4);
    assert_dropped(p, SLUICE_DROP_TENANT_VNI);

    /* More than 24 bits. */
    p = base(7);
    put_ours(&p, SLUICE_TLV_TYPE_TENANT, "\1\0\0\7", 4);
    assert_dropped(p, SLUICE_DROP_TENANT_VNI);

    /* Zero is not absent. */
    p = base(7);
    put_ours(&p, SLUICE_TLV_TYPE_TENANT, "\0\0\0\0", 4);
    assert_dropped(p, SLUICE_DROP_TENANT_VNI);
}

static void
a_packet_of_no_tenant_is_dropped(void **state)
{
    struct packet p = base(0);

    (void) state;
    assert_dropped(p, SLUICE_DROP_TENANT_UNKNOWN);
    put_ours(&p, SLUICE_TLV_TYPE_TENANT, "\0\0\0\0", 4);
    assert_dropped(p, SLUICE_DROP_TENANT_UNKNOWN);
}

static void
another_option_class_can_be_configured(void **state)
{
    struct packet p = base(7);
    struct tunnel_meta meta;
    struct slice frame;

    (void) state;
    put_option(&p, 0xff54, SLUICE_TLV_TYPE_VM, uuid, 16);
    put(&p, FRAME, strlen(FRAME));
    assert_int_equal(geneve_parse(slice_of(p.bytes, p.size), 0xff54, &meta,
                                  &frame), SLUICE_DROP_NONE);
    assert_int_equal(meta.has, TUNNEL_HAS_VM);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_switch_encodes_is_what_the_proxy_decodes),
        cmocka_unit_test(
            the_options_that_the_switch_does_not_write_yet_are_read),
        cmocka_unit_test(a_stock_switch_s_packet_has_no_meta),
        cmocka_unit_test(a_packet_without_options_and_frame_is_whole),
        cmocka_unit_test(a_name_may_have_any_size_up_to_64),
        cmocka_unit_test(other_classes_and_unknown_types_are_skipped),
        cmocka_unit_test(reserved_bits_and_the_c_bit_are_ignored),
        cmocka_unit_test(any_cut_of_header_or_options_is_dropped),
        cmocka_unit_test(a_wrong_version_of_geneve_or_meta_is_dropped),
        cmocka_unit_test(control_packets_and_other_protocols_are_dropped),
        cmocka_unit_test(an_option_that_overruns_the_options_is_dropped),
        cmocka_unit_test(every_option_of_a_wrong_size_is_dropped),
        cmocka_unit_test(every_option_that_stands_twice_is_dropped),
        cmocka_unit_test(
            an_unknown_critical_option_is_dropped_whatever_its_class),
        cmocka_unit_test(a_part_of_a_split_frame_says_which),
        cmocka_unit_test(a_tenant_that_is_not_the_vni_is_dropped),
        cmocka_unit_test(a_packet_of_no_tenant_is_dropped),
        cmocka_unit_test(another_option_class_can_be_configured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
