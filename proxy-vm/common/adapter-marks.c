/* SPDX-License-Identifier: Apache-2.0
 *
 * Which marks an adapter may confirm.  See adapter-marks.h. */
#include "adapter-marks.h"

#include <string.h>

static struct adapter_group *
group_at(struct adapter_marks *m, uint32_t i)
{
    return &m->groups[i % ADAPTER_MAX_MARKS];
}

void
adapter_marks_init(struct adapter_marks *m)
{
    memset(m, 0, sizeof *m);
}

uint32_t
adapter_marks_add_message(struct adapter_marks *m)
{
    group_at(m, m->next)->n_open++;
    return m->next;
}

bool
adapter_marks_settle(struct adapter_marks *m, uint32_t group, bool refused)
{
    struct adapter_group *g = group_at(m, group);

    if (group - m->first > m->next - m->first || !g->n_open) {
        return false;
    }
    g->n_open--;
    g->n_refused += refused;
    return true;
}

void
adapter_marks_take_back(struct adapter_marks *m, uint32_t group)
{
    group_at(m, group)->n_open--;
}

bool
adapter_marks_add(struct adapter_marks *m, uint64_t id)
{
    if (m->next - m->first >= ADAPTER_MAX_MARKS - 1) {
        return false;
    }
    group_at(m, m->next)->id = id;
    m->next++;
    *group_at(m, m->next) = (struct adapter_group) { .n_open = 0 };
    return true;
}

bool
adapter_marks_confirm(struct adapter_marks *m, uint64_t *ret_id,
                      uint32_t *ret_n_refused)
{
    const struct adapter_group *g = group_at(m, m->first);

    if (m->first == m->next || g->n_open) {
        return false;
    }
    *ret_id = g->id;
    *ret_n_refused = g->n_refused;
    m->first++;
    return true;
}

bool
adapter_marks_are_idle(const struct adapter_marks *m)
{
    return (m->first == m->next
            && !m->groups[m->first % ADAPTER_MAX_MARKS].n_open);
}
