/* SPDX-License-Identifier: Apache-2.0
 *
 * Joining the parts of frames. */
#include "unit.h"

#include <stdlib.h>

#include "join.h"
#include "tlv.h"

static const uint8_t host_a[16] = { [15] = 1 };
static const uint8_t host_b[16] = { [15] = 2 };

/* Bytes of which any part of a frame is a slice. */
static uint8_t pattern[JOIN_MAX_FRAME_SIZE];

struct fixture {
    void *memory;
    struct join *join;
    struct slice whole;         /* What the latest part made whole. */
    unsigned int n_dropped[SLUICE_N_DROPS];
    uint32_t tenant;            /* Of the latest that was dropped. */
};

/* What is asked of a part; zeros stand for the usual. */
struct part {
    const uint8_t *vtep;
    uint32_t tenant;
    uint32_t number;
    uint16_t id;
    int index, count;
    size_t ofs, size;           /* In 'pattern'. */
    uint8_t activity;
    bool no_sequence, again;
    int64_t now_ms;
};

static void
on_drop(void *f_, uint32_t tenant, enum sluice_drop drop, unsigned int n)
{
    struct fixture *f = f_;

    f->n_dropped[drop] += n;
    f->tenant = tenant;
}

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    for (size_t i = 0; i < sizeof pattern; i++) {
        pattern[i] = i * 7 % 251;
    }
    f->memory = calloc(1, join_memory_size());
    f->join = join_create(f->memory, 0, on_drop, f);
    assert_non_null(f->join);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    join_destroy(f->join);
    free(f->memory);
    free(f);
    return 0;
}

/* Goes on with what is in the memory, as the next process. */
static void
restart_at(struct fixture *f, int64_t now_ms)
{
    join_destroy(f->join);
    f->join = join_create(f->memory, now_ms, on_drop, f);
    assert_non_null(f->join);
}

static void
restart(struct fixture *f)
{
    restart_at(f, 0);
}

/* Writes the header of 'part' and what stands behind it to 'packet'. */
static size_t
put_part(const struct part *part, uint8_t *packet)
{
    struct sluice_tlv_constants c = {
        .opt_class = SLUICE_TLV_CLASS,
        .has_vm = true,
        .has_auth = true,
        .ofp_port = 3,
        .vm = { 1 },
    };
    struct sluice_tlv_stamp stamp = {
        .epoch = 5, .number = part->number, .activity = { part->activity },
    };
    uint32_t tenant = part->tenant ? part->tenant : 7;
    uint8_t *options = packet + SLUICE_TLV_BASE_SIZE;
    uint8_t *p = options + sluice_tlv_encode(options, &c);

    sluice_tlv_stamp(options + sluice_tlv_stamp_offset(&c), &stamp);
    if (part->no_sequence) {
        options[sluice_tlv_stamp_offset(&c) + SLUICE_TLV_WHOLE(TIME) + 2]
            = 0x7f;
    }
    memset(p - SLUICE_TLV_SIZE_AUTH, 0xa0 + part->index,
           SLUICE_TLV_SIZE_AUTH);
    p = sluice_tlv_put_header(p, SLUICE_TLV_CLASS, SLUICE_TLV_TYPE_SPLIT,
                              SLUICE_TLV_SIZE_SPLIT);
    p = sluice_tlv_put_be16(p, part->id);
    *p++ = part->index;
    *p++ = part->count;
    memcpy(packet, (uint8_t[]) { (p - options) / 4, SLUICE_TLV_C_BIT, 0x65,
                                 0x58, 0, 0, tenant, 0 },
           SLUICE_TLV_BASE_SIZE);
    memcpy(p, pattern + part->ofs, part->size);
    return p + part->size - packet;
}

static enum sluice_drop
add__(struct fixture *f, struct part part)
{
    uint8_t packet[GENEVE_MAX_HEADER_SIZE + 65535];
    struct slice s = slice_of(packet, put_part(&part, packet));
    struct tunnel_meta meta;
    struct slice frame;

    assert_int_equal(geneve_parse(s, SLUICE_TLV_CLASS, &meta, &frame),
                     SLUICE_DROP_NONE);
    assert_int_equal(frame.size, part.size);
    return join_add(f->join, part.vtep ? part.vtep : host_a, s, &meta, frame,
                    SLUICE_TLV_CLASS, part.now_ms, part.again, &f->whole);
}

#define ADD(F, ...) add__(F, (struct part) { __VA_ARGS__ })

/* Checks that the latest part made a whole packet of 'size' bytes of pattern,
 * with the options of a packet that never was in parts. */
static void
assert_whole(struct fixture *f, size_t size, uint32_t number)
{
    struct tunnel_meta meta;
    struct slice frame;

    assert_int_not_equal(f->whole.size, 0);
    assert_int_equal(geneve_parse(f->whole, SLUICE_TLV_CLASS, &meta, &frame),
                     SLUICE_DROP_NONE);
    assert_int_equal(meta.has, TUNNEL_HAS_META | TUNNEL_HAS_VM
                     | TUNNEL_HAS_TIME | TUNNEL_HAS_SEQUENCE
                     | TUNNEL_HAS_ACTIVITY);
    assert_int_equal(f->whole.data[1], 0);
    assert_int_equal(meta.seq_number, number);
    assert_int_equal(frame.size, size);
    assert_memory_equal(frame.data, pattern, size);
}

static void
parts_are_joined_in_any_order(void **state)
{
    static const int orders[][3] = {
        { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 },
        { 2, 1, 0 },
    };
    struct fixture *f = *state;

    for (uint32_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        for (int j = 0; j < 3; j++) {
            int index = orders[i][j];

            assert_int_equal(ADD(f, .number = i + 1, .index = index,
                                 .count = 3, .ofs = index * 1200,
                                 .size = index < 2 ? 1200 : 1),
                             SLUICE_DROP_NONE);
            assert_int_equal(f->whole.size > 0, j == 2);
        }
        assert_whole(f, 2401, i + 1);
        join_release(f->join);
        assert_int_equal(join_n_parts(f->join), 0);
    }
}

static void
frames_on_their_way_at_once_are_kept_apart(void **state)
{
    struct fixture *f = *state;

    /* By number, tenant and host. */
    for (int index = 0; index < 2; index++) {
        for (uint32_t i = 0; i < 8; i++) {
            assert_int_equal(ADD(f, .vtep = i & 1 ? host_a : host_b,
                                 .tenant = i & 2 ? 7 : 8,
                                 .number = i & 4 ? 1 : 2, .index = index,
                                 .count = 2, .ofs = index * (100 + i),
                                 .size = 100 + i), SLUICE_DROP_NONE);
            if (index) {
                assert_whole(f, 2 * (100 + i), i & 4 ? 1 : 2);
                join_release(f->join);
            }
        }
    }
    assert_int_equal(join_n_parts(f->join), 0);
}

static void
the_largest_frame_and_the_most_parts_are_joined(void **state)
{
    struct fixture *f = *state;
    size_t size = JOIN_MAX_FRAME_SIZE / 255;

    for (int i = 0; i < 255; i++) {
        assert_int_equal(ADD(f, .number = 1, .index = i, .count = 255,
                             .ofs = i * size, .size = size),
                         SLUICE_DROP_NONE);
    }
    assert_whole(f, 255 * size, 1);
    join_release(f->join);

    size = 60000;
    assert_int_equal(ADD(f, .number = 2, .count = 3, .size = size),
                     SLUICE_DROP_NONE);
    assert_int_equal(ADD(f, .number = 2, .index = 1, .count = 3, .ofs = size,
                         .size = JOIN_MAX_FRAME_SIZE - size),
                     SLUICE_DROP_NONE);
    assert_int_equal(ADD(f, .number = 2, .index = 2, .count = 3, .size = 1),
                     SLUICE_DROP_SPLIT_ROOM);
}

static void
a_part_that_came_before_is_dropped(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ADD(f, .number = 1, .count = 2, .size = 10),
                     SLUICE_DROP_NONE);
    assert_int_equal(ADD(f, .number = 1, .count = 2, .ofs = 1, .size = 10),
                     SLUICE_DROP_SPLIT_DUPLICATE);
    assert_int_equal(f->whole.size, 0);
    assert_int_equal(ADD(f, .number = 1, .index = 1, .count = 2, .ofs = 10,
                         .size = 5), SLUICE_DROP_NONE);
    assert_whole(f, 15, 1);
}

static void
parts_that_disagree_are_dropped(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ADD(f, .number = 1, .count = 3, .size = 10),
                     SLUICE_DROP_NONE);
    assert_int_equal(ADD(f, .number = 1, .id = 9, .index = 1, .count = 3,
                         .size = 10), SLUICE_DROP_SPLIT_CONFLICT);
    assert_int_equal(ADD(f, .number = 1, .index = 1, .count = 4, .size = 10),
                     SLUICE_DROP_SPLIT_CONFLICT);
    assert_int_equal(ADD(f, .number = 1, .index = 1, .count = 3, .size = 10,
                         .activity = 1), SLUICE_DROP_SPLIT_CONFLICT);
    assert_int_equal(join_n_parts(f->join), 1);
}

static void
a_part_without_number_or_bytes_is_dropped(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ADD(f, .count = 2, .size = 1, .no_sequence = true),
                     SLUICE_DROP_SPLIT_MALFORMED);
    assert_int_equal(ADD(f, .number = 1, .count = 2),
                     SLUICE_DROP_SPLIT_MALFORMED);
    assert_int_equal(join_n_parts(f->join), 0);
}

static void
a_frame_that_is_not_whole_in_time_is_dropped(void **state)
{
    struct fixture *f = *state;

    ADD(f, .number = 1, .count = 3, .size = 10, .now_ms = 1000);
    ADD(f, .number = 1, .index = 1, .count = 3, .size = 10, .now_ms = 1500);
    ADD(f, .number = 2, .count = 3, .size = 10, .now_ms = 1001);
    join_expire(f->join, 1000 + JOIN_MAX_AGE_MS - 1);
    assert_int_equal(join_n_parts(f->join), 3);
    join_expire(f->join, 1000 + JOIN_MAX_AGE_MS);
    assert_int_equal(join_n_parts(f->join), 1);
    assert_int_equal(f->n_dropped[SLUICE_DROP_SPLIT_INCOMPLETE], 2);
    assert_int_equal(f->tenant, 7);
}

static void
a_sender_has_its_share_of_frames_and_no_more(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ADD(f, .vtep = host_b, .number = 1, .count = 2,
                         .size = 10), SLUICE_DROP_NONE);
    for (uint32_t i = 1; i <= JOIN_SENDER_FRAMES + 10; i++) {
        assert_int_equal(ADD(f, .number = i, .count = 2, .size = 10),
                         SLUICE_DROP_NONE);
    }
    assert_int_equal(join_n_parts(f->join), JOIN_SENDER_FRAMES + 1);
    assert_int_equal(f->n_dropped[SLUICE_DROP_SPLIT_ROOM], 10);

    /* The oldest made room; nobody else's did. */
    assert_int_equal(ADD(f, .number = 11, .index = 1, .count = 2, .ofs = 10,
                         .size = 10), SLUICE_DROP_NONE);
    assert_whole(f, 20, 11);
    assert_int_equal(ADD(f, .vtep = host_b, .number = 1, .index = 1,
                         .count = 2, .ofs = 10, .size = 10),
                     SLUICE_DROP_NONE);
    assert_whole(f, 20, 1);
}

static void
a_sender_has_its_share_of_bytes_and_no_more(void **state)
{
    struct fixture *f = *state;
    const uint32_t n = JOIN_SENDER_CHUNKS / 40;

    for (uint32_t i = 1; i <= n + 3; i++) {
        assert_int_equal(ADD(f, .number = i, .count = 2,
                             .size = 40 * JOIN_CHUNK_SIZE), SLUICE_DROP_NONE);
    }
    assert_int_equal(join_n_parts(f->join), n);
    assert_int_equal(f->n_dropped[SLUICE_DROP_SPLIT_ROOM], 3);

    /* Two senders' shares are all there is; a third has none to give. */
    for (uint32_t i = 1; i <= n; i++) {
        ADD(f, .vtep = host_b, .number = i, .count = 2,
            .size = 40 * JOIN_CHUNK_SIZE);
    }
    for (uint32_t i = 1; i <= 3; i++) {
        ADD(f, .tenant = 9, .number = i, .count = 2,
            .size = 40 * JOIN_CHUNK_SIZE);
    }
    assert_int_equal(ADD(f, .vtep = host_b, .tenant = 9, .number = 1,
                         .count = 2, .size = 40 * JOIN_CHUNK_SIZE),
                     SLUICE_DROP_SPLIT_ROOM);
    assert_true(join_n_parts(f->join) <= JOIN_MAX_CHUNKS / 40);
}

static void
parts_that_wait_outlive_the_process(void **state)
{
    struct fixture *f = *state;

    ADD(f, .number = 1, .count = 3, .size = 5000);
    ADD(f, .number = 1, .index = 2, .count = 3, .ofs = 6000, .size = 7);
    ADD(f, .number = 2, .count = 2, .size = 10);
    restart(f);
    join_forget_whole(f->join, SLUICE_DROP_NONE);
    assert_int_equal(join_n_parts(f->join), 3);
    ADD(f, .number = 1, .index = 1, .count = 3, .ofs = 5000, .size = 1000);
    assert_whole(f, 6007, 1);
    join_release(f->join);
    assert_int_equal(join_n_parts(f->join), 1);
}

static void
the_time_without_a_process_does_not_count(void **state)
{
    struct fixture *f = *state;

    ADD(f, .number = 1, .count = 2, .size = 10, .now_ms = 1000);
    restart_at(f, 60000);
    join_expire(f->join, 60000 + JOIN_MAX_AGE_MS - 1);
    ADD(f, .number = 1, .index = 1, .count = 2, .ofs = 10, .size = 10);
    assert_whole(f, 20, 1);
    join_release(f->join);

    ADD(f, .number = 2, .count = 2, .size = 10, .now_ms = 60000);
    restart_at(f, 60000);
    join_expire(f->join, 60000 + JOIN_MAX_AGE_MS);
    assert_int_equal(f->n_dropped[SLUICE_DROP_SPLIT_INCOMPLETE], 1);
}

static void
a_part_that_is_added_again_after_a_kill_counts_once(void **state)
{
    struct fixture *f = *state;

    ADD(f, .number = 1, .count = 2, .size = 10);
    restart(f);
    assert_int_equal(ADD(f, .number = 1, .count = 2, .size = 10,
                         .again = true), SLUICE_DROP_NONE);
    assert_int_equal(f->whole.size, 0);
    ADD(f, .number = 1, .index = 1, .count = 2, .ofs = 10, .size = 10);
    assert_whole(f, 20, 1);

    /* Killed before what was made of the frame was safe. */
    restart(f);
    assert_int_equal(ADD(f, .number = 1, .index = 1, .count = 2, .ofs = 10,
                         .size = 10, .again = true), SLUICE_DROP_NONE);
    assert_whole(f, 20, 1);

    /* And after that. */
    restart(f);
    join_forget_whole(f->join, SLUICE_DROP_NONE);
    assert_int_equal(join_n_parts(f->join), 0);
    assert_int_equal(f->n_dropped[SLUICE_DROP_SPLIT_ROOM], 0);
}

static void
memory_that_is_not_ours_is_not_believed(void **state)
{
    struct fixture *f = *state;
    size_t size = join_memory_size();

    for (uint32_t i = 1; i < 50; i++) {
        ADD(f, .number = i, .count = 2, .size = 3000);
    }
    /* Whatever is in there, taking it over and going on is safe. */
    for (uint32_t seed = 1; seed < 40; seed++) {
        uint32_t x = seed;

        for (int i = 0; i < 2000; i++) {
            x = x * 1664525 + 1013904223;
            ((uint8_t *) f->memory)[16 + (x >> 4) % (size / 8)] ^= x >> 24;
        }
        restart(f);
        for (uint32_t i = 1; i < 10; i++) {
            ADD(f, .number = i, .index = 1, .count = 2, .size = 3000);
            join_release(f->join);
        }
    }
    memset(f->memory, 0xff, size);
    restart(f);
    assert_int_equal(join_n_parts(f->join), 0);
}

#define TEST(F) cmocka_unit_test_setup_teardown(F, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parts_are_joined_in_any_order),
        TEST(frames_on_their_way_at_once_are_kept_apart),
        TEST(the_largest_frame_and_the_most_parts_are_joined),
        TEST(a_part_that_came_before_is_dropped),
        TEST(parts_that_disagree_are_dropped),
        TEST(a_part_without_number_or_bytes_is_dropped),
        TEST(a_frame_that_is_not_whole_in_time_is_dropped),
        TEST(a_sender_has_its_share_of_frames_and_no_more),
        TEST(a_sender_has_its_share_of_bytes_and_no_more),
        TEST(parts_that_wait_outlive_the_process),
        TEST(the_time_without_a_process_does_not_count),
        TEST(a_part_that_is_added_again_after_a_kill_counts_once),
        TEST(memory_that_is_not_ours_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
