/* SPDX-License-Identifier: Apache-2.0
 *
 * sluice-ship: takes the batches of one queue of a tenant out of the spool,
 * renders them and sends them to the tenant's destination.  See
 * sluice-ship(8).
 *
 * In: the command line, and sluice.yaml or options in its place.
 * Out: what ship.h says. */
#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "util.h"

#include "program.h"
#include "proxy-config.h"
#include "failpoint.h"
#include "no-dump.h"
#include "seal.h"
#include "ship.h"

enum {
    MAX_TENANT = 0xffffff,
    MAX_MS = 3600000,
};

static void
usage(void)
{
    printf("usage: %s --config FILE --tenant N [--queue NAME]\n"
           "   or: %s --spool DIR --key FILE --tenant N --server HOST:PORT\n"
           "       [--queue NAME] [--stats FILE] [--sd-id NAME@PEN]\n"
           "       [--hold-ms MS] [--timeout-ms MS] [--backoff-max-ms MS]\n"
           "       [--once]\n"
           "   or: %s --generate-key --spool DIR --key FILE\n"
           "Sends a tenant's batches from the spool to its syslog server.\n"
           "See sluice-ship(8).\n",
           program_name, program_name, program_name);
    exit(EXIT_SUCCESS);
}

static void
set_string(char **dst, const char *src)
{
    free(*dst);
    *dst = nullable_xstrdup(src);
}

/* Returns the format of that name, which the configuration knows. */
static enum ship_format
parse_format(const char *name)
{
    static const char *const names[] = {
        [SHIP_RFC5424] = "rfc5424",
        [SHIP_JSON] = "json",
        [SHIP_RAW] = "raw",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!strcmp(name, names[i])) {
            return i;
        }
    }
    OVS_NOT_REACHED();
}

/* Makes the options of an output of what the configuration says of it. */
static void
read_destination(const struct config_destination *d, uint32_t tenant,
                 uint32_t timeout_ms, struct output_options *o)
{
    *o = (struct output_options) {
        .name = xstrdup(d->name),
        .type = xstrdup(d->type),
        .server = nullable_xstrdup(d->server),
        .ca_file = nullable_xstrdup(d->ca_file),
        .certificate_file = nullable_xstrdup(d->certificate_file),
        .key_file = nullable_xstrdup(d->key_file),
        .server_name = nullable_xstrdup(d->server_name),
        .recipient_file = nullable_xstrdup(d->recipient_file),
        .path = nullable_xstrdup(d->path),
        .topic = nullable_xstrdup(d->topic),
        .format = parse_format(d->format),
        .tenant = tenant,
        .timeout_ms = timeout_ms,
    };
}

static void
free_outputs(struct ship_options *o)
{
    for (size_t i = 0; i < o->n_outputs; i++) {
        output_options_uninit(&o->outputs[i]);
    }
    free(o->outputs);
    o->outputs = NULL;
    o->n_outputs = 0;
}

static void
free_elsewhere(struct ship_options *o)
{
    for (size_t i = 0; i < o->n_elsewhere; i++) {
        free(o->elsewhere[i]);
    }
    free(o->elsewhere);
}

/* Notes the destinations of 'tenant' that are not of our queue. */
static void
read_elsewhere(const struct config_tenant *tenant, struct ship_options *o)
{
    for (unsigned int i = 0; i < config_n_queues(tenant); i++) {
        const char *queue = config_queue_name(tenant, i);
        size_t n;
        const struct config_destination *d = config_queue_destinations(
            tenant, queue, &n);

        for (size_t j = 0; j < n && strcmp(queue, o->queue.name); j++) {
            o->elsewhere = xrealloc(o->elsewhere, (o->n_elsewhere + 1)
                                    * sizeof *o->elsewhere);
            o->elsewhere[o->n_elsewhere++] = xstrdup(d[j].name);
        }
    }
}

/* Fills in 'o', whose queue is set, from the configuration at 'path'. */
static void
read_config(const char *path, struct ship_options *o)
{
    struct config *config;
    char *error = config_load(path, &config);
    if (error) {
        ovs_fatal(0, "%s", error);
    }
    const struct config_tenant *tenant = config_find_tenant(config,
                                                            o->queue.tenant);
    if (!tenant) {
        ovs_fatal(0, "%s has no tenant %u: name one of its tenants with "
                  "--tenant", path, o->queue.tenant);
    }
    set_string(&o->spool, config->paths.spool);
    size_t n;
    const struct config_destination *d = config_queue_destinations(
        tenant, o->queue.name, &n);
    if (!d) {
        ovs_fatal(0, "%s has no queue \"%s\" for tenant %u: name one of its "
                  "queues with --queue", path, o->queue.name,
                  o->queue.tenant);
    }
    read_elsewhere(tenant, o);
    free_outputs(o);
    o->outputs = xcalloc(n, sizeof *o->outputs);
    for (o->n_outputs = 0; o->n_outputs < n; o->n_outputs++) {
        read_destination(&d[o->n_outputs], o->queue.tenant,
                         config->output.timeout_ms,
                         &o->outputs[o->n_outputs]);
        o->outputs[o->n_outputs].elsewhere = o->elsewhere;
        o->outputs[o->n_outputs].n_elsewhere = o->n_elsewhere;
    }
    set_string(&o->sd_id, config->output.sd_id);
    free(o->key);
    o->key = config_path_secret_key(config);
    free(o->stats);
    o->stats = config_path_ship_stats(config, o->queue.tenant, o->queue.name);
    o->hold_ms = config->output.hold_ms;
    o->process_only = !strcmp(config->batch.durability, "process");
    o->backoff_max_ms = config->output.backoff_max_ms;
    config_destroy(config);
}

/* Makes the shipper's key pair, for those who run the programs by hand, and
 * ends the program. */
static void OVS_NO_RETURN
generate_key(const struct ship_options *o)
{
    if (!o->spool || !o->key) {
        ovs_fatal(0, "--generate-key needs --key, for the secret key, and "
                  "--spool, for the public one; use --help");
    }

    char *public_path = xasprintf("%s/key.pub", o->spool);
    int error = seal_key_generate(o->key, public_path);
    if (error) {
        ovs_fatal(error, "can't make the keys %s and %s%s", o->key,
                  public_path, error == EEXIST
                  ? "; a key that is there is never replaced" : "");
    }
    exit(EXIT_SUCCESS);
}

static void
parse_options(int argc, char *argv[], struct ship_options *o)
{
    enum { HOLD = 256, TIMEOUT, BACKOFF, GENERATE_KEY };
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' },
        { "spool", required_argument, NULL, 'p' },
        { "key", required_argument, NULL, 'k' },
        { "tenant", required_argument, NULL, 't' },
        { "queue", required_argument, NULL, 'q' },
        { "server", required_argument, NULL, 's' },
        { "stats", required_argument, NULL, 'S' },
        { "sd-id", required_argument, NULL, 'i' },
        { "hold-ms", required_argument, NULL, HOLD },
        { "timeout-ms", required_argument, NULL, TIMEOUT },
        { "backoff-max-ms", required_argument, NULL, BACKOFF },
        { "once", no_argument, NULL, '1' },
        { "generate-key", no_argument, NULL, GENERATE_KEY },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    const char *config = NULL, *server = NULL;
    const char *queue = SPOOL_MAIN_QUEUE;
    uint32_t tenant = 0;
    uint32_t timeout_ms = 10000;
    bool generate = false;
    int c, i = 0;

    while ((c = getopt_long(argc, argv, "hV", options, &i)) != -1) {
        const char *name = c == 'h' ? "help" : options[i].name;
        switch (c) {
        case 'c': config = optarg; break;
        case 'p': set_string(&o->spool, optarg); break;
        case 'k': set_string(&o->key, optarg); break;
        case 't':
            tenant = program_parse_uint(name, optarg, 1, MAX_TENANT);
            break;
        case 'q': queue = optarg; break;
        case 's': server = optarg; break;
        case 'S': set_string(&o->stats, optarg); break;
        case 'i': set_string(&o->sd_id, optarg); break;
        case HOLD:
            o->hold_ms = program_parse_uint(name, optarg, 0, MAX_MS);
            break;
        case TIMEOUT:
            timeout_ms = program_parse_uint(name, optarg, 100, MAX_MS);
            break;
        case BACKOFF:
            o->backoff_max_ms = program_parse_uint(name, optarg, 100, MAX_MS);
            break;
        case '1': o->once = true; break;
        case GENERATE_KEY: generate = true; break;
        case 'h': usage(); break;
        case 'V':
            printf("sluice-ship (Sluice) %s\n", SLUICE_VERSION);
            exit(EXIT_SUCCESS);
        /* fall through */
        default: exit(EXIT_FAILURE);
        }
    }
    if (optind < argc) {
        ovs_fatal(0, "\"%s\" is not an option; use --help", argv[optind]);
    }
    if (generate) {
        generate_key(o);
    }
    if (!tenant) {
        ovs_fatal(0, "--tenant is missing; use --help");
    }
    if (!spool_queue_init(&o->queue, tenant, queue)) {
        ovs_fatal(0, "--queue: \"%s\" is not the name of a queue: up to %d "
                  "letters, digits, \".\", \"_\" and \"-\"", queue,
                  SPOOL_QUEUE_SIZE - 1);
    }
    if (config) {
        read_config(config, o);
    } else if (!o->spool || !o->key || !server) {
        ovs_fatal(0, "without --config, --spool, --key and --server must be "
                  "there; use --help");
    } else {
        o->n_outputs = 1;
        o->outputs = xmalloc(sizeof *o->outputs);
        o->outputs[0] = (struct output_options) {
            .name = xstrdup("main"),
            .type = xstrdup("tcp"),
            .server = xstrdup(server),
            .format = SHIP_RFC5424,
            .tenant = tenant,
            .timeout_ms = timeout_ms,
        };
    }
}

int
main(int argc, char *argv[])
{
    struct ship_options options = {
        .sd_id = xstrdup("sluice@32473"),
        .hold_ms = 2000,
        .backoff_max_ms = 30000,
    };
    struct signalfd_siginfo info;
    const char *error;
    struct ship *ship;

    set_program_name(argv[0]);
    no_dump();
    /* SIGHUP wakes the loop: a file that was renamed is then seen. */
    int signals = program_catch_signals(SIGTERM, SIGINT, SIGHUP, 0);
    signal(SIGPIPE, SIG_IGN);   /* OpenSSL write()s to sockets. */
    failpoints_init();
    vlog_set_levels(NULL, VLF_SYSLOG, VLL_OFF);
    parse_options(argc, argv, &options);

    char *sentence = ship_create(&options, &ship);
    if (sentence) {
        ovs_fatal(0, "%s", sentence);
    }
    while (!ship_is_done(ship, &error)) {
        if (read(signals, &info, sizeof info) > 0
            && info.ssi_signo != SIGHUP) {
            ship_stop(ship);
        }
        ship_run(ship);
        ship_wait(ship);
        poll_fd_wait(signals, POLLIN);
        poll_block();
    }
    if (error) {
        ovs_error(0, "%s", error);
    }
    int status = error ? EXIT_FAILURE : EXIT_SUCCESS;
    ship_destroy(ship);
    close(signals);
    free(options.spool);
    free(options.key);
    free_outputs(&options);
    free_elsewhere(&options);
    free(options.stats);
    free(options.sd_id);
    return status;
}
