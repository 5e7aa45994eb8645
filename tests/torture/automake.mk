# SPDX-License-Identifier: Apache-2.0

# What goes wrong, all at once and for long: see tests/torture/run.
EXTRA_DIST += \
	docs/torture.md \
	tests/torture/canaries.py \
	tests/torture/disk.py \
	tests/torture/failpoints.py \
	tests/torture/flood.py \
	tests/torture/isolation.py \
	tests/torture/killing.py \
	tests/torture/kills.py \
	tests/torture/outage.py \
	tests/torture/power-cut.sh \
	tests/torture/relp.sh \
	tests/torture/run \
	tests/torture/scene.py

.PHONY: torture
torture: all
	$(AM_V_at)builddir='$(abs_top_builddir)' srcdir='$(abs_top_srcdir)' \
		$(srcdir)/tests/torture/run --long --summary torture.md \
		$(TORTURE_PARTS)
