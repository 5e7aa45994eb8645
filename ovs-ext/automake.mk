# SPDX-License-Identifier: Apache-2.0

EXTRA_DIST += \
	ovs-ext/README.md \
	ovs-ext/check-ovs \
	ovs-ext/check-ovs-upstream \
	ovs-ext/get-ovs-source \
	ovs-ext/make-deb \
	ovs-ext/patches \
	ovs-ext/prepare-ovs \
	ovs-ext/tests

# Not the directory: where tests were built from it, it has objects, too.
EXTRA_DIST += \
	ovs-ext/sluice/lib/activity.c \
	ovs-ext/sluice/lib/activity.h \
	ovs-ext/sluice/lib/auth-key.c \
	ovs-ext/sluice/lib/auth-key.h \
	ovs-ext/sluice/lib/destination-show.c \
	ovs-ext/sluice/lib/destination-show.h \
	ovs-ext/sluice/lib/drop-reasons.def \
	ovs-ext/sluice/lib/identity.c \
	ovs-ext/sluice/lib/identity.h \
	ovs-ext/sluice/lib/odp-log-tunnel.c \
	ovs-ext/sluice/lib/odp-log-tunnel.h \
	ovs-ext/sluice/lib/odp-split.c \
	ovs-ext/sluice/lib/odp-split.h \
	ovs-ext/sluice/lib/ofp-log-tunnel-props.c \
	ovs-ext/sluice/lib/ofp-log-tunnel-props.h \
	ovs-ext/sluice/lib/ofp-log-tunnel.c \
	ovs-ext/sluice/lib/ofp-log-tunnel.h \
	ovs-ext/sluice/lib/ovs-compat.h \
	ovs-ext/sluice/lib/port-registry.c \
	ovs-ext/sluice/lib/port-registry.h \
	ovs-ext/sluice/lib/port-show.c \
	ovs-ext/sluice/lib/port-show.h \
	ovs-ext/sluice/lib/push-ready.c \
	ovs-ext/sluice/lib/push-ready.h \
	ovs-ext/sluice/lib/rendezvous.h \
	ovs-ext/sluice/ofproto/configure.c \
	ovs-ext/sluice/ofproto/configure.h \
	ovs-ext/sluice/ofproto/xlate-log-tunnel.c \
	ovs-ext/sluice/ofproto/xlate-log-tunnel.h

# Open vSwitch's whole testsuite, on the pristine tree and on ours; the summary
# is kept in docs/.  Takes an hour or two; goes on where it was interrupted.
EXTRA_DIST += docs/ovs-testsuite.md
check-ovs-upstream:
	$(srcdir)/ovs-ext/check-ovs-upstream \
		--summary $(srcdir)/docs/ovs-testsuite.md $(abs_builddir)/ovs-upstream
.PHONY: check-ovs-upstream

# Debian packages in deb/: of Open vSwitch with our action, and of the proxy's
# programs (proxy-vm/automake.mk).
deb-ovs:
	$(srcdir)/ovs-ext/make-deb $(abs_builddir)/deb
deb: deb-ovs
	$(MAKE) deb-proxy
.PHONY: deb deb-ovs

# Open vSwitch's in the place of Debian's, and back; the proxy's installed,
# upgraded, removed; as root.
check-deb: deb
	DEB_DIR=$(abs_builddir)/deb $(srcdir)/tests/deb/test-deb.sh
	DEB_DIR=$(abs_builddir)/deb $(srcdir)/tests/deb/test-deb-proxy.sh
	DEB_DIR=$(abs_builddir)/deb $(srcdir)/tests/deb/test-deb-systemd.sh
.PHONY: check-deb
