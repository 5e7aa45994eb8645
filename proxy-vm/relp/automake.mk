# SPDX-License-Identifier: Apache-2.0
#
# sluice-relp, which as a whole is under the GPL (COPYING), as librelp is.

if HAVE_RELP
pkglibexec_PROGRAMS += proxy-vm/relp/sluice-relp
endif
proxy_vm_relp_sluice_relp_CPPFLAGS = $(ADAPTER_CPPFLAGS)
proxy_vm_relp_sluice_relp_CFLAGS = $(AM_CFLAGS) $(RELP_CFLAGS)
proxy_vm_relp_sluice_relp_LDADD = $(ADAPTER_LIBS) $(RELP_LIBS)
proxy_vm_relp_sluice_relp_SOURCES = \
	proxy-vm/relp/relp-session.c \
	proxy-vm/relp/relp-session.h \
	proxy-vm/relp/sluice-relp.c
EXTRA_DIST += proxy-vm/relp/COPYING
dist_man_MANS += docs/man/sluice-relp.8
