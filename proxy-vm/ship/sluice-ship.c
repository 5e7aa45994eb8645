/* SPDX-License-Identifier: Apache-2.0
 *
 * sluice-ship: takes one tenant's batches out of the spool, renders them as
 * RFC 5424 and sends them to the tenant's server over TCP.  See
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

#include "proxy-config.h"
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
    printf("usage: %s --config FILE --tenant N\n"
           "   or: %s --spool DIR --key FILE --tenant N --server HOST:PORT\n"
           "       [--stats FILE] [--sd-id NAME@PEN] [--hold-ms MS]\n"
           "       [--timeout-ms MS] [--backoff-max-ms MS] [--once]\n"
           "   or: %s --generate-key --spool DIR --key FILE\n"
           "Sends a tenant's batches from the spool to its syslog server.\n"
           "See sluice-ship(8).\n",
           program_name, program_name, program_name);
    exit(EXIT_SUCCESS);
}

/* Returns the number in 'arg', the argument of 'option'. */
static unsigned int
parse_uint(const char *option, const char *arg, unsigned int min,
           unsigned int max)
{
    unsigned int value;

    if (!str_to_uint(arg, 10, &value) || value < min || value > max) {
        ovs_fatal(0, "--%s: \"%s\" is not a number from %u to %u", option,
                  arg, min, max);
    }
    return value;
}

static void
set_string(char **dst, const char *src)
{
    free(*dst);
    *dst = nullable_xstrdup(src);
}

/* Fills in 'o', whose tenant is set, from the configuration at 'path'. */
static void
read_config(const char *path, struct ship_options *o)
{
    struct config *config;
    char *error = config_load(path, &config);
    if (error) {
        ovs_fatal(0, "%s", error);
    }
    const struct config_tenant *tenant = config_find_tenant(config,
                                                            o->tenant);
    if (!tenant) {
        ovs_fatal(0, "%s has no tenant %u: name one of its tenants with "
                  "--tenant", path, o->tenant);
    }
    set_string(&o->spool, config->paths.spool);
    set_string(&o->server, tenant->server);
    set_string(&o->sd_id, config->output.sd_id);
    free(o->key);
    o->key = config_path_secret_key(config);
    free(o->stats);
    o->stats = config_path_ship_stats(config, o->tenant);
    o->hold_ms = config->output.hold_ms;
    o->timeout_ms = config->output.timeout_ms;
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
        { "server", required_argument, NULL, 's' },
        { "stats", required_argument, NULL, 'S' },
        { "sd-id", required_argument, NULL, 'i' },
        { "hold-ms", required_argument, NULL, HOLD },
        { "timeout-ms", required_argument, NULL, TIMEOUT },
        { "backoff-max-ms", required_argument, NULL, BACKOFF },
        { "once", no_argument, NULL, '1' },
        { "generate-key", no_argument, NULL, GENERATE_KEY },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *config = NULL;
    bool generate = false;
    int c, i;

    while ((c = getopt_long(argc, argv, "h", options, &i)) != -1) {
        const char *name = c == 'h' ? "help" : options[i].name;
        switch (c) {
        case 'c': config = optarg; break;
        case 'p': set_string(&o->spool, optarg); break;
        case 'k': set_string(&o->key, optarg); break;
        case 't': o->tenant = parse_uint(name, optarg, 1, MAX_TENANT); break;
        case 's': set_string(&o->server, optarg); break;
        case 'S': set_string(&o->stats, optarg); break;
        case 'i': set_string(&o->sd_id, optarg); break;
        case HOLD: o->hold_ms = parse_uint(name, optarg, 0, MAX_MS); break;
        case TIMEOUT:
            o->timeout_ms = parse_uint(name, optarg, 100, MAX_MS);
            break;
        case BACKOFF:
            o->backoff_max_ms = parse_uint(name, optarg, 100, MAX_MS);
            break;
        case '1': o->once = true; break;
        case GENERATE_KEY: generate = true; break;
        case 'h': usage();
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
    if (!o->tenant) {
        ovs_fatal(0, "--tenant is missing; use --help");
    }
    if (config) {
        read_config(config, o);
    } else if (!o->spool || !o->key || !o->server) {
        ovs_fatal(0, "without --config, --spool, --key and --server must be "
                  "there; use --help");
    }
}

/* Has SIGTERM and SIGINT arrive at a descriptor, which it returns. */
static int
catch_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        ovs_fatal(errno, "can't catch signals");
    }
    return fd;
}

int
main(int argc, char *argv[])
{
    struct ship_options options = {
        .sd_id = xstrdup("sluice@32473"),
        .hold_ms = 2000,
        .timeout_ms = 10000,
        .backoff_max_ms = 30000,
    };
    struct signalfd_siginfo info;
    const char *error;
    struct ship *ship;

    set_program_name(argv[0]);
    no_dump();
    vlog_set_levels(NULL, VLF_SYSLOG, VLL_OFF);
    /* A name server that is silent holds up no more than this tenant, but
     * that not for half a minute. */
    setenv("RES_OPTIONS", "timeout:2 attempts:2", false);
    parse_options(argc, argv, &options);

    int signals = catch_signals();
    char *sentence = ship_create(&options, &ship);
    if (sentence) {
        ovs_fatal(0, "%s", sentence);
    }
    while (!ship_is_done(ship, &error)) {
        if (read(signals, &info, sizeof info) > 0) {
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
    free(options.server);
    free(options.stats);
    free(options.sd_id);
    return status;
}
