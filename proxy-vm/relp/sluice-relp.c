/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * sluice-relp: sends a tenant's lines to its server by RELP, for sluice-ship.
 * See sluice-relp(8).
 *
 * A program of its own because librelp is under the GNU General Public
 * License, version 3 or later, and with it this program as a whole (COPYING);
 * and because librelp's calls may wait.
 *
 * In: options; messages and marks at descriptor 3 (adapter-frame.h).
 * Out: messages at the server; there, confirmed marks or a sentence. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapter-end.h"
#include "relp-session.h"

enum {
    MIN_MS = 100,
    MAX_MS = 3600000,

    /* TLS may hold what poll() does not see. */
    LOOK_MS = 200,
};

static void __attribute__((noreturn))
usage(void)
{
    printf("usage: %s --server HOST:PORT [--timeout-ms MS]\n"
           "       [--tls --ca-file FILE --certificate-file FILE "
           "--key-file FILE\n"
           "        --server-name NAME]\n"
           "Sends messages from descriptor 3 by RELP; started by "
           "sluice-ship.\n"
           "See sluice-relp(8).\n", program_invocation_short_name);
    exit(EXIT_SUCCESS);
}

/* Splits HOST:PORT or [IPV6]:PORT in place.  Returns false if 'server' has
 * another form. */
static bool
split_server(char *server, char **ret_host, char **ret_port)
{
    char *colon = strrchr(server, ':');
    size_t n = colon ? colon - server : 0;

    if (!n || !colon[1]) {
        return false;
    }
    *colon = '\0';
    if (server[0] == '[' && server[n - 1] == ']') {
        server[n - 1] = '\0';
        server++;
    } else if (strchr(server, ':')) {
        return false;
    }
    *ret_host = server;
    *ret_port = colon + 1;
    return *server;
}

static void
check_options(struct relp_options *o)
{
    char *copy = o->server ? strdup(o->server) : NULL;

    if (!copy || !split_server(copy, &o->host, &o->port)) {
        adapter_end_fail("sluice-relp: --server is not HOST:PORT or "
                         "[IPV6]:PORT");
    }
    if (o->tls && !(o->ca_file && o->certificate_file && o->key_file
                    && o->server_name)) {
        /* Without a certificate of its own, librelp would be content with a
         * server that has none either. */
        adapter_end_fail("sluice-relp: --tls needs --ca-file, "
                         "--certificate-file, --key-file and --server-name");
    }
    if (o->tls && strchr(o->server_name, '*')) {
        adapter_end_fail("sluice-relp: --server-name is a name, without '*'");
    }
}

static void
parse_options(int argc, char *argv[], struct relp_options *o)
{
    enum { SERVER = 256, TLS, CA, CERTIFICATE, KEY, NAME, TIMEOUT };
    static const struct option options[] = {
        { "server", required_argument, NULL, SERVER },
        { "tls", no_argument, NULL, TLS },
        { "ca-file", required_argument, NULL, CA },
        { "certificate-file", required_argument, NULL, CERTIFICATE },
        { "key-file", required_argument, NULL, KEY },
        { "server-name", required_argument, NULL, NAME },
        { "timeout-ms", required_argument, NULL, TIMEOUT },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
        switch (c) {
        case SERVER: o->server = optarg; break;
        case TLS: o->tls = true; break;
        case CA: o->ca_file = optarg; break;
        case CERTIFICATE: o->certificate_file = optarg; break;
        case KEY: o->key_file = optarg; break;
        case NAME: o->server_name = optarg; break;
        case TIMEOUT: {
            char *end;
            unsigned long ms = strtoul(optarg, &end, 10);
            if (*end || ms < MIN_MS || ms > MAX_MS) {
                fprintf(stderr, "%s: --timeout-ms is not a number from %d to "
                        "%d\n", argv[0], MIN_MS, MAX_MS);
                exit(EXIT_FAILURE);
            }
            o->timeout_ms = ms;
            break;
        }
        case 'h': usage();
        case 'V':
            printf("sluice-relp (Sluice) %s\n", SLUICE_VERSION);
            exit(EXIT_SUCCESS);
        /* fall through */
        default: exit(EXIT_FAILURE);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: \"%s\" is not an option; use --help\n", argv[0],
                argv[optind]);
        exit(EXIT_FAILURE);
    }
}

/* Takes requests for as long as the window allows.  Returns true if it ended
 * for want of requests. */
static bool
take_requests(struct adapter_end *end, struct adapter_marks *marks,
              const struct relp_options *o)
{
    struct adapter_request request;
    bool sending = false;

    while (!relp_session_is_full() && adapter_end_next(end, &request)) {
        if (request.kind == ADAPTER_MARK) {
            if (!adapter_marks_add(marks, request.id)) {
                adapter_end_fail("sluice-ship set too many marks");
            }
            continue;
        }
        if (!sending) {
            sending = true;
            adapter_deadline_begin(o->timeout_ms, "%s took nothing for %u ms",
                                   o->server, o->timeout_ms);
            relp_session_begin_burst();
        }
        relp_session_send(request.payload);
    }
    if (sending) {
        relp_session_end_burst();
        adapter_deadline_end();
    }
    return !relp_session_is_full();
}

/* Runs until ship has nothing more to say and the server has acknowledged
 * everything. */
static void
run(struct adapter_end *end, struct adapter_marks *marks,
    const struct relp_options *o)
{
    for (;;) {
        bool hungry = take_requests(end, marks, o);
        int64_t silence = relp_session_silence_ms();

        adapter_end_confirm(marks);
        if (end->eof && hungry && silence < 0) {
            return;
        }
        if (silence >= o->timeout_ms) {
            adapter_end_fail("%s acknowledged nothing for %u ms", o->server,
                             o->timeout_ms);
        }

        struct pollfd fds[] = {
            { .fd = relp_session_fd(), .events = POLLIN },
            { .fd = hungry && !end->eof ? ADAPTER_FD : -1, .events = POLLIN },
        };
        if (poll(fds, 2, silence < 0 ? -1 : LOOK_MS) < 0 && errno != EINTR) {
            adapter_end_fail("can't poll: %s", strerror(errno));
        }
        if ((fds[0].revents || silence >= 0) && relp_session_receive()) {
            adapter_end_progress();
        }
        if (fds[1].revents) {
            adapter_end_read(end);
        }
    }
}

int
main(int argc, char *argv[])
{
    struct relp_options o = { .timeout_ms = 10000 };
    static struct adapter_marks marks;
    struct adapter_end end;

    parse_options(argc, argv, &o);
    adapter_end_init(&end);
    check_options(&o);
    adapter_marks_init(&marks);
    relp_session_open(&o, &marks);
    adapter_end_open();
    run(&end, &marks, &o);
    relp_session_close();
    /* Not return: librelp has kept some memory, and a checker would tell. */
    _exit(EXIT_SUCCESS);
}
