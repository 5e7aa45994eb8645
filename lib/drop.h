/* SPDX-License-Identifier: Apache-2.0
 *
 * Reasons for dropping, from drop.def. */
#ifndef SLUICE_DROP_H
#define SLUICE_DROP_H 1

enum sluice_drop {
    SLUICE_DROP_NONE,           /* Not dropped. */
#define DROP(SYMBOL, NAME, TEXT) SLUICE_DROP_##SYMBOL,
#include "drop.def"
#undef DROP
    SLUICE_N_DROPS
};

/* Returns the name of 'drop' as counters show it, "none" for
 * SLUICE_DROP_NONE. */
const char *sluice_drop_name(enum sluice_drop drop);

/* Returns a phrase that explains 'drop' to people. */
const char *sluice_drop_text(enum sluice_drop drop);

#endif /* lib/drop.h */
