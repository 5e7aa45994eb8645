/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a VM ran of late.  See migrations.h. */
#include <config.h>

#include "migrations.h"

#include <stdlib.h>

#include "openvswitch/dynamic-string.h"
#include "util.h"

enum { MAX_HOST = 64 };         /* Bytes that are told of a name. */

/* The form in which times can be compared as text. */
static char *
format_time(uint64_t ns)
{
    return xastrftime_msec("%Y-%m-%dT%H:%M:%SZ", ns / 1000000, true);
}

static void
put_host(struct ds *s, struct slice host)
{
    ds_put_buffer(s, (const char *) host.data, MIN(host.size, MAX_HOST));
}

/* Appends those of 'told' that are not older than 'oldest'. */
static void
put_earlier(struct ds *s, char *told, const char *oldest, size_t n)
{
    char *rest = told, *one;

    while (n < MIGRATIONS_MAX && rest && (one = rest)) {
        rest = strstr(one, "; ");
        if (rest) {
            *rest = '\0';
            rest += 2;
        }
        if (strlen(one) > strlen(oldest)
            && strncmp(one, oldest, strlen(oldest)) >= 0) {
            ds_put_format(s, "%s%s", n ? "; " : "", one);
            n++;
        }
    }
}

char *
migrations_tell(struct slice earlier, const char *host, uint64_t now_ns)
{
    struct slice was = { NULL, 0 }, told = { NULL, 0 };
    struct ds s = DS_EMPTY_INITIALIZER;
    struct context_value value;
    size_t n = 0;

    while (context_next_value(&earlier, &value)) {
        if (value.vtep.size) {
            continue;
        } else if (slice_equal(value.key, slice_from_string("host"))) {
            was = value.value;
        } else if (slice_equal(value.key, slice_from_string(MIGRATIONS_KEY))
                   && slice_equal(value.source,
                                  slice_from_string(MIGRATIONS_SOURCE))) {
            told = value.value;
        }
    }
    if (host && was.size && !slice_equal(was, slice_from_string(host))) {
        char *now = format_time(now_ns);

        ds_put_format(&s, "%s ", now);
        put_host(&s, was);
        ds_put_cstr(&s, " > ");
        put_host(&s, slice_from_string(host));
        free(now);
        n++;
    }
    if (told.size) {
        char *oldest = format_time(now_ns > MIGRATIONS_NS
                                   ? now_ns - MIGRATIONS_NS : 0);
        char *text = xmemdup0((const char *) told.data, told.size);

        put_earlier(&s, text, oldest, n);
        free(text);
        free(oldest);
    }
    if (!s.length) {
        ds_destroy(&s);
        return NULL;
    }
    return ds_steal_cstr(&s);
}
