/* SPDX-License-Identifier: Apache-2.0
 *
 * Sources in, snapshot out.  See collector.h. */
#include <config.h>

#include "collector.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(collector);

enum { RETRY_MS = 1000 };       /* After a snapshot could not be written. */

/* Every source.  The managers of virtual machines and the hosts will have
 * their rows here; the order says who is believed where two say different
 * things. */
static const struct context_source *const sources[] = {
    &source_static,
};

struct collector {
    char *path;
    int lock_fd;
    char *static_file;          /* Of the settings. */
    void *states[ARRAY_SIZE(sources)]; /* Null: has nothing to do. */
    uint64_t generation;        /* Of the latest snapshot. */
    size_t n_vms;
    long long int published_at; /* Unix epoch, ms; 0: not in this run. */
    bool is_due;                /* A snapshot is to be published... */
    long long int retry_at;     /* ...not before this time. */
    char *problem;              /* Why it could not be. */
    char *status;               /* As last written. */
};

static char *
lock_snapshot(const char *path, int *ret)
{
    char *lock = xasprintf("%s.lock", path);
    char *sentence = NULL;

    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) {
        sentence = xasprintf("%s can't be made: %s; name a directory that "
                             "can be written to.", lock, ovs_strerror(errno));
    } else if (flock(fd, LOCK_EX | LOCK_NB)) {
        sentence = xasprintf("%s: another sluice-context writes this snapshot "
                             "(%s); stop it, or name another file.", path,
                             ovs_strerror(errno));
        close(fd);
    } else {
        *ret = fd;
    }
    free(lock);
    return sentence;
}

/* Takes over where an earlier run left off: generations only ever rise. */
static void
read_old_generation(struct collector *c)
{
    struct snapshot *old;
    int error = snapshot_open(c->path, &old);

    if (!error) {
        c->generation = snapshot_generation(old);
        c->n_vms = snapshot_n_vms(old);
        snapshot_close(old);
    } else if (error != ENOENT) {
        VLOG_WARN("%s: the old snapshot can't be read (%s) and will be "
                  "replaced; generations begin anew", c->path,
                  ovs_strerror(error));
    }
}

static void
stop_sources(struct collector *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        if (c->states[i]) {
            sources[i]->uninit(c->states[i]);
            c->states[i] = NULL;
        }
    }
}

static void
start_sources(struct collector *c, const struct context_settings *settings)
{
    bool any = false;

    free(c->static_file);
    c->static_file = nullable_xstrdup(settings->static_file);
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        c->states[i] = sources[i]->init(settings);
        any = any || c->states[i];
    }
    /* Without a source nothing is known any more, and that at once. */
    c->is_due = !any;
}

char *
collector_create(const char *path, const struct context_settings *settings,
                 struct collector **ret)
{
    int lock_fd = -1;
    char *sentence = lock_snapshot(path, &lock_fd);
    if (sentence) {
        return sentence;
    }

    struct collector *c = xzalloc(sizeof *c);
    c->path = xstrdup(path);
    c->lock_fd = lock_fd;
    read_old_generation(c);
    start_sources(c, settings);
    *ret = c;
    return NULL;
}

void
collector_destroy(struct collector *c)
{
    if (c) {
        stop_sources(c);
        close(c->lock_fd);
        free(c->path);
        free(c->static_file);
        free(c->problem);
        free(c->status);
        free(c);
    }
}

void
collector_configure(struct collector *c,
                    const struct context_settings *settings)
{
    if (!nullable_string_is_equal(c->static_file, settings->static_file)) {
        stop_sources(c);
        start_sources(c, settings);
    }
}

void
collector_reload(struct collector *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        if (c->states[i]) {
            sources[i]->reload(c->states[i]);
        }
    }
}

static char *
fill(const struct collector *c, struct snapshot_builder *builder)
{
    char *sentence = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(sources) && !sentence; i++) {
        if (c->states[i]) {
            sentence = sources[i]->put(c->states[i], builder);
        }
    }
    return sentence;
}

/* Returns the number of VMs in the snapshot, now that it is there. */
static size_t
count_vms(const char *path)
{
    struct snapshot *s;
    size_t n = 0;

    if (!snapshot_open(path, &s)) {
        n = snapshot_n_vms(s);
        snapshot_close(s);
    }
    return n;
}

static void
publish(struct collector *c)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    struct snapshot_builder *builder = snapshot_builder_create();
    if (!builder) {
        ovs_fatal(0, "a snapshot can't be begun: there is no memory, or no "
                  "source of random numbers");
    }

    char *sentence = fill(c, builder);
    if (!sentence) {
        /* Counted even if it fails: what failed may be there all the same. */
        int error = snapshot_builder_publish(builder, c->path,
                                             ++c->generation);
        if (error) {
            sentence = xasprintf("%s: the snapshot can't be written: %s; "
                                 "trying again.", c->path,
                                 ovs_strerror(error));
        }
    }
    snapshot_builder_destroy(builder);

    if (sentence) {
        VLOG_WARN_RL(&rl, "%s", sentence);
        c->retry_at = time_msec() + RETRY_MS;
    } else {
        c->is_due = false;
        c->n_vms = count_vms(c->path);
        c->published_at = time_wall_msec();
        VLOG_INFO("%s: generation %"PRIu64" with %"PRIuSIZE" VMs", c->path,
                  c->generation, c->n_vms);
    }
    free(c->problem);
    c->problem = sentence;
}

/* Replaces SNAPSHOT.status.  It is for people, so that it need not survive a
 * power cut. */
static int
write_status(const struct collector *c, const char *status)
{
    char *path = xasprintf("%s.status", c->path);
    char *temporary = xasprintf("%s.tmp", path);
    int error = 0;

    FILE *stream = fopen(temporary, "we");
    if (!stream) {
        error = errno;
        goto out;
    }
    /* What is wrong with a file may quote it: as confidential as that. */
    fchmod(fileno(stream), 0640);
    fputs(status, stream);
    if (fclose(stream) || rename(temporary, path)) {
        error = errno;
        unlink(temporary);
    }

out:
    free(temporary);
    free(path);
    return error;
}

static void
update_status(struct collector *c)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    const char *problem = collector_problem(c);
    char *at = (c->published_at
                ? xastrftime_msec("%Y-%m-%dT%H:%M:%SZ", c->published_at, true)
                : xstrdup("by an earlier run"));
    char *status = xasprintf("generation: %"PRIu64"\n"
                             "vms: %"PRIuSIZE"\n"
                             "published: %s\n"
                             "problem: %s\n", c->generation, c->n_vms,
                             c->generation ? at : "never",
                             problem ? problem : "none");
    free(at);

    if (nullable_string_is_equal(status, c->status)) {
        free(status);
        return;
    }
    int error = write_status(c, status);
    if (error) {
        VLOG_WARN_RL(&rl, "%s.status: it can't be written: %s", c->path,
                     ovs_strerror(error));
    }
    free(c->status);
    c->status = status;
}

void
collector_run(struct collector *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        if (c->states[i] && sources[i]->run(c->states[i])) {
            c->is_due = true;
        }
    }
    if (c->is_due && time_msec() >= c->retry_at) {
        publish(c);
    }
    update_status(c);
}

void
collector_wait(struct collector *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        if (c->states[i]) {
            sources[i]->wait(c->states[i]);
        }
    }
    if (c->is_due) {
        poll_timer_wait_until(c->retry_at);
    }
}

const char *
collector_problem(const struct collector *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        const char *problem = (c->states[i]
                               ? sources[i]->problem(c->states[i]) : NULL);
        if (problem) {
            return problem;
        }
    }
    return c->problem;
}
