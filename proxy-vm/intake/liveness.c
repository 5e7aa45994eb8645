/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers BFD.  See liveness.h. */
#include <config.h>

#include "liveness.h"

#include "bfd.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "random.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(liveness);

struct liveness {
    struct bfd *bfd;
    struct receive *receive;        /* Borrowed. */
    struct intake_stats *stats;     /* Borrowed. */
};

struct liveness *
liveness_create(uint32_t max_sessions, struct receive *receive,
                struct intake_stats *stats)
{
    struct bfd *bfd = bfd_create(random_uint64(), max_sessions);
    if (!bfd) {
        return NULL;
    }

    struct liveness *liveness = xzalloc(sizeof *liveness);
    liveness->bfd = bfd;
    liveness->receive = receive;
    liveness->stats = stats;
    return liveness;
}

void
liveness_destroy(struct liveness *liveness)
{
    if (liveness) {
        bfd_destroy(liveness->bfd);
        free(liveness);
    }
}

/* Whether 'vtep' is the address of a host that may send. */
static bool
is_known(const struct config *config, const uint8_t vtep[16])
{
    struct in6_addr address;

    memcpy(&address, vtep, sizeof address);
    return (!config || !config->hosts_count
            || config_find_host(config, &address));
}

static void
log_state(const uint8_t vtep[16], enum bfd_state state)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
    static const char *names[] = { "admin-down", "down", "init", "up" };
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct in6_addr address;

    memcpy(&address, vtep, sizeof address);
    ipv6_format_mapped(&address, &ds);
    VLOG_INFO_RL(&rl, "BFD with %s is %s", ds_cstr(&ds), names[state]);
    ds_destroy(&ds);
}

bool
liveness_run(struct liveness *liveness, const struct config *config,
             const struct record *rec)
{
    struct bfd_answer answer;

    if (OVS_LIKELY(!liveness || !bfd_is_control(rec->packet))) {
        return false;
    }
    stats_add(&liveness->stats->counters[INTAKE_BFD_RECEIVED], 1);
    if (is_known(config, rec->vtep)
        && bfd_run(liveness->bfd, rec->packet, rec->vtep, time_msec(),
                   &answer) == BFD_ANSWERED
        && receive_answer(liveness->receive, answer.packet,
                          sizeof answer.packet)) {
        stats_add(&liveness->stats->counters[INTAKE_BFD_ANSWERED], 1);
        if (answer.state_changed) {
            log_state(rec->vtep, answer.state);
        }
    }
    return true;
}
