/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "no-dump.h"

static void
a_program_that_crashes_leaves_no_core(void **state)
{
    int status;

    (void) state;
    pid_t pid = fork();
    if (!pid) {
        struct rlimit limit;
        no_dump();
        if (getrlimit(RLIMIT_CORE, &limit) || limit.rlim_max) {
            _exit(1);
        }
#ifndef __SANITIZE_ADDRESS__
        if (prctl(PR_GET_DUMPABLE)) {
            _exit(2);
        }
#endif
        signal(SIGABRT, SIG_DFL);
        abort();
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_false(WCOREDUMP(status));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_that_crashes_leaves_no_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
