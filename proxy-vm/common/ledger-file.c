/* SPDX-License-Identifier: Apache-2.0
 *
 * The file of the ledger.  See ledger-file.h. */
#include <config.h>

#include "ledger-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "failpoint.h"
#include "file-io.h"
#include "sodium.h"
#include "util.h"

#define LEDGER_MAGIC "SLULEDG1"

enum {
    HEADER_SIZE = 16 + LEDGER_HASH_SIZE,
    /* Of so many switch ports and tenants as there can be, and some. */
    MAX_SIZE = 64 << 20,
};

static void
make_hash(const uint8_t head[16], struct slice body,
          uint8_t hash[LEDGER_HASH_SIZE])
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, LEDGER_HASH_SIZE);
    crypto_generichash_update(&state, head, 16);
    crypto_generichash_update(&state, body.data, body.size);
    crypto_generichash_final(&state, hash, LEDGER_HASH_SIZE);
}

/* Makes the entries of the directory of 'path' durable. */
static int
sync_directory(const struct file_io *io, const char *path)
{
    char *dir = dir_name(path);
    int fd = io->openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    int error = fd < 0 || io->fsync(fd) ? errno : 0;

    if (fd >= 0) {
        io->close(fd);
    }
    free(dir);
    return error;
}

/* What durable_publish() does, by 'io'. */
static int
publish(const struct file_io *io, int fd, const char *temporary,
        const char *path, int error)
{
    if (!error && io->fsync(fd)) {
        error = errno;
    }
    failpoint(FAIL_LEDGER_SYNCED);
    if (io->close(fd) && !error) {
        error = errno;
    }
    if (!error && io->renameat(AT_FDCWD, temporary, AT_FDCWD, path)) {
        error = errno;
    }
    failpoint(FAIL_LEDGER_RENAMED);
    if (error) {
        io->unlinkat(AT_FDCWD, temporary);
        return error;
    }
    return sync_directory(io, path);
}

int
ledger_file_write(const char *path, uint64_t now_ns, struct slice ledger)
{
    return ledger_file_write_io(file_io_default(), path, now_ns, ledger);
}

int
ledger_file_write_io(const struct file_io *io, const char *path,
                     uint64_t now_ns, struct slice ledger)
{
    char *temporary = xasprintf("%s.new", path);
    uint8_t header[HEADER_SIZE];
    int error = 0;

    memcpy(header, LEDGER_MAGIC, 8);
    for (int i = 0; i < 8; i++) {
        header[8 + i] = now_ns >> 8 * i;
    }
    make_hash(header, ledger, header + 16);

    /* Not to be written over: after a power cut within rename() it may be
     * another name of 'path'. */
    io->unlinkat(AT_FDCWD, temporary);
    int fd = io->openat(AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_EXCL
                        | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        error = errno;
        goto out;
    }
    error = file_io_write_all(io, fd, slice_of(header, sizeof header));
    if (!error) {
        error = file_io_write_all(io, fd, ledger);
    }
    failpoint(FAIL_LEDGER_WRITTEN);
    error = publish(io, fd, temporary, path, error);
    failpoint(FAIL_LEDGER_ENDED);

out:
    free(temporary);
    return error;
}

/* Reads all of the file 'path'.  Returns 0 and '*ret', malloc()ed. */
static int
read_all(const struct file_io *io, const char *path, uint8_t **ret,
         size_t *ret_size)
{
    uint8_t *data = NULL;
    struct stat st;
    size_t n = 0;
    int error = 0;

    int fd = io->openat(AT_FDCWD, path,
                        O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0 || io->fstat(fd, &st)) {
        error = errno;
        goto out;
    }
    if (!S_ISREG(st.st_mode) || st.st_size < HEADER_SIZE
        || st.st_size > MAX_SIZE) {
        error = EBADMSG;
        goto out;
    }
    data = xmalloc(st.st_size);
    while (n < (size_t) st.st_size) {
        ssize_t got = io->read(fd, data + n, st.st_size - n);
        if (got > 0) {
            n += got;
        } else if (!got) {
            error = EBADMSG;
            goto out;
        } else if (errno != EINTR) {
            error = errno;
            goto out;
        }
    }
    *ret = data;
    *ret_size = n;
    data = NULL;

out:
    free(data);
    if (fd >= 0) {
        io->close(fd);
    }
    return error;
}

int
ledger_file_read(const char *path, uint64_t *ret_ns, Sluice__Ledger **ret)
{
    return ledger_file_read_io(file_io_default(), path, ret_ns, ret);
}

int
ledger_file_read_io(const struct file_io *io, const char *path,
                    uint64_t *ret_ns, Sluice__Ledger **ret)
{
    uint8_t hash[LEDGER_HASH_SIZE];
    uint64_t written_ns = 0;
    uint8_t *data = NULL;
    size_t size = 0;
    int error = read_all(io, path, &data, &size);
    if (error) {
        return error;
    }

    struct slice body = slice_of(data + HEADER_SIZE, size - HEADER_SIZE);
    make_hash(data, body, hash);
    Sluice__Ledger *ledger = NULL;
    if (!memcmp(data, LEDGER_MAGIC, 8)
        && !memcmp(data + 16, hash, sizeof hash)) {
        ledger = sluice__ledger__unpack(NULL, body.size, body.data);
    }
    for (int i = 0; i < 8; i++) {
        written_ns |= (uint64_t) data[8 + i] << 8 * i;
    }
    free(data);
    if (!ledger) {
        return EBADMSG;
    }
    *ret = ledger;
    *ret_ns = written_ns;
    return 0;
}

void
ledger_file_free(Sluice__Ledger *ledger)
{
    if (ledger) {
        sluice__ledger__free_unpacked(ledger, NULL);
    }
}
