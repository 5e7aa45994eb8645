/* SPDX-License-Identifier: Apache-2.0
 *
 * sluice-unseal: the tenant's end of sealed batches.  Opens them with the
 * tenant's key and hands their lines to a file, standard output or the local
 * syslog server.  See sluice-unseal(8).
 *
 * In: the command line; batches, from files or from sluice-ship.
 * Out: what sink.h and server.h say. */
#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "util.h"

#include "files.h"
#include "no-dump.h"
#include "program.h"
#include "seal.h"
#include "server.h"

VLOG_DEFINE_THIS_MODULE(unseal);

enum {
    MAX_TENANT = 0xffffff,
    MAX_MS = 3600000,
    DEFAULT_MAX_BATCH = SEAL_HEADER_SIZE + SEAL_MAX_RAW_SIZE + 64 * 1024
                        + SEAL_TAG_SIZE,
    DEFAULT_MEMORY_MB = 64,
};

struct options {
    const char *key_file;
    const char *public_file;
    const char *output;         /* Null: standard output. */
    const char *syslog;         /* Null: 'output'. */
    const char *state;
    const char *sd_id;
    enum ship_format format;
    const char *user;
    bool generate_key, check;
    struct conn_tls_options tls;
    struct server_options server;
    struct unsealer_options unsealer;
    char **paths;
    size_t n_paths;
};

static void
usage(void)
{
    printf("usage: %s --key FILE [--tenant N] [--state DIR] [OUTPUT] "
           "BATCH|DIR...\n"
           "   or: %s --key FILE --check [--tenant N] BATCH|DIR...\n"
           "   or: %s --key FILE --tenant N --state DIR --listen ADDR:PORT\n"
           "       [--certificate FILE --private-key FILE --ca FILE\n"
           "       [--client-name NAME]] [OUTPUT] [--user NAME]\n"
           "       [--timeout-ms MS] [--max-batch BYTES] [--memory MB]\n"
           "       [--sessions N]\n"
           "   or: %s --generate-key --key FILE --public FILE\n"
           "OUTPUT is --output FILE, or --syslog SOCKET|HOST:PORT, or "
           "standard output;\nand --format rfc5424|json|raw, "
           "--sd-id NAME@PEN.\n"
           "Opens a tenant's sealed batches.  See sluice-unseal(8).\n",
           program_name, program_name, program_name, program_name);
    exit(EXIT_SUCCESS);
}

static enum ship_format
parse_format(const char *arg)
{
    static const char *const names[] = {
        [SHIP_RFC5424] = "rfc5424", [SHIP_JSON] = "json", [SHIP_RAW] = "raw",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!strcmp(arg, names[i])) {
            return i;
        }
    }
    ovs_fatal(0, "--format: \"%s\" is not rfc5424, json or raw", arg);
}

static void
read_command_line(int argc, char *argv[], struct options *o)
{
    enum { PUBLIC = 256, OUTPUT, SYSLOG, STATE, SD_ID, FORMAT, LISTEN,
           CERTIFICATE, PRIVATE_KEY, CA, CLIENT_NAME, USER, TIMEOUT,
           MAX_BATCH, MEMORY, SESSIONS, GENERATE_KEY, CHECK };
    static const struct option options[] = {
        { "key", required_argument, NULL, 'k' },
        { "tenant", required_argument, NULL, 't' },
        { "public", required_argument, NULL, PUBLIC },
        { "output", required_argument, NULL, OUTPUT },
        { "syslog", required_argument, NULL, SYSLOG },
        { "state", required_argument, NULL, STATE },
        { "sd-id", required_argument, NULL, SD_ID },
        { "format", required_argument, NULL, FORMAT },
        { "listen", required_argument, NULL, LISTEN },
        { "certificate", required_argument, NULL, CERTIFICATE },
        { "private-key", required_argument, NULL, PRIVATE_KEY },
        { "ca", required_argument, NULL, CA },
        { "client-name", required_argument, NULL, CLIENT_NAME },
        { "user", required_argument, NULL, USER },
        { "timeout-ms", required_argument, NULL, TIMEOUT },
        { "max-batch", required_argument, NULL, MAX_BATCH },
        { "memory", required_argument, NULL, MEMORY },
        { "sessions", required_argument, NULL, SESSIONS },
        { "generate-key", no_argument, NULL, GENERATE_KEY },
        { "check", no_argument, NULL, CHECK },
        { "verify", no_argument, NULL, CHECK },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    struct server_options *s = &o->server;
    int c, i = 0;

    while ((c = getopt_long(argc, argv, "hV", options, &i)) != -1) {
        const char *name = c == 'h' || c == '?' ? "help" : options[i].name;
        switch (c) {
        case 'k': o->key_file = optarg; break;
        case 't':
            s->tenant = program_parse_uint(name, optarg, 1, MAX_TENANT);
            break;
        case PUBLIC: o->public_file = optarg; break;
        case OUTPUT: o->output = optarg; break;
        case SYSLOG: o->syslog = optarg; break;
        case STATE: o->state = optarg; break;
        case SD_ID: o->sd_id = optarg; break;
        case FORMAT: o->format = parse_format(optarg); break;
        case LISTEN: s->listen = optarg; break;
        case CERTIFICATE: o->tls.certificate_file = optarg; break;
        case PRIVATE_KEY: o->tls.key_file = optarg; break;
        case CA: o->tls.ca_file = optarg; break;
        case CLIENT_NAME: o->tls.client_name = optarg; break;
        case USER: o->user = optarg; break;
        case TIMEOUT:
            s->timeout_ms = program_parse_uint(name, optarg, 100, MAX_MS);
            break;
        case MAX_BATCH:
            s->max_batch = program_parse_uint(name, optarg, 4096,
                                              DEFAULT_MAX_BATCH);
            break;
        case MEMORY:
            s->max_memory = (program_parse_uint(name, optarg, 1, 65536)
                             * (size_t) 1024 * 1024);
            break;
        case SESSIONS:
            s->max_sessions = program_parse_uint(name, optarg, 1, 4096);
            break;
        case GENERATE_KEY: o->generate_key = true; break;
        case CHECK: o->check = true; break;
        case 'h': usage(); break;
        case 'V':
            printf("sluice-unseal (Sluice) %s\n", SLUICE_VERSION);
            exit(EXIT_SUCCESS);
        /* fall through */
        default: exit(EXIT_FAILURE);
        }
    }
    o->paths = argv + optind;
    o->n_paths = argc - optind;
}

/* Ends the program if the options do not go together. */
static void
check_options(const struct options *o)
{
    int n_tls = (!!o->tls.certificate_file + !!o->tls.key_file
                 + !!o->tls.ca_file);

    if (!o->key_file) {
        ovs_fatal(0, "--key is missing; use --help");
    } else if (o->generate_key) {
        if (!o->public_file) {
            ovs_fatal(0, "--generate-key needs --public, for the public key");
        }
    } else if (!o->server.listen == !o->n_paths) {
        ovs_fatal(0, "either --listen or batches must be there; use --help");
    } else if (o->server.listen && (!o->server.tenant || !o->state)) {
        ovs_fatal(0, "--listen needs --tenant and --state; use --help");
    } else if (o->state && !o->server.tenant) {
        ovs_fatal(0, "--state needs --tenant: what is remembered is of one "
                  "tenant");
    } else if (n_tls % 3 || (o->tls.client_name && !n_tls)) {
        ovs_fatal(0, "TLS needs --certificate, --private-key and --ca "
                  "together");
    } else if (o->output && o->syslog) {
        ovs_fatal(0, "--output and --syslog don't go together");
    } else if (o->check && (o->output || o->syslog || o->state
                            || o->server.listen)) {
        ovs_fatal(0, "--check puts nothing anywhere; use it without --output, "
                  "--syslog, --state and --listen");
    } else if (o->server.max_memory < 2 * (size_t) o->server.max_batch) {
        ovs_fatal(0, "--memory must have room for two batches of --max-batch");
    }
}

static struct seal_key *
read_key(const struct options *o, uint8_t public[32])
{
    struct seal_key *key;
    int error = seal_key_read(o->key_file, &key);

    if (error) {
        ovs_fatal(0, "can't read the key %s: %s", o->key_file,
                  error == EACCES ? "others may read it; give it mode 0600 "
                  "and this program's user"
                  : error == EINVAL ? "it is not a key file"
                  : ovs_strerror(error));
    }
    seal_key_public(key, public);
    return key;
}

/* Gives up the rights of root for those of 'name'. */
static void
become(const char *name)
{
    const struct passwd *pw = getpwnam(name);

    if (!pw) {
        ovs_fatal(0, "--user: there is no user %s", name);
    }
    if (initgroups(name, pw->pw_gid) || setgid(pw->pw_gid)
        || setuid(pw->pw_uid)) {
        ovs_fatal(errno, "can't become user %s", name);
    }
    no_dump();                  /* A change of user may undo it. */
}

static struct sink *
open_sink(const struct options *o)
{
    struct sink *sink = NULL;
    int error;

    if (o->check) {
        return NULL;
    }
    error = (o->syslog
             ? sink_syslog_create(o->syslog, o->server.timeout_ms, &sink)
             : sink_file_create(o->output, &sink));
    if (error) {
        ovs_fatal(0, "can't open %s: %s", o->syslog ? o->syslog : o->output,
                  error == EINVAL
                  ? (o->syslog ? "it is neither the path of a socket nor "
                     "HOST:PORT" : "it is not a file")
                  : ovs_strerror(error));
    }
    return sink;
}

/* Serves until a signal ends it.  Returns the exit status. */
static int
serve(struct options *o, struct unsealer *unsealer, struct server *server,
      int signals)
{
    struct signalfd_siginfo info;
    const char *broken;

    VLOG_INFO("tenant %"PRIu32": listening on port %u", o->server.tenant,
              server_port(server));
    while (!(broken = unsealer_broken(unsealer))) {
        if (read(signals, &info, sizeof info) > 0) {
            if (info.ssi_signo != SIGHUP) {
                break;
            }
            int error = unsealer_reopen(unsealer);
            if (error) {
                VLOG_ERR("can't open %s again: %s", o->output,
                         ovs_strerror(error));
            }
        }
        server_run(server);
        server_wait(server);
        poll_fd_wait(signals, POLLIN);
        poll_block();
    }
    if (broken) {
        ovs_error(0, "%s", broken);
    }
    return broken ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Takes the files on the command line.  Returns the exit status. */
static int
take_files(const struct options *o, struct unsealer *unsealer)
{
    struct files_result r;
    char *sentence = files_take(unsealer, o->paths, o->n_paths,
                                o->server.max_batch, o->check, &r);

    if (sentence) {
        ovs_error(0, "%s", sentence);
        free(sentence);
        return EXIT_FAILURE;
    }
    if (o->check) {
        printf("%"PRIu64" batches, %"PRIu64" lines, %"PRIu64" duplicates, "
               "%"PRIu64" faults\n", r.n_batches, r.n_lines, r.n_duplicates,
               r.n_faults);
        if (fflush(stdout)) {
            ovs_fatal(errno, "can't write to standard output");
        }
    }
    return r.n_faults ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int
run(struct options *o)
{
    struct conn_tls *tls = NULL;
    struct server *server = NULL;
    struct unsealer *unsealer;
    char *sentence;
    int status;

    static uint8_t public[32];  /* 'o' outlives this function. */
    struct seal_key *key = read_key(o, public);
    int signals = (o->server.listen
                   ? program_catch_signals(SIGTERM, SIGINT, SIGHUP, 0) : -1);
    if (o->tls.ca_file && (sentence = conn_tls_create(&o->tls, &tls))) {
        ovs_fatal(0, "%s", sentence);
    }
    o->server.tls = tls;
    o->server.recipient = public;
    if (o->server.listen
        && (sentence = server_create(&o->server, &server))) {
        ovs_fatal(0, "%s", sentence);
    }
    if (o->user) {
        become(o->user);
    }
    o->unsealer = (struct unsealer_options) {
        .key = key,
        .tenant = o->server.tenant,
        .state_dir = o->state,
        .sd_id = o->sd_id,
        .format = o->format,
        .sink = open_sink(o),
    };
    memcpy(o->unsealer.recipient, public, sizeof public);
    if ((sentence = unsealer_create(&o->unsealer, &unsealer))) {
        ovs_fatal(0, "%s", sentence);
    }
    o->server.unsealer = unsealer;
    status = (server ? serve(o, unsealer, server, signals)
              : take_files(o, unsealer));

    server_destroy(server);
    conn_tls_destroy(tls);
    unsealer_destroy(unsealer);
    sink_destroy(o->unsealer.sink);
    seal_key_destroy(key);
    if (signals >= 0) {
        close(signals);
    }
    return status;
}

int
main(int argc, char *argv[])
{
    struct options o = {
        .sd_id = "sluice@32473",
        .server = {
            .timeout_ms = 10000,
            .max_batch = DEFAULT_MAX_BATCH,
            .max_memory = DEFAULT_MEMORY_MB * 1024 * 1024,
            .max_sessions = 64,
        },
    };

    set_program_name(argv[0]);
    no_dump();
    vlog_set_levels(NULL, VLF_SYSLOG, VLL_OFF);
    signal(SIGPIPE, SIG_IGN);
    read_command_line(argc, argv, &o);
    check_options(&o);
    if (o.generate_key) {
        int error = seal_key_generate(o.key_file, o.public_file);
        if (error) {
            ovs_fatal(error, "can't make the keys %s and %s%s", o.key_file,
                      o.public_file, error == EEXIST
                      ? "; a key that is there is never replaced" : "");
        }
        return EXIT_SUCCESS;
    }
    return run(&o);
}
