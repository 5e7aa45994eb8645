/* SPDX-License-Identifier: Apache-2.0
 *
 * See program.h. */
#include <config.h>

#include "program.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/signalfd.h>

#include "util.h"

int
program_catch_signals(int signal, ...)
{
    sigset_t set;
    va_list args;

    sigemptyset(&set);
    va_start(args, signal);
    for (; signal; signal = va_arg(args, int)) {
        sigaddset(&set, signal);
    }
    va_end(args);
    sigprocmask(SIG_BLOCK, &set, NULL);

    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        ovs_fatal(errno, "signals can't be received");
    }
    return fd;
}

unsigned int
program_parse_uint(const char *option, const char *arg, unsigned int min,
                   unsigned int max)
{
    unsigned int value;

    if (!str_to_uint(arg, 10, &value) || value < min || value > max) {
        ovs_fatal(0, "--%s: \"%s\" is not a number from %u to %u", option,
                  arg, min, max);
    }
    return value;
}
