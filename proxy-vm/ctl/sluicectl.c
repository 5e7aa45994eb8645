/* SPDX-License-Identifier: Apache-2.0
 *
 * sluicectl: asks sluiced, and prints flows for Open vSwitch.
 *
 * In: a command; answers over the control socket.  Out: tables, or JSON. */
#include <config.h>

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "control-frame.h"
#include "flows.h"
#include "openvswitch/dynamic-string.h"
#include "render-json.h"
#include "render.h"
#include "timeval.h"
#include "util.h"

enum { EXIT_USAGE = 2 };

#define DEFAULT_SOCKET "/run/sluice/control.sock"

struct verb {
    const char *name;
    const char *help;
    Sluice__Verb verb;
    void (*render)(const Sluice__Response *, uint64_t now_ns, struct ds *);
};

static const struct verb verbs[] = {
#define VERB(SYMBOL, NAME, HELP) \
    { #NAME, HELP, SLUICE__VERB__##SYMBOL, render_##NAME },
#include "control-verbs.def"
#undef VERB
};

struct options {
    const char *socket;
    bool json;
    struct flows_options flows;
};

static void OVS_NO_RETURN
usage(void)
{
    printf("Usage: sluicectl [OPTION]... COMMAND\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        printf("  %-10s%s\n", verbs[i].name, verbs[i].help);
    }
    printf("  %-10s%s\n\n"
           "  --socket PATH       control socket of sluiced\n"
           "                      (default: "DEFAULT_SOCKET")\n"
           "  --json              print JSON instead of tables\n"
           "  -h, --help          print this and exit\n"
           "  -V, --version       print the version and exit\n\n"
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
           "  --then ACTIONS      for the packet itself (default: normal)\n"
           "  --qinq              look behind two VLAN tags\n",
           "flows", "print flows for Open vSwitch, with our action or not");
    exit(EXIT_SUCCESS);
}

enum {
    OPT_SOCKET = UCHAR_MAX + 1,
    OPT_JSON,
    OPT_CONFIG,
    OPT_BRIDGE,
    OPT_TUNNEL_PORT,
    OPT_PROXY,
    OPT_PORT,
    OPT_ACTION,
    OPT_FRAGMENTS,
    OPT_LOG_SERVER,
    OPT_RATE,
    OPT_FIRST_METER,
    OPT_THEN,
    OPT_QINQ,
};

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
    case OPT_QINQ:
        f->qinq = true;
        break;
    default:
        return false;
    }
    return true;
}

static struct options
parse_options(int argc, char *argv[])
{
    static const struct option long_options[] = {
        { "socket", required_argument, NULL, OPT_SOCKET },
        { "json", no_argument, NULL, OPT_JSON },
        { "config", required_argument, NULL, OPT_CONFIG },
        { "bridge", required_argument, NULL, OPT_BRIDGE },
        { "tunnel-port", required_argument, NULL, OPT_TUNNEL_PORT },
        { "proxy", required_argument, NULL, OPT_PROXY },
        { "port", required_argument, NULL, OPT_PORT },
        { "action", no_argument, NULL, OPT_ACTION },
        { "fragments", required_argument, NULL, OPT_FRAGMENTS },
        { "log-server", required_argument, NULL, OPT_LOG_SERVER },
        { "rate", required_argument, NULL, OPT_RATE },
        { "first-meter", required_argument, NULL, OPT_FIRST_METER },
        { "then", required_argument, NULL, OPT_THEN },
        { "qinq", no_argument, NULL, OPT_QINQ },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    struct options options = {
        .socket = DEFAULT_SOCKET,
        .flows = FLOWS_OPTIONS_INITIALIZER,
    };
    int c;

    while ((c = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
        switch (c) {
        case OPT_SOCKET:
            options.socket = optarg;
            break;
        case OPT_JSON:
            options.json = true;
            break;
        case 'h':
            usage();
        case 'V':
            printf("sluicectl (Sluice) %s\n", SLUICE_VERSION);
            exit(EXIT_SUCCESS);
        default:
            if (!take_flows_option(&options.flows, c, optarg)) {
                fprintf(stderr, "See 'sluicectl --help'.\n");
                exit(EXIT_USAGE);
            }
            break;
        }
    }
    return options;
}

/* Prints 'text', whose owner it becomes.  Returns the exit status. */
static int
print(struct ds *text, int status)
{
    if (fwrite(ds_cstr(text), 1, text->length, stdout) != text->length
        || fflush(stdout)) {
        fprintf(stderr, "sluicectl: standard output can't be written; "
                "make room for it.\n");
        status = EXIT_FAILURE;
    }
    ds_destroy(text);
    return status;
}

/* Prints 'sentence', whose owner it becomes. */
static int
fail(char *sentence)
{
    fprintf(stderr, "sluicectl: %s\n", sentence);
    free(sentence);
    return EXIT_FAILURE;
}

static int
ask(const struct options *options, const struct verb *verb)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    Sluice__Response *response = NULL;
    int status = EXIT_SUCCESS;

    char *sentence = client_ask(options->socket, verb->verb, &response);
    if (sentence) {
        return fail(sentence);
    }
    if (options->json) {
        render_json(response, verb->name, &text);
    } else if (!response->error[0]) {
        verb->render(response, time_wall_usec() * 1000ULL, &text);
    }
    if (response->error[0]) {
        fprintf(stderr, "sluicectl: %s\n", response->error);
        status = EXIT_FAILURE;
    }
    control_free_response(response);
    return print(&text, status);
}

/* Asks sluiced which configuration it has. */
static char *
ask_for_config(const char *socket, char **ret)
{
    Sluice__Response *response = NULL;
    char *sentence = client_ask(socket, SLUICE__VERB__STATUS, &response);

    if (!sentence && response->error[0]) {
        sentence = xstrdup(response->error);
    } else if (!sentence && !response->status) {
        sentence = xstrdup("sluiced does not say which configuration it "
                           "has; name it with --config.");
    } else if (!sentence) {
        *ret = xstrdup(response->status->configuration);
    }
    if (response) {
        control_free_response(response);
    }
    return sentence;
}

static int
flows(struct options *options)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    char *config = NULL;
    char *sentence = NULL;

    if (!options->flows.config) {
        sentence = ask_for_config(options->socket, &config);
        options->flows.config = config;
    }
    if (!sentence) {
        sentence = flows_format(&options->flows, &text);
    }
    free(config);
    if (sentence) {
        ds_destroy(&text);
        return fail(sentence);
    }
    return print(&text, EXIT_SUCCESS);
}

int
main(int argc, char *argv[])
{
    ovs_set_program_name("sluicectl", SLUICE_VERSION);
    struct options options = parse_options(argc, argv);

    if (argc - optind != 1) {
        fprintf(stderr, "sluicectl: give one command; see "
                "'sluicectl --help'.\n");
        return EXIT_USAGE;
    }
    const char *command = argv[optind];
    if (!strcmp(command, "flows")) {
        return flows(&options);
    }
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (!strcmp(command, verbs[i].name)) {
            return ask(&options, &verbs[i]);
        }
    }
    fprintf(stderr, "sluicectl: there is no command \"%s\"; see "
            "'sluicectl --help'.\n", command);
    return EXIT_USAGE;
}
