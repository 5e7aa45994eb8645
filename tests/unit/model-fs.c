/* SPDX-License-Identifier: Apache-2.0
 *
 * A file system in memory.  See model-fs.h. */
#include "sluice-config.h"

#include "model-fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_NODES = 4096,
    MAX_FDS = 256,
    FIRST_FD = 100000,          /* No real one by mistake. */
    BLOCK = 512,                /* Written whole or not at all. */
};

struct bytes {
    uint8_t *data;
    size_t size;
};

struct entry {
    char name[128];
    int node;
};

struct entries {
    struct entry *list;
    size_t n, allocated;
};

/* A change of a directory that is not durable yet. */
struct change {
    bool is_removal;
    struct entry entry;
    uint64_t rename;            /* Both halves of a rename have its number. */
};

struct changes {
    struct change *list;
    size_t n, allocated;
};

struct node {
    bool is_dir;
    bool is_lost;               /* A sync failed: its bytes never last. */
    struct bytes now, durable;  /* Of a file. */
    struct entries names, durable_names; /* Of a directory. */
    struct changes changes;     /* In their order. */
};

struct model {
    struct node nodes[MAX_NODES];
    int n_nodes;
};

static struct model *now, *saved;
static struct { int node; size_t pos; bool used; } fds[MAX_FDS];
static uint64_t random_state, n_calls, cut_at, fail_at, n_renames;
static int fail_error;

uint64_t
model_random(uint64_t n)
{
    /* xorshift64*. */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (random_state * UINT64_C(2685821657736338717) >> 11) % n;
}

/* Growing lists. */

static void *
grow(void *list, size_t n, size_t *allocated, size_t size)
{
    if (n >= *allocated) {
        *allocated = *allocated ? 2 * *allocated : 8;
        list = realloc(list, *allocated * size);
        if (!list) {
            abort();
        }
    }
    return list;
}

static struct bytes
copy_bytes(struct bytes b)
{
    struct bytes copy = { malloc(b.size + 1), b.size };

    if (b.size) {
        memcpy(copy.data, b.data, b.size);
    }
    return copy;
}

static void
set_bytes(struct bytes *dst, struct bytes src)
{
    struct bytes copy = copy_bytes(src);

    free(dst->data);
    *dst = copy;
}

static struct entry *
find_entry(struct entries *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++) {
        if (!strcmp(l->list[i].name, name)) {
            return &l->list[i];
        }
    }
    return NULL;
}

static void
remove_entry(struct entries *l, const char *name)
{
    struct entry *e = find_entry(l, name);

    if (e) {
        *e = l->list[--l->n];
    }
}

static void
put_entry(struct entries *l, const char *name, int node)
{
    remove_entry(l, name);
    l->list = grow(l->list, l->n, &l->allocated, sizeof *l->list);
    struct entry *e = &l->list[l->n++];
    snprintf(e->name, sizeof e->name, "%s", name);
    e->node = node;
}

static void
set_entries(struct entries *dst, const struct entries *src)
{
    dst->n = 0;
    for (size_t i = 0; i < src->n; i++) {
        put_entry(dst, src->list[i].name, src->list[i].node);
    }
}

/* Changes a directory, which is not durable. */
static void
change(struct node *dir, bool is_removal, const char *name, int node,
       uint64_t rename)
{
    struct changes *c = &dir->changes;

    if (is_removal) {
        remove_entry(&dir->names, name);
    } else {
        put_entry(&dir->names, name, node);
    }
    c->list = grow(c->list, c->n, &c->allocated, sizeof *c->list);
    struct change *new = &c->list[c->n++];
    *new = (struct change) { .is_removal = is_removal, .rename = rename };
    snprintf(new->entry.name, sizeof new->entry.name, "%s", name);
    new->entry.node = node;
}

static int
new_node(bool is_dir)
{
    if (now->n_nodes >= MAX_NODES) {
        abort();
    }
    now->nodes[now->n_nodes] = (struct node) { .is_dir = is_dir };
    return now->n_nodes++;
}

static void
free_model(struct model *m)
{
    for (int i = 0; m && i < m->n_nodes; i++) {
        free(m->nodes[i].now.data);
        free(m->nodes[i].durable.data);
        free(m->nodes[i].names.list);
        free(m->nodes[i].durable_names.list);
        free(m->nodes[i].changes.list);
    }
    free(m);
}

static struct model *
copy_model(const struct model *m)
{
    struct model *copy = calloc(1, sizeof *copy);

    copy->n_nodes = m->n_nodes;
    for (int i = 0; i < m->n_nodes; i++) {
        const struct node *from = &m->nodes[i];
        struct node *to = &copy->nodes[i];
        to->is_dir = from->is_dir;
        to->is_lost = from->is_lost;
        to->now = copy_bytes(from->now);
        to->durable = copy_bytes(from->durable);
        set_entries(&to->names, &from->names);
        set_entries(&to->durable_names, &from->durable_names);
        for (size_t j = 0; j < from->changes.n; j++) {
            to->changes.list = grow(to->changes.list, j,
                                    &to->changes.allocated,
                                    sizeof *to->changes.list);
            to->changes.list[j] = from->changes.list[j];
        }
        to->changes.n = from->changes.n;
    }
    return copy;
}

void
model_init(uint64_t seed)
{
    model_uninit();
    random_state = seed * 2 + 1;
    for (int i = 0; i < 20; i++) {
        model_random(2);
    }
    now = calloc(1, sizeof *now);
    new_node(true);
    put_entry(&now->nodes[0].names, "spool", new_node(true));
    set_entries(&now->nodes[0].durable_names, &now->nodes[0].names);
    n_calls = cut_at = fail_at = n_renames = 0;
}

void
model_uninit(void)
{
    model_kill();
    free_model(now);
    free_model(saved);
    now = saved = NULL;
}

uint64_t
model_n_calls(void)
{
    return n_calls;
}

void
model_cut_at(uint64_t n)
{
    cut_at = n ? n_calls + n : 0;
}

void
model_fail_at(uint64_t n, int error)
{
    fail_at = n ? n_calls + n : 0;
    fail_error = error;
}

int
model_kill(void)
{
    int n = 0;

    for (int i = 0; i < MAX_FDS; i++) {
        n += fds[i].used;
        fds[i].used = false;
    }
    return n;
}

void
model_save(void)
{
    free_model(saved);
    saved = copy_model(now);
}

void
model_restore(void)
{
    model_kill();
    free_model(now);
    now = copy_model(saved);
}

/* What is left of a file whose bytes were not synced. */
static void
tear(struct node *file)
{
    if (file->is_lost || !model_random(3)) {
        set_bytes(&file->now, file->durable);
        return;
    }
    if (!model_random(2)) {
        file->now.size = model_random(file->now.size + 1);
    }
    for (size_t i = 0; i < file->now.size; i += BLOCK) {
        if (!model_random(3)) {
            size_t n = file->now.size - i < BLOCK ? file->now.size - i : BLOCK;
            size_t old = i < file->durable.size ? file->durable.size - i : 0;
            old = old < n ? old : n;
            memset(file->now.data + i, 0, n);
            if (old) {
                memcpy(file->now.data + i, file->durable.data + i, old);
            }
        }
    }
}

static bool
is_synced(const struct node *file)
{
    return (file->now.size == file->durable.size
            && (!file->now.size || !memcmp(file->now.data, file->durable.data,
                                           file->now.size)));
}

void
model_power_cut(unsigned int per_cent)
{
    bool *there = calloc(n_renames + 1, sizeof *there);

    cut_at = fail_at = 0;
    model_kill();
    /* The new names of renames first.  One that is durable has no change. */
    memset(there, true, n_renames + 1);
    for (int i = 0; i < now->n_nodes; i++) {
        struct changes *c = &now->nodes[i].changes;
        for (size_t j = 0; j < c->n; j++) {
            if (c->list[j].rename && !c->list[j].is_removal) {
                there[c->list[j].rename] = model_random(100) < per_cent;
            }
        }
    }
    for (int i = 0; i < now->n_nodes; i++) {
        struct node *node = &now->nodes[i];
        if (!node->is_dir) {
            if (!is_synced(node)) {
                tear(node);
            }
            set_bytes(&node->durable, node->now);
            node->is_lost = false;
            continue;
        }
        for (size_t j = 0; j < node->changes.n; j++) {
            const struct change *c = &node->changes.list[j];
            bool is_there = (c->rename && !c->is_removal ? there[c->rename]
                             : (model_random(100) < per_cent
                                && (!c->rename || there[c->rename])));
            if (is_there && c->is_removal) {
                remove_entry(&node->durable_names, c->entry.name);
            } else if (is_there) {
                put_entry(&node->durable_names, c->entry.name, c->entry.node);
            }
        }
        node->changes.n = 0;
        set_entries(&node->names, &node->durable_names);
    }
    free(there);
}

/* The calls. */

/* Counts a call.  Returns true if it is to fail, errno being set. */
static bool
fails(void)
{
    n_calls++;
    if (cut_at && n_calls >= cut_at) {
        errno = EIO;
        return true;
    }
    if (fail_at && n_calls == fail_at) {
        errno = fail_error;
        return true;
    }
    return false;
}

static int
node_of(int fd)
{
    int i = fd - FIRST_FD;

    if (fd == AT_FDCWD) {
        return 0;
    }
    if (i < 0 || i >= MAX_FDS || !fds[i].used) {
        abort();                /* A descriptor that was closed. */
    }
    return fds[i].node;
}

static struct node *
dir_of(int fd)
{
    struct node *node = &now->nodes[node_of(fd)];

    if (!node->is_dir) {
        abort();
    }
    return node;
}

static int
model_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
    (void) mode;
    if (fails()) {
        return -1;
    }
    struct node *dir = dir_of(dir_fd);
    bool is_dir = !strcmp(name, ".");
    const struct entry *e = is_dir ? NULL : find_entry(&dir->names, name);
    int node = e ? e->node : is_dir ? node_of(dir_fd) : -1;
    if (e && flags & O_EXCL) {
        errno = EEXIST;
        return -1;
    } else if (node < 0 && !(flags & O_CREAT)) {
        errno = ENOENT;
        return -1;
    } else if (e && flags & O_DIRECTORY && !now->nodes[node].is_dir) {
        errno = ENOTDIR;
        return -1;
    }
    if (node < 0) {
        node = new_node(false);
        change(dir, false, name, node, 0);
    } else if (flags & O_TRUNC) {
        now->nodes[node].now.size = 0;
    }
    for (int i = 0; i < MAX_FDS; i++) {
        if (!fds[i].used) {
            fds[i].used = true;
            fds[i].node = node;
            fds[i].pos = 0;
            return FIRST_FD + i;
        }
    }
    abort();                    /* They are not closed. */
}

static int
model_close(int fd)
{
    node_of(fd);
    fds[fd - FIRST_FD].used = false;
    return fails() ? -1 : 0;
}

static ssize_t
model_read(int fd, void *buf, size_t size)
{
    if (fails()) {
        return -1;
    }
    const struct bytes *b = &now->nodes[node_of(fd)].now;
    size_t *pos = &fds[fd - FIRST_FD].pos;
    size_t n = b->size - *pos;
    n = n < size ? n : size;
    if (n) {
        memcpy(buf, b->data + *pos, n);
    }
    *pos += n;
    return n;
}

static ssize_t
model_write(int fd, const void *buf, size_t size)
{
    if (fails()) {
        return -1;
    }
    struct bytes *b = &now->nodes[node_of(fd)].now;
    size_t *pos = &fds[fd - FIRST_FD].pos;
    /* No more than asked for, and sometimes less. */
    size_t n = size > 1 && !model_random(8) ? 1 + model_random(size - 1)
                                            : size;
    if (*pos + n > b->size) {
        b->data = realloc(b->data, *pos + n);
        b->size = *pos + n;
    }
    memcpy(b->data + *pos, buf, n);
    *pos += n;
    return n;
}

static int
stat_node(int node, struct stat *st)
{
    *st = (struct stat) {
        .st_ino = node + 1,
        .st_mode = now->nodes[node].is_dir ? S_IFDIR : S_IFREG,
        .st_size = now->nodes[node].now.size,
    };
    return 0;
}

static int
model_fstat(int fd, struct stat *st)
{
    return fails() ? -1 : stat_node(node_of(fd), st);
}

static int
model_fstatat(int dir_fd, const char *name, struct stat *st)
{
    if (fails()) {
        return -1;
    }
    const struct entry *e = find_entry(&dir_of(dir_fd)->names, name);
    if (!e) {
        errno = ENOENT;
        return -1;
    }
    return stat_node(e->node, st);
}

static int
model_fsync(int fd)
{
    struct node *node = &now->nodes[node_of(fd)];

    if (fails()) {
        node->is_lost = !node->is_dir && !is_synced(node);
        return -1;
    }
    if (node->is_dir) {
        set_entries(&node->durable_names, &node->names);
        node->changes.n = 0;
    } else if (!node->is_lost) {
        set_bytes(&node->durable, node->now);
    }
    return 0;
}

static int
model_begin_sync(int fd)
{
    node_of(fd);
    return fails() ? -1 : 0;
}

static int
model_mkdirat(int dir_fd, const char *name, mode_t mode)
{
    (void) mode;
    if (fails()) {
        return -1;
    }
    struct node *dir = dir_of(dir_fd);
    if (find_entry(&dir->names, name)) {
        errno = EEXIST;
        return -1;
    }
    change(dir, false, name, new_node(true), 0);
    return 0;
}

static int
model_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    if (fails()) {
        return -1;
    }
    struct node *from_dir = dir_of(from_fd), *to_dir = dir_of(to_fd);
    const struct entry *e = find_entry(&from_dir->names, from);
    if (!e) {
        errno = ENOENT;
        return -1;
    }
    int node = e->node;
    n_renames++;
    change(to_dir, false, to, node, n_renames);
    change(from_dir, true, from, node, n_renames);
    return 0;
}

static int
model_linkat(int from_fd, const char *from, int to_fd, const char *to)
{
    if (fails()) {
        return -1;
    }
    const struct entry *e = find_entry(&dir_of(from_fd)->names, from);
    struct node *to_dir = dir_of(to_fd);
    if (!e || find_entry(&to_dir->names, to)) {
        errno = e ? EEXIST : ENOENT;
        return -1;
    }
    change(to_dir, false, to, e->node, 0);
    return 0;
}

static int
model_unlinkat(int dir_fd, const char *name)
{
    if (fails()) {
        return -1;
    }
    struct node *dir = dir_of(dir_fd);
    const struct entry *e = find_entry(&dir->names, name);
    if (!e) {
        errno = ENOENT;
        return -1;
    }
    change(dir, true, name, e->node, 0);
    return 0;
}

static int
model_list(int dir_fd, int (*cb)(const char *name, void *aux), void *aux)
{
    if (fails()) {
        return -1;
    }
    struct node *dir = dir_of(dir_fd);
    struct entries copy = { .n = 0 };
    int result = 0;

    set_entries(&copy, &dir->names);
    for (size_t i = 0; i < copy.n && !result; i++) {
        result = cb(copy.list[i].name, aux);
    }
    free(copy.list);
    return result;
}

const struct file_io model_io = {
    .openat = model_openat,
    .close = model_close,
    .read = model_read,
    .write = model_write,
    .fstat = model_fstat,
    .fstatat = model_fstatat,
    .fsync = model_fsync,
    .begin_sync = model_begin_sync,
    .mkdirat = model_mkdirat,
    .renameat = model_renameat,
    .linkat = model_linkat,
    .unlinkat = model_unlinkat,
    .list = model_list,
};

bool
model_exists(const char *path)
{
    char copy[256], *rest = copy, *part;
    int node = 0;

    snprintf(copy, sizeof copy, "%s", path);
    while ((part = strsep(&rest, "/"))) {
        if (!*part) {
            continue;
        }
        const struct entry *e = find_entry(&now->nodes[node].names, part);
        if (!e) {
            return false;
        }
        node = e->node;
    }
    return true;
}
