# SPDX-License-Identifier: Apache-2.0
#
# What systemd is told of the programs.

systemdsystemunitdir = $(prefix)/lib/systemd/system
sysctldir = $(prefix)/lib/sysctl.d
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d

SYSTEMD_UNITS = \
	proxy-vm/systemd/sluice.socket \
	proxy-vm/systemd/sluice.service \
	proxy-vm/systemd/sluice-hostd.service \
	proxy-vm/systemd/sluice-unseal@.service
SUFFIXES = .service.in .service .socket.in .socket
UNIT_PATHS = sed -e 's|@sbindir[@]|$(sbindir)|' \
	-e 's|@sysconfdir[@]|$(sysconfdir)|'
.service.in.service:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	$(UNIT_PATHS) < $< > $@.tmp && mv $@.tmp $@
.socket.in.socket:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	$(UNIT_PATHS) < $< > $@.tmp && mv $@.tmp $@
nodist_systemdsystemunit_DATA = $(SYSTEMD_UNITS)
CLEANFILES += $(SYSTEMD_UNITS)
EXTRA_DIST += $(SYSTEMD_UNITS:=.in)
dist_sysctl_DATA = proxy-vm/systemd/sysctl.d/50-sluice.conf
dist_sysusers_DATA = \
	proxy-vm/systemd/sysusers.d/sluice.conf \
	proxy-vm/systemd/sysusers.d/sluice-unseal.conf
dist_tmpfiles_DATA = proxy-vm/systemd/tmpfiles.d/sluice.conf
