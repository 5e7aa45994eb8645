/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the context snapshot share: a place for one, and VMs. */
#ifndef SNAPSHOT_FIXTURE_H
#define SNAPSHOT_FIXTURE_H 1

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "context-snapshot.h"

/* A directory of its own for each test, and the snapshot's path in it. */
struct fixture {
    char dir[64];
    char path[PATH_MAX];
};

static inline int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->dir, sizeof f->dir, "/tmp/sluice-snapshot-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/context.snapshot", f->dir);
    *state = f;
    return 0;
}

static inline int
teardown(void **state)
{
    struct fixture *f = *state;
    unlink(f->path);
    /* Fails if a temporary file was left. */
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

/* VM number 'i': its UUID, its two MACs and its record. */
struct vm {
    uint8_t uuid[16];
    uint8_t macs[2][6];
    uint8_t record[300];
    size_t record_size;
};

static inline struct vm
make_vm(uint32_t i)
{
    struct vm vm;

    memset(&vm, 0, sizeof vm);
    memcpy(vm.uuid + 12, &i, sizeof i);
    for (int j = 0; j < 2; j++) {
        vm.macs[j][0] = 0x52;
        vm.macs[j][1] = j;
        memcpy(vm.macs[j] + 2, &i, sizeof i);
    }
    vm.record_size = i % sizeof vm.record;
    for (size_t j = 0; j < vm.record_size; j++) {
        vm.record[j] = i * 7 + j;
    }
    return vm;
}

static inline int
add_vm(struct snapshot_builder *b, uint32_t i)
{
    struct vm vm = make_vm(i);
    return snapshot_builder_add(b, vm.uuid, vm.macs, 2,
                                slice_of(vm.record, vm.record_size));
}

/* Publishes VMs 0 to 'n_vms' - 1. */
static inline void
publish(const char *path, uint32_t n_vms, uint64_t generation)
{
    struct snapshot_builder *b = snapshot_builder_create();
    assert_non_null(b);
    for (uint32_t i = 0; i < n_vms; i++) {
        assert_int_equal(add_vm(b, i), 0);
    }
    assert_int_equal(snapshot_builder_publish(b, path, generation), 0);
    snapshot_builder_destroy(b);
}

/* Reads the file at 'path' into memory that the caller frees. */
static inline uint8_t *
read_file(const char *path, size_t *ret_size)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &st), 0);
    uint8_t *data = malloc(st.st_size);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, st.st_size, f), st.st_size);
    fclose(f);
    *ret_size = st.st_size;
    return data;
}

/* Asks for everything there is and might be; what matters is that it comes
 * back. */
static inline void
exercise(struct slice bytes)
{
    struct snapshot *s;
    struct slice record;
    uint64_t position = 0;

    if (snapshot_from_bytes(bytes, &s)) {
        return;
    }
    while (snapshot_next(s, &position, &record)) {
        continue;
    }
    for (uint32_t i = 0; i < 24; i++) {
        struct vm vm = make_vm(i);
        if (snapshot_find_vm(s, vm.uuid, &record)) {
            assert_true(record.size <= SNAPSHOT_MAX_RECORD);
        }
        snapshot_find_mac(s, vm.macs[0], &record);
    }
    snapshot_close(s);
}

#endif /* tests/unit/snapshot-fixture.h */
