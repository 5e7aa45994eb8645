# SPDX-License-Identifier: Apache-2.0
#
# The programs of the proxy, one folder each, and what they share.

# common/ may use Open vSwitch's library (vlog, hmap, ...).  Its folder is for
# #include "..." alone, so that <config.h> stays Open vSwitch's.
noinst_LIBRARIES += proxy-vm/libcommon.a
proxy_vm_libcommon_a_CPPFLAGS = $(AM_CPPFLAGS) -iquote $(srcdir)/proxy-vm/common \
	$(OVS_CFLAGS)
proxy_vm_libcommon_a_SOURCES = \
	proxy-vm/common/config-check.c \
	proxy-vm/common/config-keys.h \
	proxy-vm/common/config.c \
	proxy-vm/common/config.def \
	proxy-vm/common/config.h \
	proxy-vm/common/counters.def \
	proxy-vm/common/open-batch.h \
	proxy-vm/common/spool.h \
	proxy-vm/common/static-context.c \
	proxy-vm/common/static-context.h \
	proxy-vm/common/stats.c \
	proxy-vm/common/stats.h \
	proxy-vm/common/yaml-map.c \
	proxy-vm/common/yaml-map.h

PROXY_CPPFLAGS = $(proxy_vm_libcommon_a_CPPFLAGS)
PROXY_LIBS = proxy-vm/libcommon.a $(SLUICE_LIBS) $(CYAML_LIBS) $(YAML_LIBS) \
	$(OVS_LIBS)

# Open batches and the spool.
proxy_vm_libcommon_a_SOURCES += \
	proxy-vm/common/open-batch.c \
	proxy-vm/common/spool.c
