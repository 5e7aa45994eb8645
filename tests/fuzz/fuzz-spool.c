/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the spool with a file that somebody else put there: any name, any
 * content, or no file at all.  Only what has the name of a batch is one; it is
 * read as it is, counted by its header, set aside and deleted.
 *
 * The input is a byte that says what it is (see below), the name up to a line
 * feed, and the content. */
#include "sluice-config.h"      /* For nftw(). */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cursor.h"
#include "../unit/remove-tree.h"
#include "seal.h"
#include "spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum what { REGULAR, SYMLINK, DIRECTORY, FIFO, N_WHAT };

static const struct spool_queue queue = { 1, SPOOL_MAIN_QUEUE };
static char dir[] = "/tmp/sluice-fuzz-spool.XXXXXX";

static void
check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void
tidy_up(void)
{
    remove_tree(dir);
}

/* Makes a file 'name' in the directory 'fd'.  Returns whether that was
 * possible. */
static bool
put_file(int fd, const char *name, enum what what, struct slice content)
{
    switch (what) {
    case REGULAR: {
        int file = openat(fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

        if (file < 0) {
            return false;
        }
        check(write(file, content.data, content.size)
              == (ssize_t) content.size);
        close(file);
        return true;
    }
    case SYMLINK:
        return !symlinkat("/etc/passwd", fd, name);
    case DIRECTORY:
        return !mkdirat(fd, name, 0700);
    case FIFO:
        return !mkfifoat(fd, name, 0600);
    case N_WHAT:
        break;
    }
    return false;
}

/* Whether 'name' is GENERATION-NUMBER.batch, with all the zeros in front. */
static bool
is_batch_name(const char *name)
{
    return (strlen(name) == 37
            && strspn(name, "0123456789") == 10 && name[10] == '-'
            && strspn(name + 11, "0123456789") == 20
            && !strcmp(name + 31, ".batch"));
}

/* Looks after the only file that may be there. */
static void
check_item(struct spool *s, const struct spool_item *item, const char *name,
           struct slice content)
{
    struct spool_totals totals;
    struct seal_header h;
    uint32_t n_lines = 0;
    uint8_t *data;
    size_t size;

    check(is_batch_name(name) && !strcmp(item->name, name));
    check(item->size == content.size);
    check(!spool_read(s, item, &data, &size));
    check(slice_equal(slice_of(data, size), content));
    free(data);
    if (!seal_read_header(content, &h)) {
        n_lines = h.n_lines;
    }
    check(!spool_totals(s, &queue, &totals));
    check(totals.n_batches == 1 && totals.n_lines == n_lines
          && totals.n_bytes == content.size);
    check(!spool_quarantine(s, item, "x"));
    check(!spool_totals(s, &queue, &totals));
    check(!totals.n_batches && totals.n_quarantined_batches == 1
          && totals.n_quarantined_lines == n_lines);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    struct spool_item item;
    struct spool *s;
    char name[256];
    size_t n = 0;

    if (fd < 0) {
        check(mkdtemp(dir) != NULL);
        atexit(tidy_up);
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    struct cursor c = cursor_of(slice_of(data, size));
    enum what what = cursor_be(&c, 1) % N_WHAT;
    while (cursor_peek(&c) > 0 && cursor_peek(&c) != '\n'
           && n < sizeof name - 1) {
        name[n++] = cursor_be(&c, 1);
    }
    name[n] = '\0';
    cursor_take(&c, c.left > 0);
    struct slice content = cursor_rest(&c);
    if (strchr(name, '/')) {
        return 0;
    }

    mkdirat(fd, "1", 0700);
    mkdirat(fd, "1/main", 0700);
    int queue_fd = openat(fd, "1/main", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(!spool_open(dir, &s));
    if (put_file(queue_fd, name, what, content)) {
        int error = spool_next(s, &queue, NULL, &item);

        if (!error) {
            check(what == REGULAR);
            check_item(s, &item, name, content);
        } else {
            check(error == ENOENT);
            check(what != REGULAR || !is_batch_name(name)
                  || strncmp(name, "4294967295", 10) > 0
                  || strncmp(name + 11, "18446744073709551615", 20) > 0);
        }
        unlinkat(queue_fd, name, what == DIRECTORY ? AT_REMOVEDIR : 0);
    }
    spool_close(s);
    close(queue_fd);
    if (n) {
        int quarantine_fd = openat(fd, "1/main/quarantine",
                                   O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (quarantine_fd >= 0) {
            unlinkat(quarantine_fd, name, 0);
            close(quarantine_fd);
        }
    }
    return 0;
}
