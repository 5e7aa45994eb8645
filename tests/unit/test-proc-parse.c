/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include <stdlib.h>

#include "proc-parse.h"

static void
proc_stat_tells_how_busy_cpus_are(void **state)
{
    uint64_t busy = 1, total = 2;

    (void) state;
    assert_true(proc_parse_cpu("cpu  10 1 5 100 20 2 3 4 50 6\n"
                               "cpu0 99 99 99 99 99 99 99 99 99 99\n",
                               &busy, &total));
    assert_int_equal(busy, 25);
    assert_int_equal(total, 145);
    /* An old kernel's. */
    assert_true(proc_parse_cpu("cpu 1 2 3 4\nintr 1\n", &busy, &total));
    assert_int_equal(busy, 6);
    assert_int_equal(total, 10);
    static const char *const wrong[] = {
        "", "cpu", "cpu ", "cpu  1 2 3\n", "cpu0 1 2 3 4\n", "cpu x\n",
        "cpu  1 2 3 99999999999999999999\n", "intr 1 2 3 4\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(proc_parse_cpu(wrong[i], &busy, &total));
    }
    assert_int_equal(total, 10);
}

static void
proc_meminfo_tells_memory(void **state)
{
    uint64_t total, available;

    (void) state;
    assert_true(proc_parse_meminfo("MemTotal:       1000 kB\n"
                                   "MemFree:         100 kB\n"
                                   "MemAvailable:    400 kB\n",
                                   &total, &available));
    assert_int_equal(total, 1000);
    assert_int_equal(available, 400);
    assert_false(proc_parse_meminfo("MemTotal: 10 kB\n", &total, &available));
    assert_false(proc_parse_meminfo("MemTotal: 0 kB\nMemAvailable: 0 kB\n",
                                    &total, &available));
    assert_false(proc_parse_meminfo("MemTotal: 1 kB\nMemAvailable: 2 kB\n",
                                    &total, &available));
}

static void
proc_loadavg_tells_the_last_minute(void **state)
{
    uint32_t load = 0;

    (void) state;
    assert_true(proc_parse_loadavg("12.05 1.00 0.50 1/100 1234\n", &load));
    assert_int_equal(load, 1205);
    assert_true(proc_parse_loadavg("0.00 0 0 1/1 1\n", &load));
    assert_int_equal(load, 0);
    assert_false(proc_parse_loadavg("", &load));
    assert_false(proc_parse_loadavg("1", &load));
    assert_false(proc_parse_loadavg("1.", &load));
    assert_false(proc_parse_loadavg("1.5 ", &load));
    assert_false(proc_parse_loadavg("1.555 ", &load));
    assert_false(proc_parse_loadavg("99999999999.00 ", &load));
}

static void
a_process_may_have_any_name(void **state)
{
    uint64_t ticks, start;

    (void) state;
    assert_true(proc_parse_pid_stat(
        "42 (a) R 1 (b c) S 1 42 42 0 -1 4194560 1 2 3 4 70 7 0 0 20 0 1 0 "
        "12345 1 2 3\n", &ticks, &start));
    assert_int_equal(ticks, 77);
    assert_int_equal(start, 12345);
    static const char *const wrong[] = {
        "", "42", "42 (x)", "42 (x) ", "42 (x) S", "42 (x) S 1 2 3",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(proc_parse_pid_stat(wrong[i], &ticks, &start));
    }
}

static void
proc_statm_tells_resident_pages(void **state)
{
    uint64_t pages;

    (void) state;
    assert_true(proc_parse_statm("1000 250 10 1 0 20 0\n", &pages));
    assert_int_equal(pages, 250);
    assert_false(proc_parse_statm("1000\n", &pages));
}

static void
a_process_tells_its_users(void **state)
{
    static const char *const wrong[] = {
        "", "Uid:\t", "Uid:\t1\n", "Uid:\t1\tx\n", "Uid:\t-1\t0\t0\t0\n",
        "Uid:\t4294967296\t0\t0\t0\n", "Name:\tUid:\t0\t0\t0\t0\n",
    };
    uint32_t real, effective;

    (void) state;
    assert_true(proc_parse_uids("Name:\tqemu\nUmask:\t0022\n"
                                "Uid:\t64055\t0\t0\t0\nGid:\t1\t1\t1\t1\n",
                                &real, &effective));
    assert_int_equal(real, 64055);
    assert_int_equal(effective, 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(proc_parse_uids(wrong[i], &real, &effective));
    }
}

static void
the_control_group_of_a_vm_is_found(void **state)
{
    static const char scope[] =
        "/machine.slice/machine-qemu\\x2d3\\x2dweb.scope";
    static const char *const right[] = {
        "0::/machine.slice/machine-qemu\\x2d3\\x2dweb.scope\n",
        "0::/machine.slice/machine-qemu\\x2d3\\x2dweb.scope/libvirt/vcpu0\n",
        "12:cpu:/x\n1:name=systemd:/\n"
        "0::/machine.slice/machine-qemu\\x2d3\\x2dweb.scope/libvirt\n",
    };
    static const char *const wrong[] = {
        "", "0::/", "0::/user.slice/session-1.scope\n",
        "0::/machine.slice/machine-qemu-x.service\n",
        "0::/../machine-qemu/../x.scope\n",
        "0::/a/../machine-qemux.scope\n",
        "1:cpu:/machine.slice/machine-qemu-x.scope\n",
        "0::/user.slice/user-1000.slice/machine-qemu-x.scope\n",
        "0::/user.slice/machine.slice/machine-qemu-x.scope\n",
        "0::/machine.slice/libpod-1.scope/machine-qemu-x.scope\n",
        "0::/machine.slice/x.service/a.slice/machine-qemu-x.scope\n",
        "0::/machine.slice/../machine-qemu-x.scope\n",
        "0::/machine.slice", "0::/machine.slice/", "0::/machine.slice/.slice",
    };
    char *path;

    (void) state;
    assert_true(proc_parse_vm_cgroup("0::/machine.slice/machine-prod.slice/"
                                     "machine-qemu-1.scope/libvirt", &path));
    assert_string_equal(path, "/machine.slice/machine-prod.slice/"
                        "machine-qemu-1.scope");
    free(path);
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        assert_true(proc_parse_vm_cgroup(right[i], &path));
        assert_string_equal(path, scope);
        free(path);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(proc_parse_vm_cgroup(wrong[i], &path));
    }
}

static void
a_control_group_tells_its_cpu_time(void **state)
{
    uint64_t n;

    (void) state;
    assert_true(proc_parse_cpu_stat("usage_usec 123\nuser_usec 100\n", &n));
    assert_int_equal(n, 123);
    assert_true(proc_parse_cpu_stat("nr_periods 0\nusage_usec 5\n", &n));
    assert_int_equal(n, 5);
    assert_false(proc_parse_cpu_stat("user_usec 100\n", &n));
    assert_true(proc_parse_number("4096\n", &n));
    assert_int_equal(n, 4096);
    assert_false(proc_parse_number("max\n", &n));
}

/* A string with a null byte behind each argument. */
#define ARGS(S) S "\0", sizeof S

static void
qemus_command_line_tells_which_vm_it_is(void **state)
{
    struct qemu_args args;

    (void) state;
    /* libvirt's. */
    assert_true(proc_parse_qemu(ARGS(
        "/usr/bin/qemu-system-x86_64\0-name\0guest=web-1,debug-threads=on\0"
        "-S\0-m\0size=2097152k,slots=2\0-smp\0" "4,sockets=2,cores=2\0"
        "-uuid\0a0000000-0000-4000-8000-000000000701\0-no-user-config"),
        &args));
    assert_string_equal(args.name, "web-1");
    assert_true(args.has_uuid);
    assert_int_equal(args.uuid[0], 0xa0);
    assert_int_equal(args.uuid[15], 0x01);
    assert_int_equal(args.n_cpus, 4);
    assert_int_equal(args.memory, UINT64_C(2) << 30);

    assert_true(proc_parse_qemu(ARGS("qemu-kvm\0-name\0x\0-m\0" "512\0-smp\0"
                                     "sockets=2,cores=3"), &args));
    assert_string_equal(args.name, "x");
    assert_false(args.has_uuid);
    assert_int_equal(args.n_cpus, 6);
    assert_int_equal(args.memory, 512 << 20);
    assert_true(proc_parse_qemu(ARGS("kvm\0-m\0" "2G\0-smp\0cpus=3"), &args));
    assert_int_equal(args.n_cpus, 3);
    assert_int_equal(args.memory, UINT64_C(2) << 30);
}

static void
a_strange_command_line_does_no_harm(void **state)
{
    struct qemu_args args;

    (void) state;
    assert_false(proc_parse_qemu("", 0, &args));
    assert_false(proc_parse_qemu("qemu", 4, &args));
    assert_false(proc_parse_qemu(ARGS("bash\0-uuid\0"
                                      "a0000000-0000-4000-8000-000000000701"),
                                 &args));
    assert_true(proc_parse_qemu(ARGS("qemu\0-uuid\0x\0-m\0,=\0-smp\0=,=\0"
                                     "-name"), &args));
    assert_false(args.has_uuid);
    assert_int_equal(args.n_cpus, 1);
    assert_int_equal(args.memory, 128 << 20);
    assert_true(proc_parse_qemu(ARGS("qemu\0-m\0" "9999999999T\0-smp\0"
                                     "sockets=99999,cores=99999"), &args));
    assert_int_equal(args.n_cpus, 4096);
    assert_int_equal(args.memory, 128 << 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proc_stat_tells_how_busy_cpus_are),
        cmocka_unit_test(proc_meminfo_tells_memory),
        cmocka_unit_test(proc_loadavg_tells_the_last_minute),
        cmocka_unit_test(a_process_may_have_any_name),
        cmocka_unit_test(proc_statm_tells_resident_pages),
        cmocka_unit_test(a_process_tells_its_users),
        cmocka_unit_test(the_control_group_of_a_vm_is_found),
        cmocka_unit_test(a_control_group_tells_its_cpu_time),
        cmocka_unit_test(qemus_command_line_tells_which_vm_it_is),
        cmocka_unit_test(a_strange_command_line_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
