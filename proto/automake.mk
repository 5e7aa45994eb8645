# SPDX-License-Identifier: Apache-2.0

PROTO_GENERATED = \
	proto/batch.pb-c.c proto/batch.pb-c.h \
	proto/context.pb-c.c proto/context.pb-c.h \
	proto/control.pb-c.c proto/control.pb-c.h \
	proto/host.pb-c.c proto/host.pb-c.h \
	proto/ledger.pb-c.c proto/ledger.pb-c.h \
	proto/libvirt.pb-c.c proto/libvirt.pb-c.h

BUILT_SOURCES += $(PROTO_GENERATED)
CLEANFILES += $(PROTO_GENERATED)
EXTRA_DIST += proto/batch.proto proto/context.proto proto/control.proto \
	proto/host.proto proto/ledger.proto proto/libvirt.proto

proto/%.pb-c.c proto/%.pb-c.h: proto/%.proto
	$(AM_V_GEN)$(MKDIR_P) proto && \
	$(PROTOC_C) --proto_path=$(srcdir)/proto --c_out=proto $<

# Generated code is not held to our warnings.
noinst_LIBRARIES += proto/libsluiceproto.a
nodist_proto_libsluiceproto_a_SOURCES = $(PROTO_GENERATED)
proto_libsluiceproto_a_SOURCES =
proto_libsluiceproto_a_CFLAGS = $(SANITIZER_FLAGS) $(PROTOBUF_C_CFLAGS)
