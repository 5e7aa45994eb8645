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

/* Commands of which --watch makes sense, and of which it does not. */
enum does { ASKS, ACTS };

static const struct {
    const char *group;          /* Empty, or the word in front. */
    const char *name;
    enum does does;
} watchable[] = {
#define VERB(SYMBOL, NAME, DOES, HELP) { "", #NAME, DOES },
#define SPOOL_VERB(SYMBOL, NAME, DOES, ARGUMENTS, HELP) \
    { "spool", #NAME, DOES },
#define CONTEXT_VERB(SYMBOL, NAME, DOES, ARGUMENTS, HELP) \
    { "context", #NAME, DOES },
#include "control-verbs.def"
#include "spool-verbs.def"
#include "context-verbs.def"
#undef VERB
#undef SPOOL_VERB
#undef CONTEXT_VERB
};

/* Prints 'text', whose owner it becomes.  Returns the exit status. */
static int
print(struct ds *text, int status)
{
    fputs(ds_cstr(text), stdout);
    ds_destroy(text);
    return status;
}

/* Prints 'sentence', whose owner it becomes, if it is nonnull. */
static int
fail(char *sentence)
{
    if (sentence) {
        fprintf(stderr, "sluicectl: %s\n", sentence);
        free(sentence);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
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
    unsigned int tenant = 0;
    char *sentence = NULL;

    if (options->tenant && !str_to_uint(options->tenant, 10, &tenant)) {
        return xasprintf("--tenant: \"%s\" is not the number of a tenant.",
                         options->tenant);
    }
    sentence = client_ask(options->socket, verb, ret);
    if (!sentence && (*ret)->error[0]) {
        sentence = xstrdup((*ret)->error);
        control_free_response(*ret);
    }
    if (!sentence) {
        ledger_filter(*ret, tenant, options->vm);
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
        return fail(sentence);
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
    Sluice__Response *start, *now;
    uint64_t rest = 1, told = 0;
    char *sentence = ask_for_books(options, SLUICE__VERB__DRAIN, &start);

    while (!sentence && rest && time_msec() < until) {
        sentence = ask_for_books(options, SLUICE__VERB__LEDGER, &now);
        if (!sentence) {
            rest = ledger_rest(start, now);
            control_free_response(now);
            if (rest && rest != told && !options->json) {
                printf("%"PRIu64" lines to go\n", rest);
                fflush(stdout);
                told = rest;
            }
        }
        if (rest && !sentence) {
            xnanosleep(LOOK_MS * 1000000ULL);
        }
    }
    if (sentence) {
        return fail(sentence);
    }
    control_free_response(start);
    if (rest) {
        return fail(xasprintf("%"PRIu64" lines are not out after %u s; see "
                              "what sluicectl tenants says of the servers.",
                              rest, options->timeout_s));
    }
    printf("drained\n");
    return EXIT_SUCCESS;
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
        return fail(sentence);
    }
    return print(&text, EXIT_SUCCESS);
}

/* A command and what it says besides options. */
struct command {
    struct options *options;
    int n;
    char **words;
};

/* Returns the exit status. */
static int
run_command(void *command_)
{
    const struct command *command = command_;
    struct options *options = command->options;
    char **words = command->words;
    int n = command->n;

    if (n == 3 && !strcmp(words[0], "rules") && !strcmp(words[1], "test")) {
        vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_WARN);
        return run_by_config(options, rules_test, words[2]);
    }
    if (n == 1 + !options->pcap && !strcmp(words[0], "explain")) {
        vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_WARN);
        return run_by_config(options, explain_lines, words[1]);
    }
    if (n > 1 && !strcmp(words[0], "spool")) {
        return batches_run(&options->spool, n - 1, words + 1);
    }
    if (n > 1 && !strcmp(words[0], "context")) {
        return context_query_run(&options->context, n - 1, words + 1);
    }
    if (n != 1) {
        fprintf(stderr, "sluicectl: give one command; see "
                "'sluicectl --help'.\n");
        return EXIT_USAGE;
    }
    if (!strcmp(words[0], "flows")) {
        return run_by_config(options, flows, NULL);
    }
    if (!strcmp(words[0], "ledger")) {
        return ledger(options);
    }
    if (!strcmp(words[0], "top")) {
        return fail(top_run(&options->top));
    }
    if (!strcmp(words[0], "tail")) {
        return fail(tail_run(&options->tail));
    }
    if (!strcmp(words[0], "drain")) {
        return drain(options);
    }
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (!strcmp(words[0], verbs[i].name)) {
            return ask(options, &verbs[i]);
        }
    }
    fprintf(stderr, "sluicectl: there is no command \"%s\"; see "
            "'sluicectl --help'.\n", words[0]);
    return EXIT_USAGE;
}

/* Returns true if 'command' prints a state, which --watch can print again. */
static bool
is_watchable(const struct command *command)
{
    bool grouped = command->n > 1;

    for (size_t i = 0; command->n && i < ARRAY_SIZE(watchable); i++) {
        if (!strcmp(watchable[i].group, grouped ? command->words[0] : "")
            && !strcmp(watchable[i].name, command->words[grouped])) {
            return watchable[i].does == ASKS && !command->options->check;
        }
    }
    return false;
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

    if (!options.watch_s) {
        return watch_flush(run_command(&command));
    }
    if (!is_watchable(&command)) {
        fprintf(stderr, "sluicectl: --watch is for commands that print a "
                "state, as \"tenants\"; leave it out.\n");
        return EXIT_USAGE;
    }
    return watch_run(options.watch_s, options.json, run_command, &command);
}
