/* SPDX-License-Identifier: Apache-2.0
 *
 * What clang's analyzer does not know, and without which it sees outputs that
 * nobody set: a call that failed leaves an errno above 0, and whoever asks for
 * a sentence about what is wrong gets one.
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

/* Of Open vSwitch, where its library is used. */
#if __has_include("openvswitch/util.h")
#include <config.h>
#include "util.h"

#define NEVER_NULL(CALL) \
    ({ \
        char *s_ = CALL; \
        if (!s_) { \
            __builtin_unreachable(); \
        } \
        s_; \
    })
#define xasprintf(...) NEVER_NULL(xasprintf(__VA_ARGS__))
#define xstrdup(S) NEVER_NULL(xstrdup(S))
#endif
#endif
