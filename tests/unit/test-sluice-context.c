/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the program itself, on a directory of its own for each test.  What to
 * wait for is always a line of its log. */
#include <config.h>

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "context-snapshot.h"
#include "context.pb-c.h"
#include "util.h"

enum { PATIENCE_MS = 60 * 1000 };   /* For a machine under load. */

struct fixture {
    char *dir;
    char *file;                 /* dir/vms.yaml */
    char *snapshot;             /* dir/context/context.snapshot */
    pid_t pid;                  /* 0: not running. */
    int log_fd;                 /* Its standard error. */
    char log[65536];            /* Read from there and not waited for yet. */
    size_t log_size;
};

static int
setup(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);

    f->dir = xstrdup("/tmp/sluice-context-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->file = xasprintf("%s/vms.yaml", f->dir);
    char *directory = xasprintf("%s/context", f->dir);
    assert_int_equal(mkdir(directory, 0700), 0);
    f->snapshot = xasprintf("%s/context.snapshot", directory);
    free(directory);
    *state = f;
    return 0;
}

/* Starts the program with 'argv', whose first is for the path. */
static void
start(struct fixture *f, const char *argv[])
{
    int fds[2];
    const char *builddir = getenv("builddir");
    char *program = xasprintf("%s/proxy-vm/sluice-context",
                              builddir ? builddir : ".");

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    argv[0] = program;
    f->log_size = 0;
    f->pid = fork();
    if (!f->pid) {
        dup2(fds[1], STDERR_FILENO);
        execv(program, CONST_CAST(char **, argv));
        _exit(127);
    }
    assert_true(f->pid > 0);
    close(fds[1]);
    f->log_fd = fds[0];
    free(program);
}

static void
start_by_hand(struct fixture *f, const char *once)
{
    const char *argv[] = { NULL, "--static", f->file, "--snapshot",
                           f->snapshot, once, NULL };
    start(f, argv);
}

/* Takes the log up to 'text' away, waiting for it if need be. */
static void
await_log(struct fixture *f, const char *text)
{
    for (;;) {
        f->log[f->log_size] = '\0';
        char *hit = strstr(f->log, text);
        if (hit) {
            hit += strlen(text);
            f->log_size -= hit - f->log;
            memmove(f->log, hit, f->log_size);
            return;
        }

        struct pollfd pfd = { .fd = f->log_fd, .events = POLLIN };
        if (poll(&pfd, 1, PATIENCE_MS) != 1) {
            fail_msg("no \"%s\" in: %s", text, f->log);
        }
        ssize_t n = read(f->log_fd, f->log + f->log_size,
                         sizeof f->log - 1 - f->log_size);
        if (n <= 0) {
            fail_msg("it ended without \"%s\" in: %s", text, f->log);
        }
        f->log_size += n;
    }
}

/* Waits for the program's end and returns its exit status. */
static int
await_end(struct fixture *f)
{
    int status;

    assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
    f->pid = 0;
    close(f->log_fd);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
stop(struct fixture *f)
{
    assert_int_equal(kill(f->pid, SIGTERM), 0);
    assert_int_equal(await_end(f), 0);
}

static int
teardown(void **state)
{
    static const char *const names[] = {
        "vms.yaml", "new.yaml", "sluice.yaml", "context/context.snapshot",
        "context/context.snapshot.lock", "context/context.snapshot.status",
        "context/context.snapshot.previous",
    };
    struct fixture *f = *state;

    if (f->pid) {
        kill(f->pid, SIGKILL);
        waitpid(f->pid, NULL, 0);
        close(f->log_fd);
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char *path = xasprintf("%s/%s", f->dir, names[i]);
        unlink(path);
        free(path);
    }
    char *directory = xasprintf("%s/context", f->dir);
    assert_int_equal(rmdir(directory), 0);
    assert_int_equal(rmdir(f->dir), 0);
    free(directory);
    free(f->dir);
    free(f->file);
    free(f->snapshot);
    free(f);
    return 0;
}

/* Writes 'text' to the file in place, as "cat >" does. */
static void
write_text(const char *path, const char *text)
{
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

/* Replaces the file, as editors do. */
static void
replace_text(const struct fixture *f, const char *text)
{
    char *new = xasprintf("%s/new.yaml", f->dir);
    write_text(new, text);
    assert_int_equal(rename(new, f->file), 0);
    free(new);
}

static char *
read_text(const char *path, const char *suffix)
{
    char *name = xasprintf("%s%s", path, suffix);
    char text[4096];
    FILE *stream = fopen(name, "r");
    assert_non_null(stream);
    size_t n = fread(text, 1, sizeof text - 1, stream);
    fclose(stream);
    free(name);
    return xmemdup0(text, n);
}

#define VM(LAST, NAME) \
    "  - macs: [ \"52:54:00:00:00:0" #LAST "\" ]\n    name: " NAME "\n"
#define WEB "vms:\n" VM(1, "web")
#define WEB_AND_DB WEB VM(2, "db")

static void
assert_snapshot(const struct fixture *f, uint64_t generation, size_t n_vms)
{
    struct snapshot *s;

    assert_int_equal(snapshot_open(f->snapshot, &s), 0);
    assert_int_equal(snapshot_generation(s), generation);
    assert_int_equal(snapshot_n_vms(s), n_vms);
    snapshot_close(s);
}

static void
a_record_has_everything_the_file_says(void **state)
{
    struct fixture *f = *state;
    const uint8_t uuid[16] = { 0x6b, 0x1f, 0x7e, 0x4e, 0x0c, 0x52, 0x4c, 0x66,
                               0x9d, 0x3f, 0x2a, 0x1c, 0x6f, 0x0e, 0x9b, 0x11
    };
    const uint8_t mac[6] = { 0x52, 0x54, 0, 0, 0, 1 };
    struct snapshot *s;
    struct slice by_uuid, by_mac;

    write_text(f->file, WEB
               "    uuid: 6b1f7e4e-0c52-4c66-9d3f-2a1c6f0e9b11\n"
               "    port: vm1\n"
               "    tenant: 7\n"
               "    owner: shop team\n"
               "    values: { rack: \"12\" }\n");
    start_by_hand(f, "--once");
    assert_int_equal(await_end(f), 0);

    assert_int_equal(snapshot_open(f->snapshot, &s), 0);
    assert_true(snapshot_find_vm(s, uuid, &by_uuid));
    assert_true(snapshot_find_mac(s, mac, &by_mac));
    assert_ptr_equal(by_uuid.data, by_mac.data);
    Sluice__VmContext *vm = sluice__vm_context__unpack(NULL, by_uuid.size,
                                                       by_uuid.data);
    assert_non_null(vm);
    assert_int_equal(vm->vm.len, 16);
    assert_memory_equal(vm->vm.data, uuid, 16);
    assert_int_equal(vm->n_mac, 1);
    assert_memory_equal(vm->mac[0].data, mac, 6);
    assert_string_equal(vm->name, "web");
    assert_int_equal(vm->tenant, 7);
    /* Not the tenant, which a file can't prove, nor the port. */
    assert_int_equal(vm->n_value, 2);
    assert_string_equal(vm->value[0]->key, "owner");
    assert_string_equal(vm->value[0]->value, "shop team");
    assert_string_equal(vm->value[1]->key, "rack");
    assert_string_equal(vm->value[1]->value, "12");
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(vm->value[i]->source, "static");
        assert_true(vm->value[i]->fetched_ns > 1500000000ULL * 1000000000);
    }
    sluice__vm_context__free_unpacked(vm, NULL);
    snapshot_close(s);
}

static void
a_change_of_the_file_makes_a_new_generation(void **state)
{
    struct fixture *f = *state;

    write_text(f->file, WEB);
    start_by_hand(f, NULL);
    await_log(f, "generation 1 with 1 VMs");
    assert_snapshot(f, 1, 1);

    replace_text(f, WEB_AND_DB);
    await_log(f, "generation 2 with 2 VMs");
    assert_snapshot(f, 2, 2);

    write_text(f->file, "vms: []\n");
    await_log(f, "generation 3 with 0 VMs");
    assert_snapshot(f, 3, 0);

    assert_int_equal(kill(f->pid, SIGHUP), 0);
    await_log(f, "generation 4 with 0 VMs");
    stop(f);
}

static void
a_broken_file_changes_nothing_and_is_named(void **state)
{
    struct fixture *f = *state;

    write_text(f->file, WEB);
    start_by_hand(f, NULL);
    await_log(f, "generation 1 with 1 VMs");

    replace_text(f, WEB_AND_DB "    cpu-percent: many\n");
    char *sentence = xasprintf("%s:6:5: vms[1].cpu-percent: many is not a "
                               "percentage", f->file);
    await_log(f, sentence);
    /* What is read next was done after the file was refused. */
    assert_int_equal(kill(f->pid, SIGHUP), 0);
    await_log(f, sentence);
    assert_snapshot(f, 1, 1);
    char *status = read_text(f->snapshot, ".status");
    assert_non_null(strstr(status, "generation: 1\n"));
    assert_non_null(strstr(status, sentence));
    free(status);
    free(sentence);

    assert_int_equal(unlink(f->file), 0);
    await_log(f, "it can't be opened");

    replace_text(f, WEB_AND_DB);
    await_log(f, "generation 2 with 2 VMs");
    stop(f);
    status = read_text(f->snapshot, ".status");
    assert_non_null(strstr(status, "problem: none\n"));
    free(status);
}

static void
generations_rise_across_restarts(void **state)
{
    struct fixture *f = *state;

    write_text(f->file, WEB);
    for (int i = 1; i <= 3; i++) {
        start_by_hand(f, "--once");
        assert_int_equal(await_end(f), 0);
        assert_snapshot(f, i, 1);
    }
    write_text(f->file, "vms: 1\n");
    start_by_hand(f, "--once");
    assert_int_equal(await_end(f), 1);
    assert_snapshot(f, 3, 1);
}

static void
a_snapshot_has_one_writer(void **state)
{
    struct fixture *f = *state;

    write_text(f->file, WEB);
    start_by_hand(f, NULL);
    await_log(f, "generation 1 with 1 VMs");

    struct fixture second = *f;
    start_by_hand(&second, "--once");
    await_log(&second, "another sluice-context writes this snapshot");
    assert_int_equal(await_end(&second), 1);
    stop(f);
}

static void
a_configuration_names_the_file_and_may_drop_it(void **state)
{
    struct fixture *f = *state;
    char *config = xasprintf("%s/sluice.yaml", f->dir);
    char *without = xasprintf("tenants:\n"
                              "  - { id: 7, name: a, server: \"h:514\" }\n"
                              "paths: { state: %s }\n", f->dir);
    char *with = xasprintf("%scontext: { static-file: %s }\n", without,
                           f->file);
    const char *argv[] = { NULL, "--config", config, NULL };

    write_text(f->file, WEB);
    write_text(config, with);
    start(f, argv);
    await_log(f, "generation 1 with 1 VMs");

    write_text(config, "nonsense: 1\n");
    assert_int_equal(kill(f->pid, SIGHUP), 0);
    await_log(f, "The old configuration stays.");
    await_log(f, "generation 2 with 1 VMs");

    write_text(config, without);
    assert_int_equal(kill(f->pid, SIGHUP), 0);
    await_log(f, "generation 3 with 0 VMs");
    stop(f);
    free(config);
    free(with);
    free(without);
}

static void
a_dump_shows_records_and_refuses_what_is_no_snapshot(void **state)
{
    struct fixture *f = *state;
    const char *dump[] = { NULL, "--dump", f->snapshot, NULL };

    write_text(f->file, WEB);
    start_by_hand(f, "--once");
    assert_int_equal(await_end(f), 0);

    char *command = xasprintf("\"${builddir:-.}\"/proxy-vm/sluice-context "
                              "--dump %s", f->snapshot);
    FILE *stream = popen(command, "r");
    assert_non_null(stream);
    char text[4096];
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    assert_int_equal(pclose(stream), 0);
    assert_string_equal(text, "# Generation 1, 1 VMs, 0 earlier versions.\n"
                        "vms:\n"
                        "  - name: \"web\"\n"
                        "    macs: [ \"52:54:00:00:00:01\" ]\n");
    free(command);

    dump[2] = f->file;
    start(f, dump);
    await_log(f, "this is no snapshot");
    assert_int_equal(await_end(f), 1);
}

static void
a_wrong_command_line_is_refused(void **state)
{
    struct fixture *f = *state;
    const char *nothing[] = { NULL, NULL };
    const char *half[] = { NULL, "--static", f->file, NULL };
    const char *both[] = { NULL, "--config", "c", "--snapshot", "s", NULL };
    const char *extra[] = { NULL, "--config", "c", "x", NULL };
    const char **cases[] = { nothing, half, both, extra };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        start(f, cases[i]);
        await_log(f, "see 'sluice-context --help'");
        assert_int_equal(await_end(f), 2);
    }
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_record_has_everything_the_file_says),
        TEST(a_change_of_the_file_makes_a_new_generation),
        TEST(a_broken_file_changes_nothing_and_is_named),
        TEST(generations_rise_across_restarts),
        TEST(a_snapshot_has_one_writer),
        TEST(a_configuration_names_the_file_and_may_drop_it),
        TEST(a_dump_shows_records_and_refuses_what_is_no_snapshot),
        TEST(a_wrong_command_line_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
