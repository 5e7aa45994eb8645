#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Stands for tests/fuzz/fuzz-log-tunnel-* where those cannot be built.
echo "1..0 # SKIP fuzz-log-tunnel-action and -datapath: the Open vSwitch given to" \
     "configure has not the log_tunnel of this tree; make one with" \
     "ovs-ext/prepare-ovs, then run configure"
