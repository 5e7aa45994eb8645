/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 2, decap.  See s2-decap.h. */
#include "s2-decap.h"

/* Checks that the sending host is known and may send for the tenant. */
static enum sluice_drop
admit(const struct config *config, const struct record *rec)
{
    if (!config) {
        return SLUICE_DROP_NONE;
    }
    if (!config_find_tenant(config, rec->meta.vni)) {
        return SLUICE_DROP_TENANT_UNKNOWN;
    }
    if (!config->hosts_count) {
        return SLUICE_DROP_NONE;
    }

    struct in6_addr vtep;
    memcpy(&vtep, rec->vtep, sizeof vtep);
    const struct config_host *host = config_find_host(config, &vtep);
    if (!host) {
        return SLUICE_DROP_HOST_UNKNOWN;
    }
    if (!host->tenants_count) {
        return SLUICE_DROP_NONE;
    }
    for (unsigned int i = 0; i < host->tenants_count; i++) {
        if (host->tenants[i] == rec->meta.vni) {
            return SLUICE_DROP_NONE;
        }
    }
    return SLUICE_DROP_HOST_TENANT;
}

struct decap_verdict
decap_run(const struct decap *decap, struct record *rec)
{
    struct decap_verdict verdict = { SLUICE_DROP_NONE, SLUICE_DROP_NONE };
    struct slice frame;

    verdict.origin = geneve_parse(rec->packet, decap->option_class,
                                  &rec->meta, &frame);
    if (verdict.origin) {
        return verdict;
    }
    verdict.origin = admit(decap->config, rec);
    if (verdict.origin) {
        return verdict;
    }

    rec->switch_ns = (rec->meta.has & TUNNEL_HAS_TIME
                      ? rec->meta.time_ns : rec->received_ns);
    verdict.inner = inner_parse(frame, &rec->inner);
    return verdict;
}
