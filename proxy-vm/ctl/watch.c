/* SPDX-License-Identifier: Apache-2.0
 *
 * What a command shows, again and again.  See watch.h. */
#include <config.h>

#include "watch.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "render-json.h"
#include "util.h"

/* Brings the cursor to the top of a terminal, and clears what is there. */
#define CLEAR_SCREEN "\033[H\033[J"

static void
on_interrupt(int signal OVS_UNUSED)
{
    _exit(EXIT_SUCCESS);
}

void
watch_end_by_interrupt(void)
{
    struct sigaction action = { .sa_handler = on_interrupt };

    sigaction(SIGINT, &action, NULL);
}

void
watch_clear(void)
{
    if (isatty(STDOUT_FILENO)) {
        fputs(CLEAR_SCREEN, stdout);
    }
}

int
watch_flush(int status)
{
    if (!status && (fflush(stdout) || ferror(stdout))) {
        fprintf(stderr, "sluicectl: standard output can't be written; make "
                "room for it.\n");
        return EXIT_FAILURE;
    }
    return status;
}

int
watch_run(unsigned int interval_s, bool json, int (*show)(void *aux),
          void *aux)
{
    int status = EXIT_SUCCESS;

    watch_end_by_interrupt();
    render_json_in_lines();
    for (bool first = true; !status; first = false) {
        if (!first) {
            xnanosleep(interval_s * UINT64_C(1000000000));
            if (!json && !isatty(STDOUT_FILENO)) {
                putchar('\n');
            }
        }
        if (!json) {
            watch_clear();
        }
        status = watch_flush(show(aux));
    }
    return status;
}
