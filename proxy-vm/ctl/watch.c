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
#include "screen.h"
#include "util.h"

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

/* Calls 'show' and has the screen show what it prints. */
static int
show_on_screen(int (*show)(void *aux), void *aux)
{
    FILE *out = stdout;
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);

    if (!memory) {
        out_of_memory();
    }
    stdout = memory;
    int status = show(aux);
    stdout = out;
    fclose(memory);
    screen_show(text);
    free(text);
    return status;
}

int
watch_run(unsigned int interval_s, bool json, int (*show)(void *aux),
          void *aux)
{
    bool on_screen = !json && screen_is_there();
    int status = EXIT_SUCCESS;

    watch_end_by_interrupt();
    render_json_in_lines();
    for (bool first = true; !status; first = false) {
        if (!first) {
            xnanosleep(interval_s * UINT64_C(1000000000));
            if (!json && !on_screen) {
                putchar('\n');
            }
        }
        status = watch_flush(on_screen ? show_on_screen(show, aux)
                             : show(aux));
    }
    return status;
}
