/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands, all of them.  See command.h. */
#include <config.h>

#include "command.h"

#include <stdio.h>
#include <string.h>

#include "nearest.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

static const struct command_name commands[] = {
#define ASKS true
#define ACTS false
#define VERB(SYMBOL, NAME, DOES, HELP) { "", #NAME, DOES },
#define SPOOL_VERB(SYMBOL, NAME, DOES, ARGUMENTS, HELP) \
    { "spool", #NAME, DOES },
#define CONTEXT_VERB(SYMBOL, NAME, DOES, ARGUMENTS, HELP) \
    { "context", #NAME, DOES },
#define COMMAND(GROUP, NAME) { GROUP, NAME, false },
#include "control-verbs.def"
#include "spool-verbs.def"
#include "context-verbs.def"
#include "commands.def"
#undef COMMAND
#undef CONTEXT_VERB
#undef SPOOL_VERB
#undef VERB
#undef ACTS
#undef ASKS
};

static const struct command_name *
find(const char *group, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!strcmp(commands[i].group, group)
            && !strcmp(commands[i].name, name)) {
            return &commands[i];
        }
    }
    return NULL;
}

/* Whether commands of two words begin with 'word'. */
static bool
is_group(const char *word)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (word[0] && !strcmp(commands[i].group, word)) {
            return true;
        }
    }
    return false;
}

static char *
list_group(const char *group)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!strcmp(commands[i].group, group)) {
            ds_put_format(&s, "%s%s", s.length ? ", " : "", commands[i].name);
        }
    }
    return ds_steal_cstr(&s);
}

static char *
refuse(const char *group, const char *word)
{
    struct nearest n;

    nearest_init(&n, word);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        nearest_try(&n, !strcmp(commands[i].group, group) ? commands[i].name
                    : !group[0] ? commands[i].group : "");
    }
    char *meant = nearest_say(&n);
    char *sentence = xasprintf("there is no command \"%s%s%s\"%s; see "
                               "'sluicectl --help'.", group,
                               group[0] ? " " : "", word, meant);
    free(meant);
    return sentence;
}

char *
command_find(int n, char *words[], const struct command_name **ret)
{
    const struct command_name *found = NULL;

    if (!n) {
        return xstrdup("there is no command; see 'sluicectl --help'.");
    }
    if (is_group(words[0]) && n > 1) {
        found = find(words[0], words[1]);
        if (!found) {
            return refuse(words[0], words[1]);
        }
    } else {
        found = find("", words[0]);
    }
    if (!found && is_group(words[0])) {
        char *names = list_group(words[0]);
        char *sentence = xasprintf("%s: it takes one of %s; see 'sluicectl "
                                   "--help'.", words[0], names);
        free(names);
        return sentence;
    } else if (!found) {
        return refuse("", words[0]);
    }
    *ret = found;
    return NULL;
}

char *
command_format(const struct command_name *c)
{
    return xasprintf("%s%s%s", c->group, c->group[0] ? " " : "", c->name);
}

int
command_fail(char *sentence)
{
    int status = EXIT_SUCCESS;

    if (sentence) {
        fprintf(stderr, "sluicectl: %s\n", sentence);
        status = !strncmp(sentence, "--", 2) ? EXIT_USAGE : EXIT_FAILURE;
        free(sentence);
    }
    return status;
}
