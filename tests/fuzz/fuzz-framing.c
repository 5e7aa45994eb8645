/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the decisions on framing.  An answer holds for whatever follows: more
 * bytes change nothing unless it was that more are wanted. */
#include <stdlib.h>

#include "framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum framing_verdict
decide(int which, struct slice bytes)
{
    size_t header = 0, message = 0;
    enum framing_verdict verdict;

    switch (which) {
    case 0:
        verdict = framing_count(bytes, &header, &message);
        if (verdict == FRAMING_YES
            && (header < 2 || header > FRAMING_MAX_HEADER
                || header > bytes.size || !message || message > 99999
                || bytes.data[header - 1] != ' ')) {
            abort();
        }
        return verdict;
    case 1:
        return framing_pri(bytes);
    default:
        return framing_tls(bytes);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int which = 0; which < 3; which++) {
        enum framing_verdict verdict = FRAMING_MORE;

        for (size_t n = 0; n <= size && n <= 16; n++) {
            enum framing_verdict next = decide(which, slice_of(data, n));
            if (verdict != FRAMING_MORE && next != verdict) {
                abort();
            }
            verdict = next;
        }
        if (verdict == FRAMING_MORE && size > FRAMING_MAX_HEADER) {
            abort();
        }
    }
    return 0;
}
