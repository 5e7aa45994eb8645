/* SPDX-License-Identifier: Apache-2.0
 *
 * sluice-libvirt: tells sluice-context what one libvirt knows.  See
 * sluice-libvirt(8).
 *
 * A program of its own because libvirt's calls may wait, and not end.
 *
 * In: options; libvirt.
 * Out: reports at the standard output (proto/libvirt.proto). */
#include <config.h>

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "no-dump.h"
#include "session.h"
#include "util.h"

enum { EXIT_USAGE = 2, DEFAULT_POLL_MS = 60000 };

static void OVS_NO_RETURN
usage(void)
{
    printf("Usage: sluice-libvirt --uri URI [--poll-interval-ms MS]\n"
           "Tells sluice-context, which starts it, what a libvirt knows.\n\n"
           "  --uri URI               where it is: qemu:///system\n"
           "  --poll-interval-ms MS   from one reading of CPU and memory use "
           "to the next\n"
           "  -h, --help              print this and exit\n"
           "  -V, --version           print the version and exit\n");
    exit(EXIT_SUCCESS);
}

static void OVS_NO_RETURN
usage_error(const char *sentence)
{
    fprintf(stderr, "sluice-libvirt: %s; see 'sluice-libvirt --help'.\n",
            sentence);
    exit(EXIT_USAGE);
}

static unsigned int
parse_ms(const char *s)
{
    char *end;
    unsigned long ms = strtoul(s, &end, 10);

    if (*end || !*s || ms < 100 || ms > INT_MAX) {
        usage_error("--poll-interval-ms is not a number of milliseconds");
    }
    return ms;
}

int
main(int argc, char *argv[])
{
    enum { OPT_URI = UCHAR_MAX + 1, OPT_POLL };
    static const struct option options[] = {
        { "uri", required_argument, NULL, OPT_URI },
        { "poll-interval-ms", required_argument, NULL, OPT_POLL },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    unsigned int poll_ms = DEFAULT_POLL_MS;
    const char *uri = NULL;
    int c;

    ovs_set_program_name("sluice-libvirt", SLUICE_VERSION);
    while ((c = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
        switch (c) {
        case OPT_URI: uri = optarg; break;
        case OPT_POLL: poll_ms = parse_ms(optarg); break;
        case 'h': usage();
        case 'V':
            printf("sluice-libvirt (Sluice) %s\n", SLUICE_VERSION);
            exit(EXIT_SUCCESS);
        default: usage_error("the command line can't be understood");
        }
    }
    if (optind < argc) {
        usage_error("there is an argument that belongs to no option");
    } else if (!uri) {
        usage_error("give --uri");
    } else if (isatty(STDOUT_FILENO)) {
        usage_error("its reports are not for a terminal");
    }
    no_dump();
    session_run(uri, poll_ms);
}
