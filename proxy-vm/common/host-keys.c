/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of the configured hosts.  See host-keys.h. */
#include <config.h>

#include "host-keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "util.h"

struct host_keys {
    const struct config *config;    /* Borrowed. */
    struct key_file *files;         /* One for each host, in the same order,
                                     * those without a file having no keys.  In
                                     * memory that is never swapped out. */
};

/* Returns the path of the copy of the key file of 'host', malloc()ed. */
static char *
copy_path(const char *copies, const struct config_host *host)
{
    return xasprintf("%s/%s.key", copies, host->name);
}

static char *
read_keys(const struct config_host *host, const char *copies,
          struct key_file *ret)
{
    char *path = copies ? copy_path(copies, host) : NULL;
    char *error = key_file_read(path ? path : host->key_file, ret);
    char *sentence = (error ? xasprintf("host %s: %s", host->name, error)
                      : NULL);

    free(error);
    free(path);
    return sentence;
}

char *
host_keys_load(const struct config *config, const char *copies,
               struct host_keys **ret)
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
            sentence = read_keys(host, copies, &keys->files[i]);
            if (sentence) {
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
    char *sentence = host_keys_load(config, NULL, &keys);

    if (!sentence) {
        host_keys_destroy(keys);
    }
    return sentence;
}

/* Puts 'keys' into 'text' the way key_file_read() reads it. */
static size_t
print_keys(const struct key_file *keys, char text[], size_t size)
{
    size_t n = 0;

    for (uint32_t i = 0; i < keys->n_keys; i++) {
        sodium_bin2hex(text + n, size - n, keys->keys[i],
                       sizeof keys->keys[i]);
        n += 2 * sizeof keys->keys[i];
        text[n++] = '\n';
    }
    return n;
}

/* Writes 'keys' to the file 'path': all of it, or nothing. */
static int
write_copy(const char *path, const struct key_file *keys, uid_t uid)
{
    char text[KEY_FILE_MAX_KEYS * (2 * SIPHASH_KEY_SIZE + 1) + 1];
    size_t size = print_keys(keys, text, sizeof text);
    char *temporary = xasprintf("%s.new", path);
    int error = 0;

    unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
    if (fd < 0
        || (uid != geteuid() && fchown(fd, uid, -1))
        || write(fd, text, size) != (ssize_t) size
        || rename(temporary, path)) {
        error = errno ? errno : ENOSPC;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (error) {
        unlink(temporary);
    }
    free(temporary);
    sodium_memzero(text, sizeof text);
    return error;
}

char *
host_keys_copy(const struct config *config, const char *copies, uid_t uid)
{
    struct host_keys *keys;
    char *sentence = host_keys_load(config, NULL, &keys);

    if (sentence) {
        return sentence;
    }
    for (size_t i = 0; i < config->hosts_count && !sentence; i++) {
        if (keys->files[i].n_keys) {
            char *path = copy_path(copies, &config->hosts[i]);
            int error = write_copy(path, &keys->files[i], uid);
            if (error) {
                sentence = xasprintf("%s can't be written: %s; make room in "
                                     "paths.run.", path, ovs_strerror(error));
            }
            free(path);
        }
    }
    host_keys_destroy(keys);
    return sentence;
}
