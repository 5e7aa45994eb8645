# SPDX-License-Identifier: Apache-2.0
"""A log server that knows what came last.  tests/torture is to be in the path
of modules."""

from scene import LogServer


class Reader(LogServer):
    """A log server that keeps the latest of what it gets."""

    def __init__(self, tenant):
        self.latest = b""
        super().__init__(tenant)

    def note(self, data):
        super().note(data)
        self.latest = (self.latest + data)[-4000:]

    def forget(self):
        self.latest = b""
