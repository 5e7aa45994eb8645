# SPDX-License-Identifier: Apache-2.0
#
# sluice-context: writes the context snapshot.

# All but main() is a library, for its tests.
noinst_LIBRARIES += proxy-vm/libcontext.a
CONTEXT_CPPFLAGS = $(PROXY_CPPFLAGS) -I$(srcdir)/proxy-vm/context
proxy_vm_libcontext_a_CPPFLAGS = $(PROXY_CPPFLAGS)
proxy_vm_libcontext_a_SOURCES = \
	proxy-vm/context/collector.c \
	proxy-vm/context/collector.h \
	proxy-vm/context/context-source.h \
	proxy-vm/context/dump.c \
	proxy-vm/context/dump.h \
	proxy-vm/context/earlier.c \
	proxy-vm/context/earlier.h \
	proxy-vm/context/file-watch.c \
	proxy-vm/context/file-watch.h \
	proxy-vm/context/merge-counts.def \
	proxy-vm/context/merge-private.h \
	proxy-vm/context/merge-record.c \
	proxy-vm/context/merge.c \
	proxy-vm/context/merge.h \
	proxy-vm/context/migrations.c \
	proxy-vm/context/migrations.h \
	proxy-vm/context/previous.c \
	proxy-vm/context/previous.h \
	proxy-vm/context/source-static.c

# The vSphere source.
proxy_vm_libcontext_a_CPPFLAGS += $(CURL_CFLAGS) $(XML_CFLAGS)
CONTEXT_CPPFLAGS += $(XML_CFLAGS)
proxy_vm_libcontext_a_SOURCES += \
	proxy-vm/context/http-client.c \
	proxy-vm/context/http-client.h \
	proxy-vm/context/soap-reply.c \
	proxy-vm/context/soap-reply.h \
	proxy-vm/context/source-vsphere.c \
	proxy-vm/context/vsphere-averages.c \
	proxy-vm/context/vsphere-averages.h \
	proxy-vm/context/vsphere-credentials.c \
	proxy-vm/context/vsphere-credentials.h \
	proxy-vm/context/vsphere-model.c \
	proxy-vm/context/vsphere-model.h \
	proxy-vm/context/vsphere-properties.def \
	proxy-vm/context/vsphere-request.c \
	proxy-vm/context/vsphere-request.h \
	proxy-vm/context/vsphere-session.c \
	proxy-vm/context/vsphere-session.h \
	proxy-vm/context/vsphere-tags-model.c \
	proxy-vm/context/vsphere-tags-model.h \
	proxy-vm/context/vsphere-tags.c \
	proxy-vm/context/vsphere-tags.h \
	proxy-vm/context/vsphere-update.c \
	proxy-vm/context/vsphere-update.h

# What hypervisors report.
proxy_vm_libcontext_a_SOURCES += \
	proxy-vm/context/host-counts.def \
	proxy-vm/context/host-facts.c \
	proxy-vm/context/host-facts.h \
	proxy-vm/context/host-listener.c \
	proxy-vm/context/host-listener.h \
	proxy-vm/context/host-session.c \
	proxy-vm/context/host-session.h \
	proxy-vm/context/source-hosts.c

# The libvirt source, which has a program of its own.
proxy_vm_libcontext_a_CPPFLAGS += -DSLUICE_PKGLIBEXECDIR='"$(pkglibexecdir)"'
proxy_vm_libcontext_a_SOURCES += \
	proxy-vm/context/libvirt-domain.c \
	proxy-vm/context/libvirt-domain.h \
	proxy-vm/context/libvirt-keys.def \
	proxy-vm/context/libvirt-link.c \
	proxy-vm/context/libvirt-link.h \
	proxy-vm/context/libvirt-model.c \
	proxy-vm/context/libvirt-model.h \
	proxy-vm/context/source-libvirt.c
CONTEXT_LIBS = proxy-vm/libcontext.a $(PROXY_LIBS) $(CURL_LIBS) $(XML_LIBS) \
	$(OPENSSL_LIBS)

sbin_PROGRAMS += proxy-vm/sluice-context
proxy_vm_sluice_context_CPPFLAGS = $(PROXY_CPPFLAGS)
proxy_vm_sluice_context_SOURCES = proxy-vm/context/sluice-context.c
proxy_vm_sluice_context_LDADD = $(CONTEXT_LIBS)

include proxy-vm/libvirt/automake.mk

dist_man_MANS += \
	docs/man/sluice-context.8 \
	docs/man/sluice-context.yaml.5
EXTRA_DIST += docs/context.md
