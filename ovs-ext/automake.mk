# SPDX-License-Identifier: Apache-2.0

EXTRA_DIST += \
	ovs-ext/README.md \
	ovs-ext/check-ovs \
	ovs-ext/check-ovs-upstream \
	ovs-ext/get-ovs-source \
	ovs-ext/make-deb \
	ovs-ext/make-deb \
	ovs-ext/prepare-ovs

# Open vSwitch's whole testsuite, on the pristine tree and on ours; the summary
# is kept in docs/.  Takes an hour or two; goes on where it was interrupted.
check-ovs-upstream:
	$(srcdir)/ovs-ext/check-ovs-upstream \
		--summary $(srcdir)/docs/ovs-testsuite.md $(abs_builddir)/ovs-upstream
.PHONY: check-ovs-upstream

# Debian packages of Open vSwitch with our action, in deb/.
deb:
	$(srcdir)/ovs-ext/make-deb $(abs_builddir)/deb
.PHONY: deb

# Those packages in the place of Debian's, and back; as root.
check-deb: deb
	DEB_DIR=$(abs_builddir)/deb $(srcdir)/tests/deb/test-deb.sh
.PHONY: check-deb
