/* SPDX-License-Identifier: Apache-2.0
 *
 * What must be there before the programs start.  See setup.h. */
#include <config.h>

#include "setup.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "failpoint.h"
#include "host-keys.h"
#include "recipients.h"
#include "redaction.h"
#include "proxy-config.h"
#include "openvswitch/vlog.h"
#include "seal.h"
#include "supervisor.h"
#include "taken.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(setup);

/* Returns true if this process may list the directory 'path' and write to it. */
static bool
may_use(const char *path)
{
    return !faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS);
}

/* Makes the directory 'path' ours, if we may: a service manager made it for
 * root, or a version of us for sluice-intake alone. */
static bool
take(const char *path, mode_t mode)
{
    return !lchown(path, geteuid(), -1) && !chmod(path, mode);
}

/* Makes the directory 'path' with 'mode', parents with 0755, whatever the
 * umask. */
static int
make_directory(const char *path, mode_t mode)
{
    char *copy = xstrdup(path);
    struct stat st;
    int error = 0;

    for (char *p = strchr(copy + 1, '/'); p && !error;
         p = strchr(p + 1, '/')) {
        *p = '\0';
        if (mkdir(copy, 0755) ? errno != EEXIST : chmod(copy, 0755)) {
            error = errno;
        }
        *p = '/';
    }
    if (!error && (mkdir(copy, mode) ? errno != EEXIST : chmod(copy, mode))) {
        error = errno;
    }
    if (!error) {
        error = (stat(copy, &st) ? errno
                 : !S_ISDIR(st.st_mode) ? ENOTDIR
                 : may_use(copy)
                 || (st.st_uid != geteuid() && take(copy, mode)) ? 0
                 : EACCES);
    }
    free(copy);
    return error;
}

#define INTAKE_USER "sluice-intake"

/* Returns true if this process may start others as another user: it is root, or
 * a service manager left it that one right of root's. */
static bool
may_change_user(void)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3,
    };
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

    return (!geteuid()
            || (!syscall(SYS_capget, &header, data)
                && data[0].effective & UINT32_C(1) << CAP_SETUID));
}

char *
setup_intake_user(const struct config *config, bool *ret_is_own,
                  struct child_user *ret_user)
{
    const char *name = config->intake.user ? config->intake.user : INTAKE_USER;
    bool is_own = may_change_user();

    if (is_own) {
        const struct passwd *user = getpwnam(name);
        if (user) {
            *ret_user = (struct child_user) { user->pw_uid, user->pw_gid };
        } else if (config->intake.user) {
            return xasprintf("intake.user: there is no user %s; make it with "
                             "useradd --system %s.", name, name);
        } else {
            is_own = false;
        }
    }
    *ret_is_own = is_own;
    return NULL;
}

/* Who owns what give_to() comes by, and whether it has to come again: nftw()
 * has no arguments for them. */
static struct child_user new_owner;
static bool give_again;

/* Gives 'path' to 'new_owner', and its group the rights that its owner has. */
static int
give_one(const char *path, const struct stat *st, int type,
         struct FTW *ftw OVS_UNUSED)
{
    bool is_other = (st->st_uid != new_owner.uid
                     || st->st_gid != new_owner.gid);
    mode_t mode = (st->st_mode | (st->st_mode & 0700) >> 3) & 01777;
    bool has_other_mode = (!S_ISLNK(st->st_mode)
                           && mode != (st->st_mode & 07777));

    if (type == FTW_NS) {
        return -1;
    }
    /* Only an owner may change the mode. */
    if (has_other_mode
        && (lchown(path, geteuid(), -1) || chmod(path, mode))) {
        return -1;
    }
    if ((is_other || has_other_mode)
        && lchown(path, new_owner.uid, new_owner.gid)) {
        return -1;
    }
    /* What is in a directory that could not be read was left out. */
    if (type == FTW_DNR) {
        give_again = true;
        return may_use(path) ? 0 : -1;
    }
    return 0;
}

/* Gives 'path', and all that is in it, to 'user', and to its group, which we
 * are in.  Nobody but that user and ours may write there, and it runs nothing
 * now.  Returns 0 or a positive errno. */
static int
give_to(const char *path, const struct child_user *user)
{
    new_owner = *user;
    do {
        give_again = false;
        if (nftw(path, give_one, 16, FTW_PHYS)) {
            return errno;
        }
    } while (give_again);
    return may_use(path) ? 0 : EACCES;
}

/* Returns what to do if we are not in the group of 'user', or null. */
static char *
check_group(const struct child_user *user)
{
    unsigned int gid = user->gid;

    return (!geteuid() || group_member(gid) ? NULL : xasprintf(
        "intake.user: sluiced is not in the group of that user, %u, and could "
        "not ship what sluice-intake writes; add its own user with usermod "
        "--append --groups %u, and start it again.", gid, gid));
}

char *
setup_ownership(const struct config *config, const struct child_user *intake)
{
    char *sentence = check_group(intake);
    if (sentence) {
        return sentence;
    }

    /* What one of the two users makes in the spool is for both. */
    umask(0007);

    char *intake_run = config_path_intake_run(config);
    char *context = config_path_context(config);
    int error = give_to(intake_run, intake);

    if (!error) {
        error = give_to(config->paths.spool, intake);
    }
    /* Intake reads the running configuration in the one, whose owner stays: if
     * it is not the one that systemd gave it, systemd gives all that is in
     * there back at each start and reload.  In the other is the snapshot, whose
     * files get the directory's group. */
    if (!error
        && (chmod(config->paths.run, 0751)
            || chown(context, -1, intake->gid) || chmod(context, 0750))) {
        error = errno;
    }
    sentence = (error ? xasprintf(
        "%s, %s and %s can't be opened for the user of sluice-intake: %s.",
        config->paths.run, config->paths.spool, context, ovs_strerror(error))
        : NULL);
    free(intake_run);
    free(context);
    return sentence;
}

char *
setup_directories(const struct config *config)
{
    char *intake_run = config_path_intake_run(config);
    char *host_keys = config_path_host_keys(config);
    char *context = config_path_context(config);
    const struct {
        const char *key;
        const char *path;
        mode_t mode;
    } dirs[] = {
        { "run", config->paths.run, 0750 },
        { "run", intake_run, 0700 },
        { "run", host_keys, 0711 },
        { "spool", config->paths.spool, 0750 },
        /* What is secret there has permissions of its own. */
        { "state", config->paths.state, 0711 },
        { "state", context, 0750 },
    };
    char *sentence = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(dirs) && !sentence; i++) {
        int error = make_directory(dirs[i].path, dirs[i].mode);
        if (error) {
            sentence = xasprintf("paths.%s: %s can't be used: %s; make it "
                                 "writable or name another.", dirs[i].key,
                                 dirs[i].path, ovs_strerror(error));
        }
    }
    free(intake_run);
    free(host_keys);
    free(context);
    return sentence;
}

void
setup_warn(const struct config *config, const struct child_user *intake)
{
    struct statfs st;

    if (!intake && may_change_user()) {
        VLOG_WARN("there is no user "INTAKE_USER", so the program that reads "
                  "what guests send has our rights; make it with useradd "
                  "--system "INTAKE_USER".");
    }

    if (!statfs(config->paths.run, &st) && st.f_type != TMPFS_MAGIC
        && st.f_type != RAMFS_MAGIC) {
        VLOG_WARN("paths.run: %s is not in a tmpfs, so packets reach the disk "
                  "before their secrets are redacted; name a directory in "
                  "one, such as /run/sluice.", config->paths.run);
    }
}

char *
setup_lock(const struct config *config, int *ret_fd)
{
    char *path = xasprintf("%s/sluiced.lock", config->paths.run);
    char *sentence = NULL;

    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) {
        sentence = xasprintf("%s can't be opened: %s; make it writable.",
                             path, ovs_strerror(errno));
    } else if (flock(fd, LOCK_EX | LOCK_NB)) {
        sentence = xasprintf("%s is locked: another sluiced runs there; stop "
                             "it, or give this one its own paths.run.", path);
        close(fd);
    } else {
        *ret_fd = fd;
    }
    free(path);
    return sentence;
}

char *
setup_keys(const struct config *config)
{
    char *secret_path = config_path_secret_key(config);
    char *public_path = config_path_public_key(config);
    struct seal_key *key = NULL;
    char *sentence = NULL;

    int error = seal_key_generate(secret_path, public_path);
    if (!error) {
        VLOG_INFO("%s: made the shipper's key pair", secret_path);
    } else if (error == EEXIST) {
        error = seal_key_read(secret_path, &key);
        if (!error) {
            error = seal_key_publish(key, public_path);
        }
        seal_key_destroy(key);
    }
    if (error) {
        sentence = xasprintf("the shipper's keys %s and %s can't be used: "
                             "%s; restore them, or set their directories "
                             "right.", secret_path, public_path,
                             ovs_strerror(error));
    }
    free(secret_path);
    free(public_path);
    return sentence;
}

/* Writes a file that the group 'gid' may read, ours if that is -1. */
static int
write_file(const char *path, gid_t gid, const char *text, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                  0640);
    if (fd < 0) {
        return errno;
    }
    int error = (gid != (gid_t) -1
                 && (fchown(fd, -1, gid) || fchmod(fd, 0640)) ? errno : 0);
    while (size && !error) {
        ssize_t n = write(fd, text, size);
        if (n >= 0) {
            text += n;
            size -= n;
        } else if (errno != EINTR) {
            error = errno;
        }
    }
    if (!error && fsync(fd)) {
        error = errno;
    }
    if (close(fd) && !error) {
        error = errno;
    }
    return error;
}

/* Has the stamp of 'temporary' (see taken.h) be above that of 'path', which it
 * replaces.  Returns 0 or a positive errno. */
static int
set_stamp(const char *temporary, const char *path)
{
    uint64_t stamp = MAX(time_wall_usec() * UINT64_C(1000),
                         taken_stamp(path) + 1);
    const struct timespec times[] = {
        { .tv_nsec = UTIME_OMIT },
        { .tv_sec = stamp / 1000000000, .tv_nsec = stamp % 1000000000 },
    };

    return utimensat(AT_FDCWD, temporary, times, 0) ? errno : 0;
}

static char *
publish_host_keys(const struct config *config, const struct child_user *intake)
{
    char *dir = config_path_host_keys(config);
    char *sentence = host_keys_copy(config, dir, intake->uid);

    if (!sentence) {
        sentence = redaction_copy(config, dir, intake->uid);
    }
    if (!sentence) {
        sentence = recipients_copy(config, dir);
    }

    free(dir);
    return sentence;
}

char *
setup_publish(const struct config *config, const struct child_user *intake,
              const char *text, size_t size)
{
    char *sentence = intake ? publish_host_keys(config, intake) : NULL;
    if (sentence) {
        return sentence;
    }

    char *path = config_path_running(config);
    char *temporary = xasprintf("%s.new", path);
    int error = write_file(temporary, intake ? intake->gid : (gid_t) -1, text,
                           size);
    failpoint(FAIL_CONFIG_WRITTEN);
    if (!error) {
        error = set_stamp(temporary, path);
    }
    if (!error && rename(temporary, path)) {
        error = errno;
    }
    failpoint(FAIL_CONFIG_PUBLISHED);
    if (error) {
        unlink(temporary);
        sentence = xasprintf("%s can't be written: %s; make room in "
                             "paths.run.", path, ovs_strerror(error));
    }
    free(temporary);
    free(path);
    return sentence;
}

void
setup_receive_buffer(const struct config *config,
                     const struct tunnel_sockets *sockets)
{
    int error = tunnel_sockets_set_buffer(sockets,
                                          config->tunnel.receive_buffer);
    if (error) {
        VLOG_WARN("tunnel.receive-buffer: %"PRIu32" bytes refused: %s; raise "
                  "net.core.rmem_max by sysctl(8)",
                  config->tunnel.receive_buffer, ovs_strerror(error));
    }
}

char *
setup_bind(const struct config *config, const struct tunnel_sockets *old,
           struct tunnel_sockets *ret)
{
    struct in6_addr addr;

    config_parse_address(config->tunnel.listen, &addr);
    int error = tunnel_sockets_bind(&addr, config->tunnel.port, old, ret);
    if (error) {
        return xasprintf("tunnel: UDP port %"PRIu16" of %s can't be bound: "
                         "%s; give another tunnel.listen or tunnel.port.",
                         config->tunnel.port, config->tunnel.listen,
                         ovs_strerror(error));
    }
    setup_receive_buffer(config, ret);
    return NULL;
}
