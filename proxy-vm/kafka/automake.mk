# SPDX-License-Identifier: Apache-2.0
#
# sluice-kafka.

if HAVE_KAFKA
pkglibexec_PROGRAMS += proxy-vm/kafka/sluice-kafka
endif
proxy_vm_kafka_sluice_kafka_CPPFLAGS = $(ADAPTER_CPPFLAGS)
proxy_vm_kafka_sluice_kafka_CFLAGS = $(AM_CFLAGS) $(RDKAFKA_CFLAGS)
proxy_vm_kafka_sluice_kafka_LDADD = $(ADAPTER_LIBS) $(RDKAFKA_LIBS)
proxy_vm_kafka_sluice_kafka_SOURCES = \
	proxy-vm/kafka/kafka-producer.c \
	proxy-vm/kafka/kafka-producer.h \
	proxy-vm/kafka/sluice-kafka.c
dist_man_MANS += docs/man/sluice-kafka.8
