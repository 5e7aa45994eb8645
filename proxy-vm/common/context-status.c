/* SPDX-License-Identifier: Apache-2.0
 *
 * How the sources of context are.  See context-status.h. */
#include <config.h>

#include "context-status.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "printable.h"
#include "util.h"

enum { MAX_LINE = 4096 };

uint64_t
context_parse_time(const char *s)
{
    struct tm tm = { .tm_year = 0 };
    const char *end = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
    uint64_t ns = 0;

    if (end && *end == '.') {
        uint64_t unit = 100000000;

        for (end++; isdigit((unsigned char) *end); end++, unit /= 10) {
            ns += (*end - '0') * unit;
        }
    }
    if (!end || strcmp(end, "Z")) {
        return 0;
    }
    time_t t = timegm(&tm);
    return t > 0 ? t * UINT64_C(1000000000) + ns : 0;
}

uint64_t
context_parse_when(const char *s, uint64_t now_ns)
{
    static const struct { char unit; unsigned int s; } units[] = {
        { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }
    };
    char *end;
    unsigned long long n = strtoull(s, &end, 10);

    for (size_t i = 0; s[0] >= '0' && s[0] <= '9' && end[0] && !end[1]
         && i < ARRAY_SIZE(units); i++) {
        if (end[0] == units[i].unit && n <= 1000000) {
            uint64_t ago_ns = n * units[i].s * UINT64_C(1000000000);
            return now_ns > ago_ns ? now_ns - ago_ns : 0;
        }
    }
    return context_parse_time(s);
}

struct reader {
    struct context_source_status *sources;
    size_t n, allocated;
};

static void
begin(struct reader *r, const char *name, char *state)
{
    char *problem = strstr(state, "; ");

    if (r->n >= CONTEXT_STATUS_MAX_SOURCES) {
        return;
    }
    if (r->n >= r->allocated) {
        r->sources = x2nrealloc(r->sources, &r->allocated,
                                sizeof *r->sources);
    }
    if (problem) {
        *problem = '\0';
    }
    r->sources[r->n++] = (struct context_source_status) {
        .name = make_printable(name, MAX_LINE),
        .state = make_printable(state, MAX_LINE),
        .problem = make_printable(problem ? problem + 2 : "", MAX_LINE),
    };
}

/* Splits 'line' at ": " behind 'word' and a blank.  Returns what is behind,
 * and the name between in '*ret', or null if 'line' is something else. */
static char *
split(char *line, const char *word, char **ret)
{
    size_t n = strlen(word);
    char *colon = strncmp(line, word, n) ? NULL : strstr(line + n, ": ");

    if (!colon) {
        return NULL;
    }
    *colon = '\0';
    *ret = line + n;
    return colon + 2;
}

/* Returns the source that began last if it is called 'name', else null: what
 * is said of a source comes behind its beginning. */
static struct context_source_status *
latest(const struct reader *r, const char *name)
{
    return (r->n && !strcmp(r->sources[r->n - 1].name, name)
            ? &r->sources[r->n - 1] : NULL);
}

static void
take_line(struct reader *r, char *line)
{
    struct context_source_status *s;
    char *name, *rest;

    line[strcspn(line, "\n")] = '\0';
    if ((rest = split(line, "source ", &name))) {
        begin(r, name, rest);
    } else if ((rest = split(line, "heard ", &name))
               && (s = latest(r, name))) {
        s->heard_ns = context_parse_time(rest);
    } else if ((rest = split(line, "holds ", &name))
               && (s = latest(r, name))) {
        int end = 0;

        if (ovs_scan(rest, "%"SCNu64" VMs, %"SCNu64" values, %"SCNu64" stale, "
                     "oldest %n", &s->vms, &s->values, &s->stale_values,
                     &end)) {
            s->oldest_ns = context_parse_time(rest + end);
        }
    }
}

struct context_source_status *
context_status_read(const char *snapshot, size_t *ret_n)
{
    struct reader r = { .sources = NULL };
    char *path = xasprintf("%s.status", snapshot);
    FILE *stream = fopen(path, "re");
    char line[MAX_LINE];

    while (stream && fgets(line, sizeof line, stream)) {
        take_line(&r, line);
    }
    if (stream) {
        fclose(stream);
    }
    free(path);
    *ret_n = r.n;
    return r.sources;
}

void
context_status_free(struct context_source_status *sources, size_t n)
{
    for (size_t i = 0; sources && i < n; i++) {
        free(sources[i].name);
        free(sources[i].state);
        free(sources[i].problem);
    }
    free(sources);
}
