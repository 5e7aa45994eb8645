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

#include "context-status.h"
#include "earlier.h"
#include "failpoint.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "previous.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(collector);

enum {
    RETRY_MS = 1000,            /* After a snapshot could not be written. */
    INTERVAL_MS = 500,          /* From one snapshot to the next at least. */
    STATUS_PER_MS = 4,          /* From one status to the next at least a
                                 * millisecond for so many sources. */
    HEARD_S = 10,               /* In units of which the status tells when
                                 * sources were heard of. */
};

/* How long it is remembered what is not so any more: longer than lines are on
 * their way to intake, even where that is down. */
#define HISTORY_NS (UINT64_C(24) * 3600 * 1000000000)

/* Every source, of most precedence first: the order says who is believed where
 * two say different things.  merge.h has what ranks are. */
static const struct context_source *const sources[] = {
    &source_static,
    &source_vsphere,
    &source_libvirt,
    &source_hosts,
};

/* A source at work. */
struct instance {
    const struct context_source *source;
    void *state;
    char *settings;             /* Its own: tells it from others. */
    char *name;                 /* ContextValue.source. */
    bool is_stale;              /* In the latest snapshot, */
    struct merge_sums sums;     /* which has so much of it. */
};

struct collector {
    char *path;
    int lock_fd;
    struct instance *instances; /* Of most precedence first. */
    size_t n_instances;
    struct shash vteps;         /* Of hosts, by name: 16 bytes each. */
    struct snapshot *earlier;   /* While a source has said nothing yet. */
    struct merge_counts counts; /* Of the latest snapshot. */
    uint64_t generation;        /* Of the latest snapshot. */
    size_t n_vms;
    long long int published_at; /* Unix epoch, ms; 0: not in this run. */
    bool is_due;                /* A snapshot is to be published... */
    long long int not_before;   /* ...when time_msec() is this. */
    char *problem;              /* Why it could not be. */
    char *status;               /* As last written. */
    bool status_is_due;         /* It may be another one... */
    long long int status_not_before; /* ...when time_msec() is this. */
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

#define FOR_EACH_INSTANCE(INSTANCE, C) \
    for ((INSTANCE) = (C)->instances; \
         (INSTANCE) < (C)->instances + (C)->n_instances; (INSTANCE)++)

static void
instance_stop(struct instance *in)
{
    if (in->state) {
        in->source->uninit(in->state);
    }
    free(in->name);
    free(in->settings);
    *in = (struct instance) { .state = NULL };
}

static void
stop_sources(struct collector *c)
{
    struct instance *in;

    FOR_EACH_INSTANCE (in, c) {
        instance_stop(in);
    }
    free(c->instances);
    c->instances = NULL;
    c->n_instances = 0;
    snapshot_close(c->earlier);
    c->earlier = NULL;
}

/* Takes the instance of 'source' with those settings out of the running ones,
 * or starts one. */
static struct instance
take_instance(struct collector *c, const struct context_source *source,
              const struct context_settings *settings, size_t i, char *text)
{
    struct instance *in;

    FOR_EACH_INSTANCE (in, c) {
        if (in->source == source && in->state && !strcmp(in->settings, text)) {
            struct instance taken = *in;

            *in = (struct instance) { .state = NULL };
            free(text);
            return taken;
        }
    }

    void *state = source->init(settings, i);
    return (struct instance) {
        .source = source,
        .state = state,
        .settings = text,
        .name = (source->name_of
                 ? xasprintf("%s:%s", source->name, source->name_of(state))
                 : xstrdup(source->name)),
    };
}

/* Has exactly the sources of 'settings' run. */
static void
set_sources(struct collector *c, const struct context_settings *settings)
{
    struct instance *instances = NULL, *in;
    size_t n = 0, allocated = 0;
    bool any_gone = false;

    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        char *text;

        for (size_t j = 0; (text = sources[i]->settings_of(settings, j));
             j++) {
            if (n >= allocated) {
                instances = x2nrealloc(instances, &allocated,
                                       sizeof *instances);
            }
            instances[n++] = take_instance(c, sources[i], settings, j, text);
        }
    }
    FOR_EACH_INSTANCE (in, c) {
        any_gone = any_gone || in->state;
    }
    stop_sources(c);
    shash_clear_free_data(&c->vteps);
    for (size_t i = 0; i < settings->n_hosts; i++) {
        shash_add(&c->vteps, settings->hosts[i].name,
                  xmemdup(&settings->hosts[i].addr,
                          sizeof settings->hosts[i].addr));
    }
    c->instances = instances;
    c->n_instances = n;
    if (snapshot_open(c->path, &c->earlier)) {
        c->earlier = NULL;
    }
    /* What a source knew that is gone is not known any more, and that at
     * once; but nothing is published before the first one spoke. */
    c->is_due |= c->published_at ? any_gone : !n;
}

/* Takes over from the status of an earlier run what its snapshot has of each
 * source, which stays so until there is another one. */
static void
read_old_sums(struct collector *c)
{
    struct shash instances = SHASH_INITIALIZER(&instances);
    struct context_source_status *old;
    struct instance *in;
    size_t n;

    FOR_EACH_INSTANCE (in, c) {
        shash_add(&instances, in->name, in);
    }
    old = context_status_read(c->path, &n);
    for (size_t i = 0; i < n; i++) {
        in = shash_find_data(&instances, old[i].name);
        if (in) {
            in->sums = (struct merge_sums) {
                .vms = old[i].vms,
                .values = old[i].values,
                .stale_values = old[i].stale_values,
                .oldest_ns = old[i].oldest_ns,
            };
        }
    }
    context_status_free(old, n);
    shash_destroy(&instances);
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
    shash_init(&c->vteps);
    read_old_generation(c);
    set_sources(c, settings);
    read_old_sums(c);
    *ret = c;
    return NULL;
}

void
collector_configure(struct collector *c,
                    const struct context_settings *settings)
{
    set_sources(c, settings);
}

void
collector_reload(struct collector *c)
{
    struct instance *in;

    FOR_EACH_INSTANCE (in, c) {
        in->source->reload(in->state);
    }
}

/* Returns time_msec() of when what 'in' knows becomes stale, or LLONG_MAX. */
static long long int
stale_at(const struct instance *in)
{
    long long int heard_at = in->source->heard_at(in->state);

    return (!in->source->validity_ms ? LLONG_MAX
            : heard_at ? heard_at + in->source->validity_ms : 0);
}

static bool
is_stale(const struct instance *in)
{
    return time_msec() >= stale_at(in);
}

/* Reads what sources that have said nothing yet said in an earlier run;
 * forgets that when all have.  Returns null if there is nothing of it. */
static struct earlier *
read_earlier(struct collector *c)
{
    const char **silent = xcalloc(c->n_instances, sizeof *silent);
    struct earlier *earlier = NULL;
    struct instance *in;
    size_t n = 0;

    FOR_EACH_INSTANCE (in, c) {
        if (!in->source->heard_at(in->state)) {
            silent[n++] = in->name;
        }
    }
    if (!n) {
        snapshot_close(c->earlier);
        c->earlier = NULL;
    } else if (c->earlier) {
        earlier = earlier_read(c->earlier, silent, n);
    }
    free(silent);
    return earlier;
}

/* Fills 'builder'.  Returns null, '*counts' and of each instance its 'sums',
 * or a malloc()ed sentence. */
static char *
fill(struct collector *c, struct snapshot_builder *builder,
     struct merge_counts *counts, struct merge_sums *sums)
{
    struct merge *merge = merge_create();
    struct snapshot *latest = NULL;
    struct earlier *earlier = read_earlier(c);
    struct instance *in;

    FOR_EACH_INSTANCE (in, c) {
        if (!in->is_stale && is_stale(in)) {
            VLOG_WARN("%s: it was not heard of for %u s; what it knew is "
                      "marked as stale", in->name,
                      in->source->validity_ms / 1000);
        }
        in->is_stale = is_stale(in);
        merge_begin(merge, in->name, in->source->rank, in->is_stale);
        if (in->source->heard_at(in->state)) {
            in->source->put(in->state, merge);
        } else if (earlier) {
            earlier_put(earlier, in->name, in->source->rank, merge);
        }
    }
    if (!snapshot_open(c->path, &latest)) {
        merge_remember(merge, latest, time_wall_usec() * UINT64_C(1000));
    }
    merge_locate(merge, &c->vteps);
    char *sentence = merge_finish(merge, builder, counts);
    for (size_t i = 0; i < c->n_instances; i++) {
        sums[i] = merge_sums_of(merge, i);
    }
    merge_destroy(merge);
    snapshot_close(latest);
    earlier_destroy(earlier);
    return sentence;
}

/* Has the snapshot remember what the latest one knew.  Returns null, or a
 * malloc()ed sentence. */
static char *
inherit(const struct collector *c, struct snapshot_builder *builder,
        struct merge_counts *counts)
{
    struct snapshot *latest;

    /* Where there is none, or none that can be read, nothing was known. */
    if (snapshot_open(c->path, &latest)) {
        return NULL;
    }
    int error = snapshot_builder_inherit(builder, latest,
                                         time_wall_usec() * UINT64_C(1000),
                                         HISTORY_NS,
                                         &counts->dropped_versions);
    snapshot_close(latest);
    return (!error ? NULL
            : xasprintf("%s: what was known earlier can't be taken over: %s.",
                        c->path, ovs_strerror(error)));
}

/* Logs what merging found wrong, when it is not what it was. */
static void
take_counts(struct collector *c, const struct merge_counts *counts)
{
#define MERGE_COUNT(FIELD, NAME, IS_ALARM, TEXT)                    \
    if (IS_ALARM && counts->FIELD != c->counts.FIELD) {             \
        VLOG_WARN("%s: "NAME": %"PRIuSIZE" (%s)", c->path,          \
                  counts->FIELD, TEXT);                             \
    }
#include "merge-counts.def"
#undef MERGE_COUNT
    c->counts = *counts;
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

    struct merge_sums *sums = xcalloc(c->n_instances, sizeof *sums);
    struct merge_counts counts;
    char *sentence = fill(c, builder, &counts, sums);
    if (!sentence) {
        sentence = inherit(c, builder, &counts);
    }
    if (!sentence) {
        /* Counted even if it fails: what failed may be there all the same. */
        failpoint(FAIL_SNAPSHOT_READY);
        previous_hold(c->path);
        int error = snapshot_builder_publish(builder, c->path,
                                             ++c->generation);
        if (error) {
            sentence = xasprintf("%s: the snapshot can't be written: %s; "
                                 "trying again.", c->path,
                                 ovs_strerror(error));
        }
    }
    snapshot_builder_destroy(builder);
    failpoint(FAIL_SNAPSHOT_WRITTEN);

    if (sentence) {
        VLOG_WARN_RL(&rl, "%s", sentence);
        c->not_before = time_msec() + RETRY_MS;
    } else {
        c->is_due = false;
        c->not_before = time_msec() + INTERVAL_MS;
        take_counts(c, &counts);
        for (size_t i = 0; i < c->n_instances; i++) {
            c->instances[i].sums = sums[i];
        }
        c->n_vms = count_vms(c->path);
        previous_keep(c->path);
        c->published_at = time_wall_msec();
        VLOG_INFO("%s: generation %"PRIu64" with %"PRIuSIZE" VMs", c->path,
                  c->generation, c->n_vms);
    }
    free(sums);
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

/* Appends a time of the Unix epoch, or "never" for 0, and ends the line. */
static void
put_time(struct ds *s, long long int wall_ms)
{
    char *text = (wall_ms ? xastrftime_msec("%Y-%m-%dT%H:%M:%SZ", wall_ms,
                                            true) : xstrdup("never"));

    ds_put_format(s, "%s\n", text);
    free(text);
}

/* Appends how 'in' is, see context-status.h.  When it was heard of is rounded,
 * so that the status is not written anew each time. */
static void
put_source(struct ds *s, const struct instance *in)
{
    const char *problem = in->source->problem(in->state);
    long long int heard_at = in->source->heard_at(in->state);
    long long int wall_ms = time_wall_msec() - (time_msec() - heard_at);

    ds_put_format(s, "source %s: %s%s%s\n", in->name,
                  (in->is_stale ? "stale"
                   : heard_at ? "current" : "not heard of yet"),
                  problem ? "; " : "", problem ? problem : "");
    ds_put_format(s, "heard %s: ", in->name);
    put_time(s, heard_at ? wall_ms - wall_ms % (HEARD_S * 1000) : 0);
    ds_put_format(s, "holds %s: %"PRIu64" VMs, %"PRIu64" values, %"PRIu64
                  " stale, oldest ", in->name, in->sums.vms, in->sums.values,
                  in->sums.stale_values);
    put_time(s, in->sums.oldest_ns / 1000000);
    if (in->source->put_status) {
        in->source->put_status(in->state, s);
    }
}

static char *
make_status(const struct collector *c)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    const char *problem = collector_problem(c);
    char *at = (c->published_at
                ? xastrftime_msec("%Y-%m-%dT%H:%M:%SZ", c->published_at, true)
                : xstrdup("by an earlier run"));
    const struct instance *in;

    ds_put_format(&s, "generation: %"PRIu64"\n"
                  "vms: %"PRIuSIZE"\n"
                  "published: %s\n"
                  "problem: %s\n", c->generation, c->n_vms,
                  c->generation ? at : "never", problem ? problem : "none");
#define MERGE_COUNT(FIELD, NAME, IS_ALARM, TEXT) \
    ds_put_format(&s, NAME": %"PRIuSIZE"\n", c->counts.FIELD);
#include "merge-counts.def"
#undef MERGE_COUNT
    FOR_EACH_INSTANCE (in, c) {
        put_source(&s, in);
    }
    free(at);
    return ds_steal_cstr(&s);
}

static void
update_status(struct collector *c)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    char *status = make_status(c);

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

/* The same if that is due, since it costs more the more sources there are. */
static void
run_status(struct collector *c)
{
    c->status_is_due = time_msec() < c->status_not_before;
    if (!c->status_is_due) {
        c->status_not_before = time_msec() + c->n_instances / STATUS_PER_MS;
        update_status(c);
    }
}

void
collector_destroy(struct collector *c)
{
    if (c) {
        update_status(c);
        stop_sources(c);
        shash_destroy_free_data(&c->vteps);
        close(c->lock_fd);
        free(c->path);
        free(c->problem);
        free(c->status);
        free(c);
    }
}

void
collector_run(struct collector *c)
{
    struct instance *in;

    FOR_EACH_INSTANCE (in, c) {
        if (in->source->run(in->state)) {
            c->is_due = true;
        }
        /* Unless nothing was published yet, which is due to its first word, or
         * to why there is none. */
        if (in->is_stale != is_stale(in)
            && (c->published_at || in->source->problem(in->state))) {
            c->is_due = true;
        }
    }
    if (c->is_due && time_msec() >= c->not_before) {
        publish(c);
    }
    run_status(c);
}

void
collector_wait(struct collector *c)
{
    struct instance *in;

    FOR_EACH_INSTANCE (in, c) {
        in->source->wait(in->state);
        /* One that was not heard of yet has its own wait(). */
        if (!in->is_stale && in->source->heard_at(in->state)
            && stale_at(in) != LLONG_MAX) {
            poll_timer_wait_until(stale_at(in));
        }
    }
    if (c->is_due) {
        poll_timer_wait_until(c->not_before);
    }
    if (c->status_is_due) {
        poll_timer_wait_until(c->status_not_before);
    }
}

const char *
collector_problem(const struct collector *c)
{
    const struct instance *in;

    FOR_EACH_INSTANCE (in, c) {
        const char *problem = in->source->problem(in->state);
        if (problem) {
            return problem;
        }
    }
    return c->problem;
}

bool
collector_is_settled(const struct collector *c)
{
    const struct instance *in;

    FOR_EACH_INSTANCE (in, c) {
        if (!in->source->heard_at(in->state)
            && !in->source->problem(in->state)) {
            return false;
        }
    }
    return !c->is_due || c->problem;
}
