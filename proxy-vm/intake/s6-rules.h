/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 6, rules: decides by the client rules of the configuration what becomes
 * of a line; counts by rule, in shared memory, and tells what is to be
 * announced of what it dropped.
 *
 * In: a record whose message is redacted and parsed, and whose source has its
 * context.
 * Out: why it is dropped, or 'route' and 'verbose'; gaps.
 *
 * What rules remember of lines dies with the process.  What they dropped does
 * not: whatever is not announced yet, the next process announces. */
#ifndef SLUICE_RULES_STAGE_H
#define SLUICE_RULES_STAGE_H 1

#include "gap.h"
#include "proxy-config.h"
#include "s3-account.h"

struct rules_stage;

/* Compiles the rules of 'config', which may be null, and which is not used any
 * more afterwards.  Notes in 'undo', which it borrows, what it counts.  Returns
 * null and '*ret', or a malloc()ed sentence. */
char *rules_stage_create(const struct config *config, struct intake_stats *,
                         struct undo *undo, struct rules_stage **ret);
void rules_stage_destroy(struct rules_stage *);

/* Goes on with 'rules', which it takes, and sets '*rules' to null.  The figures
 * of rules whose names stay go on.  All gaps must be told before. */
void rules_stage_use(struct rules_stage *, struct rules **rules);

/* Decides about 'rec''s line, at 'now_ms' of a clock that does not go back, and
 * counts. */
enum sluice_drop rules_stage_run(struct rules_stage *, struct record *rec,
                                 uint64_t now_ms);

/* Explains the latest decision; all is valid until the next. */
const struct rules_verdict *rules_stage_explain(const struct rules_stage *,
                                                const struct rules **rules);

/* Of what a rule dropped. */
struct rules_gap {
    struct gap gap;
    uint32_t row;               /* For rules_stage_told(). */
    uint32_t tenant;
    uint32_t source;            /* Slot of the source it is of; UINT32_MAX: of
                                 * the tenant as a whole. */
    size_t slot;                /* Of repeats; SIZE_MAX: it is not of these. */
};

/* Returns true and what is due to be announced, or false.  Lines that repeat one
 * are told of when its window is over, all else a second after the first. With
 * 'all', everything is due.  What it returns must be told, or put off. */
bool rules_stage_due(struct rules_stage *, uint64_t now_ms, bool all,
                     struct rules_gap *ret);
void rules_stage_told(struct rules_stage *, const struct rules_gap *);
void rules_stage_put_off(struct rules_stage *, const struct rules_gap *,
                         uint64_t now_ms);

/* Returns true and what an earlier process was about to announce of 'row', of
 * so many lines. */
bool rules_stage_row(struct rules_stage *, uint32_t row, uint64_t n_lines,
                     struct rules_gap *ret);

/* Makes '*rec' one of the gap's tenant as a whole, which no VM sent. */
void rules_stage_fill(struct rules_stage *, const struct rules_gap *,
                      uint64_t now_ns, struct record *rec);

#endif /* proxy-vm/intake/s6-rules.h */
