/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the reader of sluice.yaml.  What it takes is complete and within its
 * limits, and found again by those who search in it; what it refuses it
 * refuses with a sentence of our own, which names the line. */
#include <config.h>

#include <stdlib.h>

#include "proxy-config.h"
#include "sentence.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_tenants(const struct config *config)
{
    for (size_t i = 0; i < config->tenants_count; i++) {
        const struct config_tenant *t = &config->tenants[i];
        char *host, *port;

        ovs_assert(t->id && t->id <= 0xffffff);
        ovs_assert(config_find_tenant(config, t->id) == t);
        ovs_assert(!i || t[-1].id < t->id);
        ovs_assert(t->name && config_parse_server(t->server, &host, &port));
        ovs_assert(*host && strtoul(port, NULL, 10) - 1 < UINT16_MAX);
        free(host);
        free(port);
    }
}

static void
check_hosts(const struct config *config)
{
    for (size_t i = 0; i < config->hosts_count; i++) {
        const struct config_host *h = &config->hosts[i];
        struct in6_addr addr;

        ovs_assert(config_parse_address(h->vtep, &addr));
        ovs_assert(!memcmp(&addr, &h->addr, sizeof addr));
        ovs_assert(config_find_host(config, &addr) == h);
        for (size_t j = 0; j < h->tenants_count; j++) {
            ovs_assert(config_find_tenant(config, h->tenants[j]));
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config = NULL;
    char *sentence = config_parse("sluice.yaml", (const char *) data, size,
                                  &config);

    if (sentence) {
        ovs_assert(!config);
        check_sentence(sentence, "sluice.yaml");
        /* Our own check of the keys comes first and knows all that libcyaml
         * does, whose sentences name no line. */
        ovs_assert(strncmp(sentence, "sluice.yaml: libcyaml", 21));
        free(sentence);
    } else {
        ovs_assert(config->tenants_count > 0);
        ovs_assert(config->tunnel.listen && config->tunnel.port);
        ovs_assert(config->paths.run && config->paths.spool
                   && config->paths.state && config->output.sd_id);
        check_tenants(config);
        check_hosts(config);
        config_destroy(config);
    }
    return 0;
}
