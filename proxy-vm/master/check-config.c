/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads a configuration and looks into the files that it names.  See
 * check-config.h. */
#include <config.h>

#include "check-config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host-keys.h"
#include "openvswitch/dynamic-string.h"
#include "proxy-config.h"
#include "recipients.h"
#include "redaction.h"
#include "util.h"
#include "yaml-map.h"

static char *
check_files(const struct config *config)
{
    static char *(*const checks[])(const struct config *) = {
        host_keys_check, redaction_check, recipients_check,
    };
    char *sentence = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(checks) && !sentence; i++) {
        sentence = checks[i](config);
    }
    return sentence;
}

/* Returns true if 'sentence' names the file at 'path'. */
static bool
names_file(const char *sentence, const char *path)
{
    const char *at = strstr(sentence, path);

    return at && strchr(":;,. ", at[strlen(path)]);
}

/* Returns 'sentence', which it takes and which is about a file, with the place
 * in the text of 'path' that names the file in front. */
static char *
locate(char *sentence, const char *path, const char *text, size_t size)
{
    const struct yaml_node *found = NULL;
    struct yaml_problem problem;
    struct yaml_map *map;

    /* No more nodes than bytes. */
    if (!yaml_map_create(text, size, size, &map, &problem)) {
        return sentence;
    }
    for (size_t i = 0; i < yaml_map_n(map); i++) {
        const struct yaml_node *node = yaml_map_at(map, i);

        if (node->value && node->value[0] == '/'
            && names_file(sentence, node->value)
            && (!found || strlen(node->value) > strlen(found->value))) {
            found = node;
        }
    }
    if (found) {
        char *located = yaml_complain(path, found, "%s", sentence);
        free(sentence);
        sentence = located;
    }
    yaml_map_destroy(map);
    return sentence;
}

char *
check_config(const char *path, char **ret_text, size_t *ret_size,
             struct config **ret)
{
    struct config *config = NULL;
    char *text = NULL;
    size_t size = 0;
    char *sentence = config_read_file(path, &text, &size);

    if (!sentence) {
        sentence = config_parse(path, text, size, &config);
    }
    if (!sentence) {
        sentence = check_files(config);
        if (sentence) {
            sentence = locate(sentence, path, text, size);
        }
    }
    if (sentence) {
        config_destroy(config);
        free(text);
        return sentence;
    }
    *ret_text = text;
    *ret_size = size;
    *ret = config;
    return NULL;
}

/* Appends a line if there is no file 'name', which may be null. */
static void
look_for(const char *name, const char *path, const char *text, size_t size,
         struct ds *out)
{
    if (name && access(name, R_OK)) {
        char *sentence = locate(
            xasprintf("%s cannot be read: %s.  What needs it waits until it "
                      "can be.", name, ovs_strerror(errno)),
            path, text, size);

        ds_put_format(out, "%s\n", sentence);
        free(sentence);
    }
}

void
check_config_later_files(const struct config *config, const char *path,
                         const char *text, size_t size, struct ds *out)
{
    look_for(config->context.static_file, path, text, size, out);
    for (unsigned int i = 0; i < config->managers_count; i++) {
        const struct config_manager *m = &config->managers[i];

        look_for(m->credentials_file, path, text, size, out);
        look_for(m->ca_file, path, text, size, out);
    }
    for (unsigned int i = 0; i < config->hosts_count; i++) {
        look_for(config->hosts[i].public_key_file, path, text, size, out);
    }
    for (unsigned int i = 0; i < config->tenants_count; i++) {
        const struct config_tenant *tenant = &config->tenants[i];

        for (unsigned int j = 0; j < tenant->destinations_count; j++) {
            const struct config_destination *d = &tenant->destinations[j];

            look_for(d->ca_file, path, text, size, out);
            look_for(d->certificate_file, path, text, size, out);
            look_for(d->key_file, path, text, size, out);
        }
    }
}
