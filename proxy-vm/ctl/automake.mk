# SPDX-License-Identifier: Apache-2.0
#
# The command line of the proxy.

bin_PROGRAMS += proxy-vm/sluicectl
proxy_vm_sluicectl_CPPFLAGS = $(PROXY_CPPFLAGS) \
	-DSLUICE_VERSION='"$(PACKAGE_VERSION)"'
proxy_vm_sluicectl_SOURCES = \
	proxy-vm/ctl/client.c \
	proxy-vm/ctl/client.h \
	proxy-vm/ctl/flows-action.c \
	proxy-vm/ctl/flows-private.h \
	proxy-vm/ctl/flows.c \
	proxy-vm/ctl/flows.h \
	proxy-vm/ctl/render-json.c \
	proxy-vm/ctl/render-json.h \
	proxy-vm/ctl/render.c \
	proxy-vm/ctl/render.h \
	proxy-vm/ctl/sluicectl.c \
	proxy-vm/ctl/table.c \
	proxy-vm/ctl/table.h
proxy_vm_sluicectl_LDADD = $(PROXY_LIBS)
