# SPDX-License-Identifier: Apache-2.0
"""A Kafka cluster of three brokers with a topic of four partitions, "logs",
which kafka-mock.c plays on ports of the loopback interface."""

import os
import subprocess

from tap import BUILD, check

MOCK = os.path.join(BUILD, "tests/adapters/kafka-mock")
TOPIC = "logs"
WAIT_MS = 20000


class Cluster:
    def __init__(self, place):
        """Ends with 'place', which starts processes."""
        self.process = place.start([MOCK, "3", "4", TOPIC],
                                   stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        self.brokers = self.process.stdout.readline().decode().strip()
        check(self.brokers, "there is no cluster")

    def tell(self, command):
        """Returns what the cluster answers, in lines."""
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        lines = []
        for line in iter(self.process.stdout.readline, b"done\n"):
            check(line, "the cluster is gone")
            lines.append(line[:-1])
        return lines

    def consume(self):
        """Returns all messages that are in the topic now and were not
        returned before, each a tuple of partition, key and value."""
        return [tuple(line.split(b"\t"))
                for line in self.tell("consume %d" % WAIT_MS)]
