/* SPDX-License-Identifier: Apache-2.0
 *
 * sluice-intake: takes log packets from the tunnel, and puts each tenant's
 * lines, redacted and with their context, into the spool.
 *
 * In: GENEVE packets from UDP sockets, from memory shared with a switch, or
 * from a capture file; the context snapshot; a public key.
 * Out: sealed batches in the spool; counters in shared memory.
 * See pipeline.h for the way between. */
#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy-config.h"
#include "failpoint.h"
#include "no-dump.h"
#include "openvswitch/vlog.h"
#include "pipeline.h"
#include "program.h"
#include "sandbox.h"
#include "socket-util.h"
#include "stats.h"
#include "taken.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(intake);

struct options {
    char *config_path;
    char *listen;               /* ADDRESS:PORT, or null. */
    int fd;                     /* First socket handed over, or -1. */
    unsigned int n_fds;         /* Sockets handed over. */
    int report_fd;              /* See taken.h; or -1. */
    uint64_t stamp;             /* Of 'config', likewise. */
    char *rx;                   /* "socket" or "memif", or null. */
    char *memif_socket;         /* Null: as the configuration says. */
    bool memif;                 /* What comes of the two. */
    char *pcap;
    char *spool;
    char *run;
    char *open_dir;             /* RUN/open. */
    char *snapshot;
    char *public_key;
    char *host_keys;            /* Null: the files themselves. */
    struct config *config;      /* Null when run by hand. */
    uint16_t port;
    uint16_t option_class;
    uint32_t receive_buffer;
    uint32_t bfd_sessions;
    uint32_t max_bytes;
    uint32_t max_delay_ms;
};

static volatile sig_atomic_t must_exit;
static volatile sig_atomic_t must_reload;
static volatile sig_atomic_t must_close;

static void
on_signal(int number)
{
    if (number == SIGHUP) {
        must_reload = 1;
    } else if (number == SIGUSR1) {
        must_close = 1;
    } else {
        must_exit = 1;
    }
}

static void
catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    sigset_t set;

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);

    /* sluiced starts its programs with these blocked.  One that came since
     * arrives now. */
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void
usage(void)
{
    printf("\
%s: puts log packets from the tunnel into the spool\n\
usage: %s --config FILE [--fd N [--n-fds M] | --rx memif] [--report-fd N]\n\
       %s (--listen ADDRESS:PORT | --pcap FILE) --spool DIR --run DIR\n\
          [--snapshot FILE] [--public-key FILE]\n\
\n\
  --config FILE        the proxy's configuration, see sluice.yaml(5)\n\
  --fd N               receive from the UDP socket that is descriptor N\n\
  --n-fds M            and from those that follow it, M in all\n\
  --report-fd N        tell sluiced there which configuration is in use\n\
  --listen ADDR:PORT   receive there; [ADDR]:PORT for IPv6\n\
  --rx memif           receive by memory shared with a switch of DPDK\n\
  --memif-socket PATH  whose memif port has this socket; --listen says who\n\
                       is here then\n\
  --pcap FILE          read a capture, put all of it into the spool, and end\n\
  --spool DIR          where batches go\n\
  --run DIR            where open batches and counters live (tmpfs)\n\
  --snapshot FILE      context snapshot, see sluice-context(8)\n\
  --host-keys DIR      read copies of the hosts' key files there\n\
  --public-key FILE    to whom batches are sealed (default: SPOOL/key.pub)\n\
  --max-bytes N        close a batch of N bytes (default: 262144)\n\
  --max-delay-ms N     close a batch N milliseconds old (default: 1000)\n\
  -h, --help           show this\n\
  -V, --version        print the version and exit\n", program_name, program_name,
           program_name);
    exit(EXIT_SUCCESS);
}

static void
parse_options(int argc, char *argv[], struct options *o)
{
    enum {
        OPT_CONFIG = UCHAR_MAX + 1, OPT_FD, OPT_N_FDS,
        OPT_REPORT_FD, OPT_LISTEN, OPT_RX,
        OPT_MEMIF_SOCKET, OPT_PCAP, OPT_SPOOL,
        OPT_RUN, OPT_SNAPSHOT, OPT_PUBLIC_KEY, OPT_HOST_KEYS, OPT_MAX_BYTES,
        OPT_MAX_DELAY,
    };
    static const struct option long_options[] = {
        { "config", required_argument, NULL, OPT_CONFIG },
        { "fd", required_argument, NULL, OPT_FD },
        { "n-fds", required_argument, NULL, OPT_N_FDS },
        { "report-fd", required_argument, NULL, OPT_REPORT_FD },
        { "listen", required_argument, NULL, OPT_LISTEN },
        { "rx", required_argument, NULL, OPT_RX },
        { "memif-socket", required_argument, NULL, OPT_MEMIF_SOCKET },
        { "pcap", required_argument, NULL, OPT_PCAP },
        { "spool", required_argument, NULL, OPT_SPOOL },
        { "run", required_argument, NULL, OPT_RUN },
        { "snapshot", required_argument, NULL, OPT_SNAPSHOT },
        { "public-key", required_argument, NULL, OPT_PUBLIC_KEY },
        { "host-keys", required_argument, NULL, OPT_HOST_KEYS },
        { "max-bytes", required_argument, NULL, OPT_MAX_BYTES },
        { "max-delay-ms", required_argument, NULL, OPT_MAX_DELAY },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
        switch (c) {
        case OPT_CONFIG: o->config_path = optarg; break;
        case OPT_FD:
            o->fd = program_parse_uint("fd", optarg, 1, INT_MAX);
            break;
        case OPT_N_FDS:
            o->n_fds = program_parse_uint("n-fds", optarg, 1,
                                          TUNNEL_N_SOCKETS);
            break;
        case OPT_REPORT_FD:
            o->report_fd = program_parse_uint("report-fd", optarg, 1, INT_MAX);
            break;
        case OPT_LISTEN: o->listen = optarg; break;
        case OPT_RX: o->rx = optarg; break;
        case OPT_MEMIF_SOCKET: o->memif_socket = optarg; break;
        case OPT_PCAP: o->pcap = optarg; break;
        case OPT_SPOOL: o->spool = xstrdup(optarg); break;
        case OPT_RUN: o->run = xstrdup(optarg); break;
        case OPT_SNAPSHOT: o->snapshot = xstrdup(optarg); break;
        case OPT_PUBLIC_KEY: o->public_key = xstrdup(optarg); break;
        case OPT_HOST_KEYS: o->host_keys = optarg; break;
        case OPT_MAX_BYTES:
            o->max_bytes = program_parse_uint("max-bytes", optarg, 1,
                                              16 << 20);
            break;
        case OPT_MAX_DELAY:
            o->max_delay_ms = program_parse_uint("max-delay-ms", optarg, 1,
                                                 3600000);
            break;
        case 'h': usage(); break;
        case 'V':
            printf("sluice-intake (Sluice) %s\n", SLUICE_VERSION);
            exit(EXIT_SUCCESS);
        default: exit(2);
        }
    }
    if (optind < argc) {
        ovs_fatal(0, "\"%s\": this program takes options only; try --help",
                  argv[optind]);
    }
}

/* Fills in what the options leave open from the configuration. */
static void
apply_config(struct options *o)
{
    if (o->config_path) {
        o->stamp = taken_stamp(o->config_path);
        char *error = config_load(o->config_path, &o->config);
        if (error) {
            ovs_fatal(0, "%s", error);
        }
        const struct config *config = o->config;
        o->spool = o->spool ? o->spool : xstrdup(config->paths.spool);
        o->run = o->run ? o->run : config_path_intake_run(config);
        o->snapshot = (o->snapshot ? o->snapshot
                       : config_path_snapshot(config));
        o->rx = o->rx ? o->rx : config->tunnel.rx;
        o->memif_socket = (o->memif_socket ? o->memif_socket
                           : config->tunnel.memif_socket);
        o->port = config->tunnel.port;
        o->option_class = config->tunnel.option_class;
        o->receive_buffer = config->tunnel.receive_buffer;
        o->bfd_sessions = config->tunnel.bfd_sessions;
        o->max_bytes = config->batch.max_bytes;
        o->max_delay_ms = config->batch.max_delay_ms;
    }
    o->memif = o->rx && !strcmp(o->rx, "memif");
    if (o->rx && !o->memif && strcmp(o->rx, "socket")) {
        ovs_fatal(0, "--rx: \"%s\" is neither socket nor memif", o->rx);
    }
    if (o->memif && !o->memif_socket) {
        ovs_fatal(0, "name the switch's socket with --memif-socket");
    }
    if (!o->spool || !o->run) {
        ovs_fatal(0, "name the directories with --spool and --run, or a "
                  "configuration with --config");
    }
    if (!o->public_key) {
        o->public_key = xasprintf("%s/key.pub", o->spool);
    }
    o->open_dir = xasprintf("%s/open", o->run);
}

static void
options_uninit(struct options *o)
{
    config_destroy(o->config);
    free(o->spool);
    free(o->run);
    free(o->open_dir);
    free(o->snapshot);
    free(o->public_key);
}

/* Fills '*addr' and '*port' with where to receive. */
static void
parse_listen(const struct options *o, struct in6_addr *addr, uint16_t *port)
{
    struct sockaddr_storage ss;
    const char *where = (o->listen ? o->listen
                         : o->config ? o->config->tunnel.listen : "");

    if (!inet_parse_active(where, o->listen ? -1 : o->port, &ss, false,
                           NULL)) {
        ovs_fatal(0, "\"%s\" is not an address and port to listen on", where);
    }
    *addr = ss_get_address(&ss);
    *port = ss_get_port(&ss);
}

/* Opens the sockets to receive from: none for a capture, and for memif. */
static void
open_sockets(const struct options *o, struct tunnel_sockets *sockets)
{
    sockets->n = 0;
    if (o->pcap || o->memif) {
        return;
    }
    if (o->fd >= 0) {
        while (sockets->n < o->n_fds) {
            sockets->fds[sockets->n] = o->fd + sockets->n;
            sockets->n++;
        }
        return;
    }

    struct in6_addr addr;
    uint16_t port;

    parse_listen(o, &addr, &port);
    int error = tunnel_sockets_bind(&addr, port, NULL, sockets);
    if (!error) {
        error = tunnel_sockets_set_buffer(sockets, o->receive_buffer);
    }
    if (error) {
        ovs_fatal(error, "can't receive on %s",
                  o->listen ? o->listen : o->config->tunnel.listen);
    }
}

static void
reload(struct options *o, struct pipeline *pipeline)
{
    struct config *new_config = NULL;
    uint64_t stamp = o->config_path ? taken_stamp(o->config_path) : 0;
    char *error = (o->config_path ? config_load(o->config_path, &new_config)
                   : xstrdup("there is no configuration to read again"));
    failpoint(FAIL_INTAKE_LOADED);
    if (!error) {
        error = pipeline_reconfigure(pipeline, new_config);
    }
    if (error) {
        VLOG_WARN("the configuration that runs is kept: %s", error);
        free(error);
        config_destroy(new_config);
        taken_tell(o->report_fd, stamp, true);
        return;
    }
    config_destroy(o->config);
    o->config = new_config;
    failpoint(FAIL_INTAKE_RELOADED);
    taken_tell(o->report_fd, stamp, false);
}

static void
receive_loop(struct options *o, struct pipeline *pipeline,
             struct receive *receive, struct intake_stats *stats)
{
    while (!must_exit) {
        uint64_t lost = 0;
        int timeout_ms = pipeline_tick(pipeline);
        int error = receive_fill(receive, &lost);
        if (lost) {
            static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
            stats_add(&stats->counters[INTAKE_SOCKET_LOST], lost);
            VLOG_WARN_RL(&rl, "no room for %"PRIu64" packets: raise "
                         "tunnel.receive-buffer", lost);
        }
        if (!error) {
            pipeline_drain(pipeline);
        } else {
            receive_wait(receive, timeout_ms);
        }
        if (must_close) {
            must_close = 0;
            pipeline_close_batches(pipeline);
        }
        if (must_reload) {
            must_reload = 0;
            reload(o, pipeline);
        }
    }
}

static void
run_one(struct record *rec, void *pipeline)
{
    pipeline_run(pipeline, rec);
    pipeline_tick(pipeline);
}

static void
receive_from_pcap(const struct options *o, struct pipeline *pipeline,
                  const struct intake_stats *stats)
{
    uint64_t n_skipped;
    char *sentence = receive_pcap(o->pcap, o->port, run_one, pipeline,
                                  &n_skipped);
    if (sentence) {
        ovs_fatal(0, "%s", sentence);
    }
    printf("%s: %"PRIu64" packets, %"PRIu64" dropped, %"PRIu64" skipped: not "
           "to UDP port %d\n", o->pcap, stats->counters[INTAKE_PACKETS],
           stats->counters[INTAKE_DROPPED], n_skipped, o->port);
}

static void
make_directory(const char *path)
{
    if (mkdir(path, 0750) && errno != EEXIST) {
        ovs_fatal(errno, "can't make the directory %s", path);
    }
}

static int
create_memif(const struct options *o, const char *path,
             struct intake_stats *stats, struct receive **ret)
{
    char *rings = xasprintf("%s/intake.memif", o->run);
    char *queues = xasprintf("%s/intake.queues", o->run);
    struct receive_memif_options options = {
        .server = o->memif_socket,
        .path = rings,
        .queues = queues,
        .receive_buffer = o->receive_buffer,
        .stats = stats,
    };

    parse_listen(o, &options.addr, &options.port);
    int error = receive_memif_create(&options, path, ret);
    free(queues);
    free(rings);
    return error;
}

/* Returns the receiver: of the sockets, or by memif. */
static struct receive *
open_receive(const struct options *o, const struct tunnel_sockets *sockets,
             struct intake_stats *stats)
{
    char *path = xasprintf("%s/intake.rx", o->run);
    struct receive *receive;
    int error = (o->memif ? create_memif(o, path, stats, &receive)
                 : receive_socket_create(sockets, path, &receive));
    if (error) {
        ovs_fatal(error, "can't receive by way of %s", path);
    }
    free(path);
    return receive;
}

/* Ends the process if there is a 'sentence' that says what is wrong. */
static void
check(char *sentence)
{
    if (sentence) {
        ovs_fatal(0, "%s", sentence);
    }
}

static struct intake_stats *
open_stats(const struct options *o)
{
    char *path = xasprintf("%s/intake.stats", o->run);
    struct intake_stats *stats;
    int error = intake_stats_map(path, &stats);
    if (error) {
        ovs_fatal(error, "can't map the counters %s", path);
    }
    free(path);
    return stats;
}

static struct pipeline *
open_pipeline(const struct options *o, struct receive *receive,
              struct intake_stats *stats)
{
    make_directory(o->open_dir);
    /* A capture is read as a whole: nothing of it is left to another process.
     */
    char *held = receive ? xasprintf("%s/intake.held", o->run) : NULL;
    char *parts = receive ? xasprintf("%s/intake.parts", o->run) : NULL;
    struct pipeline_options options = {
        .option_class = o->option_class,
        .config = o->config,
        .host_keys = o->host_keys,
        .snapshot = o->snapshot,
        .held = held,
        .receive = receive,
        .bfd_sessions = receive ? o->bfd_sessions : 0,
        .parts = parts,
        .stats = stats,
        .store = {
            .open_dir = o->open_dir,
            .spool = o->spool,
            .public_key = o->public_key,
            .max_bytes = o->max_bytes,
            .max_delay_ms = o->max_delay_ms,
            .stats = stats,
        },
    };
    struct pipeline *pipeline;
    check(pipeline_create(&options, &pipeline));
    free(parts);
    free(held);
    return pipeline;
}

/* Returns the directory part of 'path', malloc()ed, or null if that is null. */
static char *
directory_of(const char *path)
{
    return path ? dir_name(path) : NULL;
}

/* Shuts this process in with what it needs from now on. */
static void
enter_sandbox(const struct options *o, const struct tunnel_sockets *sockets)
{
    char *config_dir = directory_of(o->config_path);
    char *snapshot_dir = directory_of(o->snapshot);
    /* It would open a socket at the first message. */
    vlog_init();

    const struct sandbox_dir candidates[] = {
        { o->run, true },
        { o->spool, true },
        { config_dir, false },
        { snapshot_dir, false },
        { o->host_keys, false },
    };
    struct sandbox_dir dirs[ARRAY_SIZE(candidates)];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
        if (candidates[i].path) {
            dirs[n++] = candidates[i];
        }
    }
    check(sandbox_enter(dirs, n, sockets,
                        (o->bfd_sessions > 0 ? SANDBOX_MAY_ANSWER : 0)
                        | (o->memif ? SANDBOX_MAY_CONNECT : 0)));
    free(config_dir);
    free(snapshot_dir);
}

int
main(int argc, char *argv[])
{
    struct options o = {
        .fd = -1,
        .n_fds = 1,
        .report_fd = -1,
        .port = 6081,
        .option_class = 0xff53,
        .receive_buffer = 32 << 20,
        .max_bytes = 256 * 1024,
        .max_delay_ms = 1000,
    };

    set_program_name(argv[0]);
    no_dump();
    catch_signals();
    failpoints_init();
    vlog_set_levels(NULL, VLF_SYSLOG, VLL_OFF);
    parse_options(argc, argv, &o);
    taken_init(o.report_fd);
    apply_config(&o);
    make_directory(o.run);
    make_directory(o.spool);

    struct intake_stats *stats = open_stats(&o);
    struct tunnel_sockets sockets;
    open_sockets(&o, &sockets);
    struct receive *receive = (o.pcap ? NULL
                               : open_receive(&o, &sockets, stats));
    struct pipeline *pipeline = open_pipeline(&o, receive, stats);
    if (receive) {
        /* Before the packets that a dead process left, any of which may have
         * been its death. */
        enter_sandbox(&o, &sockets);
        check(pipeline_recover(pipeline));
        VLOG_INFO("receiving");
        taken_tell(o.report_fd, o.stamp, false);
        receive_loop(&o, pipeline, receive, stats);
    } else {
        check(pipeline_recover(pipeline));
        receive_from_pcap(&o, pipeline, stats);
    }
    pipeline_flush(pipeline);

    pipeline_destroy(pipeline);
    receive_destroy(receive);
    stats_unmap(stats);
    options_uninit(&o);
    return EXIT_SUCCESS;
}
