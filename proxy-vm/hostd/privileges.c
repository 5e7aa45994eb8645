/* SPDX-License-Identifier: Apache-2.0
 *
 * Gives up privileges.  See privileges.h. */
#include <config.h>

#include "privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(privileges);

static void
drop_capabilities(const char *user, bool see_processes)
{
    const struct passwd *pw = user ? getpwnam(user) : NULL;

    if (user && !pw) {
        ovs_fatal(0, "--user: there is no user %s", user);
    }
    capng_get_caps_process();
    bool has_ptrace = capng_have_capability(CAPNG_PERMITTED, CAP_SYS_PTRACE);
    bool may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    if (pw && (pw->pw_uid != geteuid() || pw->pw_gid != getegid())
        && (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETUID)
            || !capng_have_capability(CAPNG_EFFECTIVE, CAP_SETGID))) {
        ovs_fatal(0, "--user: to become %s takes CAP_SETUID and CAP_SETGID, "
                  "which it does not have", user);
    }
    if (see_processes && !has_ptrace) {
        VLOG_WARN("--processes: without CAP_SYS_PTRACE no processes of other "
                  "users are seen; add it to CapabilityBoundingSet of the "
                  "unit");
    }
    capng_clear(CAPNG_SELECT_BOTH);
    if (see_processes && has_ptrace) {
        capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
                     CAP_SYS_PTRACE);
    }
    int error = (pw ? capng_change_id(pw->pw_uid, pw->pw_gid,
                                      CAPNG_DROP_SUPP_GRP)
                 : capng_apply(may_bound ? CAPNG_SELECT_BOTH
                               : CAPNG_SELECT_CAPS));
    if (error) {
        ovs_fatal(0, "capabilities can't be given up (libcap-ng says %d)",
                  error);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        ovs_fatal(errno, "new privileges can't be renounced");
    }
}

/* Keeps a directory within reach, to be read. */
static void
allow_directory(int ruleset, const char *path)
{
    struct landlock_path_beneath_attr rule = {
        .allowed_access = (LANDLOCK_ACCESS_FS_READ_FILE
                           | LANDLOCK_ACCESS_FS_READ_DIR),
        .parent_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC),
    };

    if (rule.parent_fd < 0) {
        return;                 /* There are hosts without. */
    }
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
                &rule, 0)) {
        ovs_fatal(errno, "%s can't be kept within reach", path);
    }
    close(rule.parent_fd);
}

/* Takes all files but those of /proc and of control groups out of reach. */
static void
guard_files(void)
{
    /* All rights of the first version of the interface. */
    const struct landlock_ruleset_attr attr = {
        .handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
    };
    int ruleset = syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);

    if (ruleset < 0) {
        VLOG_WARN("this kernel has no Landlock (%s): files are guarded by "
                  "their permissions only", ovs_strerror(errno));
        return;
    }
    allow_directory(ruleset, "/proc");
    allow_directory(ruleset, "/sys/fs/cgroup");
    if (syscall(SYS_landlock_restrict_self, ruleset, 0)) {
        ovs_fatal(errno, "Landlock can't be switched on");
    }
    close(ruleset);
}

#ifndef __SANITIZE_ADDRESS__
/* Denies opening files in any other way than to read what is there.  Above all
 * that is /proc/PID/mem, which CAP_SYS_PTRACE opens of any process.  Returns 0
 * or a negative errno. */
static int
deny_open(scmp_filter_ctx filter)
{
    static const struct {
        int call;
        unsigned int flags;     /* Which argument they are. */
    } calls[] = { { SCMP_SYS(open), 1 }, { SCMP_SYS(openat), 2 } };
    static const struct {
        uint64_t mask, value;
    } denied[] = {
        { O_ACCMODE, O_WRONLY }, { O_ACCMODE, O_RDWR },
        { O_ACCMODE, O_ACCMODE }, { O_CREAT, O_CREAT }, { O_TRUNC, O_TRUNC },
    };
    int error = 0;

    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(denied) && !error; j++) {
            error = seccomp_rule_add(
                filter, SCMP_ACT_ERRNO(EPERM), calls[i].call, 1,
                SCMP_CMP(calls[i].flags, SCMP_CMP_MASKED_EQ, denied[j].mask,
                         denied[j].value));
        }
    }
    return error;
}
#endif

/* Takes away what a program that only reads and reports never does; but the
 * leak checker of a build with sanitizers traces. */
static void
guard_system_calls(void)
{
#ifndef __SANITIZE_ADDRESS__
    /* A filter does not see what openat2() and io_uring point at. */
    static const int denied[] = {
        SCMP_SYS(bpf), SCMP_SYS(chmod), SCMP_SYS(chown), SCMP_SYS(chroot),
        SCMP_SYS(creat), SCMP_SYS(delete_module), SCMP_SYS(execve),
        SCMP_SYS(execveat), SCMP_SYS(fchmodat), SCMP_SYS(fchownat),
        SCMP_SYS(finit_module), SCMP_SYS(fork), SCMP_SYS(init_module),
        SCMP_SYS(io_uring_setup), SCMP_SYS(kexec_load), SCMP_SYS(keyctl),
        SCMP_SYS(kill), SCMP_SYS(lchown), SCMP_SYS(link), SCMP_SYS(linkat),
        SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(mknod),
        SCMP_SYS(mknodat), SCMP_SYS(mount), SCMP_SYS(move_pages),
        SCMP_SYS(open_by_handle_at), SCMP_SYS(openat2),
        SCMP_SYS(perf_event_open), SCMP_SYS(pidfd_getfd),
        SCMP_SYS(pidfd_send_signal), SCMP_SYS(pivot_root),
        SCMP_SYS(process_madvise), SCMP_SYS(process_vm_readv),
        SCMP_SYS(process_vm_writev), SCMP_SYS(ptrace), SCMP_SYS(rename),
        SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(rmdir),
        SCMP_SYS(setns), SCMP_SYS(symlink), SCMP_SYS(symlinkat),
        SCMP_SYS(truncate), SCMP_SYS(umount2), SCMP_SYS(unlink),
        SCMP_SYS(unlinkat), SCMP_SYS(unshare), SCMP_SYS(userfaultfd),
        SCMP_SYS(vfork),
    };
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int error = filter ? deny_open(filter) : -ENOMEM;

    for (size_t i = 0; i < ARRAY_SIZE(denied) && !error; i++) {
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), denied[i], 0);
    }
    if (!error) {
        error = seccomp_load(filter);
    }
    seccomp_release(filter);
    if (error) {
        ovs_fatal(-error, "the system call filter can't be switched on");
    }
#endif
}

void
privileges_give_up(const char *user, bool see_processes)
{
    drop_capabilities(user, see_processes);
    if (!see_processes) {
        guard_files();
    }
    guard_system_calls();
}
