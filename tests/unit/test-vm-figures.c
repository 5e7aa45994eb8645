/* SPDX-License-Identifier: Apache-2.0 */
#include "sluice-config.h"

#include <config.h>

#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host-figures.h"
#include "remove-tree.h"
#include "util.h"
#include "vm-figures.h"

#define SECOND INT64_C(1000000)
#define SCOPE "machine.slice/machine-qemu\\x2d1\\x2dweb.scope"
#define UUID_TEXT "a0000000-0000-4000-8000-000000000701"

static const uint8_t uuid[16] = {
    0xa0, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0x07, 0x01
};

/* A tree that looks like /proc and /sys/fs/cgroup. */
struct fixture {
    char dir[64];
    int proc, cgroup;
    struct vm_watch *watch;
    struct vm_figures figures;  /* That were found last. */
};

static void
write_file(const struct fixture *f, const char *path, const char *text,
           size_t size)
{
    char *full = xasprintf("%s/%s", f->dir, path);

    for (char *p = strchr(full + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(full, 0755);
        *p = '/';
    }
    FILE *stream = fopen(full, "w");
    assert_non_null(stream);
    assert_int_equal(fwrite(text, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
    free(full);
}

static void
write_text(const struct fixture *f, const char *path, const char *text)
{
    write_file(f, path, text, strlen(text));
}

static int
set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);

    snprintf(f->dir, sizeof f->dir, "/tmp/sluice-figures.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    write_text(f, "proc/stat", "cpu  0 0 0 0\n");
    write_text(f, "cgroup/cgroup.procs", "");
    char *proc = xasprintf("%s/proc", f->dir);
    char *cgroup = xasprintf("%s/cgroup", f->dir);
    f->proc = open(proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
    f->cgroup = open(cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);
    free(proc);
    free(cgroup);
    f->watch = vm_watch_create(f->proc, f->cgroup);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    vm_watch_destroy(f->watch);
    close(f->proc);
    close(f->cgroup);
    assert_int_equal(remove_tree(f->dir), 0);
    free(f);
    return 0;
}

/* Has process 'pid' be of these users. */
static void
put_users(struct fixture *f, int pid, unsigned int real,
          unsigned int effective)
{
    char path[64], text[256];

    snprintf(path, sizeof path, "proc/%d/status", pid);
    snprintf(text, sizeof text, "Name:\tqemu\nUid:\t%u\t%u\t%u\t%u\n",
             real, effective, effective, effective);
    write_text(f, path, text);
}

/* Has process 'pid' be QEMU with two CPUs and 64 MiB, which used 'ticks'. */
static void
put_qemu(struct fixture *f, int pid, const char *uuid_text, int ticks,
         int start, const char *group)
{
    char path[64], text[256];

    snprintf(path, sizeof path, "proc/%d/cmdline", pid);
    int n = snprintf(text, sizeof text, "qemu-system-x86_64%c-smp%c2%c-m%c64%c"
                     "-name%cweb%c-uuid%c%s", 0, 0, 0, 0, 0, 0, 0, 0,
                     uuid_text);
    write_file(f, path, text, n + 1);
    snprintf(path, sizeof path, "proc/%d/stat", pid);
    snprintf(text, sizeof text, "%d (qemu) S 1 1 1 0 -1 0 0 0 0 0 %d 0 0 0 20 "
             "0 4 0 %d 1 1\n", pid, ticks, start);
    write_text(f, path, text);
    put_users(f, pid, 0, 0);
    snprintf(path, sizeof path, "proc/%d/statm", pid);
    snprintf(text, sizeof text, "100000 %ld 0 0 0 0 0\n",
             (16L << 20) / sysconf(_SC_PAGESIZE));
    write_text(f, path, text);
    snprintf(path, sizeof path, "proc/%d/cgroup", pid);
    write_text(f, path, group);
}

static bool
find(struct fixture *f)
{
    return vm_watch_find(f->watch, uuid, &f->figures);
}

static void
a_process_tells_how_much_its_vm_uses(void **state)
{
    struct fixture *f = *state;
    long int second = sysconf(_SC_CLK_TCK);

    write_file(f, "proc/7/cmdline", "bash", 5);
    put_qemu(f, 42, UUID_TEXT, 100, 5, "0::/user.slice\n");
    vm_watch_sample(f->watch, 10 * SECOND);
    assert_true(find(f));
    assert_string_equal(f->figures.name, "web");
    assert_int_equal(f->figures.pid, 42);
    assert_false(f->figures.has_cpu);
    assert_true(f->figures.has_memory);
    assert_int_equal(f->figures.memory, 250);

    /* In 4 seconds its two CPUs were busy for 2. */
    put_qemu(f, 42, UUID_TEXT, 100 + 2 * second, 5, "0::/user.slice\n");
    vm_watch_sample(f->watch, 14 * SECOND);
    assert_true(find(f));
    assert_true(f->figures.has_cpu);
    assert_int_equal(f->figures.cpu, 250);

    /* More than there is: the emulator has threads of its own. */
    put_qemu(f, 42, UUID_TEXT, 100 + 50 * second, 5, "0::/user.slice\n");
    vm_watch_sample(f->watch, 15 * SECOND);
    assert_true(find(f));
    assert_int_equal(f->figures.cpu, 1000);
}

static void
a_control_group_is_believed_over_the_process(void **state)
{
    struct fixture *f = *state;
    static const char group[] = "0::/" SCOPE "/libvirt/emulator\n";

    put_qemu(f, 42, UUID_TEXT, 100, 5, group);
    write_text(f, "cgroup/" SCOPE "/cpu.stat", "usage_usec 1000000\n");
    write_text(f, "cgroup/" SCOPE "/memory.current", "33554432\n");
    vm_watch_sample(f->watch, 10 * SECOND);
    write_text(f, "cgroup/" SCOPE "/cpu.stat", "usage_usec 2000000\n");
    vm_watch_sample(f->watch, 11 * SECOND);
    assert_true(find(f));
    assert_true(f->figures.has_cpu);
    assert_int_equal(f->figures.cpu, 500);
    assert_int_equal(f->figures.memory, 500);
}

static void
a_vm_that_two_processes_claim_has_no_figures(void **state)
{
    struct fixture *f = *state;

    put_qemu(f, 42, UUID_TEXT, 100, 5, "0::/\n");
    put_qemu(f, 43, UUID_TEXT, 100, 6, "0::/\n");
    vm_watch_sample(f->watch, 10 * SECOND);
    assert_false(find(f));
}

static void
a_process_of_just_anybody_is_not_believed(void **state)
{
    struct fixture *f = *state;

    put_qemu(f, 42, UUID_TEXT, 100, 5, "0::/user.slice\n");
    put_qemu(f, 66, UUID_TEXT, 100, 6, "0::/user.slice\n");
    put_users(f, 66, 65534, 65534);
    vm_watch_sample(f->watch, 10 * SECOND);
    assert_true(find(f));
    assert_int_equal(f->figures.pid, 42);

    /* A program that becomes another user does not help, nor does a scope of
     * the user's own with a name like a machine's. */
    put_users(f, 66, 65534, 0);
    vm_watch_sample(f->watch, 11 * SECOND);
    assert_true(find(f));
    write_text(f, "proc/66/cgroup", "0::/user.slice/user-1000.slice"
               "/machine-qemu\\x2d1\\x2dweb.scope\n");
    vm_watch_sample(f->watch, 12 * SECOND);
    assert_true(find(f));
    assert_int_equal(f->figures.pid, 42);
}

static void
a_process_of_anybody_in_the_scope_of_a_vm_is_believed(void **state)
{
    struct fixture *f = *state;

    put_qemu(f, 42, UUID_TEXT, 100, 5, "0::/" SCOPE "/libvirt/emulator\n");
    put_users(f, 42, 64055, 64055);
    vm_watch_sample(f->watch, 10 * SECOND);
    assert_true(find(f));
}

static void
a_number_that_another_process_has_now_is_another_vm(void **state)
{
    struct fixture *f = *state;

    put_qemu(f, 42, UUID_TEXT, 100, 5, "0::/\n");
    vm_watch_sample(f->watch, 10 * SECOND);
    assert_true(find(f));
    put_qemu(f, 42, "b0000000-0000-4000-8000-000000000701", 900, 77,
             "0::/\n");
    vm_watch_sample(f->watch, 11 * SECOND);
    assert_false(find(f));

    /* The same VM, started again: nothing is known of its CPU time yet. */
    put_qemu(f, 42, UUID_TEXT, 100, 99, "0::/\n");
    vm_watch_sample(f->watch, 12 * SECOND);
    assert_true(find(f));
    assert_false(f->figures.has_cpu);
}

static void
a_process_that_ended_is_forgotten(void **state)
{
    struct fixture *f = *state;
    char *dir = xasprintf("%s/proc/42", f->dir);

    put_qemu(f, 42, UUID_TEXT, 100, 5, "0::/\n");
    vm_watch_sample(f->watch, 10 * SECOND);
    assert_true(find(f));
    assert_int_equal(remove_tree(dir), 0);
    vm_watch_sample(f->watch, 11 * SECOND);
    assert_false(find(f));
    free(dir);
}

static void
the_host_has_figures(void **state)
{
    struct fixture *f = *state;
    struct host_figures host = { .total = 0 };

    host_figures_sample(&host, f->proc);
    assert_false(host.has_cpu);
    assert_false(host.has_memory);
    assert_false(host.has_load);
    write_text(f, "proc/stat", "cpu  30 0 0 70\n");
    write_text(f, "proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 250 kB\n");
    write_text(f, "proc/loadavg", "1.25 0.00 0.00 1/1 1\n");
    host_figures_sample(&host, f->proc);
    assert_true(host.has_cpu && host.has_memory && host.has_load);
    assert_int_equal(host.cpu, 300);
    assert_int_equal(host.memory, 750);
    assert_int_equal(host.load, 125);

    /* Time that goes backwards tells nothing. */
    write_text(f, "proc/stat", "cpu  10 0 0 70\n");
    host_figures_sample(&host, f->proc);
    assert_false(host.has_cpu);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
        TEST(a_process_tells_how_much_its_vm_uses),
        TEST(a_control_group_is_believed_over_the_process),
        TEST(a_vm_that_two_processes_claim_has_no_figures),
        TEST(a_process_of_just_anybody_is_not_believed),
        TEST(a_process_of_anybody_in_the_scope_of_a_vm_is_believed),
        TEST(a_number_that_another_process_has_now_is_another_vm),
        TEST(a_process_that_ended_is_forgotten),
        TEST(the_host_has_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
