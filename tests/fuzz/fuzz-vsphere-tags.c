/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes what reads the tags of a vCenter: the input is replies, one behind
 * another with a null byte between, whose first byte says to what.  Whatever
 * they say, keys and values are within their limits and printable. */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "printable.h"
#include "util.h"
#include "vsphere-tags-model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_tags(const char *key, const char *value, void *n_)
{
    size_t *n = n_;

    ovs_assert(++*n <= TAGS_MAX_KEYS);
    ovs_assert(key[0] && strlen(key) <= 32);
    for (const char *p = key; *p; p++) {
        ovs_assert(*p > ' ' && *p <= '~' && !strchr("=]\"", *p));
    }
    ovs_assert(value[0] && strlen(value) <= TAGS_MAX_VALUE);
    ovs_assert(is_printable(slice_from_string(value)));
}

static char *
take(struct tags_model *m, uint8_t what, struct slice reply)
{
    size_t i = what >> 4;

    switch (what & 3) {
    case 1:
        return (i < tags_model_n_tags(m)
                ? tags_model_take_tag(m, i, reply) : NULL);
    case 2:
        return (i < tags_model_n_categories(m)
                ? tags_model_take_category(m, i, reply) : NULL);
    case 3:
        return tags_model_take_holders(m, reply);
    default:
        return tags_model_take_list(m, reply);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tags_model *m = tags_model_create();
    const uint8_t *end = data + size;

    while (data < end) {
        const uint8_t *stop = memchr(data, 0, end - data);

        stop = stop ? stop : end;
        if (stop > data) {
            char *problem = take(m, data[0],
                                 slice_of(data + 1, stop - data - 1));
            ovs_assert(!problem || problem[0]);
            free(problem);
        }
        data = stop + 1;
    }

    size_t n = 0;
    tags_model_each_of(m, "vm-1", check_tags, &n);
    for (size_t i = 0; i < tags_model_n_tags(m); i++) {
        ovs_assert(tags_model_tag_id(m, i)[0]);
    }
    tags_model_destroy(m);
    return 0;
}
