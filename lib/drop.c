/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of the reasons for dropping, from drop.def. */
#include "drop.h"

static const struct {
    const char *name;
    const char *text;
} drops[SLUICE_N_DROPS] = {
    [SLUICE_DROP_NONE] = { "none", "not dropped" },
#define DROP(SYMBOL, NAME, TEXT) [SLUICE_DROP_##SYMBOL] = { NAME, TEXT },
#include "drop.def"
#undef DROP
};

const char *
sluice_drop_name(enum sluice_drop drop)
{
    return drops[drop].name;
}

const char *
sluice_drop_text(enum sluice_drop drop)
{
    return drops[drop].text;
}
