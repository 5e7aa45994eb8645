/* SPDX-License-Identifier: Apache-2.0
 *
 * See tail.h. */
#include <config.h>

#include "tail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json-line.h"
#include "open-batch.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "hash.h"
#include "printable.h"
#include "rule-match.h"
#include "rules.h"
#include "source-context.h"
#include "syslog-msg.h"
#include "timeval.h"
#include "util.h"
#include "uuid-bytes.h"
#include "watch.h"

enum {
    LOOK_MS = 20,
    MAX_JSON = 1 << 20,         /* Bytes of a line. */
};

/* A source of the batch that is read. */
struct tail_source {
    struct rules_subject subject;
    char *who;                  /* Name, UUID or "-"; printable. */
    struct json_source *json;   /* Null without --json. */
};

/* How far a tenant is read. */
struct reading {
    struct hmap_node node;      /* In struct tail's 'readings'. */
    uint32_t tenant;
    uint32_t generation;
    uint64_t number;            /* Of the batch. */
    uint32_t offset;            /* In its body. */
    uint64_t n_lines;           /* Of this generation. */
    struct tail_source *sources;
    size_t n_sources, allocated_sources;
};

/* What is to be printed. */
struct shown {
    uint64_t ns;
    size_t index;               /* As they came. */
    char *text;
};

struct tail {
    const struct tail_options *options;
    struct rules *rules;        /* One, which chosen lines match. */
    struct rules_state *state;
    char *dir;
    struct hmap readings;       /* Of struct reading, by tenant. */
    struct shown *shown;
    size_t n_shown, allocated_shown;
    uint8_t *json;              /* MAX_JSON bytes. */
    bool is_first;              /* Nothing was looked at before. */
};

static void
forget_sources(struct reading *r)
{
    for (size_t i = 0; i < r->n_sources; i++) {
        free(r->sources[i].who);
        json_source_destroy(r->sources[i].json);
    }
    r->n_sources = 0;
}

static struct reading *
find_reading(struct tail *t, uint32_t tenant)
{
    uint32_t hash = hash_int(tenant, 0);
    struct reading *r;

    HMAP_FOR_EACH_WITH_HASH (r, node, hash, &t->readings) {
        if (r->tenant == tenant) {
            return r;
        }
    }
    r = xzalloc(sizeof *r);
    r->tenant = tenant;
    hmap_insert(&t->readings, &r->node, hash);
    return r;
}

/* Takes 'text', which belongs to the time 'ns'; 0: before all else. */
static void
show(struct tail *t, uint64_t ns, char *text)
{
    if (t->n_shown >= t->allocated_shown) {
        t->shown = x2nrealloc(t->shown, &t->allocated_shown,
                              sizeof *t->shown);
    }
    t->shown[t->n_shown] = (struct shown) { ns, t->n_shown, text };
    t->n_shown++;
}

static void
show_missing(struct tail *t, uint32_t tenant, uint64_t n)
{
    show(t, 0, t->options->json
         ? xasprintf("{\"not_shown\":%"PRIu64",\"tenant\":%"PRIu32"}", n,
                     tenant)
         : xasprintf("-- %"PRIu64" lines of tenant %"PRIu32" not shown: they "
                     "came faster than they were read --", n, tenant));
}

static void
show_restart(struct tail *t, uint32_t tenant)
{
    show(t, 0, t->options->json
         ? xasprintf("{\"restarted\":true,\"tenant\":%"PRIu32"}", tenant)
         : xasprintf("-- sluice-intake started again: the last lines of "
                     "tenant %"PRIu32" before that may not be shown --",
                     tenant));
}

static void
take_source(struct tail *t, struct reading *r, const struct batch_source *in)
{
    struct slice name;
    Sluice__VmContext *context = source_context_unpack(in, &name);
    struct rules_origin origin = {
        .tenant = r->tenant,
        .vm = in->has_vm ? in->vm : NULL,
        .name = name,
    };

    if (r->n_sources >= r->allocated_sources) {
        r->sources = x2nrealloc(r->sources, &r->allocated_sources,
                                sizeof *r->sources);
    }
    struct tail_source *source = &r->sources[r->n_sources++];
    rules_subject_init(t->rules, t->state, &origin, &source->subject);
    source->who = (name.size
                   ? make_printable((const char *) name.data, name.size)
                   : in->has_vm ? uuid_bytes_format(in->vm) : xstrdup("-"));
    source->json = t->options->json ? json_source_create(in) : NULL;
    source_context_free(context);
}

static void
put_printable(struct ds *out, struct slice s)
{
    /* A null byte would end the copy. */
    while (s.size) {
        const uint8_t *end = memchr(s.data, '\0', s.size);
        size_t n = end ? (size_t) (end - s.data) : s.size;
        char *text = make_printable((const char *) s.data, n);

        ds_put_cstr(out, text);
        ds_put_cstr(out, end ? "?" : "");
        n += end != NULL;
        s = slice_of(s.data + n, s.size - n);
        free(text);
    }
}

/* Returns 'line' for people, malloc()ed. */
static char *
format_text(const struct tail_source *source, uint32_t tenant,
            const struct batch_line *line)
{
    struct ds out = DS_EMPTY_INITIALIZER;
    char *time = xastrftime_msec("%Y-%m-%dT%H:%M:%S.###Z",
                                 line->switch_ns / 1000000, true);

    ds_put_format(&out, "%s %"PRIu32" %s %s ", time, tenant, source->who,
                  rule_severity_name(syslog_severity(line->pri)));
    free(time);
    put_printable(&out, line->app_name);
    if (line->procid.size) {
        ds_put_char(&out, '[');
        put_printable(&out, line->procid);
        ds_put_char(&out, ']');
    }
    ds_put_cstr(&out, line->app_name.size || line->procid.size ? ": " : "");
    put_printable(&out, line->msg);
    return ds_steal_cstr(&out);
}

static void
take_line(struct tail *t, struct reading *r, const struct batch_line *in)
{
    if (!in->source || in->source > r->n_sources) {
        return;
    }
    const struct tail_source *source = &r->sources[in->source - 1];
    struct rules_line line = {
        .subject = &source->subject,
        .pri = in->pri,
        .app_name = in->app_name,
        .msg = in->msg,
    };
    struct rules_verdict v;

    rules_run(t->rules, t->state, &line, &v);
    if (!(v.matched[0] & 1)) {
        return;
    }
    if (t->options->json) {
        size_t n = (source->json ? json_put_line(t->json, MAX_JSON,
                                                 source->json, in) : 0);
        show(t, in->switch_ns, xmemdup0((const char *) t->json, n));
    } else {
        show(t, in->switch_ns, format_text(source, r->tenant, in));
    }
}

/* Takes the entries of 'body'. */
static void
take_entries(struct tail *t, struct reading *r, struct slice body)
{
    struct batch_reader reader;
    struct batch_entry entry;

    batch_reader_init(&reader, body);
    for (;;) {
        switch (batch_reader_next(&reader, &entry)) {
        case BATCH_SOURCE:
            take_source(t, r, &entry.source);
            break;
        case BATCH_LINE:
            r->n_lines++;
            take_line(t, r, &entry.line);
            break;
        case BATCH_UNKNOWN:
            break;
        case BATCH_END:
        case BATCH_MALFORMED:
        default:
            return;
        }
    }
}

/* Goes on to the batch of which 'info' is, and tells of what was missed. */
static void
begin_batch(struct tail *t, struct reading *r,
            const struct open_batch_info *info)
{
    bool is_new = !r->generation;

    if (!is_new && r->generation != info->generation) {
        show_restart(t, r->tenant);
    }
    if (r->generation != info->generation) {
        r->n_lines = t->is_first ? info->before : 0;
    }
    if (info->before > r->n_lines) {
        show_missing(t, r->tenant, info->before - r->n_lines);
    }
    r->generation = info->generation;
    r->number = info->number;
    r->n_lines = info->before;
    r->offset = 0;
    forget_sources(r);
}

/* Reads what is new in the file 'fd', which had 'seen' in it before. */
static void
read_file(struct tail *t, int fd, const struct open_batch_info *seen)
{
    struct reading *r = find_reading(t, seen->tenant);
    bool goes_on = (r->generation == seen->generation
                    && r->number == seen->number);
    struct open_batch_info info;
    uint8_t *body;

    if (goes_on ? r->offset >= seen->size
        : (r->generation > seen->generation
           || (r->generation == seen->generation
               && r->number > seen->number))) {
        return;
    }
    if (open_batch_read(fd, goes_on ? r->offset : 0, &info, &body)) {
        return;
    }
    if (info.tenant == seen->tenant && info.generation == seen->generation
        && info.number == seen->number) {
        if (!goes_on) {
            begin_batch(t, r, &info);
        }
        take_entries(t, r, slice_of(body, info.size - r->offset));
        r->offset = info.size;
    }
    free(body);
}

struct file {
    char name[64];
    struct open_batch_info info;
};

static int
compare_files(const void *a_, const void *b_)
{
    const struct open_batch_info *a = &((const struct file *) a_)->info;
    const struct open_batch_info *b = &((const struct file *) b_)->info;

    return (a->tenant != b->tenant ? (a->tenant < b->tenant ? -1 : 1)
            : a->generation != b->generation
            ? (a->generation < b->generation ? -1 : 1)
            : a->number < b->number ? -1 : a->number > b->number);
}

static int
open_file(int dir_fd, const char *name)
{
    return openat(dir_fd, name,
                  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* Reads what is new in all batches.  Returns 0 or a positive errno. */
static int
look(struct tail *t)
{
    DIR *dir = opendir(t->dir);
    struct file *files = NULL;
    size_t n = 0, allocated = 0;
    struct dirent *entry;
    int error = 0;

    if (!dir) {
        return errno;
    }
    while ((entry = readdir(dir))) {
        if (!open_batch_is_name(entry->d_name)
            || strlen(entry->d_name) >= sizeof files->name) {
            continue;
        }
        if (n >= allocated) {
            files = x2nrealloc(files, &allocated, sizeof *files);
        }
        int fd = open_file(dirfd(dir), entry->d_name);
        if (fd >= 0) {
            ovs_strlcpy(files[n].name, entry->d_name, sizeof files->name);
            n += !open_batch_peek(fd, &files[n].info);
            close(fd);
        } else if (errno != ENOENT) {
            error = errno;
        }
    }
    if (n) {
        qsort(files, n, sizeof *files, compare_files);
    }
    for (size_t i = 0; i < n; i++) {
        int fd = open_file(dirfd(dir), files[i].name);
        if (fd >= 0) {
            read_file(t, fd, &files[i].info);
            close(fd);
        }
    }
    free(files);
    closedir(dir);
    return error;
}

static int
compare_shown(const void *a_, const void *b_)
{
    const struct shown *a = a_, *b = b_;

    return (a->ns != b->ns ? (a->ns < b->ns ? -1 : 1)
            : a->index < b->index ? -1 : a->index > b->index);
}

/* Prints what is to be shown, in the order of the switches' time; '*n_left' is
 * how many more there may be.  Returns false if that can't be written. */
static bool
print_shown(struct tail *t, unsigned int *n_left)
{
    size_t start = (t->is_first && t->n_shown > t->options->n
                    ? t->n_shown - t->options->n : 0);

    if (t->n_shown) {
        qsort(t->shown, t->n_shown, sizeof *t->shown, compare_shown);
    }
    for (size_t i = 0; i < t->n_shown; i++) {
        if (i >= start && *n_left) {
            puts(t->shown[i].text);
            *n_left -= t->options->count > 0;
        }
        free(t->shown[i].text);
    }
    t->n_shown = 0;
    return !fflush(stdout) && !ferror(stdout);
}

/* Makes the rule that lines must match. */
static char *
make_rule(struct tail *t)
{
    static const uint8_t key[RULES_KEY_SIZE];
    const struct tail_options *o = t->options;
    struct rules_spec spec = {
        .name = "tail",
        .tenant = o->tenant,
        .vm = o->vm,
        .app = o->app,
        .facility = o->facility,
        .pattern = o->grep,
        .action = RULE_KEEP,
    };
    uint32_t facilities;
    uint8_t severities;
    char *complaint;

    char *severity = o->severity ? xasprintf("emerg..%s", o->severity) : NULL;
    if (severity && !rule_parse_severities(severity, &severities)) {
        free(severity);
        return xasprintf("--severity: there is no \"%s\"; give one of emerg, "
                         "alert, crit, err, warning, notice, info or debug.",
                         o->severity);
    }
    spec.severity = severity;
    if (o->facility && !rule_parse_facilities(o->facility, &facilities)) {
        complaint = xasprintf("--facility: there is no \"%s\"; give those of "
                              "syslog(3), as \"daemon\".", o->facility);
    } else if (o->grep && strlen(o->grep) > RULES_MAX_PATTERN) {
        complaint = xasprintf("--grep: the pattern has more than %d bytes; "
                              "give a shorter one.", RULES_MAX_PATTERN);
    } else {
        complaint = rules_create(&spec, 1, &t->rules);
        if (complaint && o->grep) {
            char *why = rules_check_pattern(o->grep);
            if (why) {
                free(complaint);
                complaint = xasprintf("--grep: %s; write the pattern "
                                      "otherwise.", why);
                free(why);
            }
        }
    }
    free(severity);
    if (!complaint) {
        t->state = rules_state_create(key);
        complaint = t->state ? NULL : xstrdup("there is no memory.");
    }
    return complaint;
}

static void
tail_uninit(struct tail *t)
{
    struct reading *r;

    HMAP_FOR_EACH_POP (r, node, &t->readings) {
        forget_sources(r);
        free(r->sources);
        free(r);
    }
    hmap_destroy(&t->readings);
    rules_state_destroy(t->state);
    rules_destroy(t->rules);
    free(t->shown);
    free(t->json);
    free(t->dir);
}

char *
tail_run(const struct tail_options *o)
{
    char *run = dir_name(o->socket);
    struct tail t = {
        .options = o,
        .dir = xasprintf("%s/intake/open", run),
        .json = xmalloc(MAX_JSON),
        .is_first = true,
    };
    unsigned int n_left = o->count ? o->count : 1;

    free(run);
    hmap_init(&t.readings);
    char *sentence = make_rule(&t);
    watch_end_by_interrupt();
    while (!sentence && n_left) {
        int error = look(&t);
        if (error) {
            sentence = xasprintf("the open batches in %s can't be read: %s; "
                                 "%s", t.dir, ovs_strerror(error),
                                 error == ENOENT ? "is sluiced running?"
                                 : "be root.");
        } else if (!print_shown(&t, &n_left)) {
            sentence = xstrdup("standard output can't be written; make room "
                               "for it.");
        } else if (n_left) {
            xnanosleep(LOOK_MS * UINT64_C(1000000));
        }
        t.is_first = false;
    }
    tail_uninit(&t);
    return sentence;
}
