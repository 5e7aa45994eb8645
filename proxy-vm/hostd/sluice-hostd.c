/* SPDX-License-Identifier: Apache-2.0
 *
 * sluice-hostd: tells proxies, from the hypervisor, which virtual machine each
 * port of the switch belongs to, and how much host and machines have to do.
 * See sluice-hostd(8).
 *
 * It reads the switch's database, never the switch, and writes to neither but,
 * with --set-owner, whose a socket is.
 *
 * In: the database of Open vSwitch; /proc, control groups, netlink.
 * Out: reports to proxies. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "dirs.h"
#include "links.h"
#include "no-dump.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "owners.h"
#include "privileges.h"
#include "program.h"
#include "push.h"
#include "report.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(hostd);

enum {
    MAX_PROXIES = 8,
    DEFAULT_INTERVAL_MS = 10000,
    MIN_INTERVAL_MS = 1000,     /* The proxy takes no more reports. */
};

struct options {
    const char *db;
    const char *key_file;
    const char *public_file;
    const char *user;
    bool see_processes;
    bool set_owner;
    bool generate_key;
    unsigned int interval_ms;
    char *proxies[MAX_PROXIES]; /* ADDR:PORT,FILE */
    size_t n_proxies;
};

static void OVS_NO_RETURN
usage(void)
{
    printf("Usage: sluice-hostd --key FILE --proxy ADDR:PORT,FILE... "
           "[--db SOCKET]\n"
           "                    [--interval-ms MS] [--processes "
           "[--set-owner]] [--user NAME]\n"
           "       sluice-hostd --generate-key --key FILE --public FILE\n"
           "Tells proxies which virtual machines ports belong to, and how "
           "much they have to do.\n\n"
           "  --key FILE               this host's secret key\n"
           "  --proxy ADDR:PORT,FILE   a proxy and its public key; up to %d\n"
           "  --db SOCKET              of Open vSwitch (unix:%s/db.sock)\n"
           "  --interval-ms MS         from one report to the next (%d)\n"
           "  --processes              find processes that own sockets, of "
           "all users\n"
           "  --set-owner              write them to external_ids:"
           "sluice-owner\n"
           "  --user NAME              become this user\n"
           "  --generate-key           make a key pair and exit\n"
           "  --public FILE            where its public half goes\n"
           "  -h, --help               print this and exit\n"
           "  -V, --version            print the version and exit\n",
           MAX_PROXIES, ovs_rundir(), DEFAULT_INTERVAL_MS);
    vlog_usage();
    exit(EXIT_SUCCESS);
}

static void
add_proxy(struct options *o, char *arg)
{
    if (o->n_proxies >= MAX_PROXIES) {
        ovs_fatal(0, "--proxy: there are more than %d; leave some out",
                  MAX_PROXIES);
    } else if (!strchr(arg, ',')) {
        ovs_fatal(0, "--proxy: \"%s\" names no key; write ADDR:PORT,FILE with "
                  "the proxy's public key", arg);
    }
    o->proxies[o->n_proxies++] = arg;
}

static void
parse_options(int argc, char *argv[], struct options *o)
{
    enum { OPT_KEY = UCHAR_MAX + 1, OPT_PUBLIC, OPT_GENERATE_KEY, OPT_PROXY,
           OPT_DB, OPT_INTERVAL, OPT_PROCESSES, OPT_SET_OWNER,
           OPT_USER, VLOG_OPTION_ENUMS };
    static const struct option long_options[] = {
        { "key", required_argument, NULL, OPT_KEY },
        { "public", required_argument, NULL, OPT_PUBLIC },
        { "generate-key", no_argument, NULL, OPT_GENERATE_KEY },
        { "proxy", required_argument, NULL, OPT_PROXY },
        { "db", required_argument, NULL, OPT_DB },
        { "interval-ms", required_argument, NULL, OPT_INTERVAL },
        { "processes", no_argument, NULL, OPT_PROCESSES },
        { "set-owner", no_argument, NULL, OPT_SET_OWNER },
        { "user", required_argument, NULL, OPT_USER },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        VLOG_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "hVv::", long_options, NULL)) != -1) {
        switch (c) {
        case OPT_KEY: o->key_file = optarg; break;
        case OPT_PUBLIC: o->public_file = optarg; break;
        case OPT_GENERATE_KEY: o->generate_key = true; break;
        case OPT_PROXY: add_proxy(o, optarg); break;
        case OPT_DB: o->db = optarg; break;
        case OPT_INTERVAL:
            o->interval_ms = program_parse_uint("interval-ms", optarg,
                                                MIN_INTERVAL_MS,
                                                HOST_REPORT_MAX_INTERVAL_MS);
            break;
        case OPT_PROCESSES: o->see_processes = true; break;
        case OPT_SET_OWNER: o->set_owner = true; break;
        case OPT_USER: o->user = optarg; break;
        case 'h': usage();
        case 'V':
            printf("sluice-hostd (Sluice) %s\n", SLUICE_VERSION);
            exit(EXIT_SUCCESS);
        VLOG_OPTION_HANDLERS
        default: exit(2);
        }
    }
    if (optind < argc) {
        ovs_fatal(0, "\"%s\": this program takes options only; try --help",
                  argv[optind]);
    } else if (!o->key_file) {
        ovs_fatal(0, "give --key");
    } else if (o->generate_key ? !o->public_file : !o->n_proxies) {
        ovs_fatal(0, "give %s", o->generate_key ? "--public" : "--proxy");
    } else if (o->set_owner && !o->see_processes) {
        ovs_fatal(0, "--set-owner: only with --processes are they known; give "
                  "it, too");
    }
}

static void OVS_NO_RETURN
generate_key(const struct options *o)
{
    int error = seal_key_generate(o->key_file, o->public_file);

    if (error) {
        ovs_fatal(error, "the keys %s and %s can't be made", o->key_file,
                  o->public_file);
    }
    exit(EXIT_SUCCESS);
}

/* What runs. */
struct hostd {
    struct seal_key *key;
    struct push *pushes[MAX_PROXIES];
    size_t n_pushes;
    struct ports *ports;
    struct host_figures host;
    struct vm_watch *vms;
    struct links *links;        /* May be null. */
    struct socket_watch *sockets; /* Likewise. */
    unsigned int interval_ms;
    bool set_owner;
    long long int report_at;    /* time_msec() of the next report... */
    long long int not_before;   /* ...and when the latest was long enough
                                 * ago. */
};

static void
read_keys(struct hostd *h, const struct options *o)
{
    int error = seal_key_read(o->key_file, &h->key);

    if (error) {
        ovs_fatal(error, "%s: this key can't be used; it must belong to the "
                  "user of this program with mode 0600", o->key_file);
    }
    for (size_t i = 0; i < o->n_proxies; i++) {
        char *address = xstrdup(o->proxies[i]);
        char *comma = strchr(address, ',');
        uint8_t public[32];

        *comma = '\0';
        error = seal_public_key_read(comma + 1, public);
        if (error) {
            ovs_fatal(error, "%s: the proxy's public key can't be read",
                      comma + 1);
        }
        h->pushes[h->n_pushes++] = push_create(address, h->key, public);
        free(address);
    }
}

static int
open_directory(const char *path)
{
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int64_t
monotonic_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

/* Finds all out and tells everybody who can be told. */
static void
report(struct hostd *h, int proc)
{
    size_t n, n_omitted, size;

    host_figures_sample(&h->host, proc);
    vm_watch_sample(h->vms, monotonic_us());
    links_sample(h->links);
    struct port_owner *owners = ports_list(h->ports, &n, &n_omitted);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < owners[i].n_ports; j++) {
            links_count(h->links, &owners[i].ports[j]);
        }
    }
    owners_find(owners, n, h->sockets, proc);
    if (h->set_owner) {
        ports_keep_owners(h->ports, owners, n);
    }
    uint8_t *packed = report_make(&(struct report_input) {
        .host = &h->host,
        .vms = h->vms,
        .owners = owners,
        .n_owners = n,
        .n_omitted = n_omitted,
        .interval_ms = h->interval_ms,
    }, &size);

    for (size_t i = 0; i < h->n_pushes; i++) {
        push_send(h->pushes[i], slice_of(packed, size));
    }
    free(packed);
    free(owners);
    h->not_before = time_msec() + MIN_INTERVAL_MS;
    h->report_at = time_msec() + h->interval_ms;
}

static void
run(struct hostd *h, int proc)
{
    bool is_due = ports_run(h->ports);

    for (size_t i = 0; i < h->n_pushes; i++) {
        push_run(h->pushes[i]);
        is_due = push_has_begun(h->pushes[i]) || is_due;
    }
    if (is_due) {
        h->report_at = MIN(h->report_at, h->not_before);
    }
    /* Without the database nobody knows whose VMs there are. */
    if (time_msec() >= h->report_at && ports_are_known(h->ports)) {
        report(h, proc);
    }
}

static void
wait(struct hostd *h)
{
    ports_wait(h->ports);
    for (size_t i = 0; i < h->n_pushes; i++) {
        push_wait(h->pushes[i]);
    }
    if (ports_are_known(h->ports)) {
        poll_timer_wait_until(h->report_at);
    }
}

int
main(int argc, char *argv[])
{
    struct options o = { .interval_ms = DEFAULT_INTERVAL_MS };
    struct hostd h = { .n_pushes = 0 };
    struct signalfd_siginfo info;

    ovs_set_program_name("sluice-hostd", SLUICE_VERSION);
    no_dump();                  /* The key. */
    vlog_set_levels(NULL, VLF_SYSLOG, VLL_OFF);
    parse_options(argc, argv, &o);
    if (o.generate_key) {
        generate_key(&o);
    }
    read_keys(&h, &o);
    int proc = open_directory("/proc");
    int cgroup = open_directory("/sys/fs/cgroup");
    if (proc < 0) {
        ovs_fatal(errno, "/proc can't be opened");
    }
    int signal_fd = program_catch_signals(SIGTERM, SIGINT, 0);

    char *db = (o.db ? xstrdup(o.db)
                : xasprintf("unix:%s/db.sock", ovs_rundir()));
    h.ports = ports_create(db);
    h.vms = vm_watch_create(proc, cgroup);
    h.links = links_create();
    h.sockets = socket_watch_create(proc);
    h.interval_ms = o.interval_ms;
    h.set_owner = o.set_owner;
    privileges_give_up(o.user, o.see_processes);
    while (read(signal_fd, &info, sizeof info) != sizeof info) {
        run(&h, proc);
        wait(&h);
        poll_fd_wait(signal_fd, POLLIN);
        poll_block();
    }

    for (size_t i = 0; i < h.n_pushes; i++) {
        push_destroy(h.pushes[i]);
    }
    ports_destroy(h.ports);
    vm_watch_destroy(h.vms);
    links_destroy(h.links);
    socket_watch_destroy(h.sockets);
    seal_key_destroy(h.key);
    free(db);
    return EXIT_SUCCESS;
}
