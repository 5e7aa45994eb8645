/* SPDX-License-Identifier: Apache-2.0
 *
 * The walls around sluice-intake.  See sandbox.h. */
#include <config.h>

#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bfd.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(sandbox);

/* linux/landlock.h of a later kernel than the one it was built with. */
struct ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};

/* Bits of the same, by the version of the interface that brought them. */
enum {
    FS_BITS_1 = (1 << 13) - 1,  /* All that version 1 knows. */
    FS_REFER = 1 << 13,         /* 2 */
    FS_TRUNCATE = 1 << 14,      /* 3 */
    FS_IOCTL_DEV = 1 << 15,     /* 5 */
    NET_BIND_TCP = 1 << 0,      /* 4 */
    NET_CONNECT_TCP = 1 << 1,   /* 4 */
    SCOPE_ABSTRACT_UNIX = 1 << 0, /* 6 */
    SCOPE_SIGNAL = 1 << 1,      /* 6 */

    FS_READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
    FS_WRITE = (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR
                | LANDLOCK_ACCESS_FS_REMOVE_FILE
                | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG
                | FS_REFER | FS_TRUNCATE),
};

static struct ruleset_attr
what_to_guard(int version)
{
    return (struct ruleset_attr) {
        .handled_access_fs = (FS_BITS_1
                              | (version >= 2 ? FS_REFER : 0)
                              | (version >= 3 ? FS_TRUNCATE : 0)
                              | (version >= 5 ? FS_IOCTL_DEV : 0)),
        .handled_access_net = (version >= 4
                               ? NET_BIND_TCP | NET_CONNECT_TCP : 0),
        .scoped = (version >= 6 ? SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL : 0),
    };
}

/* The size of the attributes that an interface of 'version' knows. */
static size_t
attr_size(int version)
{
    return (version >= 6 ? sizeof(struct ruleset_attr)
            : version >= 4 ? offsetof(struct ruleset_attr, scoped)
            : offsetof(struct ruleset_attr, handled_access_net));
}

/* Keeps 'dir' within reach.  Returns 0 or a positive errno. */
static int
add_dir(int ruleset, const struct sandbox_dir *dir, uint64_t guarded)
{
    struct landlock_path_beneath_attr rule = {
        .allowed_access = guarded & (FS_READ
                                     | (dir->is_writable ? FS_WRITE : 0)),
        .parent_fd = open(dir->path, O_PATH | O_DIRECTORY | O_CLOEXEC),
    };
    if (rule.parent_fd < 0) {
        return errno == ENOENT ? 0 : errno;
    }
    int error = (syscall(SYS_landlock_add_rule, ruleset,
                         LANDLOCK_RULE_PATH_BENEATH, &rule, 0) ? errno : 0);
    close(rule.parent_fd);
    return error;
}

/* Takes all files but those in 'dirs' out of reach. */
static char *
guard_files(const struct sandbox_dir dirs[], size_t n_dirs)
{
    int version = syscall(SYS_landlock_create_ruleset, NULL, 0,
                          LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) {
        VLOG_WARN("this kernel has no Landlock (%s): files are guarded by "
                  "their permissions only", ovs_strerror(errno));
        return NULL;
    }

    struct ruleset_attr attr = what_to_guard(version);
    char *sentence = NULL;
    int ruleset = syscall(SYS_landlock_create_ruleset, &attr,
                          attr_size(version), 0);
    if (ruleset < 0) {
        return xasprintf("Landlock can't be set up: %s", ovs_strerror(errno));
    }
    for (size_t i = 0; i < n_dirs && !sentence; i++) {
        int error = add_dir(ruleset, &dirs[i], attr.handled_access_fs);
        if (error) {
            sentence = xasprintf("%s can't be kept within reach: %s",
                                 dirs[i].path, ovs_strerror(error));
        }
    }
    if (!sentence && syscall(SYS_landlock_restrict_self, ruleset, 0)) {
        sentence = xasprintf("Landlock can't be switched on: %s",
                             ovs_strerror(errno));
    }
    close(ruleset);
    return sentence;
}

/* The leak checker of a build with sanitizers must be able to make a thread
 * that traces the others. */
#ifdef __SANITIZE_ADDRESS__
static char *
guard_system_calls(const struct tunnel_sockets *sockets OVS_UNUSED,
                   int may OVS_UNUSED)
{
    return NULL;
}
#else
enum verdict {
    VERDICT_ALLOW,
    VERDICT_SOCKET,
    VERDICT_ANSWER,
    VERDICT_LOCAL,
    VERDICT_PEER,
    VERDICT_DATA,
    VERDICT_FATAL,
};

static const struct {
    int number;
    enum verdict verdict;
} system_calls[] = {
#define ALLOW(NAME) { SCMP_SYS(NAME), VERDICT_ALLOW },
#define SOCKET(NAME) { SCMP_SYS(NAME), VERDICT_SOCKET },
#define ANSWER(NAME) { SCMP_SYS(NAME), VERDICT_ANSWER },
#define LOCAL(NAME) { SCMP_SYS(NAME), VERDICT_LOCAL },
#define PEER(NAME) { SCMP_SYS(NAME), VERDICT_PEER },
#define DATA(NAME) { SCMP_SYS(NAME), VERDICT_DATA },
#define FATAL(NAME) { SCMP_SYS(NAME), VERDICT_FATAL },
#include "sandbox-syscalls.def"
#undef ALLOW
#undef SOCKET
#undef ANSWER
#undef LOCAL
#undef PEER
#undef DATA
#undef FATAL
};

/* Allows 'number' on 'sockets'; with 'answer', only of the size of an answer to
 * BFD. */
static int
add_on_sockets(scmp_filter_ctx filter, int number,
               const struct tunnel_sockets *sockets, bool answer)
{
    int error = 0;

    for (unsigned int i = 0; i < sockets->n && !error; i++) {
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number,
                                 answer ? 2 : 1,
                                 SCMP_A0_32(SCMP_CMP_EQ, sockets->fds[i]),
                                 SCMP_A2(SCMP_CMP_EQ, BFD_TUNNELLED_SIZE));
    }
    return error;
}

/* Allows 'number' for what a memif server listens on, if 'may_connect'.  For
 * sockets of any other family, it ends the process. */
static int
add_local(scmp_filter_ctx filter, int number, bool may_connect)
{
    const int type = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;

    if (!may_connect || number != SCMP_SYS(socket)) {
        return seccomp_rule_add(filter, (may_connect ? SCMP_ACT_ALLOW
                                         : SCMP_ACT_KILL_PROCESS), number, 0);
    }
    int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 2,
                                 SCMP_A0_32(SCMP_CMP_EQ, AF_UNIX),
                                 SCMP_A1_32(SCMP_CMP_EQ, type));

    return (error ? error
            : seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, number, 1,
                               SCMP_A0_32(SCMP_CMP_NE, AF_UNIX)));
}

static int
add_system_call(scmp_filter_ctx filter, size_t i,
                const struct tunnel_sockets *sockets, int may)
{
    int number = system_calls[i].number;

    switch (system_calls[i].verdict) {
    case VERDICT_ALLOW:
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    case VERDICT_SOCKET:
        return add_on_sockets(filter, number, sockets, false);
    case VERDICT_ANSWER:
        return (may & SANDBOX_MAY_ANSWER
                ? add_on_sockets(filter, number, sockets, true) : 0);
    case VERDICT_LOCAL:
        return add_local(filter, number, may & SANDBOX_MAY_CONNECT);
    case VERDICT_PEER:
        return (may & SANDBOX_MAY_CONNECT
                ? seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0) : 0);
    case VERDICT_DATA:
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
                                SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    case VERDICT_FATAL:
        return seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, number, 0);
    default:
        return -EINVAL;
    }
}

static char *
guard_system_calls(const struct tunnel_sockets *sockets, int may)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int error = filter ? 0 : -ENOMEM;

    for (size_t i = 0; i < ARRAY_SIZE(system_calls) && !error; i++) {
        error = add_system_call(filter, i, sockets, may);
    }
    if (!error) {
        error = seccomp_load(filter);
    }
    seccomp_release(filter);
    return (error ? xasprintf("the system call filter can't be switched on: "
                              "%s", ovs_strerror(-error))
            : NULL);
}
#endif

char *
sandbox_enter(const struct sandbox_dir dirs[], size_t n_dirs,
              const struct tunnel_sockets *sockets, int may)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        return xasprintf("privileges can't be given up: %s",
                         ovs_strerror(errno));
    }
    char *sentence = guard_files(dirs, n_dirs);
    return sentence ? sentence : guard_system_calls(sockets, may);
}
