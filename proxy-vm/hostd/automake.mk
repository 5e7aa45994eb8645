# SPDX-License-Identifier: Apache-2.0
#
# sluice-hostd, on the hypervisor: all but main() is a library, for its tests.

noinst_LIBRARIES += proxy-vm/libhostd.a
HOSTD_CPPFLAGS = $(PROXY_CPPFLAGS) -I$(srcdir)/proxy-vm/hostd
proxy_vm_libhostd_a_CPPFLAGS = $(HOSTD_CPPFLAGS) $(LIBNL_CFLAGS) \
	$(CAPNG_CFLAGS)
proxy_vm_libhostd_a_SOURCES = \
	proxy-vm/hostd/host-figures.c \
	proxy-vm/hostd/host-figures.h \
	proxy-vm/hostd/links.c \
	proxy-vm/hostd/links.h \
	proxy-vm/hostd/owners.c \
	proxy-vm/hostd/owners.h \
	proxy-vm/hostd/ports.c \
	proxy-vm/hostd/ports.h \
	proxy-vm/hostd/privileges.c \
	proxy-vm/hostd/privileges.h \
	proxy-vm/hostd/proc-parse.c \
	proxy-vm/hostd/proc-parse.h \
	proxy-vm/hostd/push.c \
	proxy-vm/hostd/push.h \
	proxy-vm/hostd/read-small.c \
	proxy-vm/hostd/read-small.h \
	proxy-vm/hostd/report.c \
	proxy-vm/hostd/report.h \
	proxy-vm/hostd/sockets.c \
	proxy-vm/hostd/sockets.h \
	proxy-vm/hostd/vm-figures.c \
	proxy-vm/hostd/vm-figures.h
HOSTD_LIBS = proxy-vm/libhostd.a $(PROXY_LIBS) $(LIBNL_LIBS) $(CAPNG_LIBS) \
	$(SECCOMP_LIBS)

sbin_PROGRAMS += proxy-vm/sluice-hostd
proxy_vm_sluice_hostd_CPPFLAGS = $(HOSTD_CPPFLAGS)
proxy_vm_sluice_hostd_SOURCES = proxy-vm/hostd/sluice-hostd.c
proxy_vm_sluice_hostd_LDADD = $(HOSTD_LIBS)
# For the hypervisor too, beside a controller that deletes our flows.
dist_pkglibexec_SCRIPTS = proxy-vm/hostd/sluice-keep-flows
dist_man_MANS += docs/man/sluice-hostd.8 docs/man/sluice-keep-flows.8
