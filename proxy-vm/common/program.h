/* SPDX-License-Identifier: Apache-2.0
 *
 * What the main() of several programs needs: signals at a descriptor, and
 * numbers in options.  Whatever fails ends the program, with a sentence.
 *
 * Runs in: sluiced, sluice-context, sluice-hostd, sluice-intake, sluice-ship,
 * sluice-unseal. */
#ifndef SLUICE_PROGRAM_H
#define SLUICE_PROGRAM_H 1

/* Has these signals, with a 0 behind the last, arrive at a descriptor of
 * signalfd(2), which does not block, and nowhere else.  Returns it; the caller
 * owns it. */
int program_catch_signals(int signal, ...);

/* Returns the number in 'arg', the argument of --'option', from 'min' to
 * 'max'. */
unsigned int program_parse_uint(const char *option, const char *arg,
                                unsigned int min, unsigned int max);

#endif /* proxy-vm/common/program.h */
