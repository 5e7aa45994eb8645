/* SPDX-License-Identifier: Apache-2.0
 *
 * Any message: output stays within its bound, as many marks come out as are
 * counted, and none that a message brought. */
#include <stdlib.h>

#include "redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define N_RULES 1024            /* More than there are. */

static size_t
count_prefixes(struct slice text)
{
    const size_t n = strlen(REDACT_MARK_PREFIX);
    size_t found = 0;

    for (size_t i = 0; i + n <= text.size; i++) {
        found += !memcmp(text.data + i, REDACT_MARK_PREFIX, n);
    }
    return found;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct redactor *r;
    uint64_t hits[N_RULES] = { 0 };
    struct slice in = slice_of(data, size);
    struct redact_result once;
    uint64_t n_hits = 0;

    if (!r && (redactor_create(&r) || redactor_n_rules(r) > N_RULES)) {
        abort();
    }

    redactor_run(r, in, hits, &once);
    for (size_t i = 0; i < redactor_n_rules(r); i++) {
        n_hits += hits[i];
    }
    if (once.text.size > REDACT_CAP
        || n_hits + once.over_cap != once.n_redactions
        || (!once.n_redactions && !count_prefixes(in)
            && once.text.data != data)
        || count_prefixes(once.text) != once.n_redactions) {
        abort();
    }

    return 0;
}
