/* SPDX-License-Identifier: Apache-2.0
 *
 * A million forged packets, in the order in which sluice-intake looks at each:
 * decap, then account.  None may be accepted, and each must be counted by the
 * reason that fits its kind, while true packets between them pass.
 *
 * What chance decides comes from a fixed seed. */
#include <config.h>

#include "unit.h"

#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s2-decap.h"
#include "s3-account.h"
#include "signed-packet.h"
#include "util.h"

enum { N_FORGED = 1000 * 1000, TRUE_EVERY = 100, EPOCH = 5 };

#define KEY_FILE_A "test-forged.key-a"
#define KEY_FILE_B "test-forged.key-b"

/* Host 192.0.2.1 and .2; the first may send for tenant 7 alone. */
static const uint8_t key_a[16] = { 0xaa, 1 };
static const uint8_t key_b[16] = { 0xbb, 2 };

/* Each kind of forgery, and the reason for which it must be dropped;
 * SLUICE_DROP_NONE: for one of those that may_break_into() has. */
#define KINDS                                                           \
    KIND(WRONG_KEY, AUTH_BAD)           /* Signed, but not by the host. */ \
    KIND(RANDOM_AUTH, AUTH_BAD)         /* The signature is guessed. */ \
    KIND(NO_AUTH, AUTH_MISSING)         /* No AUTH at all. */           \
    KIND(UNKNOWN_VTEP, HOST_UNKNOWN)    /* The true packet from elsewhere. */ \
    KIND(OTHER_VTEP, AUTH_BAD)          /* From a host with its own key. */ \
    KIND(REPLAYED, SEQUENCE_REPLAYED)   /* A true packet once more. */  \
    KIND(REPLAYED_EPOCH, SEQUENCE_REPLAYED) /* One of before restarts. */ \
    KIND(OTHER_VNI, AUTH_BAD)           /* The VNI is changed. */       \
    KIND(OTHER_VNI_ONLY, TENANT_VNI)    /* The same, and TENANT is not. */ \
    KIND(OTHER_TENANT, AUTH_BAD)        /* All is of another tenant. */ \
    KIND(OTHER_TENANT_SIGNED, HOST_TENANT) /* The host itself cheats. */ \
    KIND(TRUNCATED, NONE)               /* Cut anywhere. */             \
    KIND(BIT_FLIPS, NONE)               /* One to three bits changed. */

enum kind {
#define KIND(NAME, DROP) NAME,
    KINDS
#undef KIND
    N_KINDS
};

static const struct {
    const char *name;
    enum sluice_drop drop;
} kinds[N_KINDS] = {
#define KIND(NAME, DROP) { #NAME, SLUICE_DROP_##DROP },
    KINDS
#undef KIND
};

/* Returns true if a broken packet may be dropped for this. */
static bool
may_break_into(enum sluice_drop drop)
{
    switch ((int) drop) {
    case SLUICE_DROP_GENEVE_TRUNCATED:
    case SLUICE_DROP_GENEVE_VERSION:
    case SLUICE_DROP_GENEVE_CONTROL:
    case SLUICE_DROP_GENEVE_PROTOCOL:
    case SLUICE_DROP_OPTION_LENGTH:
    case SLUICE_DROP_OPTION_DUPLICATE:
    case SLUICE_DROP_OPTION_CRITICAL:
    case SLUICE_DROP_SPLIT_MALFORMED:
    case SLUICE_DROP_TENANT_VNI:
    case SLUICE_DROP_TENANT_UNKNOWN:
    case SLUICE_DROP_AUTH_MISSING:
    case SLUICE_DROP_AUTH_BAD:
        return true;
    default:
        return false;
    }
}

static uint64_t random_state = 1;

/* Returns a number below 'n', by xorshift64*. */
static uint32_t
below(uint32_t n)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (random_state * UINT64_C(0x2545f4914f6cdd1d) >> 32) % n;
}

struct fixture {
    struct config *config;
    struct decap decap;
    struct intake_stats *stats;
    struct account *account;
    struct undo undo;
    uint32_t number;            /* Of the latest true packet. */
    uint64_t drops[N_KINDS][SLUICE_N_DROPS];
};

static void
write_key(const char *path, const uint8_t *key)
{
    unlink(path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fchmod(fileno(f), 0600), 0);
    for (int i = 0; i < 16; i++) {
        fprintf(f, "%02x", key[i]);
    }
    assert_int_equal(fclose(f), 0);
}

static void
set_up(struct fixture *f)
{
    char *cwd = getcwd(NULL, 0);
    char *text = xasprintf(
        "hosts:\n"
        "- {name: a, vtep: 192.0.2.1, key-file: %s/"KEY_FILE_A", "
            "tenants: [7]}\n"
        "- {name: b, vtep: 192.0.2.2, key-file: %s/"KEY_FILE_B"}\n"
        "tenants:\n"
        "- {id: 7, name: seven, server: 'h:514'}\n"
        "- {id: 8, name: eight, server: 'h:514'}\n", cwd, cwd);

    write_key(KEY_FILE_A, key_a);
    write_key(KEY_FILE_B, key_b);
    assert_null(config_parse("f", text, strlen(text), &f->config));
    assert_null(decap_configure(&f->decap, SLUICE_TLV_CLASS, f->config));
    f->stats = xzalloc(sizeof *f->stats);
    f->account = account_create(f->stats, &f->undo);
    free(text);
    free(cwd);
}

static void
tear_down(struct fixture *f)
{
    account_destroy(f->account);
    free(f->stats);
    decap_uninit(&f->decap);
    config_destroy(f->config);
    unlink(KEY_FILE_A);
    unlink(KEY_FILE_B);
}

/* Lets 'p' from 192.0.2.'host' go its way; returns why it was dropped. */
static enum sluice_drop
receive(struct fixture *f, const struct signed_packet *p, uint8_t host)
{
    struct record rec = {
        .packet = slice_of(p->bytes, p->size),
        .vtep = { [10] = 0xff, 0xff, 192, 0, 2, host },
    };
    struct decap_verdict verdict = decap_run(&f->decap, &rec);

    if (verdict.origin) {
        return verdict.origin;
    }
    enum sluice_drop drop = account_find(f->account, &rec);
    account_commit(f->account, &rec, drop ? drop : verdict.inner);
    return drop ? drop : verdict.inner;
}

/* The packet with 'number' as host 192.0.2.1 would send it, but for what the
 * others say. */
static void
make_in_epoch(struct signed_packet *p, uint32_t vni, uint32_t tenant,
              uint32_t epoch, uint32_t number, const uint8_t *key)
{
    const struct signed_packet_spec spec = {
        .vni = vni, .tenant = tenant, .ofp_port = 3,
        .epoch = epoch, .number = number, .key = key,
    };

    signed_packet_make(p, &spec);
}

/* The same since the switch last restarted. */
static void
make(struct signed_packet *p, uint32_t vni, uint32_t tenant, uint32_t number,
     const uint8_t *key)
{
    make_in_epoch(p, vni, tenant, EPOCH, number, key);
}

/* Makes a forged packet that would be the host's next one, and returns the
 * address that it comes from. */
static uint8_t
forge(const struct fixture *f, enum kind kind, struct signed_packet *p)
{
    const uint32_t next = f->number + 1;
    uint8_t key[16];
    uint32_t other_tenant = 8;

    make(p, 7, 0, next, key_a);
    switch (kind) {
    case WRONG_KEY:
        memcpy(key, key_a, sizeof key);
        key[below(16)] ^= 1 + below(255);
        signed_packet_sign(p, key);
        break;
    case RANDOM_AUTH:
        for (size_t i = 0; i < 8; i++) {
            p->bytes[p->auth_ofs + i] = below(256);
        }
        break;
    case NO_AUTH:
        make(p, 7, 0, next, NULL);
        break;
    case UNKNOWN_VTEP:
        return 3 + below(253);
    case OTHER_VTEP:
        return 2;
    case REPLAYED:
        make(p, 7, 0, f->number - below(MIN(f->number, 2000)), key_a);
        break;
    case REPLAYED_EPOCH:
        make_in_epoch(p, 7, 0, 1 + below(EPOCH - 2), 1, key_a);
        break;
    case OTHER_VNI_ONLY:
        make(p, 7, 7, next, key_a);
        /* fall through */
    case OTHER_VNI:
        sluice_tlv_put_be32(p->bytes + 4, other_tenant << 8);
        break;
    case OTHER_TENANT: {
        struct signed_packet other;
        make(&other, other_tenant, 0, next, key_b);
        memcpy(other.bytes + other.auth_ofs, p->bytes + p->auth_ofs, 8);
        *p = other;
        break;
    }
    case OTHER_TENANT_SIGNED:
        make(p, other_tenant, 0, next, key_a);
        break;
    case TRUNCATED:
        p->size = below(p->size);
        break;
    case BIT_FLIPS: {
        uint32_t n = 1 + below(3);
        uint32_t bit = below(8 * p->size);
        for (uint32_t i = 0; i < n; i++) { /* Others, so none flips back. */
            p->bytes[bit / 8] ^= 1 << bit % 8;
            bit = (bit + 1 + below(8)) % (8 * p->size);
        }
        break;
    }
    default:
        OVS_NOT_REACHED();
    }
    return 1;
}

/* Sends one true packet, which must pass. */
static void
send_true(struct fixture *f)
{
    struct signed_packet p;

    /* With and without TENANT, which a switch may send or not. */
    f->number++;
    make(&p, 7, f->number % 2 ? 7 : 0, f->number, key_a);
    assert_int_equal(receive(f, &p, 1), SLUICE_DROP_NONE);
}

static void
check_counts(const struct fixture *f)
{
    uint64_t total = 0;

    for (int kind = 0; kind < N_KINDS; kind++) {
        for (int drop = 0; drop < SLUICE_N_DROPS; drop++) {
            uint64_t n = f->drops[kind][drop];
            if (n) {
                print_message("%-20s %-20s %7"PRIu64"\n", kinds[kind].name,
                              sluice_drop_name(drop), n);
                assert_true(drop == (int) kinds[kind].drop
                            || (!kinds[kind].drop && may_break_into(drop)));
            }
            total += n;
        }
    }
    assert_int_equal(total, N_FORGED);
}

static void
of_a_million_forged_packets_none_is_accepted(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    uint64_t n_replayed = 0;

    (void) state;
    set_up(f);
    for (uint32_t epoch = 1; epoch < EPOCH; epoch++) {
        struct signed_packet p;
        make_in_epoch(&p, 7, 0, epoch, 1, key_a);
        assert_int_equal(receive(f, &p, 1), SLUICE_DROP_NONE);
    }
    for (int i = 0; i < N_FORGED; i++) {
        if (i % TRUE_EVERY == 0) {
            send_true(f);
        }

        enum kind kind = i % N_KINDS;
        struct signed_packet p;
        uint8_t host = forge(f, kind, &p);
        enum sluice_drop drop = receive(f, &p, host);
        if (!drop) {
            fail_msg("forged packet %d, %s, was accepted", i,
                     kinds[kind].name);
        }
        f->drops[kind][drop]++;
        n_replayed += kinds[kind].drop == SLUICE_DROP_SEQUENCE_REPLAYED;
    }
    check_counts(f);

    /* The books know the true packets and the replays, and no other source. */
    const struct stats_source *s = &f->stats->sources[0];
    assert_int_equal(s->received, N_FORGED / TRUE_EVERY + EPOCH - 1);
    assert_int_equal(s->sent, s->received);
    assert_int_equal(s->lost, 0);
    assert_int_equal(s->replayed, n_replayed);
    assert_int_equal(f->stats->sources[1].tenant, 0);
    tear_down(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_million_forged_packets_none_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
