# SPDX-License-Identifier: Apache-2.0

UNIT_LIBS = $(SLUICE_LIBS) $(CMOCKA_LIBS)

# The longest that computes begins first, so that no core waits for it.
TESTS += tests/redact/test-cost.sh

# Unit tests: tests/unit/test-x.c for lib/x.c.
EXTRA_DIST += tests/unit/skips.awk
unit_tests = tests/unit/test-drop
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)

tests_unit_test_drop_SOURCES = tests/unit/test-drop.c tests/unit/unit.h
tests_unit_test_drop_LDADD = $(UNIT_LIBS)

# Fuzz targets: tests/fuzz/fuzz-x.c, whose corpus is tests/fuzz/corpus/x/.
# 'make check' replays every corpus through tests/fuzz/replay.c; configured
# with CC=clang --enable-fuzzing they are libFuzzer programs instead.
fuzz_targets =
check_PROGRAMS += $(fuzz_targets)
FUZZ_LIBS = $(SLUICE_LIBS)
if FUZZING
FUZZ_MAIN =
FUZZ_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_FLAGS)
else
FUZZ_MAIN = tests/fuzz/replay.c
FUZZ_LDFLAGS = $(AM_LDFLAGS)
TESTS += $(fuzz_targets)
endif
EXTRA_DIST += docs/fuzzing.md tests/fuzz/corpus tests/fuzz/replay.c \
	tests/fuzz/run-fuzz

# What tests in Python have in common.
EXTRA_DIST += tests/certificates.py tests/ports.py tests/tap.py

# 'make fuzz' runs each target for a while, for instance with
# FUZZ_ARGS='--seconds 600 redact'; see tests/fuzz/run-fuzz.
.PHONY: fuzz fuzz-targets
fuzz-targets: $(BUILT_SOURCES)
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) $(fuzz_targets)
fuzz: fuzz-targets
	$(AM_V_at)$(srcdir)/tests/fuzz/run-fuzz --build $(abs_builddir) $(FUZZ_ARGS)

# The context snapshot.
unit_tests += \
	tests/unit/test-context-history \
	tests/unit/test-context-policy \
	tests/unit/test-context-snapshot
tests_unit_test_context_policy_SOURCES = \
	tests/unit/test-context-policy.c \
	tests/unit/unit.h
tests_unit_test_context_policy_LDADD = $(UNIT_LIBS)
tests_unit_test_context_history_SOURCES = \
	tests/unit/snapshot-fixture.h \
	tests/unit/test-context-history.c \
	tests/unit/unit.h
tests_unit_test_context_history_LDADD = $(UNIT_LIBS)
tests_unit_test_context_snapshot_SOURCES = \
	tests/unit/snapshot-fixture.h \
	tests/unit/test-context-snapshot.c \
	tests/unit/unit.h
tests_unit_test_context_snapshot_LDADD = $(UNIT_LIBS)

fuzz_targets += tests/fuzz/fuzz-context-snapshot
tests_fuzz_fuzz_context_snapshot_SOURCES = \
	tests/fuzz/fuzz-context-snapshot.c \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_context_snapshot_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_context_snapshot_LDFLAGS = $(FUZZ_LDFLAGS)

# The configuration.
unit_tests += tests/unit/test-config
tests_unit_test_config_SOURCES = \
	tests/unit/test-config-broken.def \
	tests/unit/test-config.c \
	tests/unit/unit.h
tests_unit_test_config_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_unit_test_config_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)
EXTRA_DIST += docs/sluice.yaml.example

# Batches and their seal.
unit_tests += \
	tests/unit/test-batch \
	tests/unit/test-chain \
	tests/unit/test-delivery \
	tests/unit/test-seal
tests_unit_test_batch_SOURCES = tests/unit/test-batch.c tests/unit/unit.h
tests_unit_test_batch_LDADD = $(UNIT_LIBS)
tests_unit_test_chain_SOURCES = tests/unit/test-chain.c tests/unit/unit.h
tests_unit_test_chain_LDADD = $(UNIT_LIBS)
tests_unit_test_delivery_SOURCES = tests/unit/test-delivery.c tests/unit/unit.h
tests_unit_test_delivery_LDADD = $(UNIT_LIBS)
tests_unit_test_seal_SOURCES = tests/unit/test-seal.c tests/unit/unit.h
tests_unit_test_seal_LDADD = $(UNIT_LIBS)
fuzz_targets += \
	tests/fuzz/fuzz-batch \
	tests/fuzz/fuzz-delivery \
	tests/fuzz/fuzz-seal
tests_fuzz_fuzz_batch_SOURCES = tests/fuzz/fuzz-batch.c $(FUZZ_MAIN)
tests_fuzz_fuzz_batch_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_batch_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_delivery_SOURCES = tests/fuzz/fuzz-delivery.c $(FUZZ_MAIN)
tests_fuzz_fuzz_delivery_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_delivery_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_seal_SOURCES = tests/fuzz/fuzz-seal.c $(FUZZ_MAIN)
tests_fuzz_fuzz_seal_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_seal_LDFLAGS = $(FUZZ_LDFLAGS)

# Parsers.
unit_tests += \
	tests/unit/test-civil \
	tests/unit/test-geneve \
	tests/unit/test-inner \
	tests/unit/test-rfc5424 \
	tests/unit/test-syslog-msg
tests_unit_test_civil_SOURCES = tests/unit/test-civil.c tests/unit/unit.h
tests_unit_test_civil_LDADD = $(UNIT_LIBS)
tests_unit_test_geneve_SOURCES = tests/unit/test-geneve.c tests/unit/unit.h
tests_unit_test_geneve_LDADD = $(UNIT_LIBS)
tests_unit_test_inner_SOURCES = tests/unit/test-inner.c tests/unit/unit.h
tests_unit_test_inner_LDADD = $(UNIT_LIBS)
tests_unit_test_rfc5424_SOURCES = tests/unit/test-rfc5424.c \
	tests/strict-rfc5424.h \
	tests/unit/unit.h
tests_unit_test_rfc5424_LDADD = $(UNIT_LIBS)
tests_unit_test_syslog_msg_SOURCES = tests/unit/test-syslog-msg.c \
	tests/unit/unit.h
tests_unit_test_syslog_msg_LDADD = $(UNIT_LIBS)
unit_tests += tests/unit/test-uuid-bytes
tests_unit_test_uuid_bytes_SOURCES = \
	tests/unit/test-uuid-bytes.c \
	tests/unit/unit.h
tests_unit_test_uuid_bytes_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_unit_test_uuid_bytes_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)

# Open batches and the spool.
unit_tests += \
	tests/unit/test-open-batch \
	tests/unit/test-spool
tests_unit_test_open_batch_SOURCES = \
	tests/unit/test-open-batch.c \
	tests/unit/unit.h
tests_unit_test_open_batch_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_unit_test_open_batch_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)
tests_unit_test_spool_SOURCES = \
	tests/unit/remove-tree.h \
	tests/unit/test-spool.c \
	tests/unit/unit.h
unit_tests += tests/unit/test-power-cut
tests_unit_test_power_cut_SOURCES = \
	tests/unit/model-fs.c \
	tests/unit/model-fs.h \
	tests/unit/test-power-cut.c \
	tests/unit/unit.h
tests_unit_test_power_cut_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_unit_test_power_cut_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)
tests_unit_test_spool_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_unit_test_spool_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test-ledger-file
tests_unit_test_ledger_file_SOURCES = \
	tests/unit/model-fs.c \
	tests/unit/model-fs.h \
	tests/unit/test-ledger-file.c \
	tests/unit/unit.h
tests_unit_test_ledger_file_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_unit_test_ledger_file_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test-failpoint
tests_unit_test_failpoint_SOURCES = \
	tests/unit/test-failpoint.c \
	tests/unit/unit.h
tests_unit_test_failpoint_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_unit_test_failpoint_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)
# The static context file.
unit_tests += tests/unit/test-static-context
tests_unit_test_static_context_SOURCES = \
	tests/unit/test-static-context-broken.def \
	tests/unit/test-static-context.c \
	tests/unit/unit.h
tests_unit_test_static_context_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_unit_test_static_context_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)
# Redaction.
unit_tests += tests/unit/test-redact
tests_unit_test_redact_SOURCES = tests/unit/test-redact.c tests/unit/unit.h
tests_unit_test_redact_LDADD = $(UNIT_LIBS)
fuzz_targets += tests/fuzz/fuzz-redact
tests_fuzz_fuzz_redact_SOURCES = tests/fuzz/fuzz-redact.c $(FUZZ_MAIN)
tests_fuzz_fuzz_redact_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_redact_LDFLAGS = $(FUZZ_LDFLAGS)
tests_bench_bench_redact_SOURCES = tests/bench/bench-redact.c
tests_bench_bench_redact_LDADD = $(SLUICE_LIBS)
# The stages of sluice-intake.
unit_tests += tests/unit/test-account tests/unit/test-receive
tests_unit_test_account_SOURCES = tests/unit/test-account.c tests/unit/unit.h
tests_unit_test_account_CPPFLAGS = $(PROXY_CPPFLAGS) -I$(srcdir)/proxy-vm/intake
tests_unit_test_account_LDADD = $(INTAKE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_receive_SOURCES = \
	tests/unit/test-receive.c \
	tests/unit/udp-pair.h \
	tests/unit/unit.h
tests_unit_test_receive_CPPFLAGS = $(PROXY_CPPFLAGS) -I$(srcdir)/proxy-vm/intake
tests_unit_test_receive_LDADD = $(INTAKE_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test-no-dump
tests_unit_test_no_dump_SOURCES = tests/unit/test-no-dump.c tests/unit/unit.h
tests_unit_test_no_dump_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_unit_test_no_dump_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test-recover
tests_unit_test_recover_SOURCES = \
	tests/unit/remove-tree.h \
	tests/unit/signed-packet.h \
	tests/unit/test-recover.c \
	tests/unit/udp-pair.h \
	tests/unit/unit.h
tests_unit_test_recover_CPPFLAGS = $(PROXY_CPPFLAGS) -I$(srcdir)/proxy-vm/intake
tests_unit_test_recover_LDADD = $(INTAKE_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test-books
tests_unit_test_books_SOURCES = \
	tests/unit/remove-tree.h \
	tests/unit/signed-packet.h \
	tests/unit/test-books.c \
	tests/unit/udp-pair.h \
	tests/unit/unit.h
tests_unit_test_books_CPPFLAGS = $(PROXY_CPPFLAGS) -I$(srcdir)/proxy-vm/intake
# Each call that changes what outlives a kill passes by the test.
tests_unit_test_books_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=open_batch_commit,--wrap=open_batch_reset \
	-Wl,--wrap=receive_begin_task,--wrap=receive_done \
	-Wl,--wrap=receive_end_task,--wrap=receive_intend \
	-Wl,--wrap=receive_settle,--wrap=spool_commit \
	-Wl,--wrap=redaction_destroy,--wrap=redaction_load \
	-Wl,--wrap=undo_save
tests_unit_test_books_LDADD = $(INTAKE_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test-sandbox
tests_unit_test_sandbox_SOURCES = tests/unit/test-sandbox.c tests/unit/unit.h
tests_unit_test_sandbox_CPPFLAGS = $(PROXY_CPPFLAGS) -I$(srcdir)/proxy-vm/intake
tests_unit_test_sandbox_LDADD = $(INTAKE_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test-enrich
tests_unit_test_enrich_SOURCES = tests/unit/test-enrich.c tests/unit/unit.h
tests_unit_test_enrich_CPPFLAGS = $(PROXY_CPPFLAGS) -I$(srcdir)/proxy-vm/intake
tests_unit_test_enrich_LDADD = $(INTAKE_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test-store
tests_unit_test_store_SOURCES = \
	tests/unit/remove-tree.h \
	tests/unit/test-store.c \
	tests/unit/unit.h
tests_unit_test_store_CPPFLAGS = $(PROXY_CPPFLAGS) -I$(srcdir)/proxy-vm/intake
tests_unit_test_store_LDADD = $(INTAKE_LIBS) $(CMOCKA_LIBS)

fuzz_targets += \
	tests/fuzz/fuzz-geneve \
	tests/fuzz/fuzz-inner \
	tests/fuzz/fuzz-rfc5424 \
	tests/fuzz/fuzz-syslog-msg
tests_fuzz_fuzz_geneve_SOURCES = tests/fuzz/fuzz-geneve.c $(FUZZ_MAIN)
tests_fuzz_fuzz_geneve_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_geneve_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_inner_SOURCES = tests/fuzz/fuzz-inner.c $(FUZZ_MAIN)
tests_fuzz_fuzz_inner_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_inner_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_rfc5424_SOURCES = tests/fuzz/fuzz-rfc5424.c \
	tests/strict-rfc5424.h \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_rfc5424_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_rfc5424_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_syslog_msg_SOURCES = tests/fuzz/fuzz-syslog-msg.c $(FUZZ_MAIN)
tests_fuzz_fuzz_syslog_msg_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_syslog_msg_LDFLAGS = $(FUZZ_LDFLAGS)

# The adapters.
unit_tests += \
	tests/unit/test-adapter-frame \
	tests/unit/test-adapter-marks
tests_unit_test_adapter_frame_SOURCES = \
	tests/unit/test-adapter-frame.c \
	tests/unit/unit.h
tests_unit_test_adapter_frame_CPPFLAGS = $(ADAPTER_CPPFLAGS)
tests_unit_test_adapter_frame_LDADD = $(ADAPTER_LIBS) $(CMOCKA_LIBS)
tests_unit_test_adapter_marks_SOURCES = \
	tests/unit/test-adapter-marks.c \
	tests/unit/unit.h
tests_unit_test_adapter_marks_CPPFLAGS = $(ADAPTER_CPPFLAGS)
tests_unit_test_adapter_marks_LDADD = $(ADAPTER_LIBS) $(CMOCKA_LIBS)
fuzz_targets += tests/fuzz/fuzz-adapter-frame
tests_fuzz_fuzz_adapter_frame_SOURCES = \
	tests/fuzz/fuzz-adapter-frame.c \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_adapter_frame_CPPFLAGS = $(ADAPTER_CPPFLAGS)
tests_fuzz_fuzz_adapter_frame_LDADD = $(ADAPTER_LIBS)
tests_fuzz_fuzz_adapter_frame_LDFLAGS = $(FUZZ_LDFLAGS)
if HAVE_KAFKA
check_PROGRAMS += tests/adapters/kafka-mock
endif
tests_adapters_kafka_mock_SOURCES = tests/adapters/kafka-mock.c
tests_adapters_kafka_mock_CFLAGS = $(AM_CFLAGS) $(RDKAFKA_CFLAGS)
tests_adapters_kafka_mock_LDADD = $(RDKAFKA_LIBS)
TESTS += \
	tests/adapters/test-kafka.py \
	tests/adapters/test-relp.py \
	tests/ship/test-adapters.py
EXTRA_DIST += \
	tests/adapters/adapter.py \
	tests/adapters/cluster.py \
	tests/adapters/cutting_relay.py \
	tests/adapters/test-kafka.py \
	tests/adapters/test-relp.py \
	tests/ship/test-adapters.py

# Golden captures.
check_PROGRAMS += tests/golden/test-captures
TESTS += \
	tests/golden/test-captures \
	tests/golden/test-make-captures.sh \
	tests/golden/test-rules.sh
tests_golden_test_captures_SOURCES = tests/golden/test-captures.c
tests_golden_test_captures_LDADD = $(SLUICE_LIBS) $(PCAP_LIBS)
EXTRA_DIST += \
	tests/golden/dialects.expected \
	tests/golden/dialects.pcap \
	tests/golden/full.expected \
	tests/golden/full.pcap \
	tests/golden/make-captures \
	tests/golden/malformed-geneve.expected \
	tests/golden/malformed-geneve.pcap \
	tests/golden/malformed-inner.expected \
	tests/golden/malformed-inner.pcap \
	tests/golden/parts.expected \
	tests/golden/parts.pcap \
	tests/golden/ring.expected \
	tests/golden/ring.pcap \
	tests/golden/rules \
	tests/golden/stock.expected \
	tests/golden/stock.pcap \
	tests/golden/streams.expected \
	tests/golden/streams.pcap \
	tests/golden/test-make-captures.sh \
	tests/golden/test-rules.sh

# The benchmark: 'make bench' builds its programs and runs them; see
# docs/performance.md.
bench_programs = \
	tests/bench/bench-context \
	tests/bench/bench-send \
	tests/bench/bench-sink \
	tests/bench/bench-stages \
	tests/bench/bench-stats
check_PROGRAMS += $(bench_programs)
CLEANFILES += bench.json
EXTRA_DIST += \
	docs/destinations.md \
	docs/formats.md \
	docs/performance.md \
	tests/bench/bench.py \
	tests/bench/peer-rules.def \
	tests/bench/context_bench.py \
	tests/bench/corpus.py \
	tests/bench/durable_bench.py \
	tests/bench/memif_bench.py \
	tests/bench/population.py \
	tests/bench/rsyslog_peer.py \
	tests/bench/ship_bench.py \
	tests/bench/sealed_bench.py \
	tests/bench/switch_bench.py

tests_bench_bench_context_SOURCES = \
	tests/bench/bench-context.c \
	tests/bench/traffic.c \
	tests/bench/traffic.h
tests_bench_bench_context_CPPFLAGS = $(PROXY_CPPFLAGS) \
	-I$(srcdir)/proxy-vm/intake
tests_bench_bench_context_LDADD = $(INTAKE_LIBS)
tests_bench_bench_send_SOURCES = \
	tests/bench/bench-send.c \
	tests/memif-peer.c \
	tests/memif-peer.h \
	tests/bench/traffic.c \
	tests/bench/traffic.h
tests_bench_bench_send_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_bench_bench_send_LDADD = $(SLUICE_LIBS)
tests_bench_bench_sink_SOURCES = tests/bench/bench-sink.c
tests_bench_bench_stages_SOURCES = \
	tests/bench/bench-stages.c \
	tests/bench/traffic.c \
	tests/bench/traffic.h
tests_bench_bench_stages_LDADD = $(SLUICE_LIBS)
tests_bench_bench_stats_SOURCES = tests/bench/bench-stats.c
tests_bench_bench_stats_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_bench_bench_stats_LDADD = $(PROXY_LIBS)

# make check kills intake 100 times.
.PHONY: check-kills
check-kills: all
	$(AM_V_at)$(TESTS_ENVIRONMENT) builddir=$(builddir) srcdir=$(srcdir) \
		SLUICE_KILLS=1000 $(srcdir)/tests/control/test-kills.py
.PHONY: bench
bench: all
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) $(bench_programs) \
		tests/ship/ship-helper
	$(AM_V_at)python3 $(srcdir)/tests/bench/bench.py \
		--builddir '$(abs_top_builddir)' --ovs '$(OVS_BUILD)' $(BENCH_ARGS)

# sluice-ship.
unit_tests += \
	tests/unit/test-ship-batch \
	tests/unit/test-ship-queue
tests_unit_test_ship_batch_SOURCES = \
	tests/unit/test-ship-batch.c \
	tests/unit/unit.h
tests_unit_test_ship_batch_CPPFLAGS = $(SHIP_CPPFLAGS)
tests_unit_test_ship_batch_LDADD = $(SHIP_LIBS) $(CMOCKA_LIBS)
tests_unit_test_ship_queue_SOURCES = \
	tests/unit/remove-tree.h \
	tests/unit/test-ship-queue.c \
	tests/unit/unit.h
tests_unit_test_ship_queue_CPPFLAGS = $(SHIP_CPPFLAGS)
tests_unit_test_ship_queue_LDADD = $(SHIP_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/ship/ship-helper
tests_ship_ship_helper_SOURCES = tests/ship/ship-helper.c
tests_ship_ship_helper_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_ship_ship_helper_LDADD = $(PROXY_LIBS)
TEST_EXTENSIONS += .py
PY_LOG_COMPILER = python3 -B
PY_LOG_DRIVER = $(LOG_DRIVER)
TESTS += \
	tests/ship/test-by-hand.py \
	tests/ship/test-destinations.py \
	tests/ship/test-ship.py
EXTRA_DIST += \
	tests/ship/harness.py \
	tests/ship/test-by-hand.py \
	tests/ship/test-destinations.py \
	tests/ship/test-ship.py

# sluice-context, the program itself.
unit_tests += tests/unit/test-sluice-context
tests_unit_test_sluice_context_SOURCES = \
	tests/unit/test-sluice-context.c \
	tests/unit/unit.h
tests_unit_test_sluice_context_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_unit_test_sluice_context_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)

# What becomes of what several sources say.
unit_tests += tests/unit/test-merge
tests_unit_test_merge_SOURCES = tests/unit/test-merge.c tests/unit/unit.h
tests_unit_test_merge_CPPFLAGS = $(CONTEXT_CPPFLAGS)
tests_unit_test_merge_LDADD = $(CONTEXT_LIBS) $(CMOCKA_LIBS)

# Whole proxies whose VMs change.
TESTS += \
	tests/context/test-as-of.py \
	tests/context/test-policy.py \
	tests/context/test-verbs.py
EXTRA_DIST += \
	tests/context/place.py \
	tests/context/test-as-of.py \
	tests/context/test-policy.py \
	tests/context/test-verbs.py

# What vCenter says.
unit_tests += tests/unit/test-vsphere-model
tests_unit_test_vsphere_model_SOURCES = \
	tests/unit/test-vsphere-model.c \
	tests/unit/unit.h
tests_unit_test_vsphere_model_CPPFLAGS = $(CONTEXT_CPPFLAGS)
tests_unit_test_vsphere_model_LDADD = $(CONTEXT_LIBS) $(CMOCKA_LIBS)

fuzz_targets += tests/fuzz/fuzz-vsphere
tests_fuzz_fuzz_vsphere_SOURCES = tests/fuzz/fuzz-vsphere.c $(FUZZ_MAIN)
tests_fuzz_fuzz_vsphere_CPPFLAGS = $(CONTEXT_CPPFLAGS)
tests_fuzz_fuzz_vsphere_LDADD = $(CONTEXT_LIBS)
tests_fuzz_fuzz_vsphere_LDFLAGS = $(FUZZ_LDFLAGS)

unit_tests += tests/unit/test-vsphere-tags
tests_unit_test_vsphere_tags_SOURCES = \
	tests/unit/test-vsphere-tags.c \
	tests/unit/unit.h
tests_unit_test_vsphere_tags_CPPFLAGS = $(CONTEXT_CPPFLAGS)
tests_unit_test_vsphere_tags_LDADD = $(CONTEXT_LIBS) $(CMOCKA_LIBS)

fuzz_targets += tests/fuzz/fuzz-vsphere-tags
tests_fuzz_fuzz_vsphere_tags_SOURCES = \
	tests/fuzz/fuzz-vsphere-tags.c \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_vsphere_tags_CPPFLAGS = $(CONTEXT_CPPFLAGS)
tests_fuzz_fuzz_vsphere_tags_LDADD = $(CONTEXT_LIBS)
tests_fuzz_fuzz_vsphere_tags_LDFLAGS = $(FUZZ_LDFLAGS)

# What is asked about context.
unit_tests += tests/unit/test-context-diff
tests_unit_test_context_diff_SOURCES = \
	tests/unit/test-context-diff.c \
	tests/unit/unit.h
tests_unit_test_context_diff_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_unit_test_context_diff_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)

# What libvirt says.
unit_tests += tests/unit/test-libvirt
tests_unit_test_libvirt_SOURCES = tests/unit/test-libvirt.c tests/unit/unit.h
tests_unit_test_libvirt_CPPFLAGS = $(CONTEXT_CPPFLAGS)
tests_unit_test_libvirt_LDADD = $(CONTEXT_LIBS) $(CMOCKA_LIBS)

fuzz_targets += tests/fuzz/fuzz-libvirt
tests_fuzz_fuzz_libvirt_SOURCES = tests/fuzz/fuzz-libvirt.c $(FUZZ_MAIN)
tests_fuzz_fuzz_libvirt_CPPFLAGS = $(CONTEXT_CPPFLAGS)
tests_fuzz_fuzz_libvirt_LDADD = $(CONTEXT_LIBS)
tests_fuzz_fuzz_libvirt_LDFLAGS = $(FUZZ_LDFLAGS)
TESTS += tests/real/test-libvirt.py tests/real/test-libvirt-lines.py
EXTRA_DIST += \
	tests/real/libvirtd.py \
	tests/real/test-libvirt-lines.py \
	tests/real/test-libvirt.py

# sluice-context against real managers: the simulator is built by the test,
# into tests/real.
TESTS += tests/real/test-absent.py tests/real/test-lines.py \
	tests/real/test-vsphere.py
EXTRA_DIST += \
	tests/real/managers.py \
	tests/real/reader.py \
	tests/real/test-absent.py \
	tests/real/test-lines.py \
	tests/real/test-vsphere.py \
	tests/real/import-ova/main.go \
	tests/real/vcsim/main.go
# The simulator of vCenter is built where it first runs, with Go's cache; in
# the source tree its folder has that name.
clean-local:
	-rm -rf tests/real/go-cache
	-test ! -f tests/real/vcsim || rm -f tests/real/vcsim tests/real/vcsim.lock
# The control socket.
fuzz_targets += tests/fuzz/fuzz-control
tests_fuzz_fuzz_control_SOURCES = tests/fuzz/fuzz-control.c $(FUZZ_MAIN)
tests_fuzz_fuzz_control_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_fuzz_fuzz_control_LDADD = $(PROXY_LIBS)
tests_fuzz_fuzz_control_LDFLAGS = $(FUZZ_LDFLAGS)

# sluicectl.
unit_tests += tests/unit/test-render
tests_unit_test_render_SOURCES = \
	proxy-vm/ctl/render-json.c \
	proxy-vm/ctl/render-spool.c \
	proxy-vm/ctl/render.c \
	proxy-vm/ctl/screen.c \
	proxy-vm/ctl/table.c \
	tests/unit/test-render.c \
	tests/unit/unit.h
tests_unit_test_render_CPPFLAGS = $(PROXY_CPPFLAGS) \
	-I$(srcdir)/proxy-vm/ctl
tests_unit_test_render_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)

# sluiced, and sluicectl with it.
AM_TESTS_ENVIRONMENT += \
	OVS_BUILD='$(OVS_BUILD)'; export OVS_BUILD; \
	OVS_SOURCE='$(OVS_SOURCE)'; export OVS_SOURCE; \
	SLUICE_SANITIZERS='$(SANITIZER_FLAGS)'; export SLUICE_SANITIZERS;
TESTS += \
	tests/control/test-client.py \
	tests/control/test-completion.sh \
	tests/control/test-completion-zsh.sh \
	tests/control/test-control.py \
	tests/control/test-flows.py \
	tests/control/test-kills.py \
	tests/control/test-ledger.py \
	tests/control/test-manuals.sh \
	tests/control/test-receivers.py \
	tests/control/test-reload.py \
	tests/control/test-spool.py \
	tests/control/test-service.py \
	tests/control/test-schema.py \
	tests/control/test-sluiced.py \
	tests/control/test-tail.py \
	tests/control/test-top.py \
	tests/control/test-usage.sh \
	tests/control/test-watch.py
EXTRA_DIST += \
	tests/control/child.py \
	tests/control/harness.py \
	tests/control/traffic.py \
	tests/control/test-client.py \
	tests/control/test-completion.sh \
	tests/control/test-completion-zsh.sh \
	tests/control/test-control.py \
	tests/control/test-flows.py \
	tests/control/test-kills.py \
	tests/control/test-ledger.py \
	tests/control/test-manuals.sh \
	tests/control/test-receivers.py \
	tests/control/test-reload.py \
	tests/control/test-spool.py \
	tests/control/test-service.py \
	tests/control/test-schema.py \
	tests/control/test-sluiced.py \
	tests/control/test-tail.py \
	tests/control/test-top.py \
	tests/control/test-usage.sh \
	tests/control/test-watch.py
unit_tests += tests/unit/test-spool-command
tests_unit_test_spool_command_SOURCES = \
	tests/unit/remove-tree.h \
	tests/unit/test-spool-command.c \
	tests/unit/unit.h
tests_unit_test_spool_command_CPPFLAGS = $(MASTER_CPPFLAGS)
tests_unit_test_spool_command_LDADD = $(MASTER_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test-screen
tests_unit_test_screen_SOURCES = \
	proxy-vm/ctl/screen.c \
	tests/unit/test-screen.c \
	tests/unit/unit.h
tests_unit_test_screen_CPPFLAGS = $(MASTER_CPPFLAGS) \
	-I$(srcdir)/proxy-vm/ctl
tests_unit_test_screen_LDADD = $(MASTER_LIBS) $(CMOCKA_LIBS)
unit_tests += tests/unit/test-answer
tests_unit_test_answer_SOURCES = \
	tests/unit/test-answer.c \
	tests/unit/unit.h
tests_unit_test_answer_CPPFLAGS = $(MASTER_CPPFLAGS)
tests_unit_test_answer_LDADD = $(MASTER_LIBS) $(CMOCKA_LIBS)

# The manual of log_tunnel.
TESTS += tests/log-tunnel/test-manual.sh
dist_man_MANS += docs/man/log_tunnel.7
EXTRA_DIST += \
	ovs-ext/sluice/lib/drop-reasons.def \
	ovs-ext/sluice/lib/ofp-log-tunnel.c \
	tests/log-tunnel/test-manual.sh

# Readers of files: of operators and tenants, of a broken sluice-intake.
fuzz_targets += tests/fuzz/fuzz-config
tests_fuzz_fuzz_config_SOURCES = \
	tests/fuzz/fuzz-config.c \
	tests/fuzz/sentence.h \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_config_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_fuzz_fuzz_config_LDADD = $(PROXY_LIBS)
tests_fuzz_fuzz_config_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_targets += tests/fuzz/fuzz-static-context
tests_fuzz_fuzz_static_context_SOURCES = \
	tests/fuzz/fuzz-static-context.c \
	tests/fuzz/sentence.h \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_static_context_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_fuzz_fuzz_static_context_LDADD = $(PROXY_LIBS)
tests_fuzz_fuzz_static_context_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_targets += tests/fuzz/fuzz-redact-rules
tests_fuzz_fuzz_redact_rules_SOURCES = \
	tests/fuzz/fuzz-redact-rules.c \
	tests/fuzz/sentence.h \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_redact_rules_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_redact_rules_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_targets += tests/fuzz/fuzz-key-file
tests_fuzz_fuzz_key_file_SOURCES = \
	tests/fuzz/fuzz-key-file.c \
	tests/fuzz/sentence.h \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_key_file_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_key_file_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_targets += tests/fuzz/fuzz-spool
tests_fuzz_fuzz_spool_SOURCES = \
	tests/fuzz/fuzz-spool.c \
	tests/unit/remove-tree.h \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_spool_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_fuzz_fuzz_spool_LDADD = $(PROXY_LIBS)
tests_fuzz_fuzz_spool_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_targets += tests/fuzz/fuzz-ship-batch
tests_fuzz_fuzz_ship_batch_SOURCES = \
	tests/fuzz/fuzz-ship-batch.c \
	tests/strict-rfc5424.h \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_ship_batch_CPPFLAGS = $(SHIP_CPPFLAGS)
tests_fuzz_fuzz_ship_batch_LDADD = $(SHIP_LIBS)
tests_fuzz_fuzz_ship_batch_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_targets += tests/fuzz/fuzz-capture
tests_fuzz_fuzz_capture_SOURCES = tests/fuzz/fuzz-capture.c $(FUZZ_MAIN)
tests_fuzz_fuzz_capture_CPPFLAGS = $(PROXY_CPPFLAGS) \
	-I$(srcdir)/proxy-vm/intake
tests_fuzz_fuzz_capture_LDADD = $(INTAKE_LIBS)
tests_fuzz_fuzz_capture_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_targets += tests/fuzz/fuzz-clock-skew
tests_fuzz_fuzz_clock_skew_SOURCES = tests/fuzz/fuzz-clock-skew.c $(FUZZ_MAIN)
tests_fuzz_fuzz_clock_skew_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_clock_skew_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_targets += tests/fuzz/fuzz-rules
tests_fuzz_fuzz_rules_SOURCES = tests/fuzz/fuzz-rules.c $(FUZZ_MAIN)
tests_fuzz_fuzz_rules_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_rules_LDFLAGS = $(FUZZ_LDFLAGS)
EXTRA_DIST += \
	tests/fuzz/config.dict \
	tests/fuzz/redact-rules.dict \
	tests/fuzz/static-context.dict

# What shows the options of log_tunnel in captures.
TESTS += tests/log-tunnel/test-wireshark.py
EXTRA_DIST += \
	docs/wireshark/sluice.lua \
	tests/log-tunnel/test-wireshark.py

# The log_tunnel action in Open vSwitch.
EXTRA_DIST += \
	tests/fuzz/fuzz-log-tunnel-action.c \
	tests/fuzz/fuzz-log-tunnel-datapath.c \
	tests/log-tunnel/skip-fuzz-action.sh
if OVS_LOG_TUNNEL
fuzz_targets += tests/fuzz/fuzz-log-tunnel-action
tests_fuzz_fuzz_log_tunnel_action_SOURCES = \
	ovs-ext/sluice/lib/ofp-log-tunnel-props.c \
	ovs-ext/sluice/lib/ofp-log-tunnel.c \
	tests/fuzz/fuzz-log-tunnel-action.c \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_log_tunnel_action_CPPFLAGS = $(AM_CPPFLAGS) $(OVS_CFLAGS)
tests_fuzz_fuzz_log_tunnel_action_LDADD = $(OVS_LIBS)
tests_fuzz_fuzz_log_tunnel_action_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_targets += tests/fuzz/fuzz-log-tunnel-datapath
tests_fuzz_fuzz_log_tunnel_datapath_SOURCES = \
	ovs-ext/sluice/lib/odp-log-tunnel.c \
	ovs-ext/sluice/lib/odp-split.c \
	tests/fuzz/fuzz-log-tunnel-datapath.c \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_log_tunnel_datapath_CPPFLAGS = $(AM_CPPFLAGS) $(OVS_CFLAGS) \
	$(OVS_DPDK_CFLAGS)
tests_fuzz_fuzz_log_tunnel_datapath_LDADD = $(OVS_LIBS)
tests_fuzz_fuzz_log_tunnel_datapath_LDFLAGS = $(FUZZ_LDFLAGS)
else
TESTS += tests/log-tunnel/skip-fuzz-action.sh
endif
# The system tests and what runs all tests; not part of 'make check', since
# they need root, Open vSwitch and minutes: see quickstart.
EXTRA_DIST += \
	.ci/run \
	docs/architecture.md \
	docs/deploy-host.md \
	docs/deploy.md \
	docs/examples/libvirt-hook \
	docs/flows.md \
	docs/install.md \
	docs/sizing.md \
	docs/tenant.md \
	docs/troubleshooting.md \
	docs/upgrade.md \
	packages \
	quickstart \
	tests/lint \
	tests/run-demo \
	tests/run-lint \
	tests/system

# How a change looks: see tests/run-lint and tests/lint/check-format.
.PHONY: check-style
check-style:
	$(AM_V_at)$(srcdir)/tests/run-lint
	$(AM_V_at)$(srcdir)/tests/lint/check-format $(STYLE_BASE)

# The analyzer of clang over all that is installed, in scan-build/.
.PHONY: check-scan-build
check-scan-build:
	$(AM_V_at)rm -rf scan-build
	$(AM_V_at)$(srcdir)/tests/lint/run-scan-build scan-build \
		$(AM_DISTCHECK_CONFIGURE_FLAGS)

# How much of lib/ and proxy-vm/ 'make check' runs: coverage/index.html, beside
# this build.
.PHONY: coverage
coverage:
	$(AM_V_at)$(srcdir)/tests/lint/run-coverage ../coverage \
		$(AM_DISTCHECK_CONFIGURE_FLAGS)
EXTRA_DIST += .devcontainer
# Frames that come in parts.
unit_tests += tests/unit/test-join
tests_unit_test_join_SOURCES = tests/unit/test-join.c tests/unit/unit.h
tests_unit_test_join_LDADD = $(UNIT_LIBS)
fuzz_targets += tests/fuzz/fuzz-join
tests_fuzz_fuzz_join_SOURCES = tests/fuzz/fuzz-join.c $(FUZZ_MAIN)
tests_fuzz_fuzz_join_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_join_LDFLAGS = $(FUZZ_LDFLAGS)
# AUTH: the hash, the key file, and what it lets in.
unit_tests += \
	tests/unit/test-decap \
	tests/unit/test-forged \
	tests/unit/test-key-file \
	tests/unit/test-siphash
tests_unit_test_decap_SOURCES = \
	tests/unit/signed-packet.h \
	tests/unit/test-decap.c \
	tests/unit/unit.h
tests_unit_test_decap_CPPFLAGS = $(PROXY_CPPFLAGS) -I$(srcdir)/proxy-vm/intake
tests_unit_test_decap_LDADD = $(INTAKE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_forged_SOURCES = \
	tests/unit/signed-packet.h \
	tests/unit/test-forged.c \
	tests/unit/unit.h
tests_unit_test_forged_CPPFLAGS = $(PROXY_CPPFLAGS) -I$(srcdir)/proxy-vm/intake
tests_unit_test_forged_LDADD = $(INTAKE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_key_file_SOURCES = tests/unit/test-key-file.c tests/unit/unit.h
tests_unit_test_key_file_LDADD = $(UNIT_LIBS)
tests_unit_test_siphash_SOURCES = tests/unit/test-siphash.c tests/unit/unit.h
tests_unit_test_siphash_LDADD = $(UNIT_LIBS)
# The dialects of syslog.
check_PROGRAMS += tests/dialects/parse-lines
tests_dialects_parse_lines_SOURCES = \
	tests/dialects/parse-lines.c \
	tests/strict-rfc5424.h
tests_dialects_parse_lines_LDADD = $(SLUICE_LIBS)
TESTS += \
	tests/dialects/test-forms.py \
	tests/dialects/test-hostile.py \
	tests/dialects/test-rsyslog.py
EXTRA_DIST += \
	docs/dialects.md \
	docs/sealed.md \
	docs/threat-model.md \
	tests/dialects/forms.txt \
	tests/dialects/grammar.py \
	tests/dialects/rsyslogd.py \
	tests/dialects/test-forms.py \
	tests/dialects/test-hostile.py \
	tests/dialects/test-rsyslog.py

# What a hostile guest sends.  'make check' lets rsyslogd read 100,000 of its
# messages, 'make check-hostile' a million.
check_PROGRAMS += tests/dialects/hostile
tests_dialects_hostile_SOURCES = \
	tests/dialects/hostile.c \
	tests/strict-rfc5424.h
tests_dialects_hostile_LDADD = $(SLUICE_LIBS)

.PHONY: check-hostile
check-hostile: tests/dialects/hostile
	$(AM_V_at)builddir='$(abs_top_builddir)' \
		python3 -B $(srcdir)/tests/dialects/test-hostile.py 1000000

# Clocks of guests.
unit_tests += tests/unit/test-clock-skew
tests_unit_test_clock_skew_SOURCES = \
	tests/unit/test-clock-skew.c \
	tests/unit/unit.h
tests_unit_test_clock_skew_LDADD = $(UNIT_LIBS)
# What redaction finds and leaves alone.
check_PROGRAMS += tests/redact/redaction-report
tests_redact_redaction_report_SOURCES = tests/redact/redaction-report.c
tests_redact_redaction_report_LDADD = $(SLUICE_LIBS)
TESTS += tests/redact/test-recall.sh
check_PROGRAMS += tests/bench/bench-redact
EXTRA_DIST += \
	tests/redact/benign.py \
	tests/redact/report.py \
	tests/redact/test-cost.sh \
	tests/redact/test-recall.sh
.PHONY: redaction-report
redaction-report: tests/redact/redaction-report
	$(AM_V_at)python3 -B $(srcdir)/tests/redact/report.py \
		--builddir '$(abs_top_builddir)' --srcdir '$(abs_top_srcdir)'
# Fragments and TCP streams.
unit_tests += tests/unit/test-reassemble
tests_unit_test_reassemble_SOURCES = \
	tests/unit/test-reassemble.c \
	tests/unit/unit.h
tests_unit_test_reassemble_CPPFLAGS = $(PROXY_CPPFLAGS) \
	-I$(srcdir)/proxy-vm/intake
tests_unit_test_reassemble_LDADD = $(INTAKE_LIBS) $(CMOCKA_LIBS)
# Bidirectional Forwarding Detection.
unit_tests += tests/unit/test-bfd
tests_unit_test_bfd_SOURCES = tests/unit/test-bfd.c tests/unit/unit.h
tests_unit_test_bfd_LDADD = $(UNIT_LIBS)
fuzz_targets += tests/fuzz/fuzz-bfd
tests_fuzz_fuzz_bfd_SOURCES = tests/fuzz/fuzz-bfd.c $(FUZZ_MAIN)
tests_fuzz_fuzz_bfd_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_bfd_LDFLAGS = $(FUZZ_LDFLAGS)
fuzz_targets += \
	tests/fuzz/fuzz-framing \
	tests/fuzz/fuzz-reassemble
tests_fuzz_fuzz_framing_SOURCES = tests/fuzz/fuzz-framing.c $(FUZZ_MAIN)
tests_fuzz_fuzz_framing_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_framing_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_reassemble_SOURCES = tests/fuzz/fuzz-reassemble.c $(FUZZ_MAIN)
tests_fuzz_fuzz_reassemble_CPPFLAGS = $(PROXY_CPPFLAGS) \
	-I$(srcdir)/proxy-vm/intake
tests_fuzz_fuzz_reassemble_LDADD = $(INTAKE_LIBS)
tests_fuzz_fuzz_reassemble_LDFLAGS = $(FUZZ_LDFLAGS)
unit_tests += tests/unit/test-redaction
tests_unit_test_redaction_SOURCES = \
	tests/unit/remove-tree.h \
	tests/unit/test-redaction.c \
	tests/unit/unit.h
tests_unit_test_redaction_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_unit_test_redaction_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)
# Client rules.
unit_tests += tests/unit/test-rules
tests_unit_test_rules_SOURCES = tests/unit/test-rules.c tests/unit/unit.h
tests_unit_test_rules_LDADD = $(UNIT_LIBS)
unit_tests += tests/unit/test-rules-stage
tests_unit_test_rules_stage_SOURCES = \
	tests/unit/remove-tree.h \
	tests/unit/signed-packet.h \
	tests/unit/test-rules-stage.c \
	tests/unit/udp-pair.h \
	tests/unit/unit.h
tests_unit_test_rules_stage_CPPFLAGS = $(PROXY_CPPFLAGS) -I$(srcdir)/proxy-vm/intake
tests_unit_test_rules_stage_LDADD = $(INTAKE_LIBS) $(CMOCKA_LIBS)
# sluice-unseal.
fuzz_targets += tests/fuzz/fuzz-unseal-state
tests_fuzz_fuzz_unseal_state_SOURCES = \
	tests/fuzz/fuzz-unseal-state.c \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_unseal_state_CPPFLAGS = $(UNSEAL_CPPFLAGS)
tests_fuzz_fuzz_unseal_state_LDADD = $(UNSEAL_LIBS)
tests_fuzz_fuzz_unseal_state_LDFLAGS = $(FUZZ_LDFLAGS)
# sluice-metrics and Prometheus.
TESTS += tests/metrics/test-metrics.py
EXTRA_DIST += tests/metrics/test-metrics.py \
	docs/control.md \
	docs/deploy.md \
	docs/examples/sluice-control.py \
	docs/metrics.md \
	docs/prometheus/alerts.yml \
	docs/prometheus/alerts-test.yml \
	docs/prometheus/dashboard.json

TESTS += tests/unseal/test-sealed.py tests/unseal/test-unseal.py
EXTRA_DIST += \
	tests/unseal/test-sealed.py \
	tests/unseal/test-unseal.py \
	tests/unseal/unsealing.py
# Test vectors of sealed batches, by our reader and by one made from
# docs/batch-format.md alone.
unit_tests += tests/unit/test-vectors
tests_unit_test_vectors_SOURCES = tests/unit/test-vectors.c tests/unit/unit.h
tests_unit_test_vectors_CPPFLAGS = $(SHIP_CPPFLAGS)
tests_unit_test_vectors_LDADD = $(SHIP_LIBS) $(CMOCKA_LIBS)
TESTS += tests/vectors/test-vectors.py
EXTRA_DIST += tests/vectors

# Flips and truncations.
unit_tests += tests/unit/test-seal-flips
tests_unit_test_seal_flips_SOURCES = \
	tests/unit/test-seal-flips.c \
	tests/unit/unit.h
tests_unit_test_seal_flips_LDADD = $(UNIT_LIBS)
.PHONY: check-flips
check-flips: tests/unit/test-seal-flips
	$(AM_V_at)SLUICE_FLIPS=1000 tests/unit/test-seal-flips
# Hypervisors that report.
unit_tests += \
	tests/unit/test-collector \
	tests/unit/test-host-channel \
	tests/unit/test-host-facts \
	tests/unit/test-host-listener \
	tests/unit/test-privileges \
	tests/unit/test-proc-parse \
	tests/unit/test-sockets \
	tests/unit/test-source-context \
	tests/unit/test-source-hosts \
	tests/unit/test-vm-figures
tests_unit_test_host_channel_SOURCES = \
	tests/unit/test-host-channel.c \
	tests/unit/unit.h
tests_unit_test_host_channel_LDADD = $(UNIT_LIBS)
tests_unit_test_host_facts_SOURCES = \
	tests/unit/test-host-facts.c \
	tests/unit/unit.h
tests_unit_test_host_facts_CPPFLAGS = $(CONTEXT_CPPFLAGS)
tests_unit_test_host_facts_LDADD = $(CONTEXT_LIBS) $(CMOCKA_LIBS)
tests_unit_test_host_listener_SOURCES = \
	tests/unit/test-host-listener.c \
	tests/unit/unit.h
tests_unit_test_host_listener_CPPFLAGS = $(CONTEXT_CPPFLAGS)
tests_unit_test_host_listener_LDADD = $(CONTEXT_LIBS) $(CMOCKA_LIBS)
tests_unit_test_proc_parse_SOURCES = \
	tests/unit/test-proc-parse.c \
	tests/unit/unit.h
tests_unit_test_proc_parse_CPPFLAGS = $(HOSTD_CPPFLAGS)
tests_unit_test_proc_parse_LDADD = $(HOSTD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_privileges_SOURCES = \
	tests/unit/test-privileges.c \
	tests/unit/unit.h
tests_unit_test_privileges_CPPFLAGS = $(HOSTD_CPPFLAGS)
tests_unit_test_privileges_LDADD = $(HOSTD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_sockets_SOURCES = tests/unit/test-sockets.c tests/unit/unit.h
tests_unit_test_sockets_CPPFLAGS = $(HOSTD_CPPFLAGS)
tests_unit_test_sockets_LDADD = $(HOSTD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_vm_figures_SOURCES = \
	tests/unit/remove-tree.h \
	tests/unit/test-vm-figures.c \
	tests/unit/unit.h
tests_unit_test_vm_figures_CPPFLAGS = $(HOSTD_CPPFLAGS)
tests_unit_test_vm_figures_LDADD = $(HOSTD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_collector_SOURCES = \
	tests/unit/remove-tree.h \
	tests/unit/test-collector.c \
	tests/unit/unit.h
tests_unit_test_collector_CPPFLAGS = $(CONTEXT_CPPFLAGS)
tests_unit_test_collector_LDADD = $(CONTEXT_LIBS) $(CMOCKA_LIBS)
tests_unit_test_source_hosts_SOURCES = \
	tests/unit/remove-tree.h \
	tests/unit/test-source-hosts.c \
	tests/unit/unit.h
tests_unit_test_source_hosts_CPPFLAGS = $(CONTEXT_CPPFLAGS)
tests_unit_test_source_hosts_LDADD = $(CONTEXT_LIBS) $(CMOCKA_LIBS)
tests_unit_test_source_context_SOURCES = \
	tests/unit/test-source-context.c \
	tests/unit/unit.h
tests_unit_test_source_context_LDADD = $(UNIT_LIBS)
fuzz_targets += tests/fuzz/fuzz-host-report
tests_fuzz_fuzz_host_report_SOURCES = \
	tests/fuzz/fuzz-host-report.c \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_host_report_CPPFLAGS = $(CONTEXT_CPPFLAGS)
tests_fuzz_fuzz_host_report_LDADD = $(CONTEXT_LIBS)
tests_fuzz_fuzz_host_report_LDFLAGS = $(FUZZ_LDFLAGS)
# Memory shared with a switch.
MEMIF_PEER = tests/memif-peer.c tests/memif-peer.h
unit_tests += tests/unit/test-memif tests/unit/test-memif-queues \
	tests/unit/test-outer
tests_unit_test_memif_queues_SOURCES = \
	$(MEMIF_PEER) \
	tests/unit/memif-fixture.h \
	tests/unit/test-memif-queues.c \
	tests/unit/unit.h
tests_unit_test_memif_queues_CPPFLAGS = $(PROXY_CPPFLAGS) \
	-I$(srcdir)/proxy-vm/intake -I$(srcdir)/tests
tests_unit_test_memif_queues_LDADD = $(INTAKE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_memif_SOURCES = \
	$(MEMIF_PEER) \
	tests/unit/memif-fixture.h \
	tests/unit/test-memif.c \
	tests/unit/unit.h
tests_unit_test_memif_CPPFLAGS = $(PROXY_CPPFLAGS) \
	-I$(srcdir)/proxy-vm/intake -I$(srcdir)/tests
tests_unit_test_memif_LDADD = $(INTAKE_LIBS) $(CMOCKA_LIBS)
tests_unit_test_outer_SOURCES = tests/unit/test-outer.c tests/unit/unit.h
tests_unit_test_outer_LDADD = $(UNIT_LIBS)
fuzz_targets += tests/fuzz/fuzz-memif tests/fuzz/fuzz-outer
tests_fuzz_fuzz_memif_SOURCES = tests/fuzz/fuzz-memif.c $(FUZZ_MAIN)
tests_fuzz_fuzz_memif_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_memif_LDFLAGS = $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_outer_SOURCES = tests/fuzz/fuzz-outer.c $(FUZZ_MAIN)
tests_fuzz_fuzz_outer_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_outer_LDFLAGS = $(FUZZ_LDFLAGS)
