/* SPDX-License-Identifier: Apache-2.0
 *
 * sluicectl: asks sluiced, and prints flows for Open vSwitch.
 *
 * In: a command; answers over the control socket.  Out: tables, or JSON. */
#include <config.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "context-query.h"
#include "control-frame.h"
#include "explain.h"
#include "flows.h"
#include "ledger.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "options.h"
#include "render-json.h"
#include "render.h"
#include "rules-trial.h"
#include "spool-batches.h"
#include "tail.h"
#include "timeval.h"
#include "top.h"
#include "util.h"
#include "watch.h"

struct verb {
    const char *name;
    Sluice__Verb verb;
    void (*render)(const Sluice__Response *, uint64_t now_ns, struct ds *);
};

static const struct verb verbs[] = {
#define VERB(SYMBOL, NAME, DOES, HELP) \
    { #NAME, SLUICE__VERB__##SYMBOL, render_##NAME },
#include "control-verbs.def"
#undef VERB
};

/* Prints 'text', whose owner it becomes.  Returns the exit status. */
static int
print(struct ds *text, int status)
{
    fputs(ds_cstr(text), stdout);
    ds_destroy(text);
    return status;
}

static int
ask(const struct options *options, const struct verb *verb)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    Sluice__Response *response = NULL;
    int status = EXIT_SUCCESS;

    char *sentence = client_ask(options->socket, verb->verb, &response);
    if (sentence) {
        return command_fail(sentence);
    }
    if (options->json) {
        render_json(response, verb->name, &text);
    } else if (!response->error[0]) {
        verb->render(response, time_wall_usec() * 1000ULL, &text);
    }
    if (response->error[0]) {
        fprintf(stderr, "sluicectl: %s\n", response->error);
        status = EXIT_FAILURE;
    } else if (verb->verb == SLUICE__VERB__RELOAD && response->status
               && response->status->not_taken[0]) {
        fprintf(stderr, "sluicectl: %s\n", response->status->not_taken);
        status = EXIT_FAILURE;
    }
    control_free_response(response);
    return print(&text, status);
}

enum { LOOK_MS = 200 };         /* Between two looks at the books. */

/* Asks 'verb' for the books, and leaves in them what the options are about. */
static char *
ask_for_books(const struct options *options, Sluice__Verb verb,
              Sluice__Response **ret)
{
    char *sentence = client_ask(options->socket, verb, ret);

    if (!sentence && (*ret)->error[0]) {
        sentence = xstrdup((*ret)->error);
        control_free_response(*ret);
    }
    if (!sentence) {
        sentence = ledger_filter(*ret, options->tenant, options->vm);
        if (sentence) {
            control_free_response(*ret);
        }
    }
    return sentence;
}

static int
put_books(const struct options *options, Sluice__Response *books, int status)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    if (options->json) {
        render_json(books, "ledger", &text);
    } else {
        render_ledger(books, time_wall_usec() * 1000ULL, &text);
    }
    control_free_response(books);
    return print(&text, status);
}

/* Shows the books; with --check once they balance, or nothing moves. */
static int
ledger(const struct options *options)
{
    long long int until = time_msec() + options->timeout_s * 1000LL;
    Sluice__Response *books, *later;
    bool moves = true;
    char *sentence = ask_for_books(options, SLUICE__VERB__LEDGER, &books);

    while (!sentence && options->check && !ledger_balances(books) && moves
           && time_msec() < until) {
        xnanosleep(LOOK_MS * 1000000ULL);
        sentence = ask_for_books(options, SLUICE__VERB__LEDGER, &later);
        if (!sentence) {
            moves = !ledger_equals(books, later);
            control_free_response(books);
            books = later;
        }
    }
    if (sentence) {
        return command_fail(sentence);
    }
    bool bad = options->check && !ledger_balances(books);
    if (bad) {
        fprintf(stderr, "sluicectl: the books do not balance%s.\n",
                moves ? ", but lines are on their way: try again once "
                "nothing moves" : "");
    }
    return put_books(options, books, bad ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* Has the open batches closed, and waits until all that had come is out. */
static int
drain(const struct options *options)
{
    long long int until = time_msec() + options->timeout_s * 1000LL;
    Sluice__Response *start, *now = NULL;
    uint64_t rest = 1, told = 0;
    char *sentence = ask_for_books(options, SLUICE__VERB__DRAIN, &start);

    while (!sentence && rest && (!now || time_msec() < until)) {
        Sluice__Response *later;

        if (now) {
            xnanosleep(LOOK_MS * 1000000ULL);
        }
        sentence = ask_for_books(options, SLUICE__VERB__LEDGER, &later);
        if (!sentence) {
            if (now) {
                control_free_response(now);
            }
            now = later;
            rest = ledger_rest(start, now);
            if (rest && rest != told && !options->json) {
                printf("%"PRIu64" lines to go\n", rest);
                fflush(stdout);
                told = rest;
            }
        }
    }
    if (sentence) {
        return command_fail(sentence);
    }
    control_free_response(start);
    if (rest) {
        command_fail(xasprintf("%"PRIu64" lines are not out after %u s; see "
                               "what sluicectl tenants says of the servers.",
                               rest, options->timeout_s));
    }
    int status = rest ? EXIT_FAILURE : EXIT_SUCCESS;
    if (options->json) {
        return put_books(options, now, status);
    }
    control_free_response(now);
    fputs(rest ? "" : "drained\n", stdout);
    return status;
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

/* Appends the output of a command that works on the configuration in
 * options->flows.config; 'file' is its argument, if it has one. */
typedef char *by_config(const struct options *, const char *file, struct ds *);

static char *
flows(const struct options *options, const char *file OVS_UNUSED,
      struct ds *out)
{
    return flows_format(&options->flows, out);
}

static struct trial_options
trial_options(const struct options *options)
{
    return (struct trial_options) {
        .config = options->flows.config,
        .tenant = options->tenant,
        .vm = options->vm,
        .port = options->flows.port,
    };
}

static char *
rules_test(const struct options *options, const char *file, struct ds *out)
{
    struct trial_options trial = trial_options(options);

    trial.file = file;
    return rules_trial(&trial, options->json, out);
}

static char *
explain_lines(const struct options *options, const char *line, struct ds *out)
{
    struct trial_options trial = trial_options(options);

    trial.file = options->pcap;
    trial.line = line;
    return explain(&trial, options->json, out);
}

static int
run_by_config(struct options *options, by_config *run, const char *file)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    char *config = NULL;
    char *sentence = NULL;

    if (!options->flows.config) {
        sentence = ask_for_config(options->socket, &config);
        options->flows.config = config;
    }
    if (!sentence) {
        sentence = run(options, file, &text);
    }
    free(config);
    if (sentence) {
        ds_destroy(&text);
        return command_fail(sentence);
    }
    return print(&text, EXIT_SUCCESS);
}

/* A command and what it says besides options. */
struct command {
    const struct command_name *name;
    struct options *options;
    int n;
    char **words;               /* The command's own, too. */
};

/* Says what is wrong with a command that should have 'wanted' words behind its
 * own; the groups look at theirs themselves. */
static char *
check_words(const struct command *command)
{
    const struct command_name *name = command->name;
    int more = command->n - 1 - (name->group[0] != '\0');
    bool is_explain = !strcmp(name->name, "explain");
    bool is_test = !strcmp(name->name, "test");
    int wanted = is_test || (is_explain && !command->options->pcap);

    if (more == wanted || !strcmp(name->group, "spool")
        || !strcmp(name->group, "context")) {
        return NULL;
    } else if (more < wanted) {
        return xasprintf("%s.", is_test ? "rules test: give a file"
                         : "explain: give a line, or --pcap with a file");
    }
    return xasprintf("%s: \"%s\" is too much; %s.", name->name,
                     command->words[command->n - 1],
                     is_explain ? "give one line, in quotes, or --pcap with a "
                     "file" : is_test ? "give one file" : "leave it out");
}

/* Returns the exit status. */
static int
run_command(void *command_)
{
    const struct command *command = command_;
    struct options *options = command->options;
    const struct command_name *name = command->name;
    char **words = command->words;
    int n = command->n;

    if (!strcmp(name->name, "test") || !strcmp(name->name, "explain")) {
        vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_WARN);
        return run_by_config(options, name->group[0] ? rules_test
                             : explain_lines,
                             options->pcap ? NULL : words[n - 1]);
    }
    if (!strcmp(name->group, "spool")) {
        return batches_run(&options->spool, n - 1, words + 1);
    }
    if (!strcmp(name->group, "context")) {
        return context_query_run(&options->context, n - 1, words + 1);
    }
    if (!strcmp(name->name, "flows")) {
        return run_by_config(options, flows, NULL);
    }
    if (!strcmp(name->name, "ledger")) {
        return ledger(options);
    }
    if (!strcmp(name->name, "top")) {
        return command_fail(top_run(&options->top));
    }
    if (!strcmp(name->name, "tail")) {
        return command_fail(tail_run(&options->tail));
    }
    if (!strcmp(name->name, "drain")) {
        return drain(options);
    }
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (!strcmp(name->name, verbs[i].name)) {
            return ask(options, &verbs[i]);
        }
    }
    OVS_NOT_REACHED();
}

/* Says what is wrong with a command line. */
static char *
check_command(struct command *command)
{
    const struct options *options = command->options;
    char *sentence = command_find(command->n, command->words, &command->name);

    if (!sentence) {
        sentence = options_check(options, command->name);
    }
    if (!sentence) {
        sentence = check_words(command);
    }
    if (!sentence && options->watch_s
        && (!command->name->is_state || options->check)) {
        sentence = xstrdup("--watch is for commands that print a state, as "
                           "\"tenants\"; leave it out.");
    }
    return sentence;
}

int
main(int argc, char *argv[])
{
    ovs_set_program_name("sluicectl", SLUICE_VERSION);
    struct options options = options_parse(argc, argv);
    struct command command = {
        .options = &options,
        .n = argc - optind,
        .words = argv + optind,
    };

    char *sentence = check_command(&command);
    if (sentence) {
        command_fail(sentence);
        return EXIT_USAGE;
    }
    if (!options.watch_s) {
        return watch_flush(run_command(&command));
    }
    return watch_run(options.watch_s, options.json, run_command, &command);
}
