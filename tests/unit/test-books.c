/* SPDX-License-Identifier: Apache-2.0
 *
 * The books of an intake that is killed: between any two changes of what
 * outlives it.  The linker hands the calls that make those changes to this
 * file first (--wrap), which kills the process before or after the n-th of
 * them, for each n that there is; another process goes on, and the books must
 * be the same as if nothing had happened. */
#include "sluice-config.h"      /* For nftw(). */

#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "open-batch.h"
#include "pipeline.h"
#include "redaction.h"
#include "remove-tree.h"
#include "seal.h"
#include "signed-packet.h"
#include "spool.h"
#include "udp-pair.h"

/* The process is killed when this comes to 0; negative: it is not. */
static int calls_left = -1;

static void
pass(void)
{
    if (calls_left >= 0 && !calls_left--) {
        raise(SIGKILL);
    }
}

/* Declares what the linker calls in place of NAME: it passes twice. */
#define WRAP(NAME, PARAMETERS, ARGUMENTS)       \
    void __real_##NAME PARAMETERS;              \
    void __wrap_##NAME PARAMETERS;              \
    void __wrap_##NAME PARAMETERS               \
    {                                           \
        pass();                                 \
        __real_##NAME ARGUMENTS;                \
        pass();                                 \
    }

WRAP(undo_save, (struct undo *u, const uint64_t *word), (u, word))
WRAP(receive_intend,
     (struct receive *r, const struct receive_intent *i), (r, i))
WRAP(receive_settle, (struct receive *r, enum sluice_drop d), (r, d))
WRAP(receive_done, (struct receive *r), (r))
WRAP(receive_begin_task,
     (struct receive *r, const struct receive_task *t), (r, t))
WRAP(receive_end_task, (struct receive *r), (r))
WRAP(open_batch_commit, (struct open_batch *b, size_t size, uint32_t n),
     (b, size, n))
WRAP(open_batch_reset,
     (struct open_batch *b, uint64_t number, uint64_t before),
     (b, number, before))
WRAP(spool_commit, (struct spool *s, struct spool_result r[]), (s, r))

/* Compiling the rules of redaction takes far longer than all else here, so it
 * is done once. */
static struct redaction *redaction;

char *__real_redaction_load(const struct config *, const char *copies,
                            struct redaction **ret);
char *__wrap_redaction_load(const struct config *, const char *copies,
                            struct redaction **ret);
char *
__wrap_redaction_load(const struct config *config, const char *copies,
                      struct redaction **ret)
{
    char *sentence = (redaction ? NULL
                      : __real_redaction_load(config, copies, &redaction));

    *ret = redaction;
    return sentence;
}

void __wrap_redaction_destroy(struct redaction *);
void
__wrap_redaction_destroy(struct redaction *r)
{
    (void) r;
}

struct fixture {
    char dir[64];
    char rx[80], stats_path[80], open_dir[80], spool[80], public_key[80];
    struct tunnel_sockets sockets; /* Receive. */
    int sender;
};

static void
fixture_init(struct fixture *f)
{
    char secret_key[80];

    snprintf(f->dir, sizeof f->dir, "/tmp/sluice-test-books.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->rx, sizeof f->rx, "%s/rx", f->dir);
    snprintf(f->stats_path, sizeof f->stats_path, "%s/stats", f->dir);
    snprintf(f->open_dir, sizeof f->open_dir, "%s/open", f->dir);
    snprintf(f->spool, sizeof f->spool, "%s/spool", f->dir);
    snprintf(f->public_key, sizeof f->public_key, "%s/key.pub", f->dir);
    snprintf(secret_key, sizeof secret_key, "%s/key", f->dir);
    assert_int_equal(mkdir(f->open_dir, 0700), 0);
    assert_int_equal(mkdir(f->spool, 0700), 0);
    assert_int_equal(seal_key_generate(secret_key, f->public_key), 0);
    udp_pair_open(&f->sockets, &f->sender);
    if (!redaction) {
        struct redaction *first;
        assert_null(__wrap_redaction_load(NULL, NULL, &first));
    }
}

static void
fixture_uninit(struct fixture *f)
{
    tunnel_sockets_close(&f->sockets);
    close(f->sender);
    assert_int_equal(remove_tree(f->dir), 0);
}

static void
send_packet(struct fixture *f, uint32_t epoch, uint32_t number, bool broken)
{
    const struct signed_packet_spec spec = {
        .vni = 7, .tenant = 7, .ofp_port = 1, .epoch = epoch,
        .number = number,
    };
    struct signed_packet packet;

    signed_packet_make(&packet, &spec);
    assert_int_equal(send(f->sender, packet.bytes,
                          packet.size - (broken ? 100 : 0), 0),
                     packet.size - (broken ? 100 : 0));
}

/* What one process does: takes up what is there, reads what the socket has,
 * closes its batches. */
static void
live(const struct fixture *f)
{
    struct intake_stats *stats;
    struct receive *receive;
    struct pipeline *pipeline;
    uint64_t lost = 0;

    assert_int_equal(intake_stats_map(f->stats_path, &stats), 0);
    assert_int_equal(receive_socket_create(&f->sockets, f->rx, &receive), 0);
    const struct pipeline_options options = {
        .option_class = SLUICE_TLV_CLASS,
        .receive = receive,
        .stats = stats,
        .store = {
            .open_dir = f->open_dir,
            .spool = f->spool,
            .public_key = f->public_key,
            .max_bytes = 256 * 1024,
            .max_delay_ms = 1000,
            .stats = stats,
        },
    };
    assert_null(pipeline_create(&options, &pipeline));
    assert_null(pipeline_recover(pipeline));
    if (!receive_fill(receive, &lost)) {
        pipeline_drain(pipeline);
    }
    pipeline_flush(pipeline);
    pipeline_destroy(pipeline);
    receive_destroy(receive);
    stats_unmap(stats);
}

/* Has a process live and kills it at its 'n'th call.  Returns false if it ended
 * before that. */
static bool
kill_at(const struct fixture *f, int n)
{
    int status;
    pid_t pid = fork();

    if (!pid) {
        calls_left = n;
        live(f);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL
                : !WEXITSTATUS(status));
    return WIFSIGNALED(status);
}

/* Lines of tenant 7 that are in the spool. */
static uint64_t
in_spool(const struct fixture *f)
{
    struct spool_totals totals;
    struct spool_queue queue;
    struct spool *spool;

    assert_true(spool_queue_init(&queue, 7, SPOOL_MAIN_QUEUE));
    assert_int_equal(spool_open(f->spool, &spool), 0);
    assert_int_equal(spool_totals(spool, &queue, &totals), 0);
    spool_close(spool);
    return totals.n_lines;
}

/* Eight packets: one line, one that jumps, one that is overtaken, a replay, a
 * broken one, the first of a new epoch, a late one of the old, one more. */
static void
send_all(struct fixture *f)
{
    send_packet(f, 1, 1, false);
    send_packet(f, 1, 200, false);
    send_packet(f, 1, 199, false);
    send_packet(f, 1, 200, false);
    send_packet(f, 1, 201, true);
    send_packet(f, 2, 1, false);
    send_packet(f, 1, 198, false);
    send_packet(f, 2, 2, false);
}

static void
check(const struct fixture *f, int n)
{
    const struct intake_stats *stats;

    assert_int_equal(intake_stats_map_ro(f->stats_path, &stats), 0);
    const struct stats_tenant *t = &stats->tenants[0];
    const struct stats_source *s = &stats->sources[0];
    const uint64_t got[] = {
        stats->counters[INTAKE_PACKETS], stats->counters[INTAKE_DROPPED],
        t->counters[TENANT_RECEIVED], t->counters[TENANT_DROPPED],
        t->drops[SLUICE_DROP_SEQUENCE_REPLAYED], t->counters[TENANT_OPEN],
        t->counters[TENANT_SPOOLED], in_spool(f), s->received, s->dropped,
        s->replayed, s->sent, s->lost, s->before, s->current.epoch,
        s->current.highest, s->previous.highest,
    };
    const uint64_t expected[] = { 8, 2, 8, 2, 1, 0, 6, 6, 7, 1, 1, 203, 196,
                                  0, 2, 2, 201 };
    for (size_t i = 0; i < sizeof got / sizeof *got; i++) {
        if (got[i] != expected[i]) {
            fail_msg("killed at call %d: figure %zu is %ju, not %ju", n, i,
                     (uintmax_t) got[i], (uintmax_t) expected[i]);
        }
    }
    stats_unmap(stats);
}

/* At how many of the places a process is killed: SLUICE_KILL_STEP=1 is all. */
static int
step(void)
{
    const char *s = getenv("SLUICE_KILL_STEP");

    return s ? strtol(s, NULL, 10) : 9;
}

static void
a_kill_anywhere_leaves_the_books_as_they_would_be(void **state)
{
    bool killed = true;
    int n;

    (void) state;
    for (n = getpid() % step(); killed; n += step()) {
        struct fixture f;

        fixture_init(&f);
        send_all(&f);
        killed = kill_at(&f, n);
        assert_false(kill_at(&f, -1));
        check(&f, n);
        fixture_uninit(&f);
    }
    assert_true(n > 100);
}

static void
a_kill_of_who_recovers_does_no_harm_either(void **state)
{
    (void) state;
    for (int first = 7; first < 200; first += 6 * step()) {
        bool killed = true;
        for (int n = getpid() % step(); killed && n < 40; n += step()) {
            struct fixture f;

            fixture_init(&f);
            send_all(&f);
            assert_true(kill_at(&f, first));
            killed = kill_at(&f, n);
            assert_false(kill_at(&f, -1));
            check(&f, n);
            fixture_uninit(&f);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_anywhere_leaves_the_books_as_they_would_be),
        cmocka_unit_test(a_kill_of_who_recovers_does_no_harm_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
