/* SPDX-License-Identifier: Apache-2.0
 *
 * What clang's analyzer does not know, and without which it sees outputs that
 * nobody set: a call that failed leaves an errno above 0.
 *
 * In: before each file.  Runs in: run-scan-build, and does nothing elsewhere. */

#ifdef __clang_analyzer__
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>

/* Not a function: it does not look into those that are called too deep. */
#undef errno
#define errno \
    (*({ \
        int *errno_ = __errno_location(); \
        if (*errno_ <= 0) { \
            __builtin_unreachable(); \
        } \
        errno_; \
    }))
#endif
