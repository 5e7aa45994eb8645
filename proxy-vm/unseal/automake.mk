# SPDX-License-Identifier: Apache-2.0
#
# sluice-unseal: all but main() is a library, for its tests.

noinst_LIBRARIES += proxy-vm/libunseal.a
UNSEAL_CPPFLAGS = $(SHIP_CPPFLAGS) -I$(srcdir)/proxy-vm/unseal
proxy_vm_libunseal_a_CPPFLAGS = $(UNSEAL_CPPFLAGS)
proxy_vm_libunseal_a_SOURCES = \
	proxy-vm/unseal/conn.c \
	proxy-vm/unseal/conn.h \
	proxy-vm/unseal/files.c \
	proxy-vm/unseal/files.h \
	proxy-vm/unseal/receiver.c \
	proxy-vm/unseal/receiver.h \
	proxy-vm/unseal/server.c \
	proxy-vm/unseal/server.h \
	proxy-vm/unseal/sink-file.c \
	proxy-vm/unseal/sink-syslog.c \
	proxy-vm/unseal/sink.h \
	proxy-vm/unseal/state.c \
	proxy-vm/unseal/state.h \
	proxy-vm/unseal/unsealer.c \
	proxy-vm/unseal/unsealer.h
UNSEAL_LIBS = proxy-vm/libunseal.a $(SHIP_LIBS) -lssl -lcrypto

sbin_PROGRAMS += proxy-vm/unseal/sluice-unseal
proxy_vm_unseal_sluice_unseal_CPPFLAGS = $(UNSEAL_CPPFLAGS)
proxy_vm_unseal_sluice_unseal_SOURCES = proxy-vm/unseal/sluice-unseal.c
proxy_vm_unseal_sluice_unseal_LDADD = $(UNSEAL_LIBS)
dist_man_MANS += docs/man/sluice-unseal.8
