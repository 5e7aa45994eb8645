# SPDX-License-Identifier: Apache-2.0

UNIT_LIBS = $(SLUICE_LIBS) $(CMOCKA_LIBS)

# Unit tests: tests/unit/test-x.c for lib/x.c.
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
AM_CFLAGS += -fsanitize=fuzzer-no-link,address,undefined
FUZZ_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer,address,undefined
else
FUZZ_MAIN = tests/fuzz/replay.c
FUZZ_LDFLAGS = $(AM_LDFLAGS)
TESTS += $(fuzz_targets)
endif
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/replay.c

# The context snapshot.
unit_tests += tests/unit/test-context-snapshot
tests_unit_test_context_snapshot_SOURCES = \
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
	tests/unit/test-seal
tests_unit_test_batch_SOURCES = tests/unit/test-batch.c tests/unit/unit.h
tests_unit_test_batch_LDADD = $(UNIT_LIBS)
tests_unit_test_seal_SOURCES = tests/unit/test-seal.c tests/unit/unit.h
tests_unit_test_seal_LDADD = $(UNIT_LIBS)
fuzz_targets += \
	tests/fuzz/fuzz-batch \
	tests/fuzz/fuzz-seal
tests_fuzz_fuzz_batch_SOURCES = tests/fuzz/fuzz-batch.c $(FUZZ_MAIN)
tests_fuzz_fuzz_batch_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_batch_LDFLAGS = $(FUZZ_LDFLAGS)
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
tests_unit_test_spool_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_unit_test_spool_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)
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

# Golden captures.
check_PROGRAMS += tests/golden/test-captures
TESTS += \
	tests/golden/test-captures \
	tests/golden/test-make-captures.sh
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
	tests/golden/stock.expected \
	tests/golden/stock.pcap \
	tests/golden/streams.expected \
	tests/golden/streams.pcap \
	tests/golden/test-make-captures.sh

# The benchmark: 'make bench' builds its programs and runs them; see
# docs/performance.md.
bench_programs = \
	tests/bench/bench-send \
	tests/bench/bench-sink \
	tests/bench/bench-stages \
	tests/bench/bench-stats
check_PROGRAMS += $(bench_programs)
CLEANFILES += bench.json
EXTRA_DIST += \
	docs/performance.md \
	tests/bench/bench.py \
	tests/bench/peer-rules.def \
	tests/bench/corpus.py \
	tests/bench/population.py \
	tests/bench/rsyslog_peer.py \
	tests/bench/switch_bench.py

tests_bench_bench_send_SOURCES = \
	tests/bench/bench-send.c \
	tests/bench/traffic.c \
	tests/bench/traffic.h
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
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) $(bench_programs)
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
TESTS += tests/ship/test-ship.py tests/ship/test-by-hand.py
EXTRA_DIST += tests/ship/test-ship.py tests/ship/test-by-hand.py

# sluice-context, the program itself.
unit_tests += tests/unit/test-sluice-context
tests_unit_test_sluice_context_SOURCES = \
	tests/unit/test-sluice-context.c \
	tests/unit/unit.h
tests_unit_test_sluice_context_CPPFLAGS = $(PROXY_CPPFLAGS)
tests_unit_test_sluice_context_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)
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
	proxy-vm/ctl/render.c \
	proxy-vm/ctl/table.c \
	tests/unit/test-render.c \
	tests/unit/unit.h
tests_unit_test_render_CPPFLAGS = $(PROXY_CPPFLAGS) \
	-I$(srcdir)/proxy-vm/ctl
tests_unit_test_render_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)

# sluiced, and sluicectl with it.
AM_TESTS_ENVIRONMENT += \
	OVS_BUILD='$(OVS_BUILD)'; export OVS_BUILD; \
	OVS_SOURCE='$(OVS_SOURCE)'; export OVS_SOURCE;
TESTS += \
	tests/control/test-control.py \
	tests/control/test-flows.py \
	tests/control/test-kills.py \
	tests/control/test-sluiced.py
EXTRA_DIST += \
	tests/control/child.py \
	tests/control/harness.py \
	tests/control/test-control.py \
	tests/control/test-flows.py \
	tests/control/test-kills.py \
	tests/control/test-sluiced.py
unit_tests += tests/unit/test-answer
tests_unit_test_answer_SOURCES = \
	proxy-vm/master/answer.c \
	proxy-vm/master/master.c \
	proxy-vm/master/setup.c \
	proxy-vm/master/supervisor.c \
	tests/unit/test-answer.c \
	tests/unit/unit.h
tests_unit_test_answer_CPPFLAGS = $(proxy_vm_sluiced_CPPFLAGS) \
	-I$(srcdir)/proxy-vm/master
tests_unit_test_answer_LDADD = $(PROXY_LIBS) $(CMOCKA_LIBS)

# The manual of log_tunnel.
TESTS += tests/log-tunnel/test-manual.sh
dist_man_MANS += docs/man/log_tunnel.7
EXTRA_DIST += \
	ovs-ext/sluice/lib/drop-reasons.def \
	ovs-ext/sluice/lib/ofp-log-tunnel.c \
	tests/log-tunnel/test-manual.sh

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
	docs/flows.md \
	docs/install.md \
	packages \
	quickstart \
	tests/run-demo \
	tests/run-lint \
	tests/system
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
TESTS += tests/redact/test-cost.sh tests/redact/test-recall.sh
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
