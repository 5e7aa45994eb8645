/* SPDX-License-Identifier: Apache-2.0
 *
 * Removes a test's directory with all that is in it.  For nftw(),
 * "sluice-config.h" comes before everything else. */
#ifndef SLUICE_REMOVE_TREE_H
#define SLUICE_REMOVE_TREE_H 1

#include <ftw.h>
#include <stdio.h>

static inline int
remove_one__(const char *path, const struct stat *st, int flag,
             struct FTW *ftw)
{
    (void) st;
    (void) flag;
    (void) ftw;
    return remove(path);
}

static inline int
remove_tree(const char *dir)
{
    return nftw(dir, remove_one__, 8, FTW_DEPTH | FTW_PHYS);
}

#endif /* tests/unit/remove-tree.h */
