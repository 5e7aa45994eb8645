/* SPDX-License-Identifier: Apache-2.0
 *
 * How much each virtual machine has to do: QEMU's processes are found by
 * their command lines, and measured by the control group that libvirt and
 * systemd gave the machine, or else by the process itself.  One without such a
 * group is believed if it is root's, or one of libvirt's user, which is
 * "libvirt-qemu" or "qemu".
 *
 * In: /proc, /sys/fs/cgroup.  Out: figures of each VM by its UUID.
 * Runs in: sluice-hostd. */
#ifndef SLUICE_VM_FIGURES_H
#define SLUICE_VM_FIGURES_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a VM, in the latest sample. */
struct vm_figures {
    const char *name;           /* QEMU's, "" if it has none. */
    uint32_t pid;
    bool has_cpu, has_memory;
    uint32_t cpu;               /* Permille of its virtual CPUs. */
    uint32_t memory;            /* Permille of what it was given. */
};

struct vm_watch;

/* 'proc' and 'cgroup' are descriptors of /proc and /sys/fs/cgroup, borrowed;
 * the latter may be negative: there is none.  Asks for users by name. */
struct vm_watch *vm_watch_create(int proc, int cgroup);
void vm_watch_destroy(struct vm_watch *);

/* Takes a sample, at 'now_us' of a clock that is never set.  At most
 * VM_WATCH_MAX_PROCESSES are looked at. */
enum { VM_WATCH_MAX_PROCESSES = 32768 };
void vm_watch_sample(struct vm_watch *, int64_t now_us);

/* Fills in '*ret' for the VM.  Returns false if no process, or more than one,
 * says that it is this VM. */
bool vm_watch_find(const struct vm_watch *, const uint8_t uuid[16],
                   struct vm_figures *ret);

#endif /* proxy-vm/hostd/vm-figures.h */
