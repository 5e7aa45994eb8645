# SPDX-License-Identifier: Apache-2.0
#
# sluice-context: writes the context snapshot.

sbin_PROGRAMS += proxy-vm/sluice-context
proxy_vm_sluice_context_CPPFLAGS = $(PROXY_CPPFLAGS) \
	-DSLUICE_VERSION='"$(PACKAGE_VERSION)"'
proxy_vm_sluice_context_SOURCES = \
	proxy-vm/context/collector.c \
	proxy-vm/context/collector.h \
	proxy-vm/context/context-source.h \
	proxy-vm/context/dump.c \
	proxy-vm/context/dump.h \
	proxy-vm/context/file-watch.c \
	proxy-vm/context/file-watch.h \
	proxy-vm/context/sluice-context.c \
	proxy-vm/context/source-static.c
proxy_vm_sluice_context_LDADD = $(PROXY_LIBS)

dist_man_MANS += \
	docs/man/sluice-context.8 \
	docs/man/sluice-context.yaml.5
EXTRA_DIST += docs/context.md
