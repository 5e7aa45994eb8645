/* SPDX-License-Identifier: Apache-2.0
 *
 * No core files.  See no-dump.h. */
#include "no-dump.h"

#include <sys/prctl.h>
#include <sys/resource.h>

void
no_dump(void)
{
    const struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__
    /* The limit does not hold for cores that go through a pipe.  The leak
     * checker, however, must be able to trace us. */
    prctl(PR_SET_DUMPABLE, 0);
#endif
}
