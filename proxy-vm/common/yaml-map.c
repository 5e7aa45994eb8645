/* SPDX-License-Identifier: Apache-2.0
 *
 * Where everything stands in a YAML text.  See yaml-map.h. */
#include <config.h>

#include "yaml-map.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "printable.h"
#include "socket-util.h"
#include "utf8.h"
#include "util.h"

struct yaml_map {
    struct yaml_node **nodes;
    size_t n, allocated;
    struct shash by_path;
};

struct reader {
    struct yaml_map *map;
    struct yaml_problem *problem;
    size_t max_nodes;
    yaml_parser_t parser;
    struct yaml_node *open[YAML_MAP_MAX_DEPTH]; /* Mappings and sequences. */
    unsigned int depth;         /* Of 'open' in use. */
    char *key;                  /* Of the member to come, or null. */
    yaml_mark_t key_mark;
    struct slice text;
    unsigned int n_documents;
};

static bool OVS_PRINTF_FORMAT(3, 4)
refuse(struct reader *r, const yaml_mark_t *mark, const char *format, ...)
{
    va_list args;

    r->problem->line = mark->line + 1;
    r->problem->column = mark->column + 1;
    va_start(args, format);
    vsnprintf(r->problem->text, sizeof r->problem->text, format, args);
    va_end(args);
    /* A key that was cut may end within a character. */
    utf8_make_printable(r->problem->text);
    return false;
}

static char *
child_path(const struct yaml_node *parent, const char *key)
{
    if (!parent) {
        return xstrdup("");
    } else if (!key) {
        return xasprintf("%s[%u]", parent->path, parent->n_children);
    } else if (!parent->path[0]) {
        return xstrdup(key);
    }
    return xasprintf("%s.%s", parent->path, key);
}

/* Adds a node below the innermost open one.  Takes the key that waits, and
 * 'value'. */
static bool
add_node(struct reader *r, enum yaml_kind kind, const yaml_mark_t *mark,
         char *value)
{
    struct yaml_map *map = r->map;
    struct yaml_node *parent = r->depth ? r->open[r->depth - 1] : NULL;
    bool ok = true;

    struct yaml_node *node = xzalloc(sizeof *node);
    node->parent = parent;
    node->kind = kind;
    node->depth = r->depth;
    node->line = (r->key ? r->key_mark.line : mark->line) + 1;
    node->column = (r->key ? r->key_mark.column : mark->column) + 1;
    node->path = child_path(parent, r->key);
    node->key = r->key;
    node->value = value;
    r->key = NULL;

    if (map->n >= map->allocated) {
        map->nodes = x2nrealloc(map->nodes, &map->allocated,
                                sizeof *map->nodes);
    }
    map->nodes[map->n++] = node;

    if (!shash_add_once(&map->by_path, node->path, node)) {
        ok = refuse(r, mark, "%.100s stands twice", node->path);
    } else if (map->n > r->max_nodes) {
        ok = refuse(r, mark, "there are more than %"PRIuSIZE" values",
                    r->max_nodes);
    } else if (kind != YAML_KIND_SCALAR) {
        if (r->depth >= YAML_MAP_MAX_DEPTH) {
            ok = refuse(r, mark, "it is nested deeper than %d levels",
                        YAML_MAP_MAX_DEPTH);
        } else {
            r->open[r->depth++] = node;
        }
    }
    if (parent) {
        parent->n_children++;
    }
    return ok;
}

/* A tag would have another reader of YAML make something else of a value. */
static bool
refuse_tag(struct reader *r, const yaml_event_t *event)
{
    return refuse(r, &event->start_mark, "a tag (!) is not allowed");
}

static bool
take_scalar(struct reader *r, const yaml_event_t *event)
{
    const char *value = (const char *) event->data.scalar.value;
    size_t size = event->data.scalar.length;

    if (!is_printable(slice_of(value, size))) {
        return refuse(r, &event->start_mark,
                      "a value holds a control character");
    } else if (event->data.scalar.tag) {
        return refuse_tag(r, event);
    }

    struct yaml_node *parent = r->depth ? r->open[r->depth - 1] : NULL;
    char *copy = xmemdup0(value, size);
    if (parent && parent->kind == YAML_KIND_MAPPING && !r->key) {
        r->key = copy;
        r->key_mark = event->start_mark;
        return true;
    }
    return add_node(r, YAML_KIND_SCALAR, &event->start_mark, copy);
}

static bool
open_node(struct reader *r, const yaml_event_t *event, enum yaml_kind kind)
{
    struct yaml_node *parent = r->depth ? r->open[r->depth - 1] : NULL;

    if (parent && parent->kind == YAML_KIND_MAPPING && !r->key) {
        return refuse(r, &event->start_mark, "a key is not a single value");
    }
    if (kind == YAML_KIND_MAPPING ? event->data.mapping_start.tag
        : event->data.sequence_start.tag) {
        return refuse_tag(r, event);
    }
    return add_node(r, kind, &event->start_mark, NULL);
}

static bool
take_event(struct reader *r, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->n_documents++) {
            return refuse(r, &event->start_mark, "a second document begins");
        }
        return true;
    case YAML_ALIAS_EVENT:
        return refuse(r, &event->start_mark, "an alias (*) is not allowed");
    case YAML_SCALAR_EVENT:
        return take_scalar(r, event);
    case YAML_MAPPING_START_EVENT:
        return open_node(r, event, YAML_KIND_MAPPING);
    case YAML_SEQUENCE_START_EVENT:
        return open_node(r, event, YAML_KIND_SEQUENCE);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        r->depth--;
        return true;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    default:
        return true;
    }
}

/* Returns where the byte at 'offset' is: an encoding problem comes without a
 * mark. */
static yaml_mark_t
mark_at(struct slice text, size_t offset)
{
    yaml_mark_t mark = { .index = MIN(offset, text.size) };

    for (size_t i = 0; i < mark.index; i++) {
        mark.column++;
        if (text.data[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

/* Whether a tab is among the blanks before all else in line number 'line',
 * counted from 0. */
static bool
is_indented_by_tab(struct slice text, size_t line)
{
    struct cursor c = cursor_of(text);

    while (line && c.left) {
        line -= cursor_be(&c, 1) == '\n';
    }
    while (c.left) {
        uint8_t byte = cursor_be(&c, 1);
        if (byte != ' ') {
            return byte == '\t';
        }
    }
    return false;
}

static bool
read_events(struct reader *r)
{
    bool ok = true;
    bool end = false;

    while (ok && !end) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event)) {
            const yaml_parser_t *p = &r->parser;
            yaml_mark_t mark = (p->error == YAML_READER_ERROR
                                ? mark_at(r->text, p->problem_offset)
                                : p->problem_mark);
            return refuse(r, &mark, "%s",
                          is_indented_by_tab(r->text, mark.line)
                          ? "a tab is not allowed before a key or value"
                          : p->problem ? p->problem : "it can't be read");
        }
        end = event.type == YAML_STREAM_END_EVENT;
        ok = take_event(r, &event);
        yaml_event_delete(&event);
    }
    return ok;
}

char *
yaml_read_file(const char *path, size_t max_size, char **ret_text,
               size_t *ret_size)
{
    char *sentence = NULL;
    char *text = NULL;
    struct stat st;

    /* Not blocking, lest a named pipe be waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return xasprintf("%s: it can't be opened: %s; name a file that can "
                         "be read.", path, ovs_strerror(errno));
    }
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        sentence = xasprintf("%s: it is not a file; name a file that can be "
                             "read.", path);
        goto out;
    }
    if (st.st_size > 0 && (uintmax_t) st.st_size > max_size) {
        sentence = xasprintf("%s: it is larger than %"PRIuSIZE" bytes; name "
                             "a smaller file.", path, max_size);
        goto out;
    }

    size_t size = 0;
    text = xmalloc(max_size + 1);
    int error = read_fully(fd, text, max_size + 1, &size);
    if ((error && error != EOF) || size > max_size) {
        sentence = xasprintf("%s: it can't be read: %s; name a file that can "
                             "be read.", path,
                             ovs_retval_to_string(error ? error : EFBIG));
        goto out;
    }
    *ret_text = text;
    *ret_size = size;
    text = NULL;

out:
    free(text);
    close(fd);
    return sentence;
}

bool
yaml_map_create(const char *text, size_t size, size_t max_nodes,
                struct yaml_map **ret, struct yaml_problem *ret_problem)
{
    struct yaml_problem problem = { .line = 0 };
    struct reader r = {
        .text = slice_of(text, size),
        .problem = &problem,
        .max_nodes = max_nodes,
    };

    if (!yaml_parser_initialize(&r.parser)) {
        out_of_memory();
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *) text,
                                 size);
    r.map = xzalloc(sizeof *r.map);
    shash_init(&r.map->by_path);

    bool ok = read_events(&r);

    yaml_parser_delete(&r.parser);
    free(r.key);
    if (ok) {
        *ret = r.map;
    } else {
        yaml_map_destroy(r.map);
        *ret_problem = problem;
    }
    return ok;
}

void
yaml_map_destroy(struct yaml_map *map)
{
    if (map) {
        for (size_t i = 0; i < map->n; i++) {
            free(map->nodes[i]->path);
            free(map->nodes[i]->key);
            free(map->nodes[i]->value);
            free(map->nodes[i]);
        }
        free(map->nodes);
        shash_destroy(&map->by_path);
        free(map);
    }
}

size_t
yaml_map_n(const struct yaml_map *map)
{
    return map->n;
}

const struct yaml_node *
yaml_map_at(const struct yaml_map *map, size_t i)
{
    return map->nodes[i];
}

const struct yaml_node *
yaml_map_find(const struct yaml_map *map, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *path = xvasprintf(format, args);
    va_end(args);
    const struct yaml_node *node = shash_find_data(&map->by_path, path);
    free(path);
    return node;
}

/* Keeps the first error that libcyaml reports. */
static void
capture_log(cyaml_log_t level, void *text_, const char *format, va_list args)
{
    struct ds *text = text_;

    if (level >= CYAML_LOG_ERROR && !text->length) {
        ds_put_format_valist(text, format, args);
        ds_chomp(text, '\n');
    }
}

/* libcyaml makes a list longer by one entry at a time; from a page on its
 * memory is doubled, lest a long list be copied for each. */
static void *
grow(void *aux OVS_UNUSED, void *p, size_t size)
{
    if (!size) {
        free(p);
        return NULL;
    } else if (p && size <= malloc_usable_size(p)) {
        return p;
    }
    return realloc(p, size < 4096 ? size : (size_t) ROUND_UP_POW2(size));
}

char *
schema_load(const char *path, const char *text, size_t size,
            const struct cyaml_schema_value *schema, void **ret)
{
    struct ds log = DS_EMPTY_INITIALIZER;
    cyaml_config_t cyaml = {
        .log_fn = capture_log,
        .log_ctx = &log,
        .log_level = CYAML_LOG_ERROR,
        .mem_fn = grow,
        .flags = CYAML_CFG_NO_ALIAS,
    };
    char *sentence = NULL;
    cyaml_data_t *data = NULL;

    cyaml_err_t error = cyaml_load_data((const uint8_t *) text, size, &cyaml,
                                        schema, &data, NULL);
    if (error != CYAML_OK) {
        sentence = xasprintf("%s: libcyaml refuses it: %s (%s); correct the "
                             "file.", path, cyaml_strerror(error),
                             log.length ? ds_cstr(&log) : "no details");
    } else {
        *ret = data;
    }
    ds_destroy(&log);
    return sentence;
}

void
schema_unload(const struct cyaml_schema_value *schema, void *data)
{
    const cyaml_config_t cyaml = {
        .log_level = CYAML_LOG_ERROR,
        .mem_fn = grow,
    };

    cyaml_free(&cyaml, schema, data, 0);
}

char *
yaml_complain(const char *path, const struct yaml_node *node,
              const char *format, ...)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    va_list args;

    ds_put_cstr(&s, path);
    if (node) {
        ds_put_format(&s, ":%u:%u", node->line, node->column);
    }
    ds_put_cstr(&s, ": ");
    if (node && node->path[0]) {
        ds_put_format(&s, "%.100s: ", node->path);
    }
    va_start(args, format);
    ds_put_format_valist(&s, format, args);
    va_end(args);
    /* It may quote half a character. */
    char *sentence = ds_steal_cstr(&s);
    utf8_make_printable(sentence);
    return sentence;
}

char *
yaml_complain_problem(const char *path, const struct yaml_problem *problem)
{
    return xasprintf("%s:%u:%u: this is not YAML as Sluice takes it: %s; "
                     "correct the line.", path, problem->line,
                     problem->column, problem->text);
}
