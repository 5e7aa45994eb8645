/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the reader of the hosts' keys.  What it takes comes back from the
 * same keys written down; of what it refuses it tells nothing but the line. */
#include <stdio.h>
#include <stdlib.h>

#include "key-file.h"
#include "sentence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_keys(const struct key_file *keys)
{
    char text[KEY_FILE_MAX_KEYS * (2 * SIPHASH_KEY_SIZE + 1) + 1];
    struct key_file again;
    size_t n = 0;

    if (!keys->n_keys || keys->n_keys > KEY_FILE_MAX_KEYS) {
        abort();
    }
    for (uint32_t i = 0; i < keys->n_keys; i++) {
        uint8_t any = 0;

        for (size_t j = 0; j < SIPHASH_KEY_SIZE; j++) {
            n += snprintf(text + n, sizeof text - n, "%02x", keys->keys[i][j]);
            any |= keys->keys[i][j];
        }
        n += snprintf(text + n, sizeof text - n, "\n");
        if (!any) {
            abort();
        }
    }
    if (key_file_parse("again", text, n, &again)
        || again.n_keys != keys->n_keys
        || memcmp(again.keys, keys->keys,
                  keys->n_keys * sizeof keys->keys[0])) {
        abort();
    }
}

/* Whether 's' is one of the sentences that there are, but for the line. */
static bool
is_known(const char *s)
{
    static const char *const ends[] = {
        ": there are more than 4 keys; remove old ones.",
        (": this is not a key; write 32 hexadecimal digits, not all of them "
         "zero."),
        ": there is no key; write 32 hexadecimal digits on a line.",
    };

    s += strlen("keys");
    if (*s == ':' && s[1] != ' ') {
        s += 1 + strspn(s + 1, "0123456789");
    }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (!strcmp(s, ends[i])) {
            return true;
        }
    }
    return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key_file keys, untouched;

    memset(&untouched, 0xa5, sizeof untouched);
    keys = untouched;
    char *sentence = key_file_parse("keys", (const char *) data, size, &keys);
    if (sentence) {
        check_sentence(sentence, "keys");
        if (!is_known(sentence)
            || memcmp(&keys, &untouched, sizeof keys)) {
            abort();
        }
        free(sentence);
    } else {
        check_keys(&keys);
    }
    return 0;
}
