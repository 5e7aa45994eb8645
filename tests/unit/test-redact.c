/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "redact.h"
#include "redact-example.h"
#include "redact-rules.h"

#define MIB (1024 * 1024)

static int
setup(void **state)
{
    return redactor_create((struct redactor **) state);
}

/* Likewise, with the rules that are off by default. */
static int
setup_all(void **state)
{
    const struct redact_options options = { .enable_all = true };

    assert_null(redactor_create_with(&options, (struct redactor **) state));
    return 0;
}

static int
teardown(void **state)
{
    redactor_destroy(*state);
    return 0;
}

static struct slice
redact(struct redactor *r, struct slice in)
{
    struct redact_result result;

    redactor_run(r, in, NULL, &result);
    return result.text;
}

/* Checks that 'in' becomes 'out'. */
static void
check(void **state, const char *in, const char *out)
{
    struct slice got = redact(*state, slice_from_string(in));

    if (!slice_equal(got, slice_from_string(out))) {
        fail_msg("\"%s\" became \"%.*s\", not \"%s\"", in, (int) got.size,
                 (const char *) got.data, out);
    }
}

static void
check_same(void **state, const char *text)
{
    check(state, text, text);
}

static size_t
count(struct slice text, const char *what)
{
    size_t n = 0;

    for (size_t i = 0; i + strlen(what) <= text.size; i++) {
        n += !memcmp(text.data + i, what, strlen(what));
    }
    return n;
}

static void
every_rule_masks_its_examples(void **state)
{
    const struct redact_rules *rules = redactor_rules(*state);
    uint64_t *hits = calloc(rules->n_rules, sizeof *hits);
    size_t n_failed = 0;

    assert_non_null(hits);
    for (size_t i = 0; i < rules->n_rules; i++) {
        const struct redact_rule *rule = &rules->rules[i];

        assert_true(rule->n_examples > 0);
        for (size_t j = 0; j < rule->n_examples * 3; j++) {
            struct redact_example e;
            struct redact_result result;

            assert_true(redact_example_make(rule->examples[j / 3], j, &e));
            hits[i] = 0;
            redactor_run(*state, slice_of(e.text, e.size), hits, &result);
            bool bare = false;
            for (size_t k = 0; k < e.n_parts; k++) {
                char part[REDACT_EXAMPLE_MAX];
                snprintf(part, sizeof part, "%.*s", (int) e.parts[k].size,
                         (const char *) e.parts[k].data);
                bare |= e.parts[k].size > 4 && count(result.text, part);
            }
            if (!hits[i] || bare) {
                print_error("%s: \"%s\" became \"%.*s\"\n", rule->id, e.text,
                            (int) result.text.size,
                            (const char *) result.text.data);
                n_failed++;
            }
        }
    }
    free(hits);
    assert_int_equal(n_failed, 0);
}

static void
every_rule_leaves_its_other_examples_as_they_are(void **state)
{
    const struct redact_rules *rules = redactor_rules(*state);
    size_t n_failed = 0;

    for (size_t i = 0; i < rules->n_rules; i++) {
        const struct redact_rule *rule = &rules->rules[i];

        assert_true(rule->n_others > 0);
        for (size_t j = 0; j < rule->n_others; j++) {
            struct redact_example e;
            struct redact_result result;

            assert_true(redact_example_make(rule->others[j], j, &e));
            struct slice in = slice_of(e.text, e.size);
            redactor_run(*state, in, NULL, &result);
            if (result.text.data != in.data || result.n_redactions) {
                print_error("%s: \"%s\" became \"%.*s\"\n", rule->id, e.text,
                            (int) result.text.size,
                            (const char *) result.text.data);
                n_failed++;
            }
        }
    }
    assert_int_equal(n_failed, 0);
}

static void
there_are_at_least_150_rules_with_descriptions(void **state)
{
    const struct redact_rules *rules = redactor_rules(*state);

    assert_true(rules->n_rules >= 150);
    for (size_t i = 0; i < rules->n_rules; i++) {
        assert_non_null(rules->rules[i].description);
    }
}

static void
keys_stay_and_values_go(void **state)
{
    check(state, "password=hunter2 user=bob",
          "password=<redacted:password> user=bob");
    check(state, "\"password\": \"a b\"",
          "\"password\": \"<redacted:password>\"");
    check(state, "db_password = 'a b',x", "db_password = "
          "'<redacted:password>',x");
    check(state, "'passwd' => 'it\\'s', 1", "'passwd' => "
          "'<redacted:password>', 1");
    check(state, "pwd='it''s me' x", "pwd='<redacted:password>' x");
    check(state, "DB_PASS:=x;y", "DB_PASS:=<redacted:password>;y");
    check(state, "MYSQL_PWD=x", "MYSQL_PWD=<redacted:password>");
    check(state, "X-Auth-Token: x y", "X-Auth-Token: <redacted:token> y");
    check(state, "u'password': u'a b'}", "u'password': "
          "u'<redacted:password>'}");
    check(state, "params[\"secret\"] = x", "params[\"secret\"] = "
          "<redacted:secret>");
    check(state, "\"tokenValue\":[\"x\"]", "\"tokenValue\":"
          "[\"<redacted:token>\"]");
    check(state, "mysql --password hunter2 -h x",
          "mysql --password <redacted:password> -h x");
    check(state, "GET /x?a=1&access_token=b.c&d=e HTTP/1.1",
          "GET /x?a=1&access_token=<redacted:token>&d=e HTTP/1.1");
}

static void
escaped_json_is_consumed_whole(void **state)
{
    check(state, "{\"password\":\"a\\\"b\\\\\",\"x\":1}",
          "{\"password\":\"<redacted:password>\",\"x\":1}");
    check(state, "{\"m\":\"{\\\"password\\\":\\\"a \\\\\\\"b\\\"}\"}",
          "{\"m\":\"{\\\"password\\\":\\\"<redacted:password>\\\"}\"}");
    /* The end of a string around it ends the value. */
    check(state, "{\"m\":\"{\\\"password\\\":\\\"a b\",\"x\":1}",
          "{\"m\":\"{\\\"password\\\":\\\"<redacted:password>\",\"x\":1}");
}

static void
unclosed_quotation_is_masked_to_the_end(void **state)
{
    check(state, "password=\"a b c", "password=\"<redacted:password>");
    check(state, "m=\"password='a b\" n=1",
          "m=\"password='<redacted:password>\" n=1");
}

static void
lines_of_login_daemons_stay_untouched(void **state)
{
    check_same(state, "<86>Nov 20 12:00:00 h sshd[1]: Failed password for "
               "invalid user admin from 1.2.3.4 port 22 ssh2");
    check_same(state, "sshd[1]: Accepted password for root from 1.2.3.4 port "
               "22 ssh2");
    check_same(state, "passwd[1]: pam_unix(passwd:chauthtok): password "
               "changed for bob");
    check_same(state, "passwd: password changed");
    check_same(state, "login: password: incorrect");
    check_same(state, "sudo: bob : TTY=pts/0 ; PWD=/home/bob ; USER=root ; "
               "COMMAND=/bin/ls");
    check_same(state, "bob ALL=(ALL) NOPASSWD: ALL");
    check_same(state, "Access denied for user 'a'@'localhost' (using "
               "password: YES)");
    check_same(state, "grant_type=password&x=1");
    check_same(state, "{\"password\":null,\"token\":false}");
    check_same(state, "at token::parse, prompt_tokens: 12");
}

static void
authorization_keeps_its_scheme(void **state)
{
    check(state, "Authorization: Bearer 0123456789abcdefX y",
          "Authorization: Bearer <redacted:bearer> y");
    check(state, "Authorization: Basic x y",
          "Authorization: Basic <redacted:authorization> y");
    check(state, "Authorization: Digest username=\"b\", response=\"c d\" e",
          "Authorization: Digest <redacted:authorization> e");
    check(state, "{\"authorization\":\"AWS4 Credential=a, Signature=b\"}",
          "{\"authorization\":\"AWS4 <redacted:authorization>\"}");
}

static void
url_passwords_may_hold_unencoded_marks(void **state)
{
    check(state, "amqp://u:p@ss@h/x", "amqp://u:<redacted:amqp-url>@h/x");
    check(state, "http://u:p/?#s@h/x",
          "http://u:<redacted:url-password>@h/x");
    check(state, "redis://:p@h", "redis://:<redacted:redis-url>@h");
    check_same(state, "http://h:8080/@x http://[::1]:80/?q=@ file://C:/@");
}

static void
private_keys_go_with_all_their_lines(void **state)
{
    check(state, "a -----BEGIN EC PRIVATE KEY-----#012MII#012"
          "-----END EC PRIVATE KEY-----#012b",
          "a <redacted:private-key>#012b");
    check(state, "{\"k\":\"-----BEGIN PRIVATE KEY-----\\nMII\\n"
          "-----END PRIVATE KEY-----\\n\"}",
          "{\"k\":\"<redacted:private-key>\\n\"}");
    check(state, "a -----BEGIN OPENSSH PRIVATE KEY-----\nMII\nMII",
          "a <redacted:private-key>");
    check(state, "[a b=\"-----BEGIN PRIVATE KEY-----\\nMII\"] c",
          "[a b=\"<redacted:private-key>\"] c");
}

static void
cards_are_known_by_issuer_grouping_and_check_digit(void **state)
{
    check(state, "4111-1111-1111-1111.", "<redacted:card-number>.");
    check(state, "x 378282246310005", "x <redacted:card-number>");
    check(state, "3782 822463 10005", "<redacted:card-number>");
    check(state, "30569309025904,5555555555554444",
          "<redacted:card-number>,<redacted:card-number>");
    check(state, "1234 4111 1111 1111 1111 123",
          "1234 <redacted:card-number> 123");
    check_same(state, "4111111111111112 0.4111111111111111 "
               "a4111111111111111 4111111111111111a 1763640000123");
}

static void
secrets_that_adjoin_or_overlap_all_go(void **state)
{
    check(state, "password=a,token=b", "password=<redacted:password>,"
          "token=<redacted:token>");
    check(state, "pwd='a'token='b'", "pwd='<redacted:password>'"
          "token='<redacted:token>'");
    /* Here the inner one reaches further. */
    check(state, "password=password=\"a b\" c", "password="
          "<redacted:password>\"<redacted:password>\" c");
    check(state, "password=http://u:p;q@h/x y",
          "password=<redacted:password> y");
}

static void
marks_of_guests_are_renamed(void **state)
{
    check(state, "a <redacted:password> b", "a <x-redacted:password> b");
    /* They protect nothing. */
    check(state, "token=<redacted:token>x", "token=<redacted:token>");
    check(state, "token:<redacted:token>x", "token:<redacted:token>");
    check(state, "4111111111111111<redacted:x>",
          "<redacted:card-number><x-redacted:x>");
    check(state, "<wsse:Password>x</wsse:Password>",
          "<wsse:Password><redacted:password></wsse:Password>");
    check(state, "--token <redacted:x>", "--token <redacted:token>");
    check(state, "<redacted:<redacted:", "<x-redacted:<x-redacted:");
}

static void
encoded_secrets_go_where_they_stand(void **state)
{
    check(state, "a %70assword%3Dhunter2 b",
          "a %70assword%3D<redacted:password> b");
    check(state, "x cGFzc3dvcmQ9aHVudGVyMg== y",
          "x cGFzc3dvcmQ9<redacted:password>== y");
    check(state, "x 70617373776f72643d68756e74657232 y",
          "x 70617373776f72643d<redacted:password> y");
    check(state, "{\"a\":\"\\u0070wd=\\u0078yz\"}",
          "{\"a\":\"\\u0070wd=<redacted:password>\"}");
    check(state, "to\xe2\x80\x8bken=a\xe2\x80\x8b\x62 c",
          "to\xe2\x80\x8bken=<redacted:token> c");
    check(state, "%2570wd%253Dxyz", "%2570wd%253D<redacted:password>");
    /* In one of the four ways to cut a run into groups. */
    check(state, "ab/cGFzc3dvcmQ9aHVudGVyMg",
          "ab/cGFzc3dvcmQ9<redacted:password>");
    check_same(state, "GET /a%20b%2Fc 6421fb6ff37a1d63287a6d3f466c3ed2 "
               "SHA256:hiphGPkcwjp6PqCrRNNBmzI8rvB8TLUFyTTJ8wtM0Zk \\/x");
}

/* Returns a redactor with the rules that 'text' says, or fails. */
static struct redactor *
create_with(const char *text)
{
    static const uint8_t key[REDACT_KEY_SIZE] = "0123456789abcdef";
    const struct redact_text texts[] = { { "own.yaml", text, strlen(text) } };
    const struct redact_options options = {
        .texts = texts, .n_texts = 1, .has_key = true
    };
    struct redactor *r = NULL;
    char *sentence = redactor_create_with(&options, &r);

    if (sentence) {
        fail_msg("%s", sentence);
    }
    redactor_set_key(r, key);
    return r;
}

static void
own_rules_go_before_the_built_in_ones(void **state)
{
    struct redactor *r = create_with(
        "rules:\n"
        "  - id: acme\n"
        "    literals: [acme_]\n"
        "    pattern: '[a-z0-9]{8,}'\n"
        "    match-examples: ['acme_{{word 8}}']\n"
        "    other-examples: ['acme_x']\n"
        "enable: [email]\ndisable: [token]\nallow: [changeme]\n");
    void *own = r;

    (void) state;
    assert_null(redactor_try_examples(r));
    check(&own, "acme_12345678 a@b.example",
          "<redacted:acme> <redacted:email>");
    check(&own, "token=abc password=changeme password=x",
          "token=abc password=changeme password=<redacted:password>");
    redactor_destroy(r);
}

static void
mistakes_in_own_rules_are_told_with_their_line(void **state)
{
    static const struct {
        const char *text, *sentence;
    } bad[] = {
        { "rules:\n  - literals: [abc]\n", "own.yaml:2: a rule has no id; " },
        { "rules:\n  - id: A\n", "own.yaml:2: the id \"A\" is not of" },
        { "rules:\n  - id: a\n    pattern: '[a'\n",
          "own.yaml:3: pattern \"[a\" is no pattern" },
        { "rules:\n  - id: a\n    colour: red\n",
          "own.yaml:3: a rule has no key \"colour\"" },
        { "\n\ndisable: [nosuch]\n", "own.yaml:3: disable: there is no" },
        { "actions:\n  token: burn\n", "own.yaml:2: token is \"burn\"" },
        { "actions: {token: [}\n", "own.yaml:1: this is not YAML" },
        { "- a\n", "own.yaml:1: the file is not a mapping" },
        { "actions: {token: pseudonym}\n", "own.yaml: the action of rule" },
        { "rules:\n  - {id: token, literals: [abc]}\n",
          "own.yaml:2: rule token: there is a rule" },
        { "enable: [\"\\e[2J\\n\\u202e\"]\n",
          "own.yaml:1: enable: there is no rule ?[2J????; correct it." },
    };

    (void) state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct redact_text texts[] = {
            { "own.yaml", bad[i].text, strlen(bad[i].text) }
        };
        const struct redact_options options = { .texts = texts, .n_texts = 1 };
        struct redactor *r = NULL;
        char *sentence = redactor_create_with(&options, &r);

        if (!sentence || strncmp(sentence, bad[i].sentence,
                                 strlen(bad[i].sentence))) {
            fail_msg("\"%s\": %s", bad[i].text,
                     sentence ? sentence : "accepted");
        }
        free(sentence);
    }
}

static void
pseudonyms_are_the_same_for_the_same_secret_and_key(void **state)
{
    static const uint8_t other_key[REDACT_KEY_SIZE] = "another key here";
    struct redactor *r = create_with("actions: {password: pseudonym}\n");
    char first[256], second[256];
    struct slice out;

    (void) state;
    out = redact(r, slice_from_string("password=a password=b password=a"));
    snprintf(first, sizeof first, "%.*s", (int) out.size,
             (const char *) out.data);
    assert_memory_equal(first, "password=<redacted:password:", 28);
    char *b = strchr(first, ' '), *a = strrchr(first, ' ');
    assert_memory_equal(first, a + 1, 45);
    assert_memory_not_equal(first, b + 1, 45);
    redactor_set_key(r, other_key);
    out = redact(r, slice_from_string("password=a"));
    snprintf(second, sizeof second, "%.*s", (int) out.size,
             (const char *) out.data);
    assert_memory_not_equal(first, second, 45);
    redactor_destroy(r);
}

static void
fields_and_messages_are_dropped_as_asked(void **state)
{
    struct redactor *r = create_with(
        "actions: {password: drop-field, token: drop-message}\n");
    void *own = r;
    struct redact_result result;

    (void) state;
    check(&own, "a=1 password=x b=2", "a=1 b=2");
    check(&own, "a=1 password=\"x y\"", "a=1");
    check(&own, "{\"a\":1,\"password\":\"x\",\"b\":2}",
          "{\"a\":1,\"b\":2}");
    check(&own, "{\"password\":\"x\"}", "{}");
    check(&own, "/x?a=1&password=y", "/x?a=1");
    check(&own, "[a@1 password=\"x\" b=\"c\"]", "[a@1 b=\"c\"]");
    redactor_run(r, slice_from_string("password=x secret=y token=z token=w"),
                 NULL, &result);
    assert_true(result.drop);
    assert_slice_equal(result.receipt, "password:1,secret:1,token:2");
    redactor_run(r, slice_from_string("a=1"), NULL, &result);
    assert_false(result.drop);
    assert_int_equal(result.receipt.size, 0);
    redactor_destroy(r);
}

static void
secrets_are_found_in_any_field_of_a_line(void **state)
{
    check(state, "<13>Nov 20 12:00:00 host password: hunter2",
          "<13>Nov 20 12:00:00 host password: <redacted:password>");
    check(state, "<13>1 - h pwd=x - - [a@1 b=\"c\"] m",
          "<13>1 - h pwd=<redacted:password> - - [a@1 b=\"c\"] m");
}

/* Returns whether 's' is "[" id *( SP name="value" ) "]" as RFC 5424 section
 * 6.3 has it. */
static bool
is_sd_element(struct slice s)
{
    size_t i = 1;

    if (!s.size || s.data[0] != '[') {
        return false;
    }
    while (i < s.size && !strchr(" ]\"=", s.data[i])) {
        i++;
    }
    while (i < s.size && s.data[i] == ' ') {
        do {
            i++;
        } while (i < s.size && !strchr(" ]\"=", s.data[i]));
        if (i + 1 >= s.size || s.data[i] != '=' || s.data[i + 1] != '"') {
            return false;
        }
        for (i += 2; i < s.size && s.data[i] != '"'; i++) {
            if (s.data[i] == ']') {
                return false;
            }
            i += s.data[i] == '\\';
        }
        i++;
    }
    return i + 1 == s.size && s.data[i] == ']';
}

static void
structured_data_stays_well_formed(void **state)
{
    static const char *const elements[] = {
        "[a@1 password=\"x\\\"y\\]\" b=\"c\"]",
        "[a@1 b=\"password=x\" c=\"token: y\"]",
        "[a@1 b=\"password=\" c=\"d\"]",
        "[a@1 b=\"password=\"]",
        "[a@1 b=\"password='x\" c=\"'\"]",
        "[a@1 b=\"{\\\"password\\\":\\\"x\\\"\\}\" c=\"bob@example.com\"]",
        "[a@1 b=\"Authorization: Digest a=\\\"x\" c=\"d\"]",
        "[a@1 b=\"Authorization: Bearer 0123456789abcdef01\"]",
        "[a@1 b=\"-----BEGIN PRIVATE KEY-----\" c=\"d\"]",
        "[a@1 b=\"x://u:p@h\" c=\"4111111111111111\"]",
        "[a@1 b=\"token=x\\\\\" c=\"d\"]",
    };

    for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
        struct slice in = slice_from_string(elements[i]);

        assert_true(is_sd_element(in));
        struct slice out = redact(*state, in);
        if (!is_sd_element(out)) {
            fail_msg("\"%s\" became \"%.*s\"", elements[i], (int) out.size,
                     (const char *) out.data);
        }
    }
}

static void
any_byte_may_come(void **state)
{
    static const char in[] = "\0\xff pwd=\xc3\xa4\x80 \0token=\"a\0b\"\0";
    static const char out[] = "\0\xff pwd=<redacted:password> \0"
                              "token=\"<redacted:token>\"\0";
    struct slice text = redact(*state, slice_of(in, sizeof in - 1));

    assert_int_equal(text.size, sizeof out - 1);
    assert_memory_equal(text.data, out, text.size);
    text = redact(*state, slice_of(NULL, 0));
    assert_int_equal(text.size, 0);
}

/* Returns 'size' bytes of 'unit' again and again; the caller frees them. */
static uint8_t *
repeat(const char *unit, size_t size)
{
    uint8_t *p = malloc(size);

    assert_non_null(p);
    for (size_t i = 0; i < size; i++) {
        p[i] = unit[i % strlen(unit)];
    }
    return p;
}

static void
what_lies_beyond_the_cap_is_masked_whole(void **state)
{
    const char mark[] = "<redacted:over-cap>";
    uint8_t *p = repeat("all quiet ", REDACT_CAP + 1);
    struct redact_result result;

    redactor_run(*state, slice_of(p, REDACT_CAP), NULL, &result);
    assert_false(result.over_cap);
    assert_int_equal(result.text.size, REDACT_CAP);

    redactor_run(*state, slice_of(p, REDACT_CAP + 1), NULL, &result);
    assert_true(result.over_cap);
    assert_int_equal(result.n_redactions, 1);
    size_t kept = REDACT_CAP - REDACT_OVERLAP;
    assert_int_equal(result.text.size, kept + strlen(mark));
    assert_memory_equal(result.text.data, p, kept);
    assert_memory_equal(result.text.data + kept, mark, strlen(mark));

    /* A secret that the cap cuts shows nothing of itself. */
    const char *secret = " ghp_0123456789abcdefghijABCDEFGHIJ012345";
    memcpy(p + kept - 20, secret, strlen(secret));
    redactor_run(*state, slice_of(p, REDACT_CAP + 1), NULL, &result);
    assert_int_equal(count(result.text, "ghp_"), 0);
    assert_int_equal(count(result.text, "<redacted:github-token>"), 1);
    free(p);
}

static void
a_lower_cap_is_kept_to(void **state)
{
    const struct redact_options options = { .cap = 1000 };
    const char mark[] = "<redacted:over-cap>";
    const char secret[] = " ghp_0123456789abcdefghijABCDEFGHIJ012345";
    uint8_t *p = repeat("all quiet ", 4000);
    size_t kept = 1000 - strlen(mark);
    struct redact_result result;
    struct redactor *r;

    (void) state;
    assert_null(redactor_create_with(&options, &r));
    redactor_run(r, slice_of(p, 1000), NULL, &result);
    assert_false(result.over_cap);
    assert_int_equal(result.text.size, 1000);
    for (size_t size = 1001; size <= 4000; size += 333) {
        redactor_run(r, slice_of(p, size), NULL, &result);
        assert_true(result.over_cap);
        assert_int_equal(result.n_redactions, 1);
        assert_int_equal(result.text.size, 1000);
        assert_memory_equal(result.text.data, p, kept);
        assert_memory_equal(result.text.data + kept, mark, strlen(mark));
    }
    /* Wherever the cap cuts a secret, nothing of it is left. */
    for (size_t at = 900; at < 1010; at++) {
        memcpy(p + at, secret, strlen(secret));
        redactor_run(r, slice_of(p, 2000), NULL, &result);
        assert_true(result.text.size <= 1000);
        assert_int_equal(count(result.text, "ghp_"), 0);
        assert_int_equal(count(result.text, "012345"), 0);
        memset(p + at, 'x', strlen(secret));
    }
    /* Marks may be longer than what they stand for. */
    uint8_t *many = repeat("pwd=a,", 990);
    redactor_run(r, slice_of(many, 990), NULL, &result);
    assert_true(result.text.size <= 1000);
    assert_true(result.over_cap);
    assert_int_equal(result.n_redactions, count(result.text, "<redacted:"));
    free(many);
    free(p);
    redactor_destroy(r);
}

static void
output_never_exceeds_the_cap(void **state)
{
    uint8_t *p = repeat("pwd=a,", REDACT_CAP);
    struct redact_result result;

    redactor_run(*state, slice_of(p, REDACT_CAP), NULL, &result);
    assert_true(result.text.size <= REDACT_CAP);
    assert_true(result.over_cap);
    assert_int_equal(result.n_redactions, count(result.text, "<redacted:"));

    free(p);
}

static void
work_is_linear_in_hostile_messages(void **state)
{
    static const char *const units[] = {
        "password=", "pwd", "pwd:", "pwd:a ", "pwd=\"", "pwd=\\\"",
        "pwd='pwd=`", "pwd                ", "pwd=\\\"pwd=\\\\\\\"pwd=\"",
        "eyJ", "eyJaaaaaaaa.", "AKIA", "SG.", "ghp_", "bearer ", "basic aaaa",
        "://", "://a:b", "://a:b/", "://a:b@", "aaaa@", "a@b.", "a@b.co ",
        "@", "1234567890", "4111 ", "4111-1111-", "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----", "authorization: x ",
        "authorization: x a=b,", "authorization: x a=\"b\",",
        "token=<redacted:token> ", "secret_access_key=",
    };
    struct redactor *r = *state;

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        for (size_t size = REDACT_CAP; size <= MIB; size *= 16) {
            uint8_t *p = repeat(units[i], size);
            struct redact_result result;
            uint64_t before = redactor_n_examined(r);

            redactor_run(r, slice_of(p, size), NULL, &result);
            uint64_t n = redactor_n_examined(r) - before;
            if (n > 4 * (uint64_t) REDACT_CAP) {
                fail_msg("%zu bytes of \"%s\": %llu bytes examined", size,
                         units[i], (unsigned long long) n);
            }
            assert_true(result.text.size <= REDACT_CAP);
            free(p);
        }
    }
}

static void
patterns_outside_the_grammar_are_refused(void **state)
{
    static const char *const bad[] = {
        "[a", "[z-a]", "a{", "a{2", "a{2,1}", "a{99999999}", "\\", "[\\",
        "(", "aaaaaaaaaaaaaaaaaaaaa",
    };
    struct redact_pattern pattern;

    (void) state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (!redact_pattern_parse(&pattern, bad[i])) {
            fail_msg("\"%s\" was accepted", bad[i]);
        }
    }
    assert_int_equal(redact_pattern_parse(&pattern, "[\\w.-]{2,}x\\s{1,3}"),
                     0);
    assert_int_equal(pattern.n_items, 3);
}

static void
check_digits_are_verified(void **state)
{
    (void) state;
    assert_true(redact_luhn((const uint8_t *) "79927398713", 11));
    assert_false(redact_luhn((const uint8_t *) "79927398710", 11));
    assert_false(redact_luhn(NULL, 0));
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
#define TEST_ALL(NAME) \
    cmocka_unit_test_setup_teardown(NAME, setup_all, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ALL(every_rule_masks_its_examples),
        TEST_ALL(every_rule_leaves_its_other_examples_as_they_are),
        TEST(there_are_at_least_150_rules_with_descriptions),
        TEST(keys_stay_and_values_go),
        TEST(escaped_json_is_consumed_whole),
        TEST(unclosed_quotation_is_masked_to_the_end),
        TEST(lines_of_login_daemons_stay_untouched),
        TEST(authorization_keeps_its_scheme),
        TEST(url_passwords_may_hold_unencoded_marks),
        TEST(private_keys_go_with_all_their_lines),
        TEST(cards_are_known_by_issuer_grouping_and_check_digit),
        TEST(secrets_that_adjoin_or_overlap_all_go),
        TEST(marks_of_guests_are_renamed),
        TEST(encoded_secrets_go_where_they_stand),
        cmocka_unit_test(own_rules_go_before_the_built_in_ones),
        cmocka_unit_test(mistakes_in_own_rules_are_told_with_their_line),
        cmocka_unit_test(pseudonyms_are_the_same_for_the_same_secret_and_key),
        cmocka_unit_test(fields_and_messages_are_dropped_as_asked),
        TEST(secrets_are_found_in_any_field_of_a_line),
        TEST(structured_data_stays_well_formed),
        TEST(any_byte_may_come),
        TEST(what_lies_beyond_the_cap_is_masked_whole),
        TEST(output_never_exceeds_the_cap),
        TEST(a_lower_cap_is_kept_to),
        TEST(work_is_linear_in_hostile_messages),
        TEST(patterns_outside_the_grammar_are_refused),
        TEST(check_digits_are_verified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
