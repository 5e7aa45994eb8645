/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 2, decap.  See s2-decap.h. */
#include "s2-decap.h"

#include "host-keys.h"

char *
decap_configure(struct decap *decap, uint16_t option_class,
                const struct config *config)
{
    struct host_keys *keys = NULL;
    char *sentence = (config
                      ? host_keys_load(config, decap->host_keys, &keys)
                      : NULL);

    if (!sentence) {
        host_keys_destroy(decap->keys);
        decap->option_class = option_class;
        decap->config = config;
        decap->keys = keys;
    }
    return sentence;
}

void
decap_uninit(struct decap *decap)
{
    host_keys_destroy(decap->keys);
    decap->keys = NULL;
}

/* Checks that 'host' sent the packet, if it has a key to prove that with. */
static enum sluice_drop
verify(const struct decap *decap, const struct config_host *host,
       const struct record *rec)
{
    const struct key_file *file = host_keys_find(decap->keys, host);

    if (!file) {
        return SLUICE_DROP_NONE;
    }
    if (!(rec->meta.has & TUNNEL_HAS_AUTH)) {
        return SLUICE_DROP_AUTH_MISSING;
    }
    for (uint32_t i = 0; i < file->n_keys; i++) {
        if (geneve_verify(rec->packet, &rec->meta, file->keys[i])) {
            return SLUICE_DROP_NONE;
        }
    }
    return SLUICE_DROP_AUTH_BAD;
}

static bool
may_send_for(const struct config_host *host, uint32_t tenant)
{
    for (unsigned int i = 0; i < host->tenants_count; i++) {
        if (host->tenants[i] == tenant) {
            return true;
        }
    }
    return !host->tenants_count;
}

/* Checks that the sending host is known, is that host, and may send for the
 * tenant. */
static enum sluice_drop
admit(const struct decap *decap, const struct record *rec)
{
    const struct config *config = decap->config;
    const struct config_host *host = NULL;

    if (!config) {
        return SLUICE_DROP_NONE;
    }
    if (config->hosts_count) {
        struct in6_addr vtep;

        memcpy(&vtep, rec->vtep, sizeof vtep);
        host = config_find_host(config, &vtep);
        if (!host) {
            return SLUICE_DROP_HOST_UNKNOWN;
        }
        enum sluice_drop drop = verify(decap, host, rec);
        if (drop) {
            return drop;
        }
    }
    if (!config_find_tenant(config, rec->meta.vni)) {
        return SLUICE_DROP_TENANT_UNKNOWN;
    }
    return (!host || may_send_for(host, rec->meta.vni)
            ? SLUICE_DROP_NONE : SLUICE_DROP_HOST_TENANT);
}

/* Looks into the frame of 'rec', which is a whole one. */
static enum sluice_drop
read_frame(struct record *rec)
{
    rec->switch_ns = (rec->meta.has & TUNNEL_HAS_TIME
                      ? rec->meta.time_ns : rec->received_ns);
    return inner_parse(rec->frame, &rec->inner);
}

struct decap_verdict
decap_run(const struct decap *decap, struct record *rec)
{
    struct decap_verdict verdict = { SLUICE_DROP_NONE, SLUICE_DROP_NONE };

    verdict.origin = geneve_parse(rec->packet, decap->option_class,
                                  &rec->meta, &rec->frame);
    if (verdict.origin) {
        return verdict;
    }
    verdict.origin = admit(decap, rec);
    if (!verdict.origin && !(rec->meta.has & TUNNEL_HAS_SPLIT)) {
        verdict.inner = read_frame(rec);
    }
    return verdict;
}

enum sluice_drop
decap_whole(const struct decap *decap, struct record *rec)
{
    enum sluice_drop drop = geneve_parse(rec->packet, decap->option_class,
                                         &rec->meta, &rec->frame);

    return drop ? drop : read_frame(rec);
}
