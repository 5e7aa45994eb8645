/* SPDX-License-Identifier: Apache-2.0
 *
 * Measures redaction alone: bench-redact FILE [ROUNDS], where FILE has a
 * message per line.  Prints the CPU time of the fastest round, and that of
 * hostile messages of the largest size, one figure per line: name value unit.
 * Under 'valgrind --tool=callgrind', the difference between a run of 3 rounds
 * and one of 1, by 2 and by the number of lines, is the instructions a line
 * takes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "redact.h"

#define MAX_LINES 1000000

static double
thread_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * 1e9 + ts.tv_nsec;
}

/* Redacts all lines, 'rounds' times.  Returns the time of the fastest round
 * and stores the number of redactions of one. */
static double
measure(struct redactor *r, const struct slice *lines, size_t n, int rounds,
        size_t *n_redactions)
{
    double best = 0;

    for (int i = 0; i < rounds; i++) {
        double start = thread_ns();

        *n_redactions = 0;
        for (size_t j = 0; j < n; j++) {
            struct redact_result result;

            redactor_run(r, lines[j], NULL, &result);
            *n_redactions += result.n_redactions;
        }
        double took = thread_ns() - start;
        best = !i || took < best ? took : best;
    }
    return best;
}

static void
measure_hostile(struct redactor *r)
{
    static const char *const units[] = {
        "all quiet here ", "password=", "pwd:", "pwd:a ", "pwd='", "eyJ",
        "://a:b/", "aaaa@", "4111 ", "1234567890", "authorization: x a=b,",
    };
    static uint8_t text[REDACT_CAP];

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        struct slice message = slice_of(text, sizeof text);
        size_t n;

        for (size_t j = 0; j < sizeof text; j++) {
            text[j] = units[i][j % strlen(units[i])];
        }
        printf("hostile[%s] %.2f ns/byte\n", units[i],
               measure(r, &message, 1, 20, &n) / sizeof text);
    }
}

int
main(int argc, char *argv[])
{
    static struct slice lines[MAX_LINES];
    struct redactor *r = NULL;
    size_t n = 0, n_bytes = 0, n_redactions = 0;

    if (argc < 2) {
        fprintf(stderr, "name a file of messages: bench-redact FILE "
                "[ROUNDS]\n");
        return 2;
    }
    int rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 20;
    FILE *f = fopen(argv[1], "r");
    if (!f) {
        fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    char *line = NULL;
    size_t allocated = 0;
    ssize_t size;
    while (n < MAX_LINES && (size = getline(&line, &allocated, f)) > 0) {
        size -= line[size - 1] == '\n';
        char *copy = malloc(size + 1);
        if (!copy) {
            break;
        }
        memcpy(copy, line, size);
        lines[n++] = slice_of(copy, size);
        n_bytes += size;
    }
    free(line);
    fclose(f);

    double start = thread_ns();
    int error = redactor_create(&r);
    if (error) {
        fprintf(stderr, "cannot compile the rules: %s\n", strerror(error));
        return 1;
    }
    printf("compile %.1f ms\n", (thread_ns() - start) / 1e6);
    if (n) {
        double ns = measure(r, lines, n, rounds, &n_redactions);

        printf("lines %zu\n", n);
        printf("line-size %.0f bytes\n", (double) n_bytes / n);
        printf("redact %.1f ns/line\n", ns / n);
        printf("redactions %zu\n", n_redactions);
    }
    if (argc < 3) {
        measure_hostile(r);
    }
    redactor_destroy(r);
    for (size_t i = 0; i < n; i++) {
        free((void *) lines[i].data);
    }
    return 0;
}
