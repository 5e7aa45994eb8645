/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes sluice-counters(7): copies the page's frame from standard input, and
 * puts a list in place of each line "@NAME@", from the tables of what is
 * counted.
 *
 * Runs in: the build. */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "gap.h"
#include "man-text.h"
#include "stats.h"
#include "util.h"

static void
begin_list(void)
{
    puts(".Bl -tag -width Ds");
}

/* Writes the entry 'name', with 'unit' behind it unless that is null. */
static void
put_entry(const char *name, const char *unit, const char *text)
{
    fputs(".It Cm ", stdout);
    man_put_word(name, strlen(name));
    if (unit) {
        printf(" No (%s)", unit);
    }
    putchar('\n');
    man_put_text(text);
}

static void
end_list(void)
{
    puts(".El");
}

static void
put_counters(const struct counter_info *counters, size_t n)
{
    begin_list();
    for (size_t i = 0; i < n; i++) {
        const struct counter_info *x = &counters[i];
        char unit[32];
        snprintf(unit, sizeof unit, "%s%s", x->unit,
                 x->kind == GAUGE ? ", a gauge" : "");
        put_entry(x->name, unit, x->text);
    }
    end_list();
}

static void
put_intake(void)
{
    put_counters(intake_counters, N_INTAKE_COUNTERS);
}

static void
put_tenant(void)
{
    put_counters(tenant_counters, N_TENANT_COUNTERS);
}

static void
put_ship(void)
{
    put_counters(ship_counters, N_SHIP_COUNTERS);
}

static void
put_drops(void)
{
    begin_list();
    for (int i = SLUICE_DROP_NONE + 1; i < SLUICE_N_DROPS; i++) {
        put_entry(sluice_drop_name(i), NULL, sluice_drop_text(i));
    }
    end_list();
}

static void
put_gaps(void)
{
    begin_list();
    for (int i = 0; i < N_GAP_REASONS; i++) {
        put_entry(gap_reason_name(i), NULL, gap_reason_text(i));
    }
    end_list();
}

static void
put_merge(void)
{
    begin_list();
#define MERGE_COUNT(FIELD, NAME, IS_ALARM, TEXT) put_entry(NAME, NULL, TEXT);
#include "../context/merge-counts.def"
#undef MERGE_COUNT
    end_list();
}

static void
put_hosts(void)
{
    begin_list();
#define HOST_COUNT(FIELD, NAME, TEXT) put_entry(NAME, NULL, TEXT);
#include "../context/host-counts.def"
#undef HOST_COUNT
    end_list();
}

static void
put_listener(void)
{
    begin_list();
#define LISTENER_COUNT(FIELD, NAME, TEXT) put_entry(NAME, NULL, TEXT);
#include "../context/host-counts.def"
#undef LISTENER_COUNT
    end_list();
}

static const struct {
    const char *line;
    void (*put)(void);
} lists[] = {
    { "@INTAKE@\n", put_intake },
    { "@TENANT@\n", put_tenant },
    { "@SHIP@\n", put_ship },
    { "@DROPS@\n", put_drops },
    { "@GAPS@\n", put_gaps },
    { "@MERGE@\n", put_merge },
    { "@HOSTS@\n", put_hosts },
    { "@LISTENER@\n", put_listener },
};

int
main(void)
{
    char line[1024];

    while (fgets(line, sizeof line, stdin)) {
        size_t i = 0;

        while (i < ARRAY_SIZE(lists) && strcmp(line, lists[i].line)) {
            i++;
        }
        if (i < ARRAY_SIZE(lists)) {
            lists[i].put();
        } else {
            fputs(line, stdout);
        }
    }
    return ferror(stdin) || fflush(stdout) ? 1 : 0;
}
