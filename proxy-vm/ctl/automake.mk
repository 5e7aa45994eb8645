# SPDX-License-Identifier: Apache-2.0
#
# The command line of the proxy.

bin_PROGRAMS += proxy-vm/sluicectl
proxy_vm_sluicectl_CPPFLAGS = $(PROXY_CPPFLAGS) \
	-I$(srcdir)/proxy-vm/intake
proxy_vm_sluicectl_SOURCES = \
	proxy-vm/ctl/client.c \
	proxy-vm/ctl/client.h \
	proxy-vm/ctl/command.c \
	proxy-vm/ctl/command.h \
	proxy-vm/ctl/commands.def \
	proxy-vm/ctl/context-query.c \
	proxy-vm/ctl/context-query.h \
	proxy-vm/ctl/explain.c \
	proxy-vm/ctl/explain.h \
	proxy-vm/ctl/flows-action.c \
	proxy-vm/ctl/flows-private.h \
	proxy-vm/ctl/flows.c \
	proxy-vm/ctl/flows.h \
	proxy-vm/ctl/ledger.c \
	proxy-vm/ctl/ledger.h \
	proxy-vm/ctl/options.c \
	proxy-vm/ctl/options.def \
	proxy-vm/ctl/options.h \
	proxy-vm/ctl/render-json.c \
	proxy-vm/ctl/render-json.h \
	proxy-vm/ctl/render-ledger.c \
	proxy-vm/ctl/render-spool.c \
	proxy-vm/ctl/render-spool.h \
	proxy-vm/ctl/render.c \
	proxy-vm/ctl/render.h \
	proxy-vm/ctl/rules-trial.c \
	proxy-vm/ctl/rules-trial.h \
	proxy-vm/ctl/trial.c \
	proxy-vm/ctl/trial.h \
	proxy-vm/ctl/screen.c \
	proxy-vm/ctl/screen.h \
	proxy-vm/ctl/sluicectl.c \
	proxy-vm/ctl/spool-batches.c \
	proxy-vm/ctl/spool-batches.h \
	proxy-vm/ctl/table.c \
	proxy-vm/ctl/table.h \
	proxy-vm/ctl/tail.c \
	proxy-vm/ctl/tail.h \
	proxy-vm/ctl/top.c \
	proxy-vm/ctl/top.def \
	proxy-vm/ctl/top.h \
	proxy-vm/ctl/watch.c \
	proxy-vm/ctl/watch.h
proxy_vm_sluicectl_LDADD = $(INTAKE_LIBS)

# Under the name of the command, where bash-completion looks.
completiondir = $(datadir)/bash-completion/completions
dist_completion_DATA = proxy-vm/ctl/completion/sluicectl
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = proxy-vm/ctl/completion/_sluicectl
