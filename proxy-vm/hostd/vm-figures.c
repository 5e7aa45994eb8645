/* SPDX-License-Identifier: Apache-2.0
 *
 * How much each virtual machine has to do.  See vm-figures.h. */
#include <config.h>

#include "vm-figures.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hash.h"
#include "host-figures.h"
#include "openvswitch/hmap.h"
#include "proc-parse.h"
#include "read-small.h"
#include "util.h"

/* A process of QEMU. */
struct qemu {
    struct hmap_node by_pid;
    struct hmap_node by_uuid;
    uint32_t pid;
    uint64_t start;             /* When it began: tells it from another one
                                 * that has its number. */
    struct qemu_args args;
    char *cgroup;               /* The VM's, relative to the root's; or
                                 * null. */
    bool is_there;              /* In the latest sample. */

    uint64_t used_us;           /* CPU time at 'at_us'; 0: not known. */
    int64_t at_us;
    bool has_cpu, has_memory;
    uint32_t cpu, memory;
};

/* Who run QEMU besides root: libvirt's users, as distributions name them. */
static const char *const qemu_users[] = { "libvirt-qemu", "qemu" };

struct vm_watch {
    int proc, cgroup;
    uint32_t uids[1 + ARRAY_SIZE(qemu_users)]; /* Who run QEMU. */
    size_t n_uids;
    long int ticks_per_s;
    long int page_size;
    struct hmap by_pid;
    struct hmap by_uuid;        /* Of those that have one. */
};

static void
find_qemu_users(struct vm_watch *w)
{
    w->uids[w->n_uids++] = 0;
    for (size_t i = 0; i < ARRAY_SIZE(qemu_users); i++) {
        const struct passwd *pw = getpwnam(qemu_users[i]);

        if (pw) {
            w->uids[w->n_uids++] = pw->pw_uid;
        }
    }
}

struct vm_watch *
vm_watch_create(int proc, int cgroup)
{
    struct vm_watch *w = xzalloc(sizeof *w);

    w->proc = proc;
    w->cgroup = cgroup;
    w->ticks_per_s = sysconf(_SC_CLK_TCK);
    w->page_size = sysconf(_SC_PAGESIZE);
    find_qemu_users(w);
    hmap_init(&w->by_pid);
    hmap_init(&w->by_uuid);
    return w;
}

static void
qemu_remove(struct vm_watch *w, struct qemu *q)
{
    hmap_remove(&w->by_pid, &q->by_pid);
    if (q->args.has_uuid) {
        hmap_remove(&w->by_uuid, &q->by_uuid);
    }
    free(q->cgroup);
    free(q);
}

void
vm_watch_destroy(struct vm_watch *w)
{
    struct qemu *q;

    if (w) {
        HMAP_FOR_EACH_SAFE (q, by_pid, &w->by_pid) {
            qemu_remove(w, q);
        }
        hmap_destroy(&w->by_pid);
        hmap_destroy(&w->by_uuid);
        free(w);
    }
}

static struct qemu *
find_pid(const struct vm_watch *w, uint32_t pid)
{
    struct qemu *q;

    HMAP_FOR_EACH_WITH_HASH (q, by_pid, hash_int(pid, 0), &w->by_pid) {
        if (q->pid == pid) {
            return q;
        }
    }
    return NULL;
}

/* Returns the control group of the VM that process 'pid' is of, malloc()ed, or
 * null. */
static char *
find_cgroup(const struct vm_watch *w, uint32_t pid)
{
    char path[32], text[READ_SMALL_MAX];
    char *cgroup = NULL;

    snprintf(path, sizeof path, "%"PRIu32"/cgroup", pid);
    if (read_small(w->proc, path, text)) {
        proc_parse_vm_cgroup(text, &cgroup);
    }
    return cgroup;
}

static bool
runs_qemu(const struct vm_watch *w, uint32_t uid)
{
    for (size_t i = 0; i < w->n_uids; i++) {
        if (w->uids[i] == uid) {
            return true;
        }
    }
    return false;
}

/* Whether process 'pid' is of a user who runs QEMU: anybody can have a command
 * line like QEMU's.  The owner of its directory does not tell, which is root
 * where a process can't be traced. */
static bool
is_of_qemu_user(const struct vm_watch *w, uint32_t pid)
{
    char path[32], text[READ_SMALL_MAX];
    uint32_t real, effective;

    snprintf(path, sizeof path, "%"PRIu32"/status", pid);
    return (read_small(w->proc, path, text)
            && proc_parse_uids(text, &real, &effective)
            && runs_qemu(w, real) && runs_qemu(w, effective));
}

/* Looks at a process that is new.  Returns it if it is a QEMU to be believed,
 * or null. */
static struct qemu *
look_at(struct vm_watch *w, uint32_t pid)
{
    char path[32], text[READ_SMALL_MAX];
    struct qemu_args args;

    snprintf(path, sizeof path, "%"PRIu32"/cmdline", pid);
    size_t size = read_small(w->proc, path, text);
    while (size && text[size - 1]) {
        size--;                 /* An argument that is not all there. */
    }
    if (!proc_parse_qemu(text, size, &args)) {
        return NULL;
    }
    char *cgroup = find_cgroup(w, pid);
    if (!cgroup && !is_of_qemu_user(w, pid)) {
        return NULL;
    }

    struct qemu *q = xzalloc(sizeof *q);
    q->pid = pid;
    q->args = args;
    q->cgroup = cgroup;
    hmap_insert(&w->by_pid, &q->by_pid, hash_int(pid, 0));
    if (args.has_uuid) {
        hmap_insert(&w->by_uuid, &q->by_uuid, hash_bytes(args.uuid, 16, 0));
    }
    return q;
}

/* Reads a file of the VM's control group. */
static bool
read_cgroup(const struct vm_watch *w, const struct qemu *q, const char *file,
            char text[READ_SMALL_MAX])
{
    char *path = xasprintf("%s/%s", q->cgroup + 1, file);
    size_t size = read_small(w->cgroup, path, text);

    free(path);
    return size != 0;
}

/* Returns the CPU time that it used, or 0 if that is not known. */
static uint64_t
used_us(const struct vm_watch *w, const struct qemu *q, uint64_t ticks)
{
    char text[READ_SMALL_MAX];
    uint64_t usec;

    if (q->cgroup && read_cgroup(w, q, "cpu.stat", text)
        && proc_parse_cpu_stat(text, &usec)) {
        return usec;
    }
    return ticks * 1000000 / w->ticks_per_s;
}

static void
sample_memory(const struct vm_watch *w, struct qemu *q)
{
    char path[32], text[READ_SMALL_MAX];
    uint64_t bytes, pages;

    q->has_memory = true;
    snprintf(path, sizeof path, "%"PRIu32"/statm", q->pid);
    if (q->cgroup && read_cgroup(w, q, "memory.current", text)
        && proc_parse_number(text, &bytes)) {
        q->memory = permille(bytes, q->args.memory);
    } else if (read_small(w->proc, path, text)
               && proc_parse_statm(text, &pages)) {
        q->memory = permille(pages * w->page_size, q->args.memory);
    } else {
        q->has_memory = false;
    }
}

static void
sample_qemu(const struct vm_watch *w, struct qemu *q, uint64_t ticks,
            int64_t now_us)
{
    uint64_t used = used_us(w, q, ticks);

    q->has_cpu = q->used_us && used >= q->used_us && now_us > q->at_us;
    if (q->has_cpu) {
        q->cpu = permille(used - q->used_us,
                          (uint64_t) (now_us - q->at_us) * q->args.n_cpus);
    }
    q->used_us = used;
    q->at_us = now_us;
    sample_memory(w, q);
}

static void
sample_process(struct vm_watch *w, uint32_t pid, int64_t now_us)
{
    struct qemu *q = find_pid(w, pid);
    char path[32], text[READ_SMALL_MAX];
    uint64_t ticks = 0, start = 0;

    /* Most processes are not QEMU: of those one file is read. */
    if (!q) {
        q = look_at(w, pid);
        if (!q) {
            return;
        }
    }
    snprintf(path, sizeof path, "%"PRIu32"/stat", pid);
    if (!read_small(w->proc, path, text)
        || !proc_parse_pid_stat(text, &ticks, &start)) {
        return;                 /* It ended. */
    }
    if (q->start && q->start != start) {
        qemu_remove(w, q);
        q = look_at(w, pid);
        if (!q) {
            return;
        }
    }
    q->start = start;
    q->is_there = true;
    sample_qemu(w, q, ticks, now_us);
}

void
vm_watch_sample(struct vm_watch *w, int64_t now_us)
{
    struct qemu *q;
    const struct dirent *entry;
    int n = 0;

    HMAP_FOR_EACH (q, by_pid, &w->by_pid) {
        q->is_there = false;
    }
    int fd = openat(w->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    while (dir && n < VM_WATCH_MAX_PROCESSES && (entry = readdir(dir))) {
        unsigned int pid;

        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9'
            && str_to_uint(entry->d_name, 10, &pid)) {
            sample_process(w, pid, now_us);
            n++;
        }
    }
    if (dir) {
        closedir(dir);
    } else if (fd >= 0) {
        close(fd);
    }
    HMAP_FOR_EACH_SAFE (q, by_pid, &w->by_pid) {
        if (!q->is_there) {
            qemu_remove(w, q);
        }
    }
}

bool
vm_watch_find(const struct vm_watch *w, const uint8_t uuid[16],
              struct vm_figures *ret)
{
    const struct qemu *found = NULL, *q;

    HMAP_FOR_EACH_WITH_HASH (q, by_uuid, hash_bytes(uuid, 16, 0),
                             &w->by_uuid) {
        if (!memcmp(q->args.uuid, uuid, 16)) {
            if (found) {
                return false;
            }
            found = q;
        }
    }
    if (!found) {
        return false;
    }
    *ret = (struct vm_figures) {
        .name = found->args.name,
        .pid = found->pid,
        .has_cpu = found->has_cpu,
        .has_memory = found->has_memory,
        .cpu = found->cpu,
        .memory = found->memory,
    };
    return true;
}
