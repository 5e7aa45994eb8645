/* SPDX-License-Identifier: Apache-2.0
 *
 * What a reader of files says about one that it refuses is a sentence for a
 * terminal, whatever bytes the file has: it names the file and is of a bounded
 * length, and nothing in it steers the terminal or begins a line.
 *
 * Runs in: fuzz targets. */
#ifndef SLUICE_FUZZ_SENTENCE_H
#define SLUICE_FUZZ_SENTENCE_H 1

#include <stdio.h>
#include <stdlib.h>

#include "utf8.h"

enum { SENTENCE_MAX = 1024 };

/* Aborts if 'sentence' is not one about 'path'. */
static inline void
check_sentence(const char *sentence, const char *path)
{
    const size_t path_size = strlen(path);
    struct cursor c = cursor_of(slice_from_string(sentence));
    bool is_good = (c.left <= SENTENCE_MAX && c.left > path_size
                    && !memcmp(sentence, path, path_size)
                    && sentence[path_size] == ':');

    while (c.left && is_good) {
        is_good = utf8_take_printable(&c);
    }
    if (!is_good) {
        fprintf(stderr, "no sentence about %s: %s\n", path, sentence);
        abort();
    }
}

#endif /* tests/fuzz/sentence.h */
