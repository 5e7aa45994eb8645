/* SPDX-License-Identifier: Apache-2.0
 *
 * Failpoints: off unless the environment names a file that is the caller's
 * alone; once armed they act once, at the pass that is asked for. */
#include "sluice-config.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "failpoint.h"
#include "file-io.h"

#define VARIABLE "SLUICE_FAILPOINTS"

static char path[] = "/tmp/sluice-test-failpoint.XXXXXX";
static const size_t size = N_FAILPOINTS * sizeof(struct failpoint_slot);

/* Makes the file anew, and has the environment name it. */
static void
make_file(size_t its_size, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, its_size), 0);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    setenv(VARIABLE, path, 1);
}

#ifndef SLUICE_NO_FAILPOINTS
static void
turn_off(void)
{
    if (failpoint_slots) {
        munmap(failpoint_slots, size);
        failpoint_slots = NULL;
    }
    unsetenv(VARIABLE);
}
#endif

/* Checks that no failpoint is on, nor will be in a child. */
static void
expect_off(void)
{
    failpoints_init();
    assert_null(failpoint_slots);
    assert_null(getenv(VARIABLE));
    assert_int_equal(failpoint(FAIL_FILE_OPENAT), 0);
    assert_ptr_equal(file_io_default(), &file_io_system);
}

static void
without_a_file_of_the_user_s_own_nothing_is_on(void **state)
{
    char link[sizeof path + 8];

    (void) state;
    unsetenv(VARIABLE);
    expect_off();
    setenv(VARIABLE, "/nonexistent", 1);
    expect_off();
    setenv(VARIABLE, "/tmp", 1);
    expect_off();
    make_file(size - 1, 0600);
    expect_off();
    make_file(size + 64, 0600);
    expect_off();
    make_file(size, 0640);
    expect_off();
    make_file(size, 0602);
    expect_off();
    make_file(size, 0600);
    snprintf(link, sizeof link, "%s.link", path);
    assert_int_equal(symlink(path, link), 0);
    setenv(VARIABLE, link, 1);
    expect_off();
    unlink(link);
    if (!geteuid()) {
        make_file(size, 0600);
        assert_int_equal(chown(path, 1, 1), 0);
        expect_off();
    }
}

#ifndef SLUICE_NO_FAILPOINTS
static void
a_call_fails_at_the_pass_that_is_asked_for_and_once(void **state)
{
    struct stat st;

    (void) state;
    make_file(size, 0600);
    failpoints_init();
    assert_non_null(failpoint_slots);
    struct failpoint_slot *slot = &failpoint_slots[FAIL_FILE_FSTATAT];
    const struct file_io *io = file_io_default();
    assert_ptr_not_equal(io, &file_io_system);
    slot->error = ENOSPC;
    slot->countdown = 3;
    for (int i = 1; i <= 6; i++) {
        errno = 0;
        assert_int_equal(io->fstatat(AT_FDCWD, path, &st), i == 3 ? -1 : 0);
        assert_int_equal(errno, i == 3 ? ENOSPC : 0);
    }
    assert_int_equal(slot->n_passes, 6);
    assert_int_equal(slot->n_acted, 1);

    /* Another program's passes do not count. */
    slot->countdown = 1;
    memcpy(slot->program, "sluice-intake", sizeof "sluice-intake");
    assert_int_equal(failpoint(FAIL_FILE_FSTATAT), 0);
    assert_int_equal(slot->n_passes, 6);
    turn_off();
}

static void
the_process_dies_as_by_kill_9(void **state)
{
    int status;

    (void) state;
    make_file(size, 0600);
    failpoints_init();
    failpoint_slots[FAIL_SPOOL_LINKED].countdown = 2;
    pid_t pid = fork();
    if (!pid) {
        failpoint(FAIL_SPOOL_LINKED);
        failpoint(FAIL_SPOOL_TEMP_WRITTEN);
        failpoint(FAIL_SPOOL_LINKED);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_int_equal(failpoint_slots[FAIL_SPOOL_LINKED].n_acted, 1);
    assert_int_equal(failpoint_slots[FAIL_SPOOL_TEMP_WRITTEN].n_passes, 1);
    turn_off();
}
#endif

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_file_of_the_user_s_own_nothing_is_on),
#ifndef SLUICE_NO_FAILPOINTS
        cmocka_unit_test(a_call_fails_at_the_pass_that_is_asked_for_and_once),
        cmocka_unit_test(the_process_dies_as_by_kill_9),
#endif
    };
    int fd = mkstemp(path);

    if (fd < 0) {
        return EXIT_FAILURE;
    }
    close(fd);
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return status;
}
