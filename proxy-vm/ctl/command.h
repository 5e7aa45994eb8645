/* SPDX-License-Identifier: Apache-2.0
 *
 * Which command of sluicectl the words of a command line are, and what is
 * wrong with them.
 *
 * In: the words.  Out: a command, or a sentence.  Runs in: sluicectl. */
#ifndef SLUICE_CTL_COMMAND_H
#define SLUICE_CTL_COMMAND_H 1

#include <stdbool.h>
#include <stdlib.h>

/* Exit status of a command line that is wrong. */
enum { EXIT_USAGE = 2 };

struct command_name {
    const char *group;          /* Empty, or the word in front. */
    const char *name;
    bool is_state;              /* It prints one, and changes nothing. */
};

/* Finds the command whose words 'words' begins with.  Returns null and
 * '*ret', or a malloc()ed sentence. */
char *command_find(int n, char *words[], const struct command_name **ret);

/* "spool list", malloc()ed. */
char *command_format(const struct command_name *);

/* Prints 'sentence', whose owner it becomes, if it is nonnull.  Returns the
 * exit status that goes with it: EXIT_USAGE if it is about an option, with
 * whose name it begins then. */
int command_fail(char *sentence);

#endif /* proxy-vm/ctl/command.h */
