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
	proxy-vm/common/nearest.c \
	proxy-vm/common/nearest.h \
	proxy-vm/common/proxy-config-destinations.c \
	proxy-vm/common/proxy-config-diff.c \
	proxy-vm/common/proxy-config-diff.h \
	proxy-vm/common/proxy-config-dump.c \
	proxy-vm/common/proxy-config-values.c \
	proxy-vm/common/proxy-config-keys.h \
	proxy-vm/common/proxy-config.c \
	proxy-vm/common/proxy-config.def \
	proxy-vm/common/proxy-config.h \
	proxy-vm/common/counters.def \
	proxy-vm/common/open-batch.h \
	proxy-vm/common/program.c \
	proxy-vm/common/program.h \
	proxy-vm/common/spool.h \
	proxy-vm/common/static-context.c \
	proxy-vm/common/static-context.h \
	proxy-vm/common/stats.c \
	proxy-vm/common/stats.h \
	proxy-vm/common/taken.c \
	proxy-vm/common/taken.h \
	proxy-vm/common/tunnel-sockets.c \
	proxy-vm/common/tunnel-sockets.h \
	proxy-vm/common/uuid-bytes.c \
	proxy-vm/common/uuid-bytes.h \
	proxy-vm/common/yaml-map.c \
	proxy-vm/common/yaml-map.h

PROXY_CPPFLAGS = $(proxy_vm_libcommon_a_CPPFLAGS)
PROXY_LIBS = proxy-vm/libcommon.a $(SLUICE_LIBS) $(CYAML_LIBS) $(YAML_LIBS) \
	$(OVS_LIBS)

# Open batches and the spool.
proxy_vm_libcommon_a_SOURCES += \
	proxy-vm/common/open-batch.c \
	proxy-vm/common/failpoint.c \
	proxy-vm/common/failpoint.h \
	proxy-vm/common/failpoints.def \
	proxy-vm/common/file-io-failing.c \
	proxy-vm/common/file-io.c \
	proxy-vm/common/file-io.h \
	proxy-vm/common/spool-admin.c \
	proxy-vm/common/spool-admin.h \
	proxy-vm/common/ship-journal.c \
	proxy-vm/common/ship-journal.h \
	proxy-vm/common/spool-list.c \
	proxy-vm/common/spool-private.h \
	proxy-vm/common/spool-queues.c \
	proxy-vm/common/spool-read.c \
	proxy-vm/common/spool-write.c \
	proxy-vm/common/sync-many.c \
	proxy-vm/common/sync-many.h \
	proxy-vm/common/spool.c
# sluice-intake: the stages of a log packet's way, in their order, as a library
# so that tests and benchmarks can run them.
noinst_LIBRARIES += proxy-vm/libintake.a
proxy_vm_libintake_a_CPPFLAGS = $(PROXY_CPPFLAGS)
proxy_vm_libintake_a_SOURCES = \
	proxy-vm/intake/pipeline-gaps.c \
	proxy-vm/intake/pipeline-private.h \
	proxy-vm/intake/pipeline-recover.c \
	proxy-vm/intake/pipeline-setup.c \
	proxy-vm/intake/pipeline.c \
	proxy-vm/intake/pipeline.h \
	proxy-vm/intake/record.h \
	proxy-vm/intake/memif-control.c \
	proxy-vm/intake/memif-control.h \
	proxy-vm/intake/rx-queue.c \
	proxy-vm/intake/rx-queue.h \
	proxy-vm/intake/s1-receive-memif.c \
	proxy-vm/intake/s1-receive-pcap.c \
	proxy-vm/intake/s1-receive-private.h \
	proxy-vm/intake/s1-receive-socket.c \
	proxy-vm/intake/s1-receive.c \
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
	proxy-vm/intake/s7-age.c \
	proxy-vm/intake/s7-age.h \
	proxy-vm/intake/s7-commit.c \
	proxy-vm/intake/s7-put.c \
	proxy-vm/intake/s7-put.h \
	proxy-vm/intake/s7-quota.c \
	proxy-vm/intake/s7-quota.h \
	proxy-vm/intake/s7-recover.c \
	proxy-vm/intake/s7-seal.c \
	proxy-vm/intake/s7-seal.h \
	proxy-vm/intake/s7-store-private.h \
	proxy-vm/intake/s7-store.c \
	proxy-vm/intake/s7-store.h \
	proxy-vm/intake/undo.c \
	proxy-vm/intake/undo.h

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

# The adapters: for a library with a licence or threads of its own, a program
# of its own.  They do without Open vSwitch's library.
noinst_LIBRARIES += proxy-vm/libadapter.a
ADAPTER_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE -I$(srcdir)/proxy-vm/common
proxy_vm_libadapter_a_CPPFLAGS = $(ADAPTER_CPPFLAGS)
proxy_vm_libadapter_a_SOURCES = \
	proxy-vm/common/adapter-end.c \
	proxy-vm/common/adapter-end.h \
	proxy-vm/common/adapter-frame.c \
	proxy-vm/common/adapter-frame.h \
	proxy-vm/common/adapter-marks.c \
	proxy-vm/common/adapter-marks.h \
	proxy-vm/common/failpoint.c \
	proxy-vm/common/failpoint.h \
	proxy-vm/common/failpoints.def \
	proxy-vm/common/no-dump.c \
	proxy-vm/common/no-dump.h
ADAPTER_LIBS = proxy-vm/libadapter.a
pkglibexec_PROGRAMS =
include proxy-vm/relp/automake.mk
include proxy-vm/kafka/automake.mk

# sluice-ship: all but main() is a library, for its tests.
noinst_LIBRARIES += proxy-vm/libship.a
proxy_vm_libship_a_CPPFLAGS = $(PROXY_CPPFLAGS) \
	-DSLUICE_PKGLIBEXECDIR='"$(pkglibexecdir)"'
proxy_vm_libship_a_SOURCES = \
	proxy-vm/ship/dial.c \
	proxy-vm/ship/dial.h \
	proxy-vm/ship/failover.c \
	proxy-vm/ship/failover.h \
	proxy-vm/ship/output-classes.def \
	proxy-vm/ship/output-file.c \
	proxy-vm/ship/output-program.c \
	proxy-vm/ship/output-sealed.c \
	proxy-vm/ship/output-tcp.c \
	proxy-vm/ship/output-tls.c \
	proxy-vm/ship/output-udp.c \
	proxy-vm/ship/output.c \
	proxy-vm/ship/output.h \
	proxy-vm/ship/resolve.c \
	proxy-vm/ship/resolve.h \
	proxy-vm/ship/ship-batch.c \
	proxy-vm/ship/ship-batch.h \
	proxy-vm/ship/ship-queue.c \
	proxy-vm/ship/ship-queue.h \
	proxy-vm/ship/ship.c \
	proxy-vm/ship/ship.h \
	proxy-vm/ship/tls-client.c \
	proxy-vm/ship/tls-client.h
sbin_PROGRAMS += proxy-vm/ship/sluice-ship
SHIP_CPPFLAGS = $(PROXY_CPPFLAGS) -I$(srcdir)/proxy-vm/ship
SHIP_LIBS = proxy-vm/libship.a $(ADAPTER_LIBS) $(PROXY_LIBS) $(CARES_LIBS) \
	$(OPENSSL_LIBS)
proxy_vm_ship_sluice_ship_CPPFLAGS = $(PROXY_CPPFLAGS)
proxy_vm_ship_sluice_ship_SOURCES = proxy-vm/ship/sluice-ship.c
proxy_vm_ship_sluice_ship_LDADD = $(SHIP_LIBS)
dist_man_MANS += docs/man/sluice-ship.8

# sluice-unseal.
include proxy-vm/unseal/automake.mk

# sluice-context.
include proxy-vm/context/automake.mk
EXTRA_DIST += docs/batch-format.md docs/spool.md
# What may reach a terminal.
proxy_vm_libcommon_a_SOURCES += \
	proxy-vm/common/no-dump.c \
	proxy-vm/common/no-dump.h \
	proxy-vm/common/printable.c \
	proxy-vm/common/printable.h

# The reports of hypervisors.
proxy_vm_libcommon_a_SOURCES += \
	proxy-vm/common/host-report.c \
	proxy-vm/common/host-report.h
include proxy-vm/hostd/automake.mk

# The ledger.
proxy_vm_libcommon_a_SOURCES += \
	proxy-vm/common/ledger-file.c \
	proxy-vm/common/ledger-file.h \
	proxy-vm/common/ledger.c \
	proxy-vm/common/ledger.h \
	proxy-vm/common/queue-exits.def

# The keys of hosts.
proxy_vm_libcommon_a_SOURCES += \
	proxy-vm/common/host-keys.c \
	proxy-vm/common/host-keys.h

# The redactors of the tenants, and to whom their batches are sealed.
proxy_vm_libcommon_a_SOURCES += \
	proxy-vm/common/recipients.c \
	proxy-vm/common/recipients.h \
	proxy-vm/common/redaction.c \
	proxy-vm/common/redaction.h

# Client rules.
proxy_vm_libcommon_a_SOURCES += \
	proxy-vm/common/context-table.c \
	proxy-vm/common/context-table.h \
	proxy-vm/common/proxy-config-context.c \
	proxy-vm/common/proxy-config-rules.c \
	proxy-vm/common/rule-table.c \
	proxy-vm/common/rule-table.h
proxy_vm_libintake_a_SOURCES += \
	proxy-vm/intake/s6-rules.c \
	proxy-vm/intake/s6-rules.h

# The control socket.
proxy_vm_libcommon_a_SOURCES += \
	proxy-vm/common/control-frame.c \
	proxy-vm/common/control-frame.h \
	proxy-vm/common/context-diff.c \
	proxy-vm/common/context-diff.h \
	proxy-vm/common/context-status.c \
	proxy-vm/common/context-status.h \
	proxy-vm/common/context-verbs.def \
	proxy-vm/common/control-verbs.def \
	proxy-vm/common/spool-verbs.def

include proxy-vm/ctl/automake.mk
include proxy-vm/metrics/automake.mk
include proxy-vm/master/automake.mk
include proxy-vm/systemd/automake.mk
include proxy-vm/image/automake.mk

# The configuration's manual: its keys come from proxy-config.def.
noinst_PROGRAMS += proxy-vm/common/gen-config-man
proxy_vm_common_gen_config_man_CPPFLAGS = $(PROXY_CPPFLAGS)
proxy_vm_common_gen_config_man_SOURCES = \
	proxy-vm/common/gen-config-man.c \
	proxy-vm/common/man-text.c \
	proxy-vm/common/man-text.h
proxy_vm_common_gen_config_man_LDADD = $(PROXY_LIBS)
docs/man/sluice.yaml.5: docs/man/sluice.yaml.5.in \
		proxy-vm/common/gen-config-man$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) docs/man && \
	proxy-vm/common/gen-config-man$(EXEEXT) \
		< $(srcdir)/docs/man/sluice.yaml.5.in > $@.tmp && \
	mv $@.tmp $@
nodist_man_MANS = docs/man/sluice.yaml.5
CLEANFILES += docs/man/sluice.yaml.5

# That of what is counted: from counters.def, drop.def and gap.def.
noinst_PROGRAMS += proxy-vm/common/gen-counters-man
proxy_vm_common_gen_counters_man_CPPFLAGS = $(PROXY_CPPFLAGS)
proxy_vm_common_gen_counters_man_SOURCES = \
	proxy-vm/common/gen-counters-man.c \
	proxy-vm/common/man-text.c \
	proxy-vm/common/man-text.h
proxy_vm_common_gen_counters_man_LDADD = $(PROXY_LIBS)
docs/man/sluice-counters.7: docs/man/sluice-counters.7.in \
		proxy-vm/common/gen-counters-man$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) docs/man && \
	proxy-vm/common/gen-counters-man$(EXEEXT) \
		< $(srcdir)/docs/man/sluice-counters.7.in > $@.tmp && \
	mv $@.tmp $@
nodist_man_MANS += docs/man/sluice-counters.7
CLEANFILES += docs/man/sluice-counters.7
EXTRA_DIST += docs/man/sluice-counters.7.in

# For editors: a JSON schema of the same.
noinst_PROGRAMS += proxy-vm/common/gen-config-schema
proxy_vm_common_gen_config_schema_CPPFLAGS = $(PROXY_CPPFLAGS)
proxy_vm_common_gen_config_schema_SOURCES = \
	proxy-vm/common/gen-config-schema.c
proxy_vm_common_gen_config_schema_LDADD = $(PROXY_LIBS)
docs/sluice.schema.json: proxy-vm/common/gen-config-schema$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) docs && \
	proxy-vm/common/gen-config-schema$(EXEEXT) > $@.tmp && \
	mv $@.tmp $@
nodist_pkgdata_DATA = docs/sluice.schema.json
CLEANFILES += docs/sluice.schema.json
EXTRA_DIST += docs/man/sluice.yaml.5.in
dist_man_MANS += docs/man/sluice-intake.8 docs/man/sluicectl.8 docs/man/sluiced.8

# Debian packages of all this, in deb/ beside those of Open vSwitch.
EXTRA_DIST += \
	proxy-vm/make-deb \
	tests/deb/chroot.sh \
	tests/deb/newer-deb \
	tests/deb/test-deb.sh \
	tests/deb/test-deb-proxy.sh \
	tests/deb/test-deb-systemd.sh \
	proxy-vm/debian/changelog \
	proxy-vm/debian/control \
	proxy-vm/debian/copyright \
	proxy-vm/debian/not-installed \
	proxy-vm/debian/rules \
	proxy-vm/debian/sluice-ctl.docs \
	proxy-vm/debian/sluice-ctl.examples \
	proxy-vm/debian/sluice-ctl.install \
	proxy-vm/debian/sluice-ctl.manpages \
	proxy-vm/debian/sluice-hostd.dirs \
	proxy-vm/debian/sluice-hostd.examples \
	proxy-vm/debian/sluice-hostd.install \
	proxy-vm/debian/sluice-hostd.manpages \
	proxy-vm/debian/sluice-libvirt.install \
	proxy-vm/debian/sluice-libvirt.manpages \
	proxy-vm/debian/sluice-proxy.dirs \
	proxy-vm/debian/sluice-proxy.docs \
	proxy-vm/debian/sluice-proxy.examples \
	proxy-vm/debian/sluice-proxy.install \
	proxy-vm/debian/sluice-proxy.logrotate \
	proxy-vm/debian/sluice-proxy.manpages \
	proxy-vm/debian/sluice-proxy.postinst \
	proxy-vm/debian/sluice-proxy.postrm \
	proxy-vm/debian/sluice-proxy.prerm \
	proxy-vm/debian/sluice-unseal.dirs \
	proxy-vm/debian/sluice-unseal.docs \
	proxy-vm/debian/sluice-unseal.install \
	proxy-vm/debian/sluice-unseal.logrotate \
	proxy-vm/debian/sluice-unseal.manpages \
	proxy-vm/debian/sluice-unseal.postinst \
	proxy-vm/debian/sluice-unseal.postrm \
	proxy-vm/debian/sluice-unseal.prerm \
	proxy-vm/debian/source/format
deb-proxy:
	$(srcdir)/proxy-vm/make-deb $(abs_builddir)/deb
.PHONY: deb-proxy
