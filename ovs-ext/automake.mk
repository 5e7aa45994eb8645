# SPDX-License-Identifier: Apache-2.0

EXTRA_DIST += \
	ovs-ext/README.md \
	ovs-ext/check-ovs \
	ovs-ext/check-ovs-upstream \
	ovs-ext/get-ovs-source \
	ovs-ext/make-deb \
	ovs-ext/prepare-ovs

# Open vSwitch's whole testsuite, on the pristine tree and on ours; the summary
# is kept in docs/.  Takes an hour or two; goes on where it was interrupted.
check-ovs-upstream:
	$(srcdir)/ovs-ext/check-ovs-upstream \
		--summary $(srcdir)/docs/ovs-testsuite.md $(abs_builddir)/ovs-upstream
.PHONY: check-ovs-upstream
