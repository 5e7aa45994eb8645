/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes batches from files.  See files.h. */
#include <config.h>

#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

enum { COMMIT_BATCHES = 64 };   /* Synced together. */

struct files {
    struct unsealer *unsealer;
    uint32_t max_batch;
    FILE *report;
    struct files_result *result;
    unsigned int n_taken;       /* Since the last commit. */
};

/* Reports that something is wrong with the file at 'path'. */
static void OVS_PRINTF_FORMAT(3, 4)
fault(struct files *f, const char *path, const char *format, ...)
{
    va_list args;

    f->result->n_faults++;
    fprintf(f->report, "%s: ", path);
    va_start(args, format);
    vfprintf(f->report, format, args);
    va_end(args);
    fputc('\n', f->report);
}

/* Reads the file at 'path', which must have at most 'max' bytes.  Returns 0 or
 * a positive errno. */
static int
read_file(const char *path, size_t max, uint8_t **ret, size_t *ret_size)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    uint8_t *data = NULL;
    int error = 0;
    struct stat st;
    size_t n = 0;

    if (fd < 0 || fstat(fd, &st)) {
        error = errno;
    } else if (!S_ISREG(st.st_mode)) {
        error = EINVAL;
    } else if ((uint64_t) st.st_size > max) {
        error = EFBIG;
    } else {
        data = xmalloc(st.st_size + 1);
        while (n < (size_t) st.st_size && !error) {
            ssize_t got = read(fd, data + n, st.st_size - n);
            if (got > 0) {
                n += got;
            } else if (!got) {
                break;
            } else if (errno != EINTR) {
                error = errno;
            }
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    if (error) {
        free(data);
        return error;
    }
    *ret = data;
    *ret_size = n;
    return 0;
}

/* A file in the spool bears generation and number in its name.  Returns true
 * if those at 'path' are others than in 'h'. */
static bool
is_renamed(const char *path, const struct seal_header *h)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    uint64_t number;
    uint32_t generation;
    int end = 0;

    return (strlen(name) == 37
            && sscanf(name, "%10"SCNu32"-%20"SCNu64".batch%n", &generation,
                      &number, &end) == 2
            && end == 37
            && (generation != h->generation || number != h->number));
}

static char *
commit(struct files *f)
{
    int error = unsealer_commit(f->unsealer);

    f->n_taken = 0;
    if (!error) {
        return NULL;
    }
    const char *broken = unsealer_broken(f->unsealer);
    return (broken ? xstrdup(broken)
            : xasprintf("the lines can't be stored: %s",
                        ovs_strerror(error)));
}

static char *
take_file(struct files *f, const char *path)
{
    struct answer answer;
    uint8_t *data;
    size_t size;

    f->result->n_batches++;
    int error = read_file(path, f->max_batch, &data, &size);
    if (error) {
        fault(f, path, "%s", error == EFBIG
              ? "bomb: it is larger than any batch may be"
              : error == EINVAL ? "it is not a file" : ovs_strerror(error));
        return NULL;
    }
    error = unsealer_take(f->unsealer, slice_of(data, size), NULL, &answer);
    free(data);
    if (error) {
        return (unsealer_broken(f->unsealer)
                ? xstrdup(unsealer_broken(f->unsealer))
                : xasprintf("%s: can't take it: %s", path,
                            ovs_strerror(error)));
    }
    f->result->n_lines += (answer.status == DELIVERY_STORED
                           ? answer.n_lines : 0);
    f->result->n_duplicates += answer.status == DELIVERY_DUPLICATE;
    if (!answer.is_fine) {
        fault(f, path, "%s, %s", answer.text,
              answer.status == DELIVERY_REFUSED ? "refused" : "taken");
    } else if (is_renamed(path, &answer.header)) {
        fault(f, path, "renamed: it is batch %"PRIu64" of run %"PRIu32,
              answer.header.number, answer.header.generation);
    }
    return ++f->n_taken >= COMMIT_BATCHES ? commit(f) : NULL;
}

static int
is_batch_name(const struct dirent *entry)
{
    const char *name = entry->d_name;
    size_t n = strlen(name);

    return (name[0] != '.' && n > 6 && !strcmp(name + n - 6, ".batch"));
}

static char *
take_directory(struct files *f, const char *path)
{
    struct dirent **entries;
    char *sentence = NULL;
    int n = scandir(path, &entries, is_batch_name, alphasort);

    if (n < 0) {
        fault(f, path, "%s", ovs_strerror(errno));
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        if (!sentence) {
            char *file = xasprintf("%s/%s", path, entries[i]->d_name);
            sentence = take_file(f, file);
            free(file);
        }
        free(entries[i]);
    }
    free(entries);
    return sentence;
}

char *
files_take(struct unsealer *unsealer, char *const paths[], size_t n,
           uint32_t max_batch, bool report, struct files_result *ret)
{
    struct files f = {
        .unsealer = unsealer,
        .max_batch = max_batch,
        .report = report ? stdout : stderr,
        .result = ret,
    };
    char *sentence = NULL;

    memset(ret, 0, sizeof *ret);
    for (size_t i = 0; i < n && !sentence; i++) {
        struct stat st;

        sentence = (!stat(paths[i], &st) && S_ISDIR(st.st_mode)
                    ? take_directory(&f, paths[i])
                    : take_file(&f, paths[i]));
    }
    return sentence ? sentence : commit(&f);
}
