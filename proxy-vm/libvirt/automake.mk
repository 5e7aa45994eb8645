# SPDX-License-Identifier: Apache-2.0
#
# sluice-libvirt, for sluice-context.

if HAVE_LIBVIRT
pkglibexec_PROGRAMS += proxy-vm/libvirt/sluice-libvirt
endif
proxy_vm_libvirt_sluice_libvirt_CPPFLAGS = $(CONTEXT_CPPFLAGS)
proxy_vm_libvirt_sluice_libvirt_CFLAGS = $(AM_CFLAGS) $(LIBVIRT_CFLAGS)
proxy_vm_libvirt_sluice_libvirt_LDADD = $(CONTEXT_LIBS) $(LIBVIRT_LIBS)
proxy_vm_libvirt_sluice_libvirt_SOURCES = \
	proxy-vm/libvirt/load.c \
	proxy-vm/libvirt/load.h \
	proxy-vm/libvirt/report.c \
	proxy-vm/libvirt/report.h \
	proxy-vm/libvirt/session.c \
	proxy-vm/libvirt/session.h \
	proxy-vm/libvirt/sluice-libvirt.c
dist_man_MANS += docs/man/sluice-libvirt.8
