/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include <stdlib.h>

#include "util.h"
#include "vsphere-tags-model.h"

static int
set_up(void **state)
{
    *state = tags_model_create();
    return 0;
}

static int
tear_down(void **state)
{
    tags_model_destroy(*state);
    return 0;
}

static void
note(const char *key, const char *value, void *s)
{
    ds_put_format(s, "%s=%s;", key, value);
}

static void
expect_tags(const struct tags_model *m, const char *ref, const char *expected)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    tags_model_each_of(m, ref, note, &s);
    assert_string_equal(ds_cstr(&s), expected);
    ds_destroy(&s);
}

#define TAKE(WHAT, ...) assert_null(tags_model_take_##WHAT(__VA_ARGS__))
#define REFUSE(WHAT, TEXT, ...)                                     \
    do {                                                            \
        char *problem_ = tags_model_take_##WHAT(__VA_ARGS__);       \
        assert_non_null(problem_);                                  \
        assert_non_null(strstr(problem_, TEXT));                    \
        free(problem_);                                             \
    } while (0)
#define S(TEXT) slice_from_string(TEXT)

/* Three tags of two categories. */
static void
take_tags(struct tags_model *m)
{
    TAKE(list, m, S("{\"value\":[\"urn:1\",\"urn:2\",\"urn:3\",\"urn:1\"]}"));
    assert_int_equal(tags_model_n_tags(m), 3);
    TAKE(tag, m, 0, S("{\"value\":{\"name\":\"west\",\"id\":\"urn:1\","
                      "\"category_id\":\"urn:a\"}}"));
    TAKE(tag, m, 1, S("{\"value\":{\"name\":\"east\\u001b[2J\","
                      "\"category_id\":\"urn:a\"}}"));
    TAKE(tag, m, 2, S("{\"value\":{\"name\":\"x\","
                      "\"category_id\":\"urn:b\"}}"));
    assert_int_equal(tags_model_n_categories(m), 2);
    assert_string_equal(tags_model_category_id(m, 1), "urn:b");
    TAKE(category, m, 0, S("{\"value\":{\"name\":\"Cost = \\\"Center\\\"]\"}}"
                           ));
    TAKE(category, m, 1, S("{\"value\":{\"name\":"
                           "\"abcdefghijklmnopqrstuvwxyz0123456789\"}}"));
}

static void
tags_become_facts_by_category(void **state)
{
    struct tags_model *m = *state;

    take_tags(m);
    TAKE(holders, m, S("{\"value\":["
                       "{\"tag_id\":\"urn:1\",\"object_ids\":["
                       "{\"id\":\"vm-1\",\"type\":\"VirtualMachine\"},"
                       "{\"id\":\"vm-1\",\"type\":\"VirtualMachine\"},"
                       "{\"id\":\"host-1\",\"type\":\"HostSystem\"}]},"
                       "{\"tag_id\":\"urn:2\",\"object_ids\":["
                       "{\"id\":\"vm-1\",\"type\":\"VirtualMachine\"}]},"
                       "{\"tag_id\":\"urn:3\"}]}"));
    TAKE(holders, m, S("{\"value\":[{\"tag_id\":\"urn:3\",\"object_ids\":["
                       "{\"id\":\"vm-1\",\"type\":\"VirtualMachine\"},"
                       "{\"id\":\"vm-2\",\"type\":\"VirtualMachine\"}]}]}"));
    expect_tags(m, "vm-1", "tag-Cost____Center__=east?[2J, west;"
                "tag-abcdefghijklmnopqrstuvwxyz01=x;");
    expect_tags(m, "vm-2", "tag-abcdefghijklmnopqrstuvwxyz01=x;");
    expect_tags(m, "host-1", "");
    expect_tags(m, "vm-3", "");
    assert_int_equal(tags_model_n_holders(m), 2);
}

static void
what_is_not_what_the_interface_says_is_refused(void **state)
{
    static const char *const replies[] = {
        "", "{", "[]", "null", "{\"value\":7}",
        "{\"value\":[7]}", "{\"value\":[\"a b\"]}", "{\"value\":[\"\"]}",
        "{\"value\":[\"a\\\"b\"]}", "{\"value\":[\"a/../b\"]}",
        "{\"value\":[{}]}", "{\"value\":[[[[[[]]]]]]}", "{\"value\":{}}",
        "{\"value\":{\"name\":\"x\"}}", "{\"value\":{\"name\":7,"
        "\"category_id\":\"urn:a\"}}", "{\"value\":7}{}",
    };
    struct tags_model *m = *state;

    take_tags(m);
    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        struct slice reply = S(replies[i]);

        REFUSE(tag, "refused", m, 0, reply);
        if (strcmp(replies[i], "{\"value\":{\"name\":\"x\"}}")) {
            REFUSE(list, "refused", m, reply);
        }
        REFUSE(holders, "refused", m, reply);
    }
    REFUSE(category, "refused", m, 0, S("{\"value\":{\"name\":\"\"}}"));
    REFUSE(holders, "refused", m, S("{\"value\":[{\"tag_id\":\"urn:9\"}]}"));
    REFUSE(holders, "refused", m, S("{\"value\":[{\"tag_id\":\"urn:1\","
                                    "\"object_ids\":[{\"id\":\"vm-1\"}]}]}"));
    expect_tags(m, "vm-1", "");
}

static void
there_may_be_none(void **state)
{
    TAKE(list, *state, S("{\"value\":[]}"));
    TAKE(list, *state, S("{\"value\":null}"));
    assert_int_equal(tags_model_n_tags(*state), 0);
}

static void
there_are_only_so_many(void **state)
{
    struct tags_model *m = *state;
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&s, "{\"value\":[");
    for (int i = 0; i <= TAGS_MAX_TAGS; i++) {
        ds_put_format(&s, "%s\"urn:%d\"", i ? "," : "", i);
    }
    ds_put_cstr(&s, "]}");
    REFUSE(list, "more than 1024 tags", m, S(ds_cstr(&s)));
    for (int i = 0; i <= TAGS_MAX_CATEGORIES; i++) {
        ds_clear(&s);
        ds_put_format(&s, "{\"value\":{\"name\":\"t%d\",\"category_id\":"
                      "\"urn:c%d\"}}", i, i);
        if (i < TAGS_MAX_CATEGORIES) {
            TAKE(tag, m, i, S(ds_cstr(&s)));
        } else {
            REFUSE(tag, "more than 128 categories", m, i, S(ds_cstr(&s)));
        }
    }
    for (int i = 0; i < TAGS_MAX_CATEGORIES; i++) {
        TAKE(category, m, i, S("{\"value\":{\"name\":\"c\"}}"));
        ds_clear(&s);
        ds_put_format(&s, "{\"value\":[{\"tag_id\":\"urn:%d\",\"object_ids\":"
                      "[{\"id\":\"vm-1\",\"type\":\"VirtualMachine\"}]}]}", i);
        TAKE(holders, m, S(ds_cstr(&s)));
    }
    ds_clear(&s);
    tags_model_each_of(m, "vm-1", note, &s);
    assert_int_equal(s.length, strlen("tag-c=t0;") * 10
                     + strlen("tag-c=t10;") * (TAGS_MAX_KEYS - 10));
    ds_destroy(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
        TEST(tags_become_facts_by_category),
        TEST(what_is_not_what_the_interface_says_is_refused),
        TEST(there_may_be_none),
        TEST(there_are_only_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
