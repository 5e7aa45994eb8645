/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "privileges.h"
#include "read-small.h"

/* What a process says of itself, by its exit status. */
enum {
    CAPABILITIES = 1 << 0,      /* It has some. */
    FILES = 1 << 1,             /* It can read files that it should not. */
    NO_PROC = 1 << 2,           /* It can't read /proc. */
    PROGRAMS = 1 << 3,          /* It can run programs. */
    NEW_PRIVILEGES = 1 << 4,    /* It could get some. */
    NO_SOCKET = 1 << 5,         /* It can't make sockets. */
    WRITES = 1 << 6,            /* It can change files, or others' memory. */
};

/* What a build with sanitizers, which has no filter of system calls, does. */
#ifndef __SANITIZE_ADDRESS__
enum { UNFILTERED = 0 };
#else
enum { UNFILTERED = WRITES };
#endif

/* A file, and one that is not there. */
static char dir[64], present[80], absent[80];

/* Whether a child can change files or the memory of its parent. */
static bool
can_write(void)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%ld/mem", (long int) getppid());
    return (open(path, O_RDWR | O_CLOEXEC) >= 0
            || open(path, O_WRONLY | O_CLOEXEC) >= 0
            || open(present, O_RDWR | O_CLOEXEC) >= 0
            || openat(AT_FDCWD, present, O_RDONLY | O_TRUNC | O_CLOEXEC) >= 0
            || syscall(SYS_openat, AT_FDCWD, absent, O_RDONLY | O_CREAT,
                       0600) >= 0
#ifdef SYS_creat
            || syscall(SYS_creat, absent, 0600) >= 0
#endif
            || !rename(present, absent) || !unlink(present)
            || !truncate(present, 0));
}

/* Runs in a child. */
static int
look_around(void)
{
    char text[READ_SMALL_MAX];
    char *const argv[] = { (char *) "true", NULL };
    int status = 0;

    if (!read_small(AT_FDCWD, "/proc/self/status", text)) {
        status |= NO_PROC;
    } else if (!strstr(text, "CapEff:\t0000000000000000")
               || !strstr(text, "CapPrm:\t0000000000000000")) {
        status |= CAPABILITIES;
    }
    if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0) {
        status |= FILES;
    }
    if (can_write()) {
        status |= WRITES;
    }
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
        status |= NEW_PRIVILEGES;
    }
    if (socket(AF_UNIX, SOCK_STREAM, 0) < 0
        || socket(AF_INET, SOCK_STREAM, 0) < 0) {
        status |= NO_SOCKET;
    }
#ifndef __SANITIZE_ADDRESS__
    if (execve("/bin/true", argv, argv + 1) && errno != EPERM) {
        status |= PROGRAMS;
    }
#else
    (void) argv;
#endif
    return status;
}

static int
status_after(const char *user, bool see_processes)
{
    const struct passwd *pw = user ? getpwnam(user) : NULL;
    int status;
    pid_t pid = fork();

    if (!pid) {
        privileges_give_up(user, see_processes);
        _exit(pw && (getuid() != pw->pw_uid || getegid() != pw->pw_gid)
              ? 255 : look_around());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int
set_up(void **state)
{
    (void) state;
    snprintf(dir, sizeof dir, "/tmp/sluice-privileges.XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(present, sizeof present, "%s/present", dir);
    snprintf(absent, sizeof absent, "%s/absent", dir);
    int fd = open(present, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    unlink(present);
    unlink(absent);
    rmdir(dir);
    return 0;
}

static void
it_can_read_proc_and_make_sockets_and_that_is_all(void **state)
{
    (void) state;
    if (syscall(SYS_landlock_create_ruleset, NULL, 0,
                LANDLOCK_CREATE_RULESET_VERSION) < 1) {
        print_message("this kernel has no Landlock\n");
        skip();
    }
    assert_int_equal(status_after(NULL, false) & ~UNFILTERED, 0);
}

static void
to_see_processes_costs_one_capability_and_the_guard_of_reading(void **state)
{
    (void) state;
    int status = status_after(NULL, true) & ~UNFILTERED;
    if (geteuid()) {
        assert_int_equal(status & ~FILES, 0);
    } else {
        assert_int_equal(status, FILES | CAPABILITIES);
    }
}

/* Has no capability but those of 'caps'. */
static void
bound(const capng_type_t types, const int caps[], size_t n)
{
    capng_clear(CAPNG_SELECT_BOTH);
    for (size_t i = 0; i < n; i++) {
        capng_update(CAPNG_ADD, types, caps[i]);
    }
    assert_int_equal(capng_apply(CAPNG_SELECT_BOTH), 0);
}

static void
it_becomes_another_user_with_what_its_unit_leaves_it(void **state)
{
    /* As in sluice-hostd.service. */
    static const int caps[] = { CAP_SYS_PTRACE, CAP_SETUID, CAP_SETGID };
    int status;

    (void) state;
    if (geteuid()) {
        print_message("only root can become another user\n");
        skip();
    }
    pid_t pid = fork();
    if (!pid) {
        bound(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, caps,
              sizeof caps / sizeof *caps);
        assert_int_equal(status_after("nobody", true) & ~UNFILTERED,
                         FILES | CAPABILITIES);
        assert_int_equal(status_after("nobody", false) & ~FILES
                         & ~UNFILTERED, 0);
        /* Without them it says so. */
        bound(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, caps,
              1);
        assert_int_equal(status_after("nobody", true), EXIT_FAILURE);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
        TEST(it_can_read_proc_and_make_sockets_and_that_is_all),
        TEST(to_see_processes_costs_one_capability_and_the_guard_of_reading),
        TEST(it_becomes_another_user_with_what_its_unit_leaves_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
