# SPDX-License-Identifier: Apache-2.0
#
# The master of the proxy: all but main() is a library, for its tests.

noinst_LIBRARIES += proxy-vm/libmaster.a
MASTER_CPPFLAGS = $(PROXY_CPPFLAGS) -I$(srcdir)/proxy-vm/master
proxy_vm_libmaster_a_CPPFLAGS = $(MASTER_CPPFLAGS)
proxy_vm_libmaster_a_SOURCES = \
	proxy-vm/master/answer-batches.c \
	proxy-vm/master/answer-context.c \
	proxy-vm/master/answer-counters.c \
	proxy-vm/master/answer-ledger.c \
	proxy-vm/master/answer-private.h \
	proxy-vm/master/answer-rules.c \
	proxy-vm/master/answer-spool.c \
	proxy-vm/master/answer-tenants.c \
	proxy-vm/master/check-config.c \
	proxy-vm/master/check-config.h \
	proxy-vm/master/answer.c \
	proxy-vm/master/answer.h \
	proxy-vm/master/control.c \
	proxy-vm/master/control.h \
	proxy-vm/master/ledger-keeper.c \
	proxy-vm/master/ledger-keeper.h \
	proxy-vm/master/ledger-restore.c \
	proxy-vm/master/ledger-restore.h \
	proxy-vm/master/master.c \
	proxy-vm/master/master.h \
	proxy-vm/master/service.c \
	proxy-vm/master/service.h \
	proxy-vm/master/setup.c \
	proxy-vm/master/setup.h \
	proxy-vm/master/spool-command.c \
	proxy-vm/master/spool-command.h \
	proxy-vm/master/supervisor.c \
	proxy-vm/master/supervisor.h
MASTER_LIBS = proxy-vm/libmaster.a $(PROXY_LIBS) $(SYSTEMD_LIBS)

sbin_PROGRAMS += proxy-vm/sluiced
proxy_vm_sluiced_CPPFLAGS = $(MASTER_CPPFLAGS)
proxy_vm_sluiced_SOURCES = proxy-vm/master/sluiced.c
proxy_vm_sluiced_LDADD = $(MASTER_LIBS)
