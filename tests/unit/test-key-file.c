/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key-file.h"

#define K1 "000102030405060708090a0b0c0d0e0f"
#define K2 "FFFEfdfc00000000000000000000000A"

/* Checks that 'text' is refused with 'sentence' and changes nothing. */
static void
assert_refused(const char *text, size_t size, const char *sentence)
{
    struct key_file file = { .n_keys = 77 };
    char *got = key_file_parse("f", text, size, &file);

    assert_non_null(got);
    assert_string_equal(got, sentence);
    assert_int_equal(file.n_keys, 77);
    free(got);
}

static void
keys_are_read_in_their_order(void **state)
{
    static const char text[] = "# new\n" K1 "\n\n# old\n" K2;
    struct key_file file;

    (void) state;
    assert_null(key_file_parse("f", text, strlen(text), &file));
    assert_int_equal(file.n_keys, 2);
    for (uint8_t i = 0; i < SIPHASH_KEY_SIZE; i++) {
        assert_int_equal(file.keys[0][i], i);
    }
    assert_memory_equal(file.keys[1],
                        "\xff\xfe\xfd\xfc\0\0\0\0\0\0\0\0\0\0\0\x0a", 16);
}

static void
what_is_no_key_is_refused_and_not_repeated(void **state)
{
#define NO_KEY(LINE) "f:" LINE ": this is not a key; write 32 hexadecimal " \
                     "digits, not all of them zero."
#define NONE "f: there is no key; write 32 hexadecimal digits on a line."
#define REFUSED(TEXT, SENTENCE) \
    assert_refused(TEXT, sizeof TEXT - 1, SENTENCE)

    (void) state;
    REFUSED("", NONE);
    REFUSED("\n\n# " K1 "\n", NONE);
    REFUSED("00", NO_KEY("1"));
    REFUSED(K1 "\n" K2 "0\n", NO_KEY("2"));
    REFUSED(K1 "\r\n", NO_KEY("1"));
    REFUSED(" " K1, NO_KEY("1"));
    REFUSED("g00102030405060708090a0b0c0d0e0f", NO_KEY("1"));
    REFUSED("00000000000000000000000000000000\n", NO_KEY("1"));
    REFUSED("000102030405060708090a0b0c0d0e\0f", NO_KEY("1"));
    REFUSED(K1 "\n" K1 "\n" K1 "\n" K1 "\n\n" K1 "\n",
            "f:6: there are more than 4 keys; remove old ones.");
}

/* Makes a file with 'text' and 'mode', whose name goes to 'path'. */
static void
write_file(char path[32], const char *text, mode_t mode)
{
    memcpy(path, "test-key-file.XXXXXX", sizeof "test-key-file.XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void
only_a_file_that_nobody_else_can_open_is_read(void **state)
{
    static const mode_t open_modes[] = { 0640, 0604, 0620, 0602, 0610, 0601 };
    struct key_file file = { .n_keys = 77 };
    char path[32];

    (void) state;
    for (size_t i = 0; i < sizeof open_modes / sizeof *open_modes; i++) {
        write_file(path, K1, open_modes[i]);
        char *sentence = key_file_read(path, &file);
        assert_non_null(sentence);
        assert_non_null(strstr(sentence, "others than its owner have access"));
        assert_null(strstr(sentence, K1));
        assert_int_equal(file.n_keys, 77);
        free(sentence);
        unlink(path);
    }

    write_file(path, K1 "\n", 0600);
    assert_null(key_file_read(path, &file));
    assert_int_equal(file.n_keys, 1);

    /* Only root can give a file away. */
    if (!geteuid() && !chown(path, 12345, -1)) {
        char *sentence = key_file_read(path, &file);
        assert_non_null(sentence);
        assert_non_null(strstr(sentence, "belongs to user 12345"));
        free(sentence);

        /* Root's is not for others, whatever rights they keep. */
        assert_int_equal(chown(path, 0, -1), 0);
        assert_int_equal(seteuid(12345), 0);
        sentence = key_file_read(path, &file);
        assert_int_equal(seteuid(0), 0);
        assert_non_null(sentence);
        assert_non_null(strstr(sentence, "can't be opened by user 12345"));
        free(sentence);
    }
    unlink(path);
}

static void
what_is_no_file_of_keys_is_refused(void **state)
{
    static const struct {
        const char *path;
        const char *words;
    } cases[] = {
        { "no-such-file", "can't be opened: No such file" },
        { ".", "not a file" },
        { "/dev/null", "not a file" },
    };
    struct key_file file;

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *sentence = key_file_read(cases[i].path, &file);
        assert_non_null(sentence);
        assert_non_null(strstr(sentence, cases[i].words));
        free(sentence);
    }

    char path[32];
    write_file(path, K1 "\n", 0600);
    assert_int_equal(truncate(path, 4097), 0);
    char *sentence = key_file_read(path, &file);
    assert_non_null(sentence);
    assert_non_null(strstr(sentence, "more than 4096 bytes"));
    free(sentence);
    unlink(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_read_in_their_order),
        cmocka_unit_test(what_is_no_key_is_refused_and_not_repeated),
        cmocka_unit_test(only_a_file_that_nobody_else_can_open_is_read),
        cmocka_unit_test(what_is_no_file_of_keys_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
