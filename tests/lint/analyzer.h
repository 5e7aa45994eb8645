/* SPDX-License-Identifier: Apache-2.0
 *
 * What clang's analyzer does not know of the functions of libraries, and
 * without which it sees outputs that nobody set: a call that failed leaves an
 * errno above 0, and a sentence is no null pointer.
 *
 * In: before each file.  Runs in: run-scan-build, and does nothing elsewhere. */

#ifdef __clang_analyzer__
#include <errno.h>

static inline int *
analyzer_errno(void)
{
    int *error = __errno_location();

    if (*error <= 0) {
        __builtin_unreachable();
    }
    return error;
}
#undef errno
#define errno (*analyzer_errno())

char *xasprintf(const char *format, ...) __attribute__((returns_nonnull));
#endif
