/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 7, age.  See s7-age.h. */
#include <config.h>

#include "s7-age.h"

#include <time.h>

#include "util.h"

static uint64_t
boot_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * UINT64_C(1000) + now.tv_nsec / 1000000;
}

uint64_t (*age_boot_ms)(void) = boot_ms;

/* Returns true if 'note' is of 'item' or of a later batch. */
static bool
covers(const struct stats_age *note, const struct spool_item *item)
{
    return (note->generation > item->generation
            || (note->generation == item->generation
                && note->number >= item->number));
}

static const struct stats_age *
note_at(const struct stats_ages *ages, uint64_t i)
{
    return &ages->notes[i % STATS_MAX_AGES];
}

uint64_t
age_of(struct stats_ages *ages, const struct spool_item *oldest,
       const struct spool_item *newest, uint64_t now_ms, uint64_t spacing_ms)
{
    const struct stats_age *latest = (ages->n ? note_at(ages, ages->n - 1)
                                      : NULL);

    if (latest && latest->boot_ms > now_ms) {
        /* Of another life of the machine. */
        ages->n = 0;
        latest = NULL;
    }
    if (!latest || !covers(latest, oldest)
        || (!covers(latest, newest)
            && now_ms - latest->boot_ms >= spacing_ms)) {
        ages->notes[ages->n % STATS_MAX_AGES] = (struct stats_age) {
            .generation = newest->generation,
            .number = newest->number,
            .boot_ms = now_ms,
        };
        stats_set(&ages->n, ages->n + 1);
    }
    for (uint64_t i = ages->n - MIN(ages->n, STATS_MAX_AGES); i < ages->n;
         i++) {
        if (covers(note_at(ages, i), oldest)) {
            return now_ms - note_at(ages, i)->boot_ms;
        }
    }
    return 0;
}
