# SPDX-License-Identifier: Apache-2.0
"""sluice-kafka against librdkafka's mock cluster, whose brokers speak the
protocol on ports of the loopback interface.  Speaks TAP."""

import os
import re
import signal
import socket
import ssl
import sys
import threading

from adapter import (CONFIRMED, OPEN, Adapter, Place, mark_frame,
                     message_frame)
from certificates import make_certificates
from cluster import TOPIC, Cluster
from tap import BUILD, LIMIT_S, check, free_port, run_tests

KAFKA = os.path.join(BUILD, "proxy-vm/kafka/sluice-kafka")
PRODUCE = 0
# Errors of the protocol.
NOT_LEADER, REQUEST_TIMED_OUT, MESSAGE_TOO_LARGE = 6, 7, 10
NOT_ENOUGH_REPLICAS, TOPIC_AUTHORIZATION_FAILED = 19, 29


class Bench(Place):
    """A cluster, and adapters that write to it."""

    def __init__(self):
        super().__init__("kafka")
        self.cluster = Cluster(self)

    def adapter(self, *extra, brokers=None, topic=TOPIC):
        with open(self.path("kafka.log"), "a") as log:
            return Adapter([KAFKA, "--brokers",
                            brokers or self.cluster.brokers,
                            "--topic", topic, "--timeout-ms", "5000", *extra],
                           stderr=log)


def vm(i):
    return b"a0000000-0000-4000-8000-%012d" % i


def send(adapter, batch, n_lines, n_vms=10):
    """Sends a batch of lines of VMs in turn, and returns it as (key, value)."""
    lines = [(vm(i % n_vms), b"batch %d line %d " % (batch, i) + b"text " * 30)
             for i in range(n_lines)]
    adapter.send(b"".join(message_frame(v, k) for k, v in lines)
                 + mark_frame(batch))
    return lines


def check_topic(got, sent):
    """Each line once, those of a VM in one partition and in their order."""
    check(len(got) == len(sent), "%d messages, not %d" % (len(got),
                                                          len(sent)))
    partitions = {}
    for partition, key, _ in got:
        check(partitions.setdefault(key, partition) == partition,
              "a VM is in two partitions")
    for key in {k for k, _ in sent}:
        check([v for _, k, v in got if k == key]
              == [v for k, v in sent if k == key],
              "the lines of a VM are others, or in another order")


def test_in_order(bench):
    """Each line is in the topic once, with its VM as key, the lines of a VM in
    order; marks are confirmed when the brokers have all before them."""
    with bench.adapter() as a:
        a.expect(OPEN)
        sent = []
        for batch in range(20):
            sent += send(a, batch, 500)
        for batch in range(20):
            a.expect(CONFIRMED, batch, 0)
        a.finish()
    got = bench.cluster.consume()
    check_topic(got, sent)
    check(len({p for p, _, _ in got}) > 1, "all VMs are in one partition")


def test_zstd(bench):
    """What goes over the wire is compressed with zstd, by an idempotent
    producer."""
    with bench.adapter("--debug", "msg,eos,conf") as a:
        a.expect(OPEN)
        sent = send(a, 1, 500)
        a.expect(CONFIRMED, 1, 0)
        a.finish()
    check_topic(bench.cluster.consume(), sent)
    with open(bench.path("kafka.log")) as f:
        log = f.read()
    sets = re.findall(r"Produce MessageSet with (\d+) message\(s\) .*", log)
    check(sum(int(n) for n in sets) == 500, "the log tells of %r" % sets)
    for line in re.findall(r"Produce MessageSet .*", log):
        check("zstd" in line, "not zstd: " + line)
        check(re.search(r"PID\{Id:[0-9]", line), "not idempotent: " + line)
    check(re.search(r"enable.idempotence = true", log)
          or "idempotence" in log, "the log has no configuration")


def test_errors(bench):
    """Produce requests that fail are repeated, and each line is there once and
    in order all the same."""
    with bench.adapter() as a:
        a.expect(OPEN)
        sent = []
        for batch, code in enumerate((NOT_LEADER, REQUEST_TIMED_OUT,
                                      NOT_ENOUGH_REPLICAS) * 3):
            bench.cluster.tell("error %d %d 2" % (PRODUCE, code))
            sent += send(a, batch, 200)
            a.expect(CONFIRMED, batch, 0)
        a.finish()
    check_topic(bench.cluster.consume(), sent)


def test_leader_moves(bench):
    """Partitions that move from broker to broker lose and double nothing."""
    with bench.adapter() as a:
        a.expect(OPEN)
        sent = []
        for batch in range(12):
            for p in range(4):
                bench.cluster.tell("leader %d %d" % (p, 1 + (batch + p) % 3))
            sent += send(a, batch, 200)
            a.expect(CONFIRMED, batch, 0)
        a.finish()
    check_topic(bench.cluster.consume(), sent)


def test_brokers_down_and_up(bench):
    """While all brokers are down nothing is confirmed; when they are up again
    in time, everything is."""
    with bench.adapter("--timeout-ms", "30000") as a:
        a.expect(OPEN)
        for broker in (1, 2, 3):
            bench.cluster.tell("down %d" % broker)
        sent = send(a, 1, 200)
        try:
            check(False, "said %r" % (a.next(1),))
        except Exception as e:
            check("said nothing" in str(e), str(e))
        for broker in (1, 2, 3):
            bench.cluster.tell("up %d" % broker)
        a.expect(CONFIRMED, 1, 0)
        a.finish()
    check_topic(bench.cluster.consume(), sent)


def test_brokers_stay_down(bench):
    """Brokers that stay down end the session in time, in a sentence."""
    with bench.adapter("--timeout-ms", "2000") as a:
        a.expect(OPEN)
        for broker in (1, 2, 3):
            bench.cluster.tell("down %d" % broker)
        send(a, 1, 200)
        a.expect_failure(TOPIC, "2000 ms")


def test_slow_broker(bench):
    """A slow cluster is waited for."""
    with bench.adapter() as a:
        a.expect(OPEN)
        for broker in (1, 2, 3):
            bench.cluster.tell("rtt %d 700" % broker)
        sent = send(a, 1, 50)
        a.expect(CONFIRMED, 1, 0)
        a.finish()
    check_topic(bench.cluster.consume(), sent)


def test_nobody(bench):
    """Where no broker listens, the sentence says so, and at once."""
    with bench.adapter(brokers="127.0.0.1:%d" % free_port()) as a:
        a.expect_failure("can't reach Kafka", "Connection refused")


def test_refused(bench):
    """A topic that may not be written to is told."""
    with bench.adapter() as a:
        a.expect(OPEN)
        bench.cluster.tell("error %d %d 5" % (PRODUCE, TOPIC_AUTHORIZATION_FAILED))
        send(a, 1, 10)
        a.expect_failure(TOPIC, "did not take", "uthorization")


def test_too_long(bench):
    """A line longer than the topic allows is given up and counted, and does
    not hold up the others."""
    with bench.adapter("--max-bytes", "10000") as a:
        a.expect(OPEN)
        sent = send(a, 1, 10)
        a.expect(CONFIRMED, 1, 0)
        a.send(message_frame(b"x" * 10000, vm(0))
               + message_frame(b"short", vm(0)) + mark_frame(2))
        a.expect(CONFIRMED, 2, 1)
        sent.append((vm(0), b"short"))
        a.finish()
    check_topic(bench.cluster.consume(), sent)


def test_topic_smaller(bench):
    """A topic that takes less than we were told loses nothing: the session
    ends, and the sentence says what to set."""
    with bench.adapter() as a:
        a.expect(OPEN)
        bench.cluster.tell("error %d %d 1" % (PRODUCE, MESSAGE_TOO_LARGE))
        send(a, 1, 10, n_vms=1)
        a.expect_failure("max.message.bytes")


def test_full_queue(bench):
    """More than the producer's queue holds waits, in order."""
    with bench.adapter() as a:
        a.expect(OPEN)
        for broker in (1, 2, 3):
            bench.cluster.tell("rtt %d 200" % broker)
        sent = []
        for batch in range(12):
            lines = [(vm(i % 10), b"%d %d " % (batch, i) + b"z" * 20000)
                     for i in range(100)]
            sent += lines
            a.send(b"".join(message_frame(v, k) for k, v in lines)
                   + mark_frame(batch))
        for batch in range(12):
            a.expect(CONFIRMED, batch, 0)
        a.finish()
    check_topic(bench.cluster.consume(), sent)


def test_killed(bench):
    """Killed in the middle, ten times: what was confirmed is in the topic, and
    a batch that is sent again is there at most twice."""
    sent = []
    for batch in range(10):
        confirmed = False
        with bench.adapter() as a:
            a.expect(OPEN)
            lines = send(a, batch, 3000)
            if batch % 2:
                a.expect(CONFIRMED, batch, 0)
                confirmed = True
            a.process.send_signal(signal.SIGKILL)
            a.process.wait(LIMIT_S)
        if not confirmed:
            with bench.adapter() as a:
                a.expect(OPEN)
                check(send(a, batch, 3000) == lines, "other lines")
                a.expect(CONFIRMED, batch, 0)
                a.finish()
        sent += lines
    got = [m[1:] for m in bench.cluster.consume()]
    counts = {}
    for message in got:
        counts[message] = counts.get(message, 0) + 1
    check(set(counts) == set(sent), "there are other lines")
    check(max(counts.values()) <= 2, "a line is there more than twice")


class TlsServer:
    """Shakes hands with whoever connects, and is not Kafka."""

    def __init__(self, place, name):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(place.path(name + ".pem"),
                                     place.path(name + ".key"))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(connection, server_side=True):
                    pass
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(LIMIT_S)
        self.listener.close()


def test_tls_refused(bench):
    """A broker whose certificate another authority signed, or that has another
    name, is refused, and the sentence says so."""
    make_certificates(bench, ["localhost", "stranger.example"])
    for name, ca, word in (("localhost", "other", "certificate verify failed"),
                           ("stranger.example", "ca", "certificate")):
        with TlsServer(bench, name) as server:
            with bench.adapter("--ca-file", bench.path(ca + ".pem"),
                               brokers="localhost:%d" % server.port) as a:
                a.expect_failure("can't reach Kafka", word)


def main():
    if not os.path.exists(KAFKA):
        print("1..0 # SKIP sluice-kafka was not built: librdkafka-dev was "
              "missing")
        return 0
    wanted = sys.argv[1:]
    return run_tests([value for name, value in sorted(globals().items())
                      if name.startswith("test_")
                      and (not wanted or name in wanted)], Bench)


if __name__ == "__main__":
    sys.exit(main())
