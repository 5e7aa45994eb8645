/* SPDX-License-Identifier: Apache-2.0
 *
 * Replays a fuzz target's corpus without libFuzzer: each argument is a file,
 * or a directory whose files are taken, and goes to the target once.  Without
 * arguments, as 'make check' runs it, fuzz-x takes $srcdir's corpus of x.
 * Prints one TAP line per directory or file named. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns the number of inputs replayed, or -1 with errno set. */
static int
replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        return -1;
    }

    struct stat st;
    int n = -1;
    uint8_t *data = NULL;
    if (!fstat(fileno(f), &st) && (data = malloc(st.st_size + 1))
        && fread(data, 1, st.st_size, f) == (size_t) st.st_size) {
        /* A copy of the exact size, so that AddressSanitizer sees a read past
         * the end. */
        uint8_t *exact = malloc(st.st_size ? st.st_size : 1);
        if (exact) {
            memcpy(exact, data, st.st_size);
            LLVMFuzzerTestOneInput(exact, st.st_size);
            free(exact);
            n = 1;
        }
    }
    free(data);
    fclose(f);
    return n;
}

static int
replay(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) {
        return errno == ENOTDIR ? replay_file(path) : -1;
    }

    int n = 0;
    struct dirent *entry;
    while (n >= 0 && (entry = readdir(dir))) {
        if (entry->d_name[0] != '.') {
            char child[4096];
            snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
            n = replay_file(child) < 0 ? -1 : n + 1;
        }
    }
    closedir(dir);
    return n;
}

/* Writes to 'path' where the corpus of 'program', .../fuzz-x, is. */
static void
default_corpus(const char *program, char *path, size_t size)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash ? slash + 1 : program;
    const char *srcdir = getenv("srcdir");

    if (!strncmp(name, "fuzz-", 5)) {
        name += 5;
    }
    snprintf(path, size, "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".",
             name);
}

int
main(int argc, char *argv[])
{
    int failures = 0;
    char corpus[4096];
    char *defaults[] = { argv[0], corpus, NULL };

    if (argc == 1) {
        default_corpus(argv[0], corpus, sizeof corpus);
        argv = defaults;
        argc = 2;
    }

    printf("1..%d\n", argc - 1);
    for (int i = 1; i < argc; i++) {
        int n = replay(argv[i]);
        if (n <= 0) {
            printf("not ok %d - %s: %s\n", i, argv[i],
                   n ? strerror(errno) : "no inputs");
            failures++;
        } else {
            printf("ok %d - %s: %d inputs\n", i, argv[i], n);
        }
    }
    return failures > 0;
}
