# SPDX-License-Identifier: Apache-2.0
#
# The master of the proxy.

sbin_PROGRAMS += proxy-vm/sluiced
proxy_vm_sluiced_CPPFLAGS = $(PROXY_CPPFLAGS) \
	-DSLUICE_VERSION='"$(PACKAGE_VERSION)"'
proxy_vm_sluiced_SOURCES = \
	proxy-vm/master/answer.c \
	proxy-vm/master/answer.h \
	proxy-vm/master/control.c \
	proxy-vm/master/control.h \
	proxy-vm/master/master.c \
	proxy-vm/master/master.h \
	proxy-vm/master/setup.c \
	proxy-vm/master/setup.h \
	proxy-vm/master/sluiced.c \
	proxy-vm/master/supervisor.c \
	proxy-vm/master/supervisor.h
proxy_vm_sluiced_LDADD = $(PROXY_LIBS)
