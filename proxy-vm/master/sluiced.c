/* SPDX-License-Identifier: Apache-2.0
 *
 * sluiced: the master of the proxy.  Reads the configuration, starts and
 * restarts the other programs, answers the control socket.  It parses nothing
 * that comes from a guest or a switch.
 *
 * In: the configuration file, signals, requests.
 * Out: processes, the running configuration, answers. */
#include <config.h>

#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "answer.h"
#include "check-config.h"
#include "program.h"
#include "proxy-config.h"
#include "control.h"
#include "failpoint.h"
#include "master.h"
#include "service.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(sluiced);

enum { EXIT_USAGE = 2 };

struct options {
    const char *config;
    const char *libexec;        /* Null: where sluiced itself is. */
    bool check;
    bool dump;
};

static void OVS_NO_RETURN
usage(void)
{
    printf("Usage: sluiced --config FILE [OPTION]...\n"
           "Master of Sluice's proxy.\n\n"
           "  --config FILE   configuration, see sluice.yaml(5)\n"
           "  --check         check the configuration and do nothing else\n"
           "  --dump-effective  print the configuration with all defaults and "
           "do\n"
           "                  nothing else\n"
           "  --libexec DIR   where the other programs are\n"
           "  -h, --help      print this and exit\n"
           "  -V, --version   print the version and exit\n");
    vlog_usage();
    exit(EXIT_SUCCESS);
}

static struct options
parse_options(int argc, char *argv[])
{
    enum {
        OPT_CONFIG = UCHAR_MAX + 1,
        OPT_CHECK,
        OPT_DUMP,
        OPT_LIBEXEC,
        VLOG_OPTION_ENUMS,
    };
    static const struct option long_options[] = {
        { "config", required_argument, NULL, OPT_CONFIG },
        { "check", no_argument, NULL, OPT_CHECK },
        { "dump-effective", no_argument, NULL, OPT_DUMP },
        { "libexec", required_argument, NULL, OPT_LIBEXEC },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        VLOG_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    struct options options = { .libexec = getenv("SLUICE_LIBEXEC") };
    int c;

    while ((c = getopt_long(argc, argv, "hVv::", long_options, NULL)) != -1) {
        switch (c) {
        case OPT_CONFIG:
            options.config = optarg;
            break;
        case OPT_CHECK:
            options.check = true;
            break;
        case OPT_DUMP:
            options.dump = true;
            break;
        case OPT_LIBEXEC:
            options.libexec = optarg;
            break;
        case 'h':
            usage();
        case 'V':
            printf("sluiced (Sluice) %s\n", SLUICE_VERSION);
            exit(EXIT_SUCCESS);
        VLOG_OPTION_HANDLERS
        default:
            fprintf(stderr, "See 'sluiced --help'.\n");
            exit(EXIT_USAGE);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "sluiced: \"%s\" is not an option; see "
                "'sluiced --help'.\n", argv[optind]);
        exit(EXIT_USAGE);
    }
    if (!options.config) {
        fprintf(stderr, "sluiced: there is no --config; name the "
                "configuration file.\n");
        exit(EXIT_USAGE);
    }
    return options;
}

static int
check(const char *path, bool dump)
{
    struct config *config;
    char *text;
    size_t size;
    char *sentence = check_config(path, &text, &size, &config);

    if (sentence) {
        fprintf(stderr, "%s\n", sentence);
        free(sentence);
        return EXIT_FAILURE;
    }

    struct ds out = DS_EMPTY_INITIALIZER;

    if (dump) {
        config_dump(config, &out);
    } else {
        check_config_later_files(config, path, text, size, &out);
        fputs(ds_cstr(&out), stderr);
        ds_clear(&out);
        ds_put_format(&out, "%s: ok, %u tenant%s, %u host%s, GENEVE on %s "
                      "port %"PRIu16"\n", path, config->tenants_count,
                      config->tenants_count == 1 ? "" : "s",
                      config->hosts_count,
                      config->hosts_count == 1 ? "" : "s",
                      config->tunnel.listen, config->tunnel.port);
    }
    fputs(ds_cstr(&out), stdout);
    ds_destroy(&out);
    free(text);
    config_destroy(config);
    return EXIT_SUCCESS;
}

/* The directory that this program is in. */
static char *
own_directory(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n < 0) {
        return xstrdup(".");
    }
    path[n] = '\0';
    return xstrdup(dirname(path));
}

static void
take_signals(int fd, struct master *master)
{
    struct signalfd_siginfo info;

    while (read(fd, &info, sizeof info) == sizeof info) {
        switch (info.ssi_signo) {
        case SIGTERM:
        case SIGINT:
            master_stop(master);
            break;
        case SIGHUP:
            master_reload(master);
            break;
        default:
            /* SIGCHLD: master_run() looks for itself. */
            break;
        }
    }
}

static void
run(struct master *master, struct control *control, int signal_fd)
{
    while (!master_is_done(master)) {
        take_signals(signal_fd, master);
        master_run(master);
        control_run(control);
        service_run();

        poll_fd_wait(signal_fd, POLLIN);
        master_wait(master);
        control_wait(control);
        service_wait();
        poll_block();
    }
}

int
main(int argc, char *argv[])
{
    struct master *master = NULL;
    struct control *control = NULL;

    ovs_set_program_name("sluiced", SLUICE_VERSION);
    /* Where standard error goes is for the service manager to say. */
    vlog_set_levels(NULL, VLF_SYSLOG, VLL_OFF);
    struct options options = parse_options(argc, argv);
    if (options.check || options.dump) {
        return check(options.config, options.dump);
    }
    failpoints_init();

    int signal_fd = program_catch_signals(SIGTERM, SIGINT, SIGHUP, SIGCHLD,
                                          0);
    signal(SIGPIPE, SIG_IGN);
    char *sentence = master_create(xstrdup(options.config),
                                   options.libexec ? xstrdup(options.libexec)
                                   : own_directory(), &master);
    if (!sentence) {
        char *path = config_path_control(master->config);
        sentence = control_create(path, answer_request, answer_later, master,
                                  &control);
        free(path);
    }
    if (!sentence) {
        VLOG_INFO("%s: loaded, %u tenants", master->config_path,
                  master->config->tenants_count);
        service_ready();
        run(master, control, signal_fd);
        VLOG_INFO("stopped");
    } else {
        fprintf(stderr, "sluiced: %s\n", sentence);
    }

    control_destroy(control);
    master_destroy(master);
    close(signal_fd);
    int status = sentence ? EXIT_FAILURE : EXIT_SUCCESS;
    free(sentence);
    return status;
}
