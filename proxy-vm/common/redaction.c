/* SPDX-License-Identifier: Apache-2.0
 *
 * The redactors of the tenants.  See redaction.h.
 *
 * Tenants that name the same file share a redactor, and all redactors share
 * their memory.  A tenant's key is the one in its file, hashed with the
 * tenant's number, so that tenants who share a file too get different
 * pseudonyms for the same secret. */
#include <config.h>

#include "redaction.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "key-file.h"
#include "util.h"
#include "yaml-map.h"

enum { MAX_FILE_SIZE = 1024 * 1024 };

/* What a tenant has that differs from the built-in rules. */
struct policy {
    uint32_t tenant;
    struct redactor *redactor;
    char *path;                     /* The file as configured. */
    bool has_key;
    bool borrowed;                  /* 'redactor' is another policy's. */
};

struct redaction {
    struct redactor *plain;         /* For tenants without a file. */
    struct policy *policies;        /* By tenant. */
    size_t n;
    uint32_t cap;                   /* Of a message; 0: the largest. */
    uint8_t *keys;                  /* REDACT_KEY_SIZE for each policy, in
                                     * memory that is never swapped out. */
};

static char *
copy_path(const char *copies, uint32_t tenant, const char *suffix)
{
    return xasprintf("%s/redaction-%u.%s", copies, tenant, suffix);
}

/* Puts the key of 'tenant' into 'key'. */
static char *
load_key(const struct config_tenant *tenant, const char *copies,
         uint8_t key[REDACT_KEY_SIZE])
{
    char *path = (copies ? copy_path(copies, tenant->id, "key")
                  : xstrdup(tenant->redaction_key_file));
    struct key_file *file = sodium_malloc(sizeof *file);
    char *sentence;

    if (!file) {
        out_of_memory();
    }
    char *error = key_file_read(path, file);
    if (error) {
        sentence = xasprintf("tenant %s: %s", tenant->name, error);
    } else {
        const uint8_t id[4] = {
            tenant->id >> 24, tenant->id >> 16, tenant->id >> 8, tenant->id
        };
        sentence = NULL;
        crypto_generichash(key, REDACT_KEY_SIZE, id, sizeof id, file->keys[0],
                           sizeof file->keys[0]);
    }
    sodium_free(file);
    free(error);
    free(path);
    return sentence;
}

/* Makes the redactor of 'policy', which has a file. */
static char *
load_rules(struct redaction *r, struct policy *policy, const char *copies)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct policy *other = &r->policies[i];

        if (other->redactor && !strcmp(other->path, policy->path)
            && other->has_key == policy->has_key) {
            policy->redactor = other->redactor;
            policy->borrowed = true;
            return NULL;
        }
    }

    char *copy = copies ? copy_path(copies, policy->tenant, "yaml") : NULL;
    char *text;
    size_t size;
    char *sentence = yaml_read_file(copy ? copy : policy->path, MAX_FILE_SIZE,
                                    &text, &size);
    if (!sentence) {
        const struct redact_text texts[] = { { policy->path, text, size } };
        const struct redact_options options = {
            .texts = texts, .n_texts = 1, .has_key = policy->has_key,
            .cap = r->cap,
            .share = r->plain,
        };
        sentence = redactor_create_with(&options, &policy->redactor);
        free(text);
    }
    free(copy);
    return sentence;
}

char *
redaction_load(const struct config *config, const char *copies,
               struct redaction **ret)
{
    size_t n = config ? config->tenants_count : 0;
    struct redaction *r = xzalloc(sizeof *r);
    const struct redact_options plain = {
        .cap = config ? config->intake.max_message_bytes : 0,
    };
    char *sentence = NULL;

    r->cap = plain.cap;
    r->policies = xcalloc(n + 1, sizeof *r->policies);
    if (sodium_init() >= 0) {
        r->keys = sodium_allocarray(n + 1, REDACT_KEY_SIZE);
    }
    if (!r->keys) {
        sentence = xstrdup("there is no memory for the keys of pseudonyms.");
        goto out;
    }
    sentence = redactor_create_with(&plain, &r->plain);
    for (size_t i = 0; i < n && !sentence; i++) {
        const struct config_tenant *tenant = &config->tenants[i];

        if (!tenant->redaction_file) {
            continue;
        }
        struct policy *policy = &r->policies[r->n++];
        policy->tenant = tenant->id;
        policy->path = xstrdup(tenant->redaction_file);
        policy->has_key = tenant->redaction_key_file != NULL;
        if (policy->has_key) {
            sentence = load_key(tenant, copies,
                                &r->keys[(r->n - 1) * REDACT_KEY_SIZE]);
        }
        if (!sentence) {
            sentence = load_rules(r, policy, copies);
        }
    }
    if (!sentence) {
        *ret = r;
        r = NULL;
    }

out:
    redaction_destroy(r);
    return sentence;
}

void
redaction_destroy(struct redaction *r)
{
    if (r) {
        for (size_t i = 0; i < r->n; i++) {
            if (!r->policies[i].borrowed) {
                redactor_destroy(r->policies[i].redactor);
            }
            free(r->policies[i].path);
        }
        redactor_destroy(r->plain);
        free(r->policies);
        sodium_free(r->keys);
        free(r);
    }
}

static int
compare_policies(const void *a_, const void *b_)
{
    const struct policy *a = a_, *b = b_;

    return a->tenant < b->tenant ? -1 : a->tenant > b->tenant;
}

struct redactor *
redaction_find(struct redaction *r, uint32_t tenant)
{
    const struct policy target = { .tenant = tenant };
    const struct policy *policy
        = r->n ? bsearch(&target, r->policies, r->n, sizeof target,
                         compare_policies) : NULL;

    if (!policy) {
        return r->plain;
    }
    redactor_set_key(policy->redactor,
                     policy->has_key
                     ? &r->keys[(policy - r->policies) * REDACT_KEY_SIZE]
                     : NULL);
    return policy->redactor;
}

char *
redaction_check(const struct config *config)
{
    struct redaction *r;
    char *sentence = redaction_load(config, NULL, &r);

    if (sentence) {
        return sentence;
    }
    for (size_t i = 0; i < r->n && !sentence; i++) {
        char *error = redactor_try_examples(redaction_find(
            r, r->policies[i].tenant));
        if (error) {
            sentence = xasprintf("%s: %s", r->policies[i].path, error);
            free(error);
        }
    }
    redaction_destroy(r);
    return sentence;
}

/* Copies the file 'from' to 'to', whole or not at all. */
static char *
copy_file(const char *from, const char *to, uid_t uid)
{
    char *text;
    size_t size;
    char *sentence = yaml_read_file(from, MAX_FILE_SIZE, &text, &size);

    if (sentence) {
        return sentence;
    }
    char *temporary = xasprintf("%s.new", to);
    unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
    if (fd < 0
        || (uid != geteuid() && fchown(fd, uid, -1))
        || write(fd, text, size) != (ssize_t) size
        || rename(temporary, to)) {
        sentence = xasprintf("%s can't be written: %s; make room in "
                             "paths.run.", to,
                             ovs_strerror(errno ? errno : ENOSPC));
        unlink(temporary);
    }
    if (fd >= 0) {
        close(fd);
    }
    free(temporary);
    sodium_memzero(text, size);
    free(text);
    return sentence;
}

char *
redaction_copy(const struct config *config, const char *copies, uid_t uid)
{
    char *sentence = NULL;

    for (size_t i = 0; i < config->tenants_count && !sentence; i++) {
        const struct config_tenant *tenant = &config->tenants[i];

        if (tenant->redaction_file) {
            char *to = copy_path(copies, tenant->id, "yaml");
            sentence = copy_file(tenant->redaction_file, to, uid);
            free(to);
        }
        if (tenant->redaction_file && tenant->redaction_key_file
            && !sentence) {
            char *to = copy_path(copies, tenant->id, "key");
            sentence = copy_file(tenant->redaction_key_file, to, uid);
            free(to);
        }
    }
    return sentence;
}
