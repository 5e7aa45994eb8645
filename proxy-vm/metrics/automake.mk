# SPDX-License-Identifier: Apache-2.0
#
# sluice-metrics: serves what sluiced knows to Prometheus.
sbin_PROGRAMS += proxy-vm/sluice-metrics
proxy_vm_sluice_metrics_CPPFLAGS = $(PROXY_CPPFLAGS) \
	-I$(srcdir)/proxy-vm/ctl -I$(srcdir)/proxy-vm/metrics
proxy_vm_sluice_metrics_CFLAGS = $(AM_CFLAGS) $(MICROHTTPD_CFLAGS)
proxy_vm_sluice_metrics_SOURCES = \
	proxy-vm/ctl/client.c \
	proxy-vm/ctl/client.h \
	proxy-vm/metrics/exposition.c \
	proxy-vm/metrics/exposition.h \
	proxy-vm/metrics/http.c \
	proxy-vm/metrics/http.h \
	proxy-vm/metrics/metrics.c \
	proxy-vm/metrics/metrics.def \
	proxy-vm/metrics/metrics.h \
	proxy-vm/metrics/sluice-metrics.c
proxy_vm_sluice_metrics_LDADD = $(PROXY_LIBS) $(MICROHTTPD_LIBS)

dist_man_MANS += docs/man/sluice-metrics.8
