/* SPDX-License-Identifier: Apache-2.0
 *
 * The texts of proc(5) and of control groups, and QEMU's command line.
 *
 * In: a text, terminated by a null byte.
 * Out: numbers; all return false, with outputs untouched, if the text is not
 * what it should be.
 * Runs in: sluice-hostd.  No I/O. */
#ifndef SLUICE_PROC_PARSE_H
#define SLUICE_PROC_PARSE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* /proc/stat: ticks that all CPUs were busy, and that there were.  Waiting for
 * I/O is being idle. */
bool proc_parse_cpu(const char *, uint64_t *ret_busy, uint64_t *ret_total);

/* /proc/meminfo, in KiB. */
bool proc_parse_meminfo(const char *, uint64_t *ret_total,
                        uint64_t *ret_available);

/* /proc/loadavg: hundredths of the load average of the last minute. */
bool proc_parse_loadavg(const char *, uint32_t *ret_hundredths);

/* /proc/PID/stat: ticks of user and system time of all threads, and when the
 * process began, in ticks since boot. */
bool proc_parse_pid_stat(const char *, uint64_t *ret_ticks,
                         uint64_t *ret_start);

/* /proc/PID/status: the real and the effective user. */
bool proc_parse_uids(const char *, uint32_t *ret_real,
                     uint32_t *ret_effective);

/* /proc/PID/statm: resident pages. */
bool proc_parse_statm(const char *, uint64_t *ret_pages);

/* /proc/PID/cgroup: where the control group, of version 2, of the virtual
 * machine lies that the process is of, as systemd and libvirt have it:
 * "/machine.slice/machine-qemu\x2d1\x2dvm.scope".  Only root puts scopes
 * into that slice, and slices into it; users and containers can have scopes of
 * any name in groups of their own.  '*ret' is malloc()ed. */
bool proc_parse_vm_cgroup(const char *, char **ret);

/* cpu.stat: microseconds. */
bool proc_parse_cpu_stat(const char *, uint64_t *ret_usec);

/* memory.current and the like: a number. */
bool proc_parse_number(const char *, uint64_t *ret);

/* What QEMU was told. */
struct qemu_args {
    bool has_uuid;
    uint8_t uuid[16];
    char name[256];             /* "" if it has none. */
    uint32_t n_cpus;            /* 1 if it was told nothing. */
    uint64_t memory;            /* Bytes; likewise 128 MiB. */
};

/* /proc/PID/cmdline: 'size' bytes, a null byte behind each argument.  Returns
 * false if it is not QEMU. */
bool proc_parse_qemu(const char *, size_t size, struct qemu_args *ret);

#endif /* proxy-vm/hostd/proc-parse.h */
