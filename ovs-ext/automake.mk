# SPDX-License-Identifier: Apache-2.0

EXTRA_DIST += \
	ovs-ext/README.md \
	ovs-ext/check-ovs \
	ovs-ext/check-ovs-upstream \
	ovs-ext/get-ovs-source \
	ovs-ext/make-deb \
	ovs-ext/patches \
	ovs-ext/prepare-ovs \
	ovs-ext/sluice \
	ovs-ext/tests

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
.PHONY: check-deb
