/* SPDX-License-Identifier: Apache-2.0
 *
 * To whom the batches of each queue are sealed.  See recipients.h. */
#include <config.h>

#include "recipients.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#include "seal.h"

struct recipient {
    uint32_t tenant;
    char *queue;
    uint8_t key[32];
};

struct recipients {
    struct recipient *recipients;
    size_t n, allocated;
};

/* Returns the file of the key that the batches of the 'i'th queue are sealed
 * to, or null for the shipper's. */
static const char *
recipient_file(const struct config_tenant *tenant, unsigned int i)
{
    size_t n;
    const struct config_destination *d = config_queue_destinations(
        tenant, config_queue_name(tenant, i), &n);

    return !strcmp(d->type, "sealed") ? d->recipient_file : NULL;
}

static char *
copy_path(const char *copies, const struct config_tenant *tenant,
          unsigned int i)
{
    return xasprintf("%s/recipient-%"PRIu32"-%s.pub", copies, tenant->id,
                     config_queue_name(tenant, i));
}

static char *
read_key(const char *path, const struct config_tenant *tenant,
         uint8_t key[32])
{
    int error = seal_public_key_read(path, key);

    return !error ? NULL
        : xasprintf("tenant %"PRIu32", recipient-file: can't read the public "
                    "key %s: %s", tenant->id, path,
                    error == EINVAL ? "it is not a key file, which has 64 "
                    "hexadecimal digits and a line feed"
                    : ovs_strerror(error));
}

char *
recipients_load(const struct config *config, const char *copies,
                struct recipients **ret)
{
    struct recipients *r = xzalloc(sizeof *r);
    char *sentence = NULL;

    for (size_t t = 0; config && t < config->tenants_count; t++) {
        const struct config_tenant *tenant = &config->tenants[t];

        for (unsigned int i = 0; i < config_n_queues(tenant); i++) {
            const char *file = recipient_file(tenant, i);
            uint8_t key[32];

            if (!file) {
                continue;
            }
            char *copy = copies ? copy_path(copies, tenant, i) : NULL;
            sentence = read_key(copy ? copy : file, tenant, key);
            free(copy);
            if (sentence) {
                recipients_destroy(r);
                return sentence;
            }
            if (r->n == r->allocated) {
                r->recipients = x2nrealloc(r->recipients, &r->allocated,
                                           sizeof *r->recipients);
            }
            struct recipient *new = &r->recipients[r->n++];
            new->tenant = tenant->id;
            new->queue = xstrdup(config_queue_name(tenant, i));
            memcpy(new->key, key, sizeof new->key);
        }
    }
    *ret = r;
    return NULL;
}

char *
recipients_check(const struct config *config)
{
    struct recipients *r;
    char *sentence = recipients_load(config, NULL, &r);

    if (!sentence) {
        recipients_destroy(r);
    }
    return sentence;
}

void
recipients_destroy(struct recipients *r)
{
    if (r) {
        for (size_t i = 0; i < r->n; i++) {
            free(r->recipients[i].queue);
        }
        free(r->recipients);
        free(r);
    }
}

const uint8_t *
recipients_find(const struct recipients *r, uint32_t tenant,
                const char *queue)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->recipients[i].tenant == tenant
            && !strcmp(r->recipients[i].queue, queue)) {
            return r->recipients[i].key;
        }
    }
    return NULL;
}

char *
recipients_copy(const struct config *config, const char *copies)
{
    char *sentence = NULL;

    for (size_t t = 0; t < config->tenants_count && !sentence; t++) {
        const struct config_tenant *tenant = &config->tenants[t];

        for (unsigned int i = 0; i < config_n_queues(tenant) && !sentence;
             i++) {
            const char *file = recipient_file(tenant, i);
            uint8_t key[32];

            if (!file) {
                continue;
            }
            sentence = read_key(file, tenant, key);
            if (!sentence) {
                char *copy = copy_path(copies, tenant, i);
                int error = seal_public_key_write(copy, key);
                if (error) {
                    sentence = xasprintf("%s can't be written: %s; make room "
                                         "in paths.run.", copy,
                                         ovs_strerror(error));
                }
                free(copy);
            }
        }
    }
    return sentence;
}
