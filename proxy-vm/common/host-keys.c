/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of the configured hosts.  See host-keys.h. */
#include <config.h>

#include "host-keys.h"

#include <sodium.h>
#include <stdlib.h>

#include "util.h"

struct host_keys {
    const struct config *config;    /* Borrowed. */
    struct key_file *files;         /* One for each host, in the same order,
                                     * those without a file having no keys.  In
                                     * memory that is never swapped out. */
};

char *
host_keys_load(const struct config *config, struct host_keys **ret)
{
    struct host_keys *keys = xzalloc(sizeof *keys);
    char *sentence = NULL;

    keys->config = config;
    if (sodium_init() >= 0) {
        keys->files = sodium_allocarray(config->hosts_count + 1,
                                        sizeof *keys->files);
    }
    if (!keys->files) {
        sentence = xstrdup("there is no memory for the keys of the hosts.");
        goto out;
    }
    for (size_t i = 0; i < config->hosts_count; i++) {
        const struct config_host *host = &config->hosts[i];

        keys->files[i].n_keys = 0;
        if (host->key_file) {
            char *error = key_file_read(host->key_file, &keys->files[i]);
            if (error) {
                sentence = xasprintf("host %s: %s", host->name, error);
                free(error);
                goto out;
            }
        }
    }
    *ret = keys;
    keys = NULL;

out:
    host_keys_destroy(keys);
    return sentence;
}

void
host_keys_destroy(struct host_keys *keys)
{
    if (keys) {
        sodium_free(keys->files);
        free(keys);
    }
}

const struct key_file *
host_keys_find(const struct host_keys *keys, const struct config_host *host)
{
    const struct key_file *file = &keys->files[host - keys->config->hosts];

    return file->n_keys ? file : NULL;
}

char *
host_keys_check(const struct config *config)
{
    struct host_keys *keys;
    char *sentence = host_keys_load(config, &keys);

    if (!sentence) {
        host_keys_destroy(keys);
    }
    return sentence;
}
