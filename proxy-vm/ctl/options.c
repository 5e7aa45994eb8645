/* SPDX-License-Identifier: Apache-2.0
 *
 * See options.h. */
#include <config.h>

#include "options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"
#include "watch.h"

#define DEFAULT_SOCKET "/run/sluice/control.sock"

enum { MAX_INTERVAL_S = 86400 };

/* Ends with status 0, if what was printed could be. */
static void OVS_NO_RETURN
end_printed(void)
{
    exit(watch_flush(EXIT_SUCCESS));
}

static void OVS_NO_RETURN
usage(void)
{
    printf("Usage: sluicectl [OPTION]... COMMAND\n\n");
#define VERB(SYMBOL, NAME, DOES, HELP) printf("  %-10s%s\n", #NAME, HELP);
#include "control-verbs.def"
#undef VERB
#define SPOOL_VERB(SYMBOL, NAME, DOES, ARGUMENTS, HELP) \
    printf("  %-24s%s\n", "spool " #NAME " " ARGUMENTS, HELP);
#include "spool-verbs.def"
#undef SPOOL_VERB
#define CONTEXT_VERB(SYMBOL, NAME, DOES, ARGUMENTS, HELP) \
    printf("  %-24s%s\n", "context " #NAME " " ARGUMENTS, HELP);
#include "context-verbs.def"
#undef CONTEXT_VERB
    printf("  %-10s%s\n"
           "  %-10s%s\n"
           "  %-10s%s\n"
           "  rules test FILE  show what the rules would do with the lines "
           "in FILE, text or\n"
           "                   a capture\n"
           "  explain LINE     show what each stage does to a line; with "
           "--pcap, to those\n"
           "                   of a file\n\n"
           "  --socket PATH       control socket of sluiced\n"
           "                      (default: "DEFAULT_SOCKET")\n"
           "  --json              print JSON instead of tables\n"
           "  --watch[=S]         print a state again every S seconds "
           "(default: 2), until\n"
           "                      interrupted\n"
           "  -h, --help          print this and exit\n"
           "  -V, --version       print the version and exit\n\n"
           "Options of 'ledger' and 'drain':\n"
           "  --tenant N          this tenant only\n"
           "  --vm NAME           ledger: this VM only, or its UUID\n"
           "  --check             ledger: fail if the books do not balance\n"
           "  --timeout S         seconds to wait for that, or until all is "
           "out (default: 60)\n\n"
           "Options of 'tail':\n"
           "  --tenant N, --vm NAME, --app NAME, --facility NAME  these only\n"
           "  --severity NAME     this one and worse\n"
           "  --grep PATTERN      with this in the message\n"
           "  -n, --lines N       from before (default: 10)\n"
           "  --count N           end after so many\n\n"
           "Options of 'top':\n"
           "  --interval S        seconds between two tables (default: 2)\n"
           "  --count N           of tables (default: until interrupted)\n"
           "  --sort WHAT         lines, bytes, lost, dropped, redactions or "
           "lag\n"
           "  --rows N            those at the top only\n"
           "  --by-tenant         one row for all VMs of a tenant\n"
           "  --tenant N          this tenant only\n\n"
           "Options of 'context ...':\n"
           "  --at TIME           get: as of then, 2026-11-27T17:00:00Z or "
           "10m (ago)\n"
           "  --since TIME        diff: what changed since then (default: the "
           "latest change)\n\n"
           "Options of 'spool ...':\n"
           "  --tenant N, --queue Q, --quarantined  these only\n"
           "  --output PATH       export: file or directory (default: standard "
           "output)\n"
           "  --yes               drop: do it\n"
           "  --timeout S         seconds to wait for a queue whose shipper "
           "has it in hand\n"
           "                      (default: 60)\n\n"
           "Options of 'rules test' and 'explain':\n"
           "  --config FILE       sluice.yaml (default: that of sluiced)\n"
           "  --tenant N          whose lines without a tunnel are\n"
           "  --vm NAME           VM of lines without a tunnel, or its UUID\n"
           "  --port PORT         of plain syslog in a capture (default: "
           "514)\n"
           "  --pcap FILE         explain: a capture, or lines of text\n\n"
           "Options of 'flows':\n"
           "  --config FILE       sluice.yaml (default: that of sluiced)\n"
           "  --bridge BRIDGE     where the VMs are (default: br-int)\n"
           "  --tunnel-port NAME  of the GENEVE port (default: sluice0)\n"
           "  --proxy IP          the proxy (default: tunnel.listen)\n"
           "  --port PORT[,...]   ports of the logs (default: 514)\n"
           "  --action            for an Open vSwitch with our action; with "
           "this also:\n"
           "  --fragments HOW     later or none (default: later)\n"
           "  --log-server IP[,...]  where logs are sent (default: "
           "anywhere)\n"
           "  --rate N[:BURST]    packets a second and VM (default: no "
           "limit)\n"
           "  --first-meter N     of one for each VM (default: 1)\n"
           "  --match MATCH       what else the log packets match\n"
           "  --then ACTIONS      for the packet itself (default: normal)\n"
           "  --qinq              look behind two VLAN tags\n",
           "tail", "the lines that come, after redaction",
           "top", "who sends how much, now",
           "flows", "print flows for Open vSwitch, with our action or not");
    end_printed();
}

enum {
    OPT_FIRST_ = UCHAR_MAX,
#define OPTION(SYMBOL, NAME, ARGUMENT, COMMANDS) OPT_##SYMBOL,
#include "options.def"
#undef OPTION
    OPT_LAST_
};

static const struct {
    const char *name;
    const char *commands;
} option_table[] = {
#define OPTION(SYMBOL, NAME, ARGUMENT, COMMANDS) { NAME, COMMANDS },
#include "options.def"
#undef OPTION
};
BUILD_ASSERT_DECL(ARRAY_SIZE(option_table) == OPTIONS_N);

/* Takes option 'c' with argument 'arg' if it is one of 'flows'. */
static bool
take_flows_option(struct flows_options *f, int c, const char *arg)
{
    switch (c) {
    case OPT_CONFIG:
        f->config = arg;
        break;
    case OPT_BRIDGE:
        f->bridge = arg;
        break;
    case OPT_TUNNEL_PORT:
        f->tunnel_port = arg;
        break;
    case OPT_PROXY:
        f->proxy = arg;
        break;
    case OPT_PORT:
        f->port = arg;
        break;
    case OPT_ACTION:
        f->action = true;
        break;
    case OPT_FRAGMENTS:
        f->fragments = arg;
        break;
    case OPT_LOG_SERVER:
        f->servers = arg;
        break;
    case OPT_RATE:
        f->rate = arg;
        break;
    case OPT_FIRST_METER:
        f->first_meter = arg;
        break;
    case OPT_THEN:
        f->then = arg;
        break;
    case OPT_MATCH:
        f->match = arg;
        break;
    case OPT_QINQ:
        f->qinq = true;
        break;
    default:
        return false;
    }
    return true;
}

/* Takes option 'c' with argument 'arg' if it is one of 'spool'. */
static bool
take_spool_option(struct batches_options *s, int c, const char *arg)
{
    switch (c) {
    case OPT_QUEUE:
        s->queue = arg;
        break;
    case OPT_QUARANTINED:
        s->quarantined = true;
        break;
    case OPT_YES:
        s->yes = true;
        break;
    case OPT_OUTPUT:
        s->output = arg;
        break;
    default:
        return false;
    }
    return true;
}

/* Returns the number that 'arg' of option 'name' is. */
static unsigned int
parse_count(const char *name, const char *arg)
{
    unsigned int value;

    if (!str_to_uint(arg, 10, &value)) {
        exit(command_fail(xasprintf("--%s: \"%s\" is not a number.", name,
                                    arg)));
    }
    return value;
}

static uint32_t
parse_tenant(const char *arg)
{
    unsigned int tenant;

    if (!str_to_uint(arg, 10, &tenant) || !tenant) {
        exit(command_fail(xasprintf("--tenant: \"%s\" is not the number of a "
                                    "tenant.", arg)));
    }
    return tenant;
}

/* As parse_count(), for seconds between two looks. */
static unsigned int
parse_interval(const char *name, const char *arg)
{
    unsigned int value = parse_count(name, arg);

    if (!value || value > MAX_INTERVAL_S) {
        exit(command_fail(xasprintf("--%s: %s is not a number of seconds from "
                                    "1 to %d.", name, arg, MAX_INTERVAL_S)));
    }
    return value;
}

/* Takes option 'c' with argument 'arg' if it is one of 'top'. */
static bool
take_top_option(struct top_options *t, int c, const char *arg)
{
    switch (c) {
    case OPT_INTERVAL:
        t->interval_s = parse_interval("interval", arg);
        break;
    case OPT_COUNT:
        t->count = parse_count("count", arg);
        break;
    case OPT_ROWS:
        t->rows = parse_count("rows", arg);
        break;
    case OPT_SORT:
        t->sort = arg;
        break;
    case OPT_BY_TENANT:
        t->by_tenant = true;
        break;
    default:
        return false;
    }
    return true;
}

/* Takes option 'c' with argument 'arg' if it is one of 'tail'. */
static bool
take_tail_option(struct tail_options *t, int c, const char *arg)
{
    switch (c) {
    case OPT_SEVERITY:
        t->severity = arg;
        break;
    case OPT_GREP:
        t->grep = arg;
        break;
    case OPT_APP:
        t->app = arg;
        break;
    case OPT_FACILITY:
        t->facility = arg;
        break;
    case OPT_LINES:
        t->n = parse_count("lines", arg);
        break;
    default:
        return false;
    }
    return true;
}

struct options
options_parse(int argc, char *argv[])
{
    static const struct option long_options[] = {
#define NO no_argument
#define REQUIRED required_argument
#define OPTIONAL optional_argument
#define OPTION(SYMBOL, NAME, ARGUMENT, COMMANDS) \
        { NAME, ARGUMENT, NULL, OPT_##SYMBOL },
#include "options.def"
#undef OPTION
#undef OPTIONAL
#undef REQUIRED
#undef NO
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    struct options options = {
        .socket = DEFAULT_SOCKET,
        .timeout_s = 60,
        .flows = FLOWS_OPTIONS_INITIALIZER,
        .top = { .interval_s = 2 },
        .tail = { .n = 10 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "hn:V", long_options, NULL)) != -1) {
        c = c == 'n' ? OPT_LINES : c;
        if (c > OPT_FIRST_) {
            options.given[c - OPT_FIRST_ - 1] = true;
        }
        switch (c) {
        case OPT_SOCKET:
            options.socket = optarg;
            break;
        case OPT_JSON:
            options.json = true;
            break;
        case OPT_CHECK:
            options.check = true;
            break;
        case OPT_TIMEOUT:
            options.timeout_s = parse_count("timeout", optarg);
            break;
        case OPT_WATCH:
            options.watch_s = (optarg ? parse_interval("watch", optarg)
                               : 2);
            break;
        case OPT_TENANT:
            options.tenant = parse_tenant(optarg);
            break;
        case OPT_VM:
            options.vm = optarg;
            break;
        case OPT_AT:
            options.context.at = optarg;
            break;
        case OPT_SINCE:
            options.context.since = optarg;
            break;
        case OPT_PCAP:
            options.pcap = optarg;
            break;
        case 'h':
            usage();
        case 'V':
            printf("sluicectl (Sluice) %s\n", SLUICE_VERSION);
            end_printed();
        default:
            if (!take_flows_option(&options.flows, c, optarg)
                && !take_spool_option(&options.spool, c, optarg)
                && !take_top_option(&options.top, c, optarg)
                && !take_tail_option(&options.tail, c, optarg)) {
                fprintf(stderr, "See 'sluicectl --help'.\n");
                exit(EXIT_USAGE);
            }
            break;
        }
    }
    options.top.socket = options.socket;
    options.top.json = options.json;
    options.top.tenant = options.tenant;
    options.tail.socket = options.socket;
    options.tail.json = options.json;
    options.tail.tenant = options.tenant;
    options.tail.vm = options.vm;
    options.tail.count = options.top.count;
    options.context.socket = options.socket;
    options.context.json = options.json;
    options.spool.socket = options.socket;
    options.spool.json = options.json;
    options.spool.tenant = options.tenant;
    options.spool.timeout_s = options.timeout_s;
    return options;
}

/* Whether 'name' is one of 'commands', or that is empty. */
static bool
takes(const char *commands, const char *name)
{
    size_t size = strlen(name);

    for (const char *s = commands; *s; s += strcspn(s, ","), s += *s == ',') {
        if (!strncmp(s, name, size) && strchr(",", s[size])) {
            return true;
        }
    }
    return !commands[0];
}

/* Says that 'name' does not take option number 'i'. */
static char *
refuse_option(const char *name, size_t i)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, "--%s: it is for ", option_table[i].name);
    for (const char *p = option_table[i].commands; *p; p++) {
        bool is_last = !strchr(p, ',');

        if (*p == ',') {
            ds_put_cstr(&s, strchr(p + 1, ',') ? ", " : " and ");
        } else {
            ds_put_char(&s, *p);
        }
        if (is_last) {
            ds_put_cstr(&s, p + 1);
            break;
        }
    }
    ds_put_format(&s, ", not for %s; leave it out.", name);
    return ds_steal_cstr(&s);
}

char *
options_check(const struct options *options,
              const struct command_name *command)
{
    char *name = command_format(command);
    char *sentence = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(option_table) && !sentence; i++) {
        if (options->given[i] && !takes(option_table[i].commands, name)) {
            sentence = refuse_option(name, i);
        }
    }
    for (int i = OPT_FRAGMENTS; i <= OPT_QINQ && !sentence; i++) {
        size_t row = i - OPT_FIRST_ - 1;
        if (options->given[row] && !options->flows.action) {
            sentence = xasprintf("--%s: it is for flows with --action; give "
                                 "that, too, or leave it out.",
                                 option_table[row].name);
        }
    }
    free(name);
    return sentence;
}
