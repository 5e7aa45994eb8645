# SPDX-License-Identifier: Apache-2.0
#
# The programs of the proxy, one folder each, and what they share.

# common/ may use Open vSwitch's library (vlog, hmap, ...), whose own config.h
# comes first in each file that does.
noinst_LIBRARIES += proxy-vm/libcommon.a
proxy_vm_libcommon_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/proxy-vm/common \
	$(OVS_CFLAGS)
proxy_vm_libcommon_a_SOURCES = \
	proxy-vm/common/proxy-config-check.c \
	proxy-vm/common/proxy-config-keys.h \
	proxy-vm/common/proxy-config.c \
	proxy-vm/common/proxy-config.def \
	proxy-vm/common/proxy-config.h \
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
	proxy-vm/common/spool-list.c \
	proxy-vm/common/spool-private.h \
	proxy-vm/common/spool.c
# sluice-intake: the stages of a log packet's way, in their order, as a library
# so that tests and benchmarks can run them.
noinst_LIBRARIES += proxy-vm/libintake.a
proxy_vm_libintake_a_CPPFLAGS = $(PROXY_CPPFLAGS)
proxy_vm_libintake_a_SOURCES = \
	proxy-vm/intake/pipeline.c \
	proxy-vm/intake/pipeline.h \
	proxy-vm/intake/record.h \
	proxy-vm/intake/s1-receive-pcap.c \
	proxy-vm/intake/s1-receive-socket.c \
	proxy-vm/intake/s1-receive.h \
	proxy-vm/intake/liveness.c \
	proxy-vm/intake/liveness.h \
	proxy-vm/intake/s2-decap.c \
	proxy-vm/intake/s2-decap.h \
	proxy-vm/intake/s3-account.c \
	proxy-vm/intake/s3-account.h \
	proxy-vm/intake/s5-claims.c \
	proxy-vm/intake/s5-claims.h \
	proxy-vm/intake/s4-datagram.c \
	proxy-vm/intake/s4-hold.c \
	proxy-vm/intake/s4-hold.h \
	proxy-vm/intake/s4-private.h \
	proxy-vm/intake/s4-reassemble.c \
	proxy-vm/intake/s4-reassemble.h \
	proxy-vm/intake/s4-stream.c \
	proxy-vm/intake/s6-enrich.c \
	proxy-vm/intake/s6-enrich.h \
	proxy-vm/intake/s7-store.c \
	proxy-vm/intake/s7-store.h

# Frames that come in parts.
proxy_vm_libintake_a_SOURCES += \
	proxy-vm/intake/s2-join.c \
	proxy-vm/intake/s2-join.h
proxy_vm_libcommon_a_SOURCES += \
	proxy-vm/common/lasting-memory.c \
	proxy-vm/common/lasting-memory.h

# What intake may ask of the kernel.
proxy_vm_libintake_a_SOURCES += \
	proxy-vm/intake/sandbox-syscalls.def \
	proxy-vm/intake/sandbox.c \
	proxy-vm/intake/sandbox.h
INTAKE_LIBS = proxy-vm/libintake.a $(PROXY_LIBS) $(PCAP_LIBS) $(SECCOMP_LIBS)

sbin_PROGRAMS += proxy-vm/intake/sluice-intake
proxy_vm_intake_sluice_intake_CPPFLAGS = $(PROXY_CPPFLAGS)
proxy_vm_intake_sluice_intake_LDADD = $(INTAKE_LIBS)
proxy_vm_intake_sluice_intake_SOURCES = proxy-vm/intake/sluice-intake.c

# sluice-ship: all but main() is a library, for its tests.
noinst_LIBRARIES += proxy-vm/libship.a
proxy_vm_libship_a_CPPFLAGS = $(PROXY_CPPFLAGS)
proxy_vm_libship_a_SOURCES = \
	proxy-vm/ship/session.c \
	proxy-vm/ship/session.h \
	proxy-vm/ship/ship-batch.c \
	proxy-vm/ship/ship-batch.h \
	proxy-vm/ship/ship-queue.c \
	proxy-vm/ship/ship-queue.h \
	proxy-vm/ship/ship.c \
	proxy-vm/ship/ship.h
sbin_PROGRAMS += proxy-vm/ship/sluice-ship
SHIP_CPPFLAGS = $(PROXY_CPPFLAGS) -I$(srcdir)/proxy-vm/ship
SHIP_LIBS = proxy-vm/libship.a $(PROXY_LIBS)
proxy_vm_ship_sluice_ship_CPPFLAGS = $(PROXY_CPPFLAGS)
proxy_vm_ship_sluice_ship_SOURCES = proxy-vm/ship/sluice-ship.c
proxy_vm_ship_sluice_ship_LDADD = $(SHIP_LIBS)
dist_man_MANS += docs/man/sluice-ship.8

# sluice-context.
include proxy-vm/context/automake.mk
EXTRA_DIST += docs/batch-format.md
# What may reach a terminal.
proxy_vm_libcommon_a_SOURCES += \
	proxy-vm/common/no-dump.c \
	proxy-vm/common/no-dump.h \
	proxy-vm/common/printable.c \
	proxy-vm/common/printable.h

# The keys of hosts.
proxy_vm_libcommon_a_SOURCES += \
	proxy-vm/common/host-keys.c \
	proxy-vm/common/host-keys.h

# The redactors of the tenants.
proxy_vm_libcommon_a_SOURCES += \
	proxy-vm/common/redaction.c \
	proxy-vm/common/redaction.h

# The control socket.
proxy_vm_libcommon_a_SOURCES += \
	proxy-vm/common/control-frame.c \
	proxy-vm/common/control-frame.h \
	proxy-vm/common/control-verbs.def

include proxy-vm/ctl/automake.mk
include proxy-vm/master/automake.mk

# The configuration's manual: its keys come from proxy-config.def.
noinst_PROGRAMS += proxy-vm/common/gen-config-man
proxy_vm_common_gen_config_man_CPPFLAGS = $(PROXY_CPPFLAGS)
proxy_vm_common_gen_config_man_SOURCES = proxy-vm/common/gen-config-man.c
proxy_vm_common_gen_config_man_LDADD = $(PROXY_LIBS)
docs/man/sluice.yaml.5: docs/man/sluice.yaml.5.in \
		proxy-vm/common/gen-config-man$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) docs/man && \
	proxy-vm/common/gen-config-man$(EXEEXT) \
		< $(srcdir)/docs/man/sluice.yaml.5.in > $@.tmp && \
	mv $@.tmp $@
nodist_man_MANS = docs/man/sluice.yaml.5
CLEANFILES += docs/man/sluice.yaml.5
EXTRA_DIST += docs/man/sluice.yaml.5.in
dist_man_MANS += docs/man/sluicectl.8 docs/man/sluiced.8
