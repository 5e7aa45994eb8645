/* SPDX-License-Identifier: Apache-2.0
 *
 * sluice-context: asks whoever knows something about virtual machines, and
 * writes what it learns into the context snapshot.  See sluice-context(8).
 *
 * In: the static context file; vCenters.
 * Out: the context snapshot, mapped by sluice-intake. */
#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "collector.h"
#include "program.h"
#include "proxy-config.h"
#include "dump.h"
#include "failpoint.h"
#include "no-dump.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "taken.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(context);

enum { EXIT_USAGE = 2 };

struct options {
    const char *config;         /* Null: run by hand. */
    char *snapshot;
    char *static_file;          /* Where there is no configuration. */
    struct config *parsed;      /* The configuration, or null. */
    char *host_key_file;        /* Likewise. */
    bool once;
    int report_fd;              /* See taken.h; or -1. */
    uint64_t stamp;             /* Of the configuration read last, */
    bool refused;               /* and whether it was wrong. */
};

static void OVS_NO_RETURN
usage(void)
{
    printf("Usage: sluice-context --config FILE [--once] [--report-fd N]\n"
           "       sluice-context --static FILE --snapshot FILE [--once]\n"
           "       sluice-context --dump SNAPSHOT\n"
           "Writes what is known about virtual machines into a snapshot.\n\n"
           "  --config FILE     configuration of the proxy, see "
           "sluice.yaml(5)\n"
           "  --static FILE     what is known, see sluice-context.yaml(5)\n"
           "  --snapshot FILE   snapshot to write\n"
           "  --once            write the snapshot and exit\n"
           "  --report-fd N     tell sluiced there which configuration is in "
           "use\n"
           "  --dump SNAPSHOT   print a snapshot and exit\n"
           "  -h, --help        print this and exit\n"
           "  -V, --version     print the version and exit\n");
    vlog_usage();
    exit(EXIT_SUCCESS);
}

static void OVS_NO_RETURN
usage_error(const char *sentence)
{
    fprintf(stderr, "sluice-context: %s; see 'sluice-context --help'.\n",
            sentence);
    exit(EXIT_USAGE);
}

static void OVS_NO_RETURN
fail(const char *sentence)
{
    fprintf(stderr, "sluice-context: %s\n", sentence);
    exit(EXIT_FAILURE);
}

static void
set_string(char **dst, const char *src)
{
    free(*dst);
    *dst = nullable_xstrdup(src);
}

static void OVS_NO_RETURN
dump(const char *path)
{
    char *sentence = dump_snapshot(path, stdout);

    if (!sentence && fflush(stdout)) {
        sentence = xasprintf("standard output can't be written to: %s",
                             ovs_strerror(errno));
    }
    if (sentence) {
        fail(sentence);
    }
    exit(EXIT_SUCCESS);
}

static struct options
parse_options(int argc, char *argv[])
{
    enum {
        OPT_CONFIG = UCHAR_MAX + 1,
        OPT_STATIC,
        OPT_SNAPSHOT,
        OPT_ONCE,
        OPT_REPORT_FD,
        OPT_DUMP,
        VLOG_OPTION_ENUMS,
    };
    static const struct option long_options[] = {
        { "config", required_argument, NULL, OPT_CONFIG },
        { "static", required_argument, NULL, OPT_STATIC },
        { "snapshot", required_argument, NULL, OPT_SNAPSHOT },
        { "once", no_argument, NULL, OPT_ONCE },
        { "report-fd", required_argument, NULL, OPT_REPORT_FD },
        { "dump", required_argument, NULL, OPT_DUMP },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        VLOG_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    struct options o = { .report_fd = -1 };
    int c;

    while ((c = getopt_long(argc, argv, "hVv::", long_options, NULL)) != -1) {
        switch (c) {
        case OPT_CONFIG: o.config = optarg; break;
        case OPT_STATIC: set_string(&o.static_file, optarg); break;
        case OPT_SNAPSHOT: set_string(&o.snapshot, optarg); break;
        case OPT_ONCE: o.once = true; break;
        case OPT_REPORT_FD:
            o.report_fd = program_parse_uint("report-fd", optarg, 1, INT_MAX);
            break;
        case OPT_DUMP: dump(optarg);
        case 'h': usage();
        case 'V':
            printf("sluice-context (Sluice) %s\n", SLUICE_VERSION);
            exit(EXIT_SUCCESS);
        VLOG_OPTION_HANDLERS
        default: usage_error("the command line can't be understood");
        }
    }
    if (optind < argc) {
        usage_error("there is an argument that belongs to no option");
    } else if (o.config && (o.static_file || o.snapshot)) {
        usage_error("--config says what --static and --snapshot say; give "
                    "one or the other");
    } else if (!o.config && !(o.static_file && o.snapshot)) {
        usage_error("give --config, or --static and --snapshot");
    }
    return o;
}

/* Fills in what the configuration says, if there is one.  Returns null or a
 * malloc()ed sentence, and then changes nothing. */
static char *
read_config(struct options *o)
{
    struct config *config;
    o->stamp = o->config ? taken_stamp(o->config) : 0;
    char *sentence = o->config ? config_load(o->config, &config) : NULL;

    o->refused = sentence != NULL;
    if (o->config && !sentence) {
        free(o->snapshot);
        o->snapshot = config_path_snapshot(config);
        free(o->host_key_file);
        o->host_key_file = config_path_host_channel_key(config);
        config_destroy(o->parsed);
        o->parsed = config;
    }
    return sentence;
}

/* What the options say, borrowed from them. */
static struct context_settings
settings_of(const struct options *o)
{
    if (!o->parsed) {
        return (struct context_settings) { .static_file = o->static_file };
    }
    return (struct context_settings) {
        .static_file = o->parsed->context.static_file,
        .managers = o->parsed->managers,
        .n_managers = o->parsed->managers_count,
        .host_listen = o->parsed->context.host_listen,
        .host_key_file = o->host_key_file,
        .hosts = o->parsed->hosts,
        .n_hosts = o->parsed->hosts_count,
    };
}

/* Reads configuration and sources again.  Where the snapshot is can't change
 * while programs run: sluiced sees to it. */
static void
reload(struct options *o, struct collector *collector)
{
    char *sentence = read_config(o);

    if (sentence) {
        VLOG_WARN("%s  The old configuration stays.", sentence);
        free(sentence);
    } else {
        struct context_settings settings = settings_of(o);
        collector_configure(collector, &settings);
    }
    collector_reload(collector);
}

/* Returns true if the program is to end. */
static bool
take_signals(int fd, struct options *o, struct collector *collector)
{
    struct signalfd_siginfo info;
    bool end = false;

    while (read(fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            reload(o, collector);
            /* Publishes, unless that was done a moment ago. */
            collector_run(collector);
            taken_tell(o->report_fd, o->stamp, o->refused);
        } else if (info.ssi_signo == SIGUSR1) {
            collector_reload(collector);
        } else {
            end = true;
        }
    }
    return end;
}

int
main(int argc, char *argv[])
{
    struct collector *collector;

    ovs_set_program_name("sluice-context", SLUICE_VERSION);
    no_dump();                  /* Passwords. */
    /* Where standard error goes is for the service manager to say. */
    vlog_set_levels(NULL, VLF_SYSLOG, VLL_OFF);
    struct options options = parse_options(argc, argv);
    int signal_fd = program_catch_signals(SIGTERM, SIGINT, SIGHUP, SIGUSR1,
                                          0);
    taken_init(options.report_fd);
    failpoints_init();
    char *sentence = read_config(&options);
    if (!sentence) {
        struct context_settings settings = settings_of(&options);
        sentence = collector_create(options.snapshot, &settings, &collector);
    }
    if (sentence) {
        fail(sentence);
    }

    collector_run(collector);
    taken_tell(options.report_fd, options.stamp, false);
    while (!(options.once && collector_is_settled(collector))
           && !take_signals(signal_fd, &options, collector)) {
        collector_wait(collector);
        poll_fd_wait(signal_fd, POLLIN);
        poll_block();
        collector_run(collector);
    }

    /* While it runs a problem may pass; once, it is the outcome. */
    bool failed = options.once && collector_problem(collector);
    collector_destroy(collector);
    close(signal_fd);
    free(options.snapshot);
    free(options.static_file);
    free(options.host_key_file);
    config_destroy(options.parsed);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
