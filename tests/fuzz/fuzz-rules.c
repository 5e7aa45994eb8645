/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes client rules with lines of guests.  A verdict names a rule that
 * matched and whose action it is; what is dropped as a repeat is told of to
 * the line, and whatever comes, memory does not grow.
 *
 * The input is a row of lines: 1 byte of priority, 1 that says which VM, 1 of
 * time that goes by, and APP-NAME and MSG behind their sizes, 1 byte each. */
#include <stdlib.h>

#include "cursor.h"
#include "rules.h"
#include "syslog-msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_SUBJECTS = 2 };

static const struct rules_spec specs[] = {
    { .name = "keep", .app = "sshd", .action = RULE_KEEP },
    { .name = "drop", .pattern = "GET /health|\\bping\\b",
      .action = RULE_DROP },
    { .name = "sample", .severity = "debug..info", .action = RULE_SAMPLE,
      .one_in = 3 },
    { .name = "rate", .tenant = 7, .app = "cron*", .action = RULE_RATE_LIMIT,
      .rate = 2, .burst = 3 },
    { .name = "again", .action = RULE_DEDUPLICATE, .window_ms = 500 },
};
enum { N_SPECS = sizeof specs / sizeof *specs };

static struct rules *rules;

static void
check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void
check_verdict(const struct rules_verdict *v)
{
    check((v->drop != SLUICE_DROP_NONE) == (v->dropped_by != RULES_NONE));
    check(v->route == RULES_NONE && v->verbose == RULES_NONE);
    if (v->dropped_by != RULES_NONE) {
        unsigned int rule = v->dropped_by;

        check(rule < rules_n(rules));
        check(rule_action_drop(rules_action(rules, rule)) == v->drop);
        check(v->matched[rule / 64] >> rule % 64 & 1);
    }
}

/* Takes the repeats that are due at 'now_ms'.  Returns how many lines those
 * are. */
static uint64_t
take_repeats(struct rules_state *state, uint64_t now_ms)
{
    struct rules_repeats repeats;
    uint64_t n = 0;

    while (rules_repeats_due(state, now_ms, &repeats)) {
        check(repeats.n > 0 && repeats.rule == N_SPECS - 1);
        check(repeats.from_ns <= repeats.to_ns && repeats.tenant == 7);
        check(repeats.text.size <= RULES_REPEATS_TEXT);
        n += repeats.n;
        rules_repeats_told(state, repeats.slot);
    }
    return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[RULES_KEY_SIZE] = { 1 };
    static const char *const names[N_SUBJECTS] = { "web", "db" };
    static struct rules_subject subjects[N_SUBJECTS];
    static struct rules_state *state;
    static uint64_t now_ms;
    struct cursor c = cursor_of(slice_of(data, size));
    uint64_t n_repeats = 0, n_told = 0;

    if (!rules) {
        check(!rules_create(specs, N_SPECS, &rules));
        state = rules_state_create(key);
        check(state != NULL);
    }
    for (size_t i = 0; i < N_SUBJECTS && !now_ms; i++) {
        const struct rules_origin origin = {
            .tenant = 7,
            .name = slice_from_string(names[i]),
            .identity = slice_from_string(names[i]),
        };
        rules_subject_init(rules, state, &origin, &subjects[i]);
    }
    /* The memory is large, so that inputs share it; all windows are over when
     * the next one begins. */
    now_ms += 3600 * 1000;

    while (c.left >= 5) {
        struct rules_line line = { .now_ms = now_ms };
        struct rules_verdict v;

        line.pri = cursor_be(&c, 1) % (SYSLOG_MAX_PRI + 1);
        line.subject = &subjects[cursor_be(&c, 1) % N_SUBJECTS];
        now_ms += cursor_be(&c, 1) * 10;
        line.now_ms = now_ms;
        line.time_ns = now_ms * 1000000;
        size_t n = cursor_be(&c, 1);
        line.app_name = cursor_take(&c, n < c.left ? n : c.left);
        n = cursor_be(&c, 1);
        line.msg = cursor_take(&c, n < c.left ? n : c.left);
        if (c.failed) {
            break;
        }
        n_told += take_repeats(state, now_ms);
        rules_run(rules, state, &line, &v);
        check_verdict(&v);
        n_repeats += v.drop == SLUICE_DROP_RULE_DUPLICATE;
    }
    check(n_told + take_repeats(state, UINT64_MAX) == n_repeats);
    return 0;
}
