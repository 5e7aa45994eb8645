/* SPDX-License-Identifier: Apache-2.0
 *
 * sluice-metrics: serves what sluiced knows to Prometheus.  See
 * sluice-metrics(8).
 *
 * A program of its own, so that no byte from the network is parsed by one that
 * has a key or a right to lose: it binds its port, becomes nobody, and asks
 * sluiced over the control socket as sluicectl does.
 *
 * In: sluiced's answers.  Out: HTTP. */
#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client.h"
#include "http.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "proxy-config.h"
#include "socket-util.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(metrics);

enum {
    DEFAULT_MAX_VMS = 1000,
    PATIENCE_S = 5,             /* Prometheus has 10 s. */
};

struct options {
    char *control;              /* Path of the socket. */
    struct sockaddr_storage listen; /* Where to serve. */
    unsigned int max_vms;
};

static void OVS_NO_RETURN
usage(void)
{
    printf("Usage: sluice-metrics --config FILE\n"
           "       sluice-metrics --socket PATH --listen ADDRESS:PORT "
           "[--max-vms N]\n"
           "Serves metrics of the proxy to Prometheus.\n\n"
           "  --config FILE          configuration of the proxy, see "
           "sluice.yaml(5)\n"
           "  --socket PATH          sluiced's control socket\n"
           "  --listen ADDRESS:PORT  where to serve; port 0: any, which is "
           "logged\n"
           "  --max-vms N            of so many switch ports each (%d)\n"
           "  -h, --help             print this and exit\n"
           "  -V, --version          print the version and exit\n",
           DEFAULT_MAX_VMS);
    exit(EXIT_SUCCESS);
}

/* Fills in 'o' from the configuration. */
static void
load(const char *path, struct options *o)
{
    struct config *config;
    char *sentence = config_load(path, &config);

    if (sentence) {
        ovs_fatal(0, "%s", sentence);
    }
    if (!config->metrics.port) {
        ovs_fatal(0, "%s: metrics.port is 0: no metrics are to be served; "
                  "give a port.", path);
    }
    o->control = config_path_control(config);
    o->max_vms = config->metrics.max_vms;
    inet_parse_active(config->metrics.listen, config->metrics.port,
                      &o->listen, false, NULL);
    config_destroy(config);
}

static void
parse_options(int argc, char *argv[], struct options *o)
{
    enum { OPT_CONFIG = UCHAR_MAX + 1, OPT_SOCKET, OPT_LISTEN, OPT_MAX_VMS };
    static const struct option long_options[] = {
        { "config", required_argument, NULL, OPT_CONFIG },
        { "socket", required_argument, NULL, OPT_SOCKET },
        { "listen", required_argument, NULL, OPT_LISTEN },
        { "max-vms", required_argument, NULL, OPT_MAX_VMS },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    const char *config = NULL, *listen = NULL;
    int c;

    while ((c = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
        switch (c) {
        case OPT_CONFIG: config = optarg; break;
        case OPT_SOCKET: o->control = xstrdup(optarg); break;
        case OPT_LISTEN: listen = optarg; break;
        case OPT_MAX_VMS:
            if (!str_to_uint(optarg, 10, &o->max_vms)) {
                ovs_fatal(0, "--max-vms: \"%s\" is not a number", optarg);
            }
            break;
        case 'h': usage();
        case 'V':
            printf("sluice-metrics (Sluice) %s\n", SLUICE_VERSION);
            exit(EXIT_SUCCESS);
        default: exit(2);
        }
    }
    if (optind < argc) {
        ovs_fatal(0, "\"%s\": this program takes options only; try --help",
                  argv[optind]);
    } else if (config && (listen || o->control)) {
        ovs_fatal(0, "--config says what --socket and --listen say; give one "
                  "or the other");
    } else if (config) {
        load(config, o);
    } else if (!o->control || !listen) {
        ovs_fatal(0, "give --config, or --socket and --listen");
    } else if (!inet_parse_active(listen, -1, &o->listen, false, NULL)) {
        ovs_fatal(0, "\"%s\" is not an address and port to serve at", listen);
    }
}

/* Gives up every right of root's that we have.  Returns 0, or -1 with
 * errno. */
static int
drop_capabilities(void)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3,
    };
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {
        { .effective = 0 },
    };

    return syscall(SYS_capset, &header, none);
}

/* Gives up all rights but that to ask sluiced, which the group of its socket
 * has; of this user sluiced takes no command that changes something. */
static void
become_nobody(const char *control)
{
    const struct passwd *nobody = getpwnam("nobody");
    pid_t master = getppid();
    int death_signal = 0;
    struct stat st;

    prctl(PR_GET_PDEATHSIG, &death_signal);
    /* Whoever may not do this has none of root's rights. */
    if (setgroups(0, NULL)) {
        if (geteuid()) {
            return;
        }
        ovs_fatal(errno, "can't become nobody");
    } else if (stat(control, &st)) {
        ovs_fatal(errno, "can't see sluiced's socket %s", control);
    } else if (!nobody) {
        ovs_fatal(0, "there is no user nobody to become");
    } else if (setresgid(st.st_gid, st.st_gid, st.st_gid)
               || setresuid(nobody->pw_uid, nobody->pw_uid, nobody->pw_uid)
               || drop_capabilities()
               || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        ovs_fatal(errno, "can't become nobody");
    }

    /* The change of user undid what sluiced had set, so that we do not outlive
     * it. */
    prctl(PR_SET_PDEATHSIG, death_signal);
    if (death_signal && getppid() != master) {
        exit(EXIT_FAILURE);
    }
}

/* Returns a socket that listens where 'o' says. */
static int
listen_at(const struct options *o)
{
    struct ds where = DS_EMPTY_INITIALIZER;
    struct sockaddr_storage bound;
    char *target;

    ss_format_address(&o->listen, &where);
    target = xasprintf("%d:%s", ss_get_port(&o->listen), ds_cstr(&where));
    int fd = inet_open_passive(SOCK_STREAM, target, -1, &bound, 0, false);
    if (fd < 0) {
        ovs_fatal(-fd, "TCP port %d of %s can't be bound; give another "
                  "metrics.listen or metrics.port",
                  ss_get_port(&o->listen), ds_cstr(&where));
    }
    VLOG_INFO("serving metrics at http://%s:%d/metrics", ds_cstr(&where),
              ss_get_port(&bound));
    ds_destroy(&where);
    free(target);
    return fd;
}

int
main(int argc, char *argv[])
{
    struct options o = { .max_vms = DEFAULT_MAX_VMS };
    sigset_t signals;
    int number;

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_SYSLOG, VLL_OFF);
    parse_options(argc, argv, &o);
    /* sluiced starts its programs with SIGHUP blocked; what it is about does
     * not concern us, since another address means another process. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    int fd = listen_at(&o);
    become_nobody(o.control);
    client_set_patience(PATIENCE_S);

    const struct http_content content = {
        .control = o.control,
        .max_vms = o.max_vms,
    };
    struct http_server *server = http_start(fd, &content);
    if (!server) {
        ovs_fatal(0, "the HTTP server can't be started");
    }
    do {
        sigwait(&signals, &number);
    } while (number == SIGHUP);
    http_stop(server);
    free(o.control);
    return EXIT_SUCCESS;
}
