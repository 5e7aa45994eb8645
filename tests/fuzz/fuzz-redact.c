/* SPDX-License-Identifier: Apache-2.0
 *
 * Any message: output stays within its bound, as many marks come out as are
 * counted, and none that a message brought.  The same with all rules, and
 * actions that leave no mark or one with a pseudonym. */
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

/* Makes a redactor with the rules as they are, and one with all of them and
 * all actions. */
static void
set_up(struct redactor **as_is, struct redactor **all)
{
    static const char actions[] = "actions: {all: pseudonym, cookie: mask, "
                                  "password: drop-field, "
                                  "phone: drop-message}\n";
    static const uint8_t key[REDACT_KEY_SIZE] = { 1 };
    const struct redact_text text = { "actions", actions, strlen(actions) };
    const struct redact_options options = {
        .texts = &text, .n_texts = 1, .enable_all = true, .has_key = true,
    };

    if (redactor_create(as_is) || redactor_n_rules(*as_is) > N_RULES
        || redactor_create_with(&options, all)) {
        abort();
    }
    redactor_set_key(*all, key);
}

/* Counts the redactions in a receipt, "password:1,token:2". */
static uint64_t
count_receipt(struct slice receipt)
{
    uint64_t n = 0, number = 0;

    for (size_t i = 0; i < receipt.size; i++) {
        uint8_t c = receipt.data[i];

        if (c >= '0' && c <= '9') {
            number = number * 10 + (c - '0');
        } else {
            n += c == ',' ? number : 0;
            number = 0;
        }
    }
    return n + number;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct redactor *r, *all;
    uint64_t hits[N_RULES] = { 0 };
    struct slice in = slice_of(data, size);
    struct redact_result once;
    uint64_t n_hits = 0;

    if (!r) {
        set_up(&r, &all);
    }

    redactor_run(r, in, hits, &once);
    for (size_t i = 0; i < redactor_n_rules(r); i++) {
        n_hits += hits[i];
    }
    if (once.text.size > REDACT_CAP || once.drop
        || n_hits + once.over_cap != once.n_redactions
        || (!once.n_redactions && !count_prefixes(in)
            && once.text.data != data)
        || count_prefixes(once.text) != once.n_redactions) {
        abort();
    }

    redactor_run(all, in, NULL, &once);
    if (once.text.size > REDACT_CAP
        || count_receipt(once.receipt) != once.n_redactions
        || count_prefixes(once.text) > once.n_redactions) {
        abort();
    }
    return 0;
}
