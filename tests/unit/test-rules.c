/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "rule-match.h"
#include "rules.h"
#include "syslog-msg.h"

static const uint8_t key[RULES_KEY_SIZE] = { 1, 2, 3 };
static const uint8_t uuid[16] = {
    0xa0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 7, 1
};
#define UUID "a0000000-0000-4000-8000-000000000701"

enum { CRON_INFO = 9 * 8 + 6, USER_ERR = 1 * 8 + 3, MAIL_DEBUG = 2 * 8 + 7 };

struct bench {
    struct rules *rules;
    struct rules_state *state;
    struct rules_subject web, db, other; /* 'other' is of tenant 8. */
};

static void
make_subject(struct bench *b, struct rules_subject *subject, uint32_t tenant,
             const uint8_t *vm, const char *name)
{
    const struct rules_origin origin = {
        .tenant = tenant,
        .vm = vm,
        .name = slice_from_string(name),
        .identity = slice_from_string(name),
    };

    rules_subject_init(b->rules, b->state, &origin, subject);
}

static void
use(struct bench *b, const struct rules_spec *specs, size_t n)
{
    rules_destroy(b->rules);
    assert_null(rules_create(specs, n, &b->rules));
    if (!b->state) {
        b->state = rules_state_create(key);
    }
    assert_non_null(b->state);
    make_subject(b, &b->web, 7, uuid, "web-1");
    make_subject(b, &b->db, 7, NULL, "db");
    make_subject(b, &b->other, 8, NULL, "web-1");
}

#define USE(B, ...)                                                     \
    do {                                                                \
        const struct rules_spec specs__[] = { __VA_ARGS__ };            \
        use(B, specs__, sizeof specs__ / sizeof *specs__);              \
    } while (0)

static void
end(struct bench *b)
{
    rules_destroy(b->rules);
    rules_state_destroy(b->state);
}

static struct rules_verdict
ask_at(struct bench *b, const struct rules_subject *subject, uint8_t pri,
       const char *app, const char *msg, uint64_t now_ms)
{
    const struct rules_line line = {
        .subject = subject,
        .pri = pri,
        .app_name = slice_from_string(app),
        .msg = slice_from_string(msg),
        .now_ms = now_ms,
        .time_ns = now_ms * 1000000,
        .owner = 5,
    };
    struct rules_verdict v;

    rules_run(b->rules, b->state, &line, &v);
    return v;
}

static bool
drops(struct bench *b, const struct rules_subject *subject, uint8_t pri,
      const char *app, const char *msg)
{
    return ask_at(b, subject, pri, app, msg, 0).drop != SLUICE_DROP_NONE;
}

static void
severities_and_facilities_are_read_by_name(void **state)
{
    uint32_t facilities = 77;
    uint8_t severities = 77;

    (void) state;
    assert_true(rule_parse_severities("debug", &severities));
    assert_int_equal(severities, 1 << 7);
    assert_true(rule_parse_severities("warning..emerg", &severities));
    assert_int_equal(severities, 0x1f);
    assert_true(rule_parse_severities("emerg..warn", &severities));
    assert_int_equal(severities, 0x1f);
    assert_true(rule_parse_severities(" error , panic", &severities));
    assert_int_equal(severities, 1 << 3 | 1);
    assert_true(rule_parse_facilities("local0..local7,kern", &facilities));
    assert_int_equal(facilities, 0xff0001);

    static const char *const broken[] = {
        "", " ", "loud", "3", "info..", "..info", "info...debug", "info,",
        ",info", "INFO", "info debug", "debug..info..err",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        assert_false(rule_parse_severities(broken[i], &severities));
        assert_false(rule_parse_facilities(broken[i], &facilities));
    }
    assert_int_equal(severities, 1 << 3 | 1);
    assert_int_equal(facilities, 0xff0001);
    for (unsigned int i = 0; i < 8; i++) {
        assert_true(rule_parse_severities(rule_severity_name(i),
                                          &severities));
        assert_int_equal(severities, 1 << i);
    }
    for (unsigned int i = 0; i < 24; i++) {
        assert_true(rule_parse_facilities(rule_facility_name(i),
                                          &facilities));
        assert_int_equal(facilities, 1 << i);
    }
    assert_null(rule_severity_name(8));
    assert_null(rule_facility_name(24));
}

static bool
globs_match(const char *globs, const char *name)
{
    struct rule_glob *parsed;
    size_t n;

    assert_int_equal(rule_globs_parse(globs, &parsed, &n), 0);
    bool matches = rule_globs_match(parsed, n, slice_from_string(name));
    free(parsed);
    return matches;
}

static void
names_have_wildcards(void **state)
{
    (void) state;
    assert_true(globs_match("cron", "cron"));
    assert_false(globs_match("cron", "crond"));
    assert_false(globs_match("cron", "CRON"));
    assert_false(globs_match("cron", ""));
    assert_true(globs_match("cron*", "crond"));
    assert_true(globs_match("cron*", "cron"));
    assert_true(globs_match("*", ""));
    assert_true(globs_match("?", "a"));
    assert_false(globs_match("?", ""));
    assert_false(globs_match("?", "ab"));
    assert_true(globs_match("a*b?d*", "a--bcbcd--"));
    assert_false(globs_match("a*b?d", "a--bcdd"));
    assert_true(globs_match("x, web-* ,y", "web-1"));
    assert_true(globs_match("**a**", "bab"));
    /* What would take an exponential time if every '*' were tried anew. */
    assert_false(globs_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
                             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void
all_that_a_rule_names_must_match(void **state)
{
    struct bench b = { .rules = NULL };

    (void) state;
    USE(&b, { .name = "a", .tenant = 7, .vm = "web-*", .app = "cron, at",
              .facility = "cron", .severity = "notice..debug",
              .pattern = "session (opened|closed)", .action = RULE_DROP });
    assert_true(drops(&b, &b.web, CRON_INFO, "at", "a session closed by x"));
    assert_false(drops(&b, &b.web, CRON_INFO, "at", "a session, closed"));
    assert_false(drops(&b, &b.web, CRON_INFO, "atd", "session opened"));
    assert_false(drops(&b, &b.web, 9 * 8 + 4, "at", "session opened"));
    assert_false(drops(&b, &b.web, MAIL_DEBUG, "at", "session opened"));
    assert_false(drops(&b, &b.db, CRON_INFO, "at", "session opened"));
    assert_false(drops(&b, &b.other, CRON_INFO, "at", "session opened"));
    struct rules_verdict v = ask_at(&b, &b.web, CRON_INFO, "at",
                                    "session opened", 0);
    assert_int_equal(v.drop, SLUICE_DROP_RULE_DROP);
    assert_int_equal(v.dropped_by, 0);
    assert_int_equal(v.matched[0], 1);
    end(&b);
}

static void
a_vm_is_known_by_its_uuid_too(void **state)
{
    struct bench b = { .rules = NULL };

    (void) state;
    USE(&b, { .name = "a", .vm = "nobody, " UUID, .action = RULE_DROP });
    assert_true(drops(&b, &b.web, USER_ERR, "x", "m"));
    assert_false(drops(&b, &b.db, USER_ERR, "x", "m"));
    assert_false(drops(&b, &b.other, USER_ERR, "x", "m"));
    end(&b);
}

static void
rules_are_looked_at_in_order_and_keep_ends_it(void **state)
{
    struct bench b = { .rules = NULL };

    (void) state;
    USE(&b, { .name = "look", .app = "a", .action = RULE_VERBOSE },
        { .name = "archive", .app = "a", .action = RULE_ROUTE,
          .destination = "archive" },
        { .name = "never", .app = "a", .action = RULE_ROUTE,
          .destination = "other" },
        { .name = "keep", .pattern = "precious", .action = RULE_KEEP },
        { .name = "rest", .action = RULE_DROP });
    struct rules_verdict v = ask_at(&b, &b.web, USER_ERR, "a", "precious", 0);
    assert_int_equal(v.drop, SLUICE_DROP_NONE);
    assert_int_equal(v.verbose, 0);
    assert_int_equal(v.route, 1);
    assert_string_equal(rules_destination(b.rules, v.route), "archive");
    assert_int_equal(v.matched[0], 0xf);
    v = ask_at(&b, &b.web, USER_ERR, "b", "precious", 0);
    assert_int_equal(v.drop, SLUICE_DROP_NONE);
    assert_int_equal(v.verbose, RULES_NONE);
    assert_int_equal(v.route, RULES_NONE);
    v = ask_at(&b, &b.web, USER_ERR, "a", "cheap", 0);
    assert_int_equal(v.drop, SLUICE_DROP_RULE_DROP);
    assert_int_equal(v.dropped_by, 4);
    assert_int_equal(v.matched[0], 0x17);
    end(&b);
}

static void
a_sample_counts_each_vm_for_itself(void **state)
{
    struct bench b = { .rules = NULL };
    int n_web = 0, n_db = 0;

    (void) state;
    USE(&b, { .name = "a", .action = RULE_SAMPLE, .one_in = 10 });
    for (int i = 0; i < 1000; i++) {
        bool passes = !drops(&b, &b.web, USER_ERR, "a", "m");
        assert_int_equal(passes, i % 10 == 0);
        n_web += passes;
        n_db += i % 3 ? 0 : !drops(&b, &b.db, USER_ERR, "a", "m");
    }
    assert_int_equal(n_web, 100);
    assert_int_equal(n_db, 34);
    end(&b);
}

/* How many of 'n' lines at 'now_ms' pass. */
static int
n_passing(struct bench *b, const struct rules_subject *subject, int n,
          uint64_t now_ms)
{
    int n_passed = 0;

    for (int i = 0; i < n; i++) {
        struct rules_verdict v = ask_at(b, subject, USER_ERR, "a", "m",
                                        now_ms);
        n_passed += v.drop == SLUICE_DROP_NONE;
        assert_true(!v.drop || v.drop == SLUICE_DROP_RULE_RATE);
    }
    return n_passed;
}

static void
a_rate_lets_a_burst_pass_and_then_so_many_a_second(void **state)
{
    struct bench b = { .rules = NULL };

    (void) state;
    USE(&b, { .name = "a", .action = RULE_RATE_LIMIT, .rate = 5,
              .burst = 20 });
    assert_int_equal(n_passing(&b, &b.web, 100, 1000), 20);
    assert_int_equal(n_passing(&b, &b.db, 100, 1000), 20);
    assert_int_equal(n_passing(&b, &b.web, 100, 1199), 0);
    assert_int_equal(n_passing(&b, &b.web, 100, 1200), 1);
    assert_int_equal(n_passing(&b, &b.web, 100, 3200), 10);
    assert_int_equal(n_passing(&b, &b.web, 100, UINT64_MAX / 2), 20);
    /* A clock that goes back brings nothing. */
    assert_int_equal(n_passing(&b, &b.web, 100, 1000), 0);
    end(&b);
}

static void
a_rate_may_be_shared_by_the_tenant(void **state)
{
    struct bench b = { .rules = NULL };

    (void) state;
    USE(&b, { .name = "a", .action = RULE_RATE_LIMIT, .rate = 20,
              .per_tenant = true });
    assert_int_equal(n_passing(&b, &b.web, 15, 1000), 15);
    assert_int_equal(n_passing(&b, &b.db, 15, 1000), 5);
    assert_int_equal(n_passing(&b, &b.other, 30, 1000), 20);
    end(&b);
}

static enum sluice_drop
repeat(struct bench *b, const struct rules_subject *subject, uint8_t pri,
       const char *app, const char *msg, uint64_t now_ms)
{
    return ask_at(b, subject, pri, app, msg, now_ms).drop;
}

static void
repeats_are_dropped_and_told_at_the_end_of_the_window(void **state)
{
    struct bench b = { .rules = NULL };
    struct rules_repeats r;

    (void) state;
    USE(&b, { .name = "a", .action = RULE_DEDUPLICATE, .window_ms = 1000 });
    assert_int_equal(repeat(&b, &b.web, USER_ERR, "app", "same", 500), 0);
    for (int i = 1; i <= 40; i++) {
        assert_int_equal(repeat(&b, &b.web, USER_ERR, "app", "same", 500 + i),
                         SLUICE_DROP_RULE_DUPLICATE);
        /* Others between do not matter, and none of these is the same. */
        if (i == 1) {
            assert_int_equal(repeat(&b, &b.web, USER_ERR, "app", "sama", 501),
                             0);
            assert_int_equal(repeat(&b, &b.web, USER_ERR, "ap", "psame", 501),
                             0);
            assert_int_equal(repeat(&b, &b.web, 1 * 8 + 4, "app", "same",
                                    501), 0);
            assert_int_equal(repeat(&b, &b.db, USER_ERR, "app", "same", 501),
                             0);
        }
    }
    assert_false(rules_repeats_due(b.state, 1499, &r));
    assert_true(rules_repeats_due(b.state, 1500, &r));
    assert_int_equal(r.n, 40);
    assert_int_equal(r.rule, 0);
    assert_int_equal(r.tenant, 7);
    assert_int_equal(r.owner, 5);
    assert_int_equal(r.from_ns, UINT64_C(501000000));
    assert_int_equal(r.to_ns, UINT64_C(540000000));
    assert_slice_equal(r.app_name, "app");
    assert_slice_equal(r.text, "same");
    rules_repeats_told(b.state, r.slot);
    assert_false(rules_repeats_due(b.state, UINT64_MAX, &r));
    /* A new window. */
    assert_int_equal(repeat(&b, &b.web, USER_ERR, "app", "same", 1501), 0);
    assert_int_equal(repeat(&b, &b.web, USER_ERR, "app", "same", 2500),
                     SLUICE_DROP_RULE_DUPLICATE);
    assert_true(rules_repeats_due(b.state, UINT64_MAX, &r));
    assert_int_equal(r.n, 1);
    /* What can't be told waits, and goes on to count. */
    rules_repeats_put_off(b.state, r.slot, 9000);
    assert_false(rules_repeats_due(b.state, 8999, &r));
    assert_int_equal(repeat(&b, &b.web, USER_ERR, "app", "same", 8999),
                     SLUICE_DROP_RULE_DUPLICATE);
    assert_true(rules_repeats_due(b.state, 9000, &r));
    assert_int_equal(r.n, 2);
    end(&b);
}

static void
a_line_without_repeats_begins_a_new_window_after_its_own(void **state)
{
    struct bench b = { .rules = NULL };
    struct rules_repeats r;

    (void) state;
    USE(&b, { .name = "a", .action = RULE_DEDUPLICATE, .window_ms = 100 });
    for (uint64_t now = 0; now < 1000; now += 100) {
        assert_int_equal(repeat(&b, &b.web, USER_ERR, "app", "same", now), 0);
    }
    assert_false(rules_repeats_due(b.state, UINT64_MAX, &r));
    end(&b);
}

static void
no_flood_of_texts_makes_repeats_untold(void **state)
{
    struct bench b = { .rules = NULL };
    struct rules_repeats r;
    uint64_t n_dropped = 0, n_told = 0;
    char text[32];

    (void) state;
    USE(&b, { .name = "a", .action = RULE_DEDUPLICATE, .window_ms = 1000 });
    for (int i = 0; i < 100000; i++) {
        snprintf(text, sizeof text, "text %d", i / 2 % 5000);
        n_dropped += repeat(&b, &b.web, USER_ERR, "app", text, i / 10) != 0;
        while (i % 1000 == 0 && rules_repeats_due(b.state, i / 10, &r)) {
            n_told += r.n;
            rules_repeats_told(b.state, r.slot);
        }
    }
    while (rules_repeats_due(b.state, UINT64_MAX, &r)) {
        n_told += r.n;
        rules_repeats_told(b.state, r.slot);
    }
    assert_true(n_dropped > 0);
    assert_int_equal(n_told, n_dropped);
    end(&b);
}

static void
the_text_of_repeats_is_cut_between_characters(void **state)
{
    struct bench b = { .rules = NULL };
    struct rules_repeats r;
    char text[RULES_REPEATS_TEXT + 16];

    (void) state;
    USE(&b, { .name = "a", .action = RULE_DEDUPLICATE, .window_ms = 1000 });
    memset(text, 'x', sizeof text);
    memcpy(text + RULES_REPEATS_TEXT - 1, "\xe2\x82\xac", 3);
    text[sizeof text - 1] = '\0';
    repeat(&b, &b.web, USER_ERR, "app", text, 0);
    repeat(&b, &b.web, USER_ERR, "app", text, 0);
    assert_true(rules_repeats_due(b.state, UINT64_MAX, &r));
    assert_int_equal(r.text.size, RULES_REPEATS_TEXT - 1);
    end(&b);
}

static void
what_rules_remember_goes_on_with_others_of_the_same_name(void **state)
{
    struct bench b = { .rules = NULL };
    const struct rules_spec sample = {
        .name = "a", .action = RULE_SAMPLE, .one_in = 3
    };

    (void) state;
    USE(&b, sample);
    assert_false(drops(&b, &b.web, USER_ERR, "a", "m"));
    assert_true(drops(&b, &b.web, USER_ERR, "a", "m"));
    USE(&b, { .name = "before", .app = "none", .action = RULE_DROP }, sample);
    assert_true(drops(&b, &b.web, USER_ERR, "a", "m"));
    assert_false(drops(&b, &b.web, USER_ERR, "a", "m"));
    end(&b);
}

static void
as_many_rules_as_may_be_have_their_patterns(void **state)
{
    struct rules_spec *specs = calloc(RULES_MAX, sizeof *specs);
    char (*names)[16] = calloc(RULES_MAX, sizeof *names);
    struct bench b = { .rules = NULL };
    char text[64];

    (void) state;
    for (int i = 0; i < RULES_MAX; i++) {
        snprintf(names[i], sizeof names[i], "<%d>", i);
        specs[i] = (struct rules_spec) {
            .name = names[i], .pattern = names[i], .action = RULE_DROP,
        };
    }
    use(&b, specs, RULES_MAX);
    for (int i = 0; i < RULES_MAX; i += 31) {
        snprintf(text, sizeof text, "a <%d> b", i);
        struct rules_verdict v = ask_at(&b, &b.web, USER_ERR, "a", text, 0);
        assert_int_equal(v.dropped_by, i);
    }
    assert_false(drops(&b, &b.web, USER_ERR, "a", "<x>"));
    assert_false(drops(&b, &b.web, USER_ERR, "a", ""));
    end(&b);
    free(names);
    free(specs);
}

static void
a_pattern_that_hyperscan_does_not_take_is_refused(void **state)
{
    static const char *const broken[] = { "(", "a(?=b)", "(a)\\1", "", "x*" };

    (void) state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char *complaint = rules_check_pattern(broken[i]);
        assert_non_null(complaint);
        /* It is part of a sentence, and for who has no library to call. */
        assert_int_not_equal(complaint[strlen(complaint) - 1], '.');
        assert_null(strstr(complaint, "HS_FLAG"));
        free(complaint);
    }
    assert_null(rules_check_pattern("(?i)failed (login|password) .* from"));
}

static void
words_that_can_not_be_read_are_refused(void **state)
{
    const struct rules_spec broken[] = {
        { .name = "a", .severity = "x" }, { .name = "a", .facility = "x" },
        { .name = "a", .vm = "," }, { .name = "a", .app = "a,,b" },
        { .name = "a", .pattern = "(" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct rules *rules = NULL;
        char *sentence = rules_create(&broken[i], 1, &rules);

        assert_non_null(sentence);
        assert_null(rules);
        free(sentence);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(severities_and_facilities_are_read_by_name),
        cmocka_unit_test(names_have_wildcards),
        cmocka_unit_test(all_that_a_rule_names_must_match),
        cmocka_unit_test(a_vm_is_known_by_its_uuid_too),
        cmocka_unit_test(rules_are_looked_at_in_order_and_keep_ends_it),
        cmocka_unit_test(a_sample_counts_each_vm_for_itself),
        cmocka_unit_test(a_rate_lets_a_burst_pass_and_then_so_many_a_second),
        cmocka_unit_test(a_rate_may_be_shared_by_the_tenant),
        cmocka_unit_test(
            repeats_are_dropped_and_told_at_the_end_of_the_window),
        cmocka_unit_test(
            a_line_without_repeats_begins_a_new_window_after_its_own),
        cmocka_unit_test(no_flood_of_texts_makes_repeats_untold),
        cmocka_unit_test(the_text_of_repeats_is_cut_between_characters),
        cmocka_unit_test(
            what_rules_remember_goes_on_with_others_of_the_same_name),
        cmocka_unit_test(as_many_rules_as_may_be_have_their_patterns),
        cmocka_unit_test(a_pattern_that_hyperscan_does_not_take_is_refused),
        cmocka_unit_test(words_that_can_not_be_read_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
