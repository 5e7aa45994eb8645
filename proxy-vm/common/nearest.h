/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of several names somebody may have meant.
 *
 * Runs in: all that read names which people wrote. */
#ifndef SLUICE_NEAREST_H
#define SLUICE_NEAREST_H 1

#include <stddef.h>

struct nearest {
    const char *wanted;         /* Borrowed, as is 'name'. */
    const char *name;           /* The nearest so far; null: none is near. */
    size_t distance;
};

/* Begins a search for 'wanted'. */
void nearest_init(struct nearest *, const char *wanted);

/* Considers 'name'.  Near is what a third of the letters of 'wanted' lie
 * between, one at least: letters that are missing, too many, or others
 * (Levenshtein's distance), or two that changed places. */
void nearest_try(struct nearest *, const char *name);

/* Returns ", but there is NAME" with the nearest, or "", malloc()ed. */
char *nearest_say(const struct nearest *);

#endif /* proxy-vm/common/nearest.h */
