# SPDX-License-Identifier: Apache-2.0
#
# The image of the proxy's VM, of the packages that deb-proxy builds.

EXTRA_DIST += \
	proxy-vm/image/check-reproducible \
	proxy-vm/image/customize \
	proxy-vm/image/debian-sources \
	proxy-vm/image/dpkg.cfg \
	proxy-vm/image/export/sluice-proxy.ovf.in \
	proxy-vm/image/export/sluice-proxy.xml \
	proxy-vm/image/grub-efi.cfg \
	proxy-vm/image/make-esp \
	proxy-vm/image/make-image \
	proxy-vm/image/make-ova \
	proxy-vm/image/packages \
	proxy-vm/image/root

dist_man_MANS += \
	docs/man/sluice-data.8 \
	docs/man/sluice-image-upgrade.8 \
	docs/man/sluice-seed.8

image: deb-proxy
	$(MKDIR_P) image
	$(srcdir)/proxy-vm/image/make-image deb image/sluice-proxy.qcow2
check-image-reproducible: image
	$(srcdir)/proxy-vm/image/check-reproducible deb \
		image/sluice-proxy.qcow2
.PHONY: image check-image-reproducible
