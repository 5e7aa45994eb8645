/* SPDX-License-Identifier: Apache-2.0
 *
 * Notices changes of a file.  See file-watch.h. */
#include <config.h>

#include "file-watch.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(file_watch);

/* Not IN_CREATE: a file that was only just made is empty; who makes it closes
 * it when it is whole. */
#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE \
                | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct file_watch {
    char *path;
    char *directory;
    char *name;                 /* In the directory. */
    int fd;                     /* Of inotify, or -1. */
    int wd;                     /* Of the directory, or -1 to try again... */
    long long int retry_at;     /* ...at that time. */
    struct stat identity;       /* Of the file when last looked at. */
    bool is_due;                /* A change is to be told... */
    long long int due_at;       /* ...at this time, later if more happens... */
    long long int deadline;     /* ...but not later than this. */
};

/* Returns true if the file is another than before, and remembers it. */
static bool
has_another_identity(struct file_watch *w)
{
    struct stat st;

    if (stat(w->path, &st)) {
        memset(&st, 0, sizeof st);
    }
    bool changed = (st.st_dev != w->identity.st_dev
                    || st.st_ino != w->identity.st_ino
                    || st.st_size != w->identity.st_size
                    || st.st_mtim.tv_sec != w->identity.st_mtim.tv_sec
                    || st.st_mtim.tv_nsec != w->identity.st_mtim.tv_nsec);
    w->identity = st;
    return changed;
}

static void
change_happened(struct file_watch *w)
{
    long long int now = time_msec();

    if (!w->is_due) {
        w->is_due = true;
        w->deadline = now + FILE_WATCH_PATIENCE_MS;
    }
    w->due_at = MIN(now + FILE_WATCH_QUIET_MS, w->deadline);
}

/* Watches the directory, if it is not watched and is there. */
static void
watch_directory(struct file_watch *w)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);

    if (w->wd >= 0 || time_msec() < w->retry_at) {
        return;
    }
    if (w->fd >= 0) {
        w->wd = inotify_add_watch(w->fd, w->directory, EVENTS);
    }
    if (w->wd < 0) {
        VLOG_WARN_RL(&rl, "%s: changes in this directory can't be noticed: "
                     "%s; trying again", w->directory, ovs_strerror(errno));
        w->retry_at = time_msec() + FILE_WATCH_RETRY_MS;
    }
    /* Whatever happened before is seen here. */
    if (has_another_identity(w)) {
        change_happened(w);
    }
}

static void
take_event(struct file_watch *w, const struct inotify_event *event)
{
    if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) {
        inotify_rm_watch(w->fd, w->wd);
        w->wd = -1;
    }
    if ((event->len && !strcmp(event->name, w->name))
        || has_another_identity(w)) {
        change_happened(w);
    }
}

static void
take_events(struct file_watch *w)
{
    union {
        struct inotify_event event;
        char bytes[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
    } buffer;
    ssize_t n;

    while (w->fd >= 0
           && (n = read(w->fd, &buffer, sizeof buffer)) > 0) {
        ssize_t offset = 0;
        while (offset < n) {
            const struct inotify_event *event
                = ALIGNED_CAST(const struct inotify_event *,
                               buffer.bytes + offset);
            take_event(w, event);
            offset += sizeof *event + event->len;
        }
    }
}

struct file_watch *
file_watch_create(const char *path)
{
    struct file_watch *w = xzalloc(sizeof *w);

    w->path = xstrdup(path);
    w->directory = dir_name(path);
    w->name = base_name(path);
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    w->wd = -1;
    has_another_identity(w);
    watch_directory(w);
    return w;
}

void
file_watch_destroy(struct file_watch *w)
{
    if (w) {
        if (w->fd >= 0) {
            close(w->fd);
        }
        free(w->path);
        free(w->directory);
        free(w->name);
        free(w);
    }
}

bool
file_watch_run(struct file_watch *w)
{
    take_events(w);
    watch_directory(w);
    if (w->is_due && time_msec() >= w->due_at) {
        w->is_due = false;
        has_another_identity(w);
        return true;
    }
    return false;
}

void
file_watch_wait(struct file_watch *w)
{
    if (w->fd >= 0) {
        poll_fd_wait(w->fd, POLLIN);
    }
    if (w->wd < 0) {
        poll_timer_wait_until(w->retry_at);
    }
    if (w->is_due) {
        poll_timer_wait_until(w->due_at);
    }
}
