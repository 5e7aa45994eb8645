/* SPDX-License-Identifier: Apache-2.0 */
#include "sluice-config.h"      /* For struct mmsghdr. */

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bfd.h"
#include "sandbox.h"

#ifdef __SANITIZE_ADDRESS__
#define HAS_FILTER false
#else
#define HAS_FILTER true
#endif

/* What is within reach, what is not, and a socket. */
static char inside[64];
static char outside[64];
static int tunnel_fd;
static int may = SANDBOX_MAY_ANSWER;
static int other_fd;
static pid_t test_pid;

static char *
path_in(const char *dir, const char *name)
{
    static char paths[4][128];
    static int i;

    i = (i + 1) % 4;
    snprintf(paths[i], sizeof paths[i], "%s/%s", dir, name);
    return paths[i];
}

static int
bind_somewhere(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &sin, sizeof sin), 0);
    return fd;
}

static int
set_up(void **state)
{
    (void) state;
    snprintf(inside, sizeof inside, "/tmp/test-sandbox-in.XXXXXX");
    snprintf(outside, sizeof outside, "/tmp/test-sandbox-out.XXXXXX");
    if (!mkdtemp(inside) || !mkdtemp(outside)) {
        return -1;
    }
    close(open(path_in(outside, "secret"), O_WRONLY | O_CREAT, 0644));
    close(open(path_in(inside, "mine"), O_WRONLY | O_CREAT, 0644));
    tunnel_fd = bind_somewhere();
    other_fd = bind_somewhere();
    test_pid = getpid();
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    unlink(path_in(outside, "secret"));
    unlink(path_in(inside, "mine"));
    return rmdir(inside) || rmdir(outside) ? -1 : 0;
}

/* What an intruder would do: true if it worked. */

static bool
read_a_foreign_file(void)
{
    return open("/etc/passwd", O_RDONLY) >= 0;
}

static bool
list_the_root_directory(void)
{
    return open("/", O_RDONLY | O_DIRECTORY) >= 0;
}

static bool
write_a_foreign_file(void)
{
    return open(path_in(outside, "secret"), O_WRONLY) >= 0;
}

static bool
make_a_file_elsewhere(void)
{
    return open(path_in(outside, "new"), O_WRONLY | O_CREAT, 0600) >= 0;
}

static bool
remove_a_foreign_file(void)
{
    return !unlink(path_in(outside, "secret"));
}

static bool
move_a_file_out(void)
{
    return !rename(path_in(inside, "mine"), path_in(outside, "theirs"));
}

static bool
truncate_a_foreign_file(void)
{
    return !truncate(path_in(outside, "secret"), 0);
}

static bool
look_at_another_process(void)
{
    return open("/proc/1/environ", O_RDONLY) >= 0;
}

static bool
run_a_program(void)
{
    char *const argv[] = { "true", NULL };

    execv("/bin/true", argv);
    return false;
}

static bool
make_a_process(void)
{
    return fork() >= 0;
}

static bool
open_an_internet_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static bool
open_a_local_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static bool
open_a_packet_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0) >= 0;
}

static bool
connect_the_tunnels_socket(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(9),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    return !connect(tunnel_fd, (struct sockaddr *) &sin, sizeof sin);
}

static bool
read_another_socket(void)
{
    char byte;

    return (recv(other_fd, &byte, 1, MSG_DONTWAIT) >= 0
            || errno == EAGAIN);
}

static bool
signal_another_process(void)
{
    return !kill(test_pid, 0);
}

static bool
trace_another_process(void)
{
    return !ptrace(PTRACE_SEIZE, test_pid, NULL, NULL);
}

static bool
read_the_memory_of_another_process(void)
{
    return syscall(SYS_process_vm_readv, test_pid, NULL, 0, NULL, 0, 0) >= 0;
}

static bool
make_a_symbolic_link(void)
{
    return !symlink("/etc/shadow", path_in(inside, "link"));
}

static bool
link_a_foreign_file(void)
{
    return !linkat(AT_FDCWD, path_in(outside, "secret"), AT_FDCWD,
                   path_in(inside, "hard"), 0);
}

static bool
link_a_file_out(void)
{
    return !linkat(AT_FDCWD, path_in(inside, "mine"), AT_FDCWD,
                   path_in(outside, "hard"), 0);
}

static bool
give_a_file_more_rights(void)
{
    return !chmod(path_in(inside, "mine"), 04755);
}

static bool
write_code_and_run_it(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool
turn_data_into_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return (page != MAP_FAILED
            && !mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static bool
become_another_user(void)
{
    return !setuid(getuid());
}

static bool
load_a_filter_into_the_kernel(void)
{
    return syscall(SYS_bpf, 0, NULL, 0) >= 0;
}

static bool
enter_a_namespace(void)
{
    return !syscall(SYS_unshare, 0);
}

static bool
send_from_the_tunnels_socket(size_t size)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(9),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    uint8_t data[BFD_TUNNELLED_SIZE + 1] = { 0 };

    return sendto(tunnel_fd, data, size, 0, (struct sockaddr *) &to,
                  sizeof to) == (ssize_t) size;
}

static bool
send_an_answer(void)
{
    return send_from_the_tunnels_socket(BFD_TUNNELLED_SIZE);
}

/* BFD's answers are of one size. */
static bool
send_what_is_no_answer(void)
{
    return send_from_the_tunnels_socket(BFD_TUNNELLED_SIZE + 1);
}

/* By what they are stopped: in a build without the filter, those that the
 * filter stops are not tried. */
enum wall { FILES, FILTER };

static const struct {
    const char *what;
    bool (*attempt)(void);
    enum wall wall;
} attempts[] = {
#define ATTEMPT(NAME, WALL) { #NAME, NAME, WALL }
    ATTEMPT(read_a_foreign_file, FILES),
    ATTEMPT(list_the_root_directory, FILES),
    ATTEMPT(write_a_foreign_file, FILES),
    ATTEMPT(make_a_file_elsewhere, FILES),
    ATTEMPT(remove_a_foreign_file, FILES),
    ATTEMPT(move_a_file_out, FILES),
    ATTEMPT(truncate_a_foreign_file, FILES),
    ATTEMPT(look_at_another_process, FILES),
    ATTEMPT(run_a_program, FILTER),
    ATTEMPT(make_a_process, FILTER),
    ATTEMPT(open_an_internet_socket, FILTER),
    ATTEMPT(open_a_local_socket, FILTER),
    ATTEMPT(open_a_packet_socket, FILTER),
    ATTEMPT(connect_the_tunnels_socket, FILTER),
    ATTEMPT(read_another_socket, FILTER),
    ATTEMPT(signal_another_process, FILTER),
    ATTEMPT(trace_another_process, FILTER),
    ATTEMPT(read_the_memory_of_another_process, FILTER),
    ATTEMPT(make_a_symbolic_link, FILTER),
    ATTEMPT(link_a_foreign_file, FILES),
    ATTEMPT(link_a_file_out, FILES),
    ATTEMPT(give_a_file_more_rights, FILTER),
    ATTEMPT(write_code_and_run_it, FILTER),
    ATTEMPT(turn_data_into_code, FILTER),
    ATTEMPT(become_another_user, FILTER),
    ATTEMPT(load_a_filter_into_the_kernel, FILTER),
    ATTEMPT(enter_a_namespace, FILTER),
    ATTEMPT(send_what_is_no_answer, FILTER),
#undef ATTEMPT
};
enum { N_ATTEMPTS = sizeof attempts / sizeof *attempts };

enum { WORKED = 10, FAILED = 11, NOT_SHUT_IN = 12 };

/* Runs 'attempt' in a process of its own, in the sandbox if 'is_shut_in'.
 * Returns its wait status. */
static int
try(bool (*attempt)(void), bool is_shut_in)
{
    int status;
    pid_t pid = fork();

    if (!pid) {
        const struct sandbox_dir dirs[] = { { inside, true } };
        const struct tunnel_sockets sockets = { .n = 1, .fds = { tunnel_fd } };
        if (is_shut_in && sandbox_enter(dirs, 1, &sockets, may)) {
            _exit(NOT_SHUT_IN);
        }
        _exit(attempt() ? WORKED : FAILED);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void
what_is_forbidden_fails_from_inside(void **state)
{
    (void) state;
    for (size_t i = 0; i < N_ATTEMPTS; i++) {
        if (attempts[i].wall == FILTER && !HAS_FILTER) {
            continue;
        }
        int status = try(attempts[i].attempt, true);
        bool was_stopped = (WIFSIGNALED(status)
                            ? WTERMSIG(status) == SIGSYS
                            : WEXITSTATUS(status) == FAILED);
        if (!was_stopped) {
            print_error("%s: status %#x\n", attempts[i].what, status);
        }
        assert_true(was_stopped);
    }
}

/* Or the test above would show nothing. */
static bool
copy_a_file(void)
{
    char byte = 'x';
    int fd = open(path_in(inside, "new"), O_RDWR | O_CREAT | O_TRUNC, 0600);

    return (fd >= 0 && write(fd, &byte, 1) == 1 && !fsync(fd)
            && pread(fd, &byte, 1, 0) == 1 && !close(fd)
            && !rename(path_in(inside, "new"), path_in(inside, "newer"))
            && !unlink(path_in(inside, "newer")));
}

/* As sync-many.c does, which would go on without. */
static bool
sync_a_file_by_the_kernels_workers(void)
{
    aio_context_t context = 0;
    int fd = open(path_in(inside, "new"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct iocb iocb = {
        .aio_lio_opcode = IOCB_CMD_FSYNC, .aio_fildes = fd
    };
    struct iocb *list = &iocb;
    struct io_event event = { .res = -1 };

    return (fd >= 0 && !syscall(SYS_io_setup, 1, &context)
            && syscall(SYS_io_submit, context, 1, &list) == 1
            && syscall(SYS_io_getevents, context, 1, 1, &event, NULL) == 1
            && !event.res && !syscall(SYS_io_destroy, context)
            && !unlink(path_in(inside, "new")));
}

/* As the spool has one batch in several queues. */
static bool
link_a_file_into_two_directories(void)
{
    int fd = open(path_in(inside, "new"), O_RDWR | O_CREAT | O_TRUNC, 0600);

    return (fd >= 0 && !close(fd)
            && !mkdir(path_in(inside, "a"), 0700)
            && !mkdir(path_in(inside, "b"), 0700)
            && !linkat(AT_FDCWD, path_in(inside, "new"), AT_FDCWD,
                       path_in(inside, "a/new"), 0)
            && !renameat(AT_FDCWD, path_in(inside, "new"), AT_FDCWD,
                         path_in(inside, "b/new"))
            && !unlink(path_in(inside, "a/new"))
            && !unlink(path_in(inside, "b/new"))
            && !unlinkat(AT_FDCWD, path_in(inside, "a"), AT_REMOVEDIR)
            && !unlinkat(AT_FDCWD, path_in(inside, "b"), AT_REMOVEDIR));
}

static bool
read_the_tunnels_socket(void)
{
    char byte;
    struct iovec iov = { &byte, 1 };
    struct mmsghdr header = { .msg_hdr = { .msg_iov = &iov,
                                           .msg_iovlen = 1 } };

    return (syscall(SYS_recvmmsg, tunnel_fd, &header, 1, MSG_DONTWAIT, NULL)
            < 0 && errno == EAGAIN);
}

static void
what_intake_needs_works_from_inside(void **state)
{
    (void) state;
    assert_int_equal(WEXITSTATUS(try(copy_a_file, true)), WORKED);
    assert_int_equal(WEXITSTATUS(try(sync_a_file_by_the_kernels_workers,
                                     true)), WORKED);
    assert_int_equal(WEXITSTATUS(try(link_a_file_into_two_directories, true)),
                     WORKED);
    assert_int_equal(WEXITSTATUS(try(read_the_tunnels_socket, true)), WORKED);
    assert_int_equal(WEXITSTATUS(try(send_an_answer, true)), WORKED);
}

static void
who_does_not_answer_bfd_sends_nothing(void **state)
{
    (void) state;
    may = 0;
    assert_int_equal(WEXITSTATUS(try(send_an_answer, true)),
                     HAS_FILTER ? FAILED : WORKED);
    may = SANDBOX_MAY_ANSWER;
}

static bool
open_a_local_socket_of_packets(void)
{
    return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
           >= 0;
}

/* As memif-control.c does; nobody listens there. */
static bool
connect_a_local_socket_and_send(void)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    struct msghdr header = { .msg_name = NULL };
    struct ucred peer;
    socklen_t size = sizeof peer;
    char byte;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    0);

    snprintf(sun.sun_path, sizeof sun.sun_path, "%s/none", inside);
    return (connect(fd, (struct sockaddr *) &sun, sizeof sun)
            && errno == ENOENT
            && !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size)
            && sendmsg(fd, &header, MSG_NOSIGNAL) < 0 && errno == ENOTCONN
            && recv(fd, &byte, 1, 0) < 0 && errno == ENOTCONN);
}

static void
with_memif_local_sockets_of_packets_can_be_made_and_no_others(void **state)
{
    (void) state;
    if (!HAS_FILTER) {
        print_message("the filter does not go with sanitizers\n");
        skip();
    }
    int status = try(open_a_local_socket_of_packets, true);
    assert_true(WIFSIGNALED(status));
    may = SANDBOX_MAY_CONNECT;
    assert_int_equal(WEXITSTATUS(try(open_a_local_socket_of_packets, true)),
                     WORKED);
    assert_int_equal(WEXITSTATUS(try(connect_a_local_socket_and_send, true)),
                     WORKED);
    assert_int_equal(WEXITSTATUS(try(open_a_local_socket, true)), FAILED);
    status = try(open_an_internet_socket, true);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    status = try(open_a_packet_socket, true);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    may = SANDBOX_MAY_ANSWER;
}

static void
a_file_can_be_read_when_not_shut_in(void **state)
{
    (void) state;
    assert_int_equal(WEXITSTATUS(try(read_a_foreign_file, false)), WORKED);
    assert_int_equal(WEXITSTATUS(try(open_a_local_socket, false)), WORKED);
    assert_int_equal(WEXITSTATUS(try(turn_data_into_code, false)), WORKED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_forbidden_fails_from_inside),
        cmocka_unit_test(what_intake_needs_works_from_inside),
        cmocka_unit_test(who_does_not_answer_bfd_sends_nothing),
        cmocka_unit_test(
            with_memif_local_sockets_of_packets_can_be_made_and_no_others),
        cmocka_unit_test(a_file_can_be_read_when_not_shut_in),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
