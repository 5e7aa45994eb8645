/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "redaction.h"
#include "remove-tree.h"
#include "util.h"

static int
setup(void **state)
{
    char *dir = xstrdup("/tmp/test-redaction.XXXXXX");

    *state = mkdtemp(dir);
    return *state ? 0 : -1;
}

static int
teardown(void **state)
{
    remove_tree(*state);
    free(*state);
    return 0;
}

static void
write_file(const char *dir, const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, 0600), 0);
    free(path);
}

/* Returns a configuration in which tenants 1 and 2 share a file and a key,
 * tenant 3 has a file and tenant 4 has nothing. */
static struct config *
make_config(const char *dir)
{
    struct config *config;
    char *text = xasprintf(
        "tenants:\n"
        "- {id: 1, name: a, server: 'h:1', redaction-file: %s/p.yaml,\n"
        "   redaction-key-file: %s/p.key}\n"
        "- {id: 2, name: b, server: 'h:1', redaction-file: %s/p.yaml,\n"
        "   redaction-key-file: %s/p.key}\n"
        "- {id: 3, name: c, server: 'h:1', redaction-file: %s/own.yaml}\n"
        "- {id: 4, name: d, server: 'h:1'}\n", dir, dir, dir, dir, dir);
    char *sentence = config_parse("t.yaml", text, strlen(text), &config);

    if (sentence) {
        fail_msg("%s", sentence);
    }
    free(text);
    return config;
}

static void
write_files(const char *dir)
{
    write_file(dir, "p.yaml", "actions: {password: pseudonym}\n");
    write_file(dir, "p.key", "00112233445566778899aabbccddeeff\n");
    write_file(dir, "own.yaml", "disable: [password]\n"
               "actions: {token: drop-message}\n");
}

/* Redacts for 'tenant' into 'text'.  Returns whether to drop the message. */
static bool
redact(struct redaction *r, uint32_t tenant, const char *in, char text[256])
{
    struct redact_result result;

    redactor_run(redaction_find(r, tenant), slice_from_string(in), NULL,
                 &result);
    snprintf(text, 256, "%.*s", (int) result.text.size,
             (const char *) result.text.data);
    return result.drop;
}

static void
check_tenants(struct redaction *r)
{
    char a[256], b[256], again[256], other[256];

    redact(r, 1, "password=x", a);
    redact(r, 2, "password=x", b);
    redact(r, 1, "password=x", again);
    assert_memory_equal(a, "password=<redacted:password:", 28);
    assert_int_equal(strlen(a), 28 + 16 + 1);
    assert_string_equal(a, again);
    assert_string_not_equal(a, b);
    assert_false(redact(r, 3, "password=x", other));
    assert_string_equal(other, "password=x");
    assert_true(redact(r, 3, "token=x", other));
    assert_false(redact(r, 4, "password=x token=y", other));
    assert_string_equal(other, "password=<redacted:password> "
                        "token=<redacted:token>");
}

static void
each_tenant_has_its_rules_and_pseudonyms(void **state)
{
    struct redaction *r;

    write_files(*state);
    struct config *config = make_config(*state);
    assert_null(redaction_check(config));
    assert_null(redaction_load(config, NULL, &r));
    check_tenants(r);
    redaction_destroy(r);
    config_destroy(config);
}

static void
copies_do_what_the_files_do(void **state)
{
    char *copies = xasprintf("%s/copies", (char *) *state);
    struct redaction *r;

    write_files(*state);
    assert_int_equal(mkdir(copies, 0700), 0);
    struct config *config = make_config(*state);
    assert_null(redaction_copy(config, copies, geteuid()));
    write_file(*state, "p.yaml", "no mapping\n");
    assert_null(redaction_load(config, copies, &r));
    check_tenants(r);
    redaction_destroy(r);
    config_destroy(config);
    free(copies);
}

static void
a_wrong_file_is_refused_by_name_and_line(void **state)
{
    static const struct {
        const char *file, *text, *sentence;
    } bad[] = {
        { "own.yaml", "\nenable: [nosuch]\n",
          "/own.yaml:2: enable: there is no rule nosuch" },
        { "own.yaml", "actions: {all: pseudonym}\n",
          "/own.yaml: the action of rule" },
        { "own.yaml", "rules:\n- id: a\n  literals: [abc]\n  pattern: x\n"
          "  match-examples: [abcd]\n",
          "/own.yaml: rule a: the example \"abcd\" does not match" },
        { "p.key", "short\n", "tenant a: " },
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_files(*state);
        write_file(*state, bad[i].file, bad[i].text);
        struct config *config = make_config(*state);
        char *sentence = redaction_check(config);
        if (!sentence || !strstr(sentence, bad[i].sentence)) {
            fail_msg("%s", sentence ? sentence : "accepted");
        }
        free(sentence);
        config_destroy(config);
    }
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_tenant_has_its_rules_and_pseudonyms),
        TEST(copies_do_what_the_files_do),
        TEST(a_wrong_file_is_refused_by_name_and_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
