# SPDX-License-Identifier: Apache-2.0
#
# Pure code: no I/O, no globals, no Open vSwitch.

noinst_LIBRARIES += lib/libsluice.a
lib_libsluice_a_SOURCES = \
	lib/batch.h \
	lib/civil.h \
	lib/context-history.c \
	lib/context-place.c \
	lib/context-place.h \
	lib/context-policy.c \
	lib/context-policy.h \
	lib/context-sets.def \
	lib/context-snapshot-build.c \
	lib/context-snapshot.c \
	lib/context-snapshot.h \
	lib/context-view.c \
	lib/context-view.h \
	lib/cursor.h \
	lib/drop.c \
	lib/drop.def \
	lib/drop.h \
	lib/durable.c \
	lib/durable.h \
	lib/geneve.c \
	lib/geneve.h \
	lib/inner.c \
	lib/inet-sum.h \
	lib/inner.h \
	lib/memif-ring.c \
	lib/memif.c \
	lib/memif.h \
	lib/outer.c \
	lib/outer.def \
	lib/outer.h \
	lib/redact.h \
	lib/rfc5424-escapes.def \
	lib/rfc5424-params.def \
	lib/json-escapes.def \
	lib/json-line.c \
	lib/json-line.h \
	lib/rfc5424.c \
	lib/rfc5424.h \
	lib/source-context.c \
	lib/source-context.h \
	lib/text-out.h \
	lib/seal.h \
	lib/slice.h \
	lib/snapshot-private.h \
	lib/syslog-msg.c \
	lib/syslog-msg.h \
	lib/tlv.def \
	lib/tlv.h \
	lib/utf8.h \
	lib/wire-field.h

# What a program that uses all of lib/ links.
SLUICE_LIBS = lib/libsluice.a proto/libsluiceproto.a \
	$(HYPERSCAN_LIBS) $(YAML_LIBS) $(ZSTD_LIBS) $(SODIUM_LIBS) $(PROTOBUF_C_LIBS)

# Batches: bodies and their seal.
lib_libsluice_a_SOURCES += \
	lib/batch.c \
	lib/chain-head.c \
	lib/chain-head.h \
	lib/chain.c \
	lib/chain.def \
	lib/chain.h \
	lib/delivery.c \
	lib/delivery.h \
	lib/seal.c
# Streams and datagrams in pieces.
lib_libsluice_a_SOURCES += \
	lib/framing.c \
	lib/framing.h \
	lib/spans.c \
	lib/spans.h
# Gap records.
lib_libsluice_a_SOURCES += \
	lib/gap.c \
	lib/gap.def \
	lib/gap.h
# Redaction.
lib_libsluice_a_SOURCES += \
	lib/redact-classes.def \
	lib/redact-digits.c \
	lib/redact-example.c \
	lib/redact-example.h \
	lib/redact-internal.h \
	lib/redact-match.c \
	lib/redact-pattern.c \
	lib/redact-rules.c \
	lib/redact-rules.h \
	lib/redact-scan.c \
	lib/redact-shadow.c \
	lib/redact-value.c \
	lib/redact.c
nodist_lib_libsluice_a_SOURCES = lib/redaction-rules.c
dist_pkgdata_DATA = lib/redaction-rules.yaml
CLEANFILES += lib/redaction-rules.c
EXTRA_DIST += docs/redaction.md docs/rules.md
dist_man_MANS += docs/man/sluice-redaction.5
# The built-in rules: the text of the file that is installed, a string a line.
lib/redaction-rules.c: lib/redaction-rules.yaml
	$(AM_V_GEN)$(MKDIR_P) lib && { \
	echo '/* Made from redaction-rules.yaml. */' && \
	echo '#include "redact-rules.h"' && \
	echo 'const char redact_builtin_text[] =' && \
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/    "&\\n"/' \
		$(srcdir)/lib/redaction-rules.yaml && \
	echo '    ;'; } > $@.tmp && mv $@.tmp $@
# The keys of hosts, and what AUTH holds.
lib_libsluice_a_SOURCES += \
	lib/key-file.c \
	lib/key-file.h \
	lib/siphash.h
# Timestamps of syslog messages.
lib_libsluice_a_SOURCES += \
	lib/syslog-time.c \
	lib/syslog-time.h
# Frames that come in parts.
lib_libsluice_a_SOURCES += \
	lib/join.c \
	lib/join.h
# How far clocks of guests are off.
lib_libsluice_a_SOURCES += \
	lib/clock-skew.c \
	lib/clock-skew.h
# Bidirectional Forwarding Detection.
lib_libsluice_a_SOURCES += \
	lib/bfd.c \
	lib/bfd.h
# Client rules.
lib_libsluice_a_SOURCES += \
	lib/rule-actions.def \
	lib/rule-match.c \
	lib/rule-match.h \
	lib/rules-state.c \
	lib/rules-state.h \
	lib/rules.c \
	lib/rules.h \
	lib/syslog-names.def
# The reports of hypervisors.
lib_libsluice_a_SOURCES += \
	lib/host-channel.c \
	lib/host-channel.h
