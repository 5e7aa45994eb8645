#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the corpus of the benchmark: syslog lines as servers write them.

usage: corpus.py N SEED > corpus.txt

The same arguments make the same lines.  They average 280 bytes; one in five is
RFC 5424 and the others are RFC 3164; about one in twenty has a secret, which
is random and opens nothing.
"""
import base64
import json
import random
import sys

SECRETS = 0.05
RFC5424 = 0.20
MEAN_BYTES = 280

ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
BROWSERS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) "
    "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148",
    "curl/7.88.1", "kube-probe/1.29", "Go-http-client/1.1",
    "python-requests/2.31.0", "Prometheus/2.52.0")
USERS = ("root admin deploy ubuntu postgres git jenkins oracle alice bob "
         "carol dave eve mallory svc-backup nagios ansible www-data").split()


class Corpus:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def chars(self, n, alphabet=ALNUM):
        return "".join(self.r.choices(alphabet, k=n))

    def hex(self, n):
        return self.chars(n, "0123456789abcdef")

    def digits(self, n):
        return self.chars(n, "0123456789")

    def number(self, low, high):
        return self.r.randrange(low, high)

    def ip(self):
        return "%d.%d.%d.%d" % (self.r.choice((10, 10, 172, 192, 45, 203)),
                                self.number(0, 256), self.number(0, 256),
                                self.number(1, 255))

    def user(self):
        return self.r.choice(USERS)

    def uuid(self):
        return "-".join(self.hex(n) for n in (8, 4, 4, 4, 12))

    def clock(self):
        return "%02d:%02d:%02d" % (self.number(0, 24), self.number(0, 60),
                                   self.number(0, 60))

    def path(self):
        return self.r.choice((
            lambda: "/api/v1/orders/%d" % self.number(1, 99999),
            lambda: "/api/v2/users/%d/profile" % self.number(1, 99999),
            lambda: "/static/js/app.%s.js" % self.hex(8),
            lambda: "/healthz",
            lambda: "/search?q=%s&page=%d" % (self.hex(6),
                                              self.number(1, 40)),
            lambda: "/images/p/%s.jpg" % self.hex(8)))()

    # One method per kind of program.  Each returns APP-NAME, PROCID or None,
    # PRI and the message.

    def nginx(self):
        return "nginx", self.number(500, 40000), 190, (
            '%s - %s [%02d/Nov/2025:%s +0000] "%s %s HTTP/1.1" %d %d "%s" '
            '"%s" rt=%.3f urt="%.3f" req_id=%s' % (
                self.ip(), self.r.choice(("-", "-", self.user())),
                self.number(1, 29), self.clock(),
                self.r.choice(("GET", "GET", "GET", "POST", "PUT")),
                self.path(), self.r.choice((200, 200, 200, 304, 404, 502)),
                self.number(0, 99999), "https://shop.example.org/" +
                self.hex(4), self.r.choice(BROWSERS), self.r.random(),
                self.r.random() / 9, self.hex(32)))

    def service(self):
        event = {
            "ts": "2025-11-%02dT%s.%03dZ" % (self.number(1, 29), self.clock(),
                                             self.number(0, 1000)),
            "level": self.r.choice(("info", "info", "warn", "error")),
            "logger": self.r.choice(("com.example.orders.OrderService",
                                     "com.example.payments.Gateway",
                                     "org.hibernate.SQL")),
            "msg": self.r.choice(("order accepted", "slow query detected",
                                  "payment authorised by gateway",
                                  "cache miss, loading from database",
                                  "retrying upstream call after timeout")),
            "trace_id": self.hex(32),
            "span_id": self.hex(16),
            "duration_ms": self.number(1, 9000),
        }
        for _ in range(self.number(0, 3)):
            event[self.r.choice(("customer_id", "order_id", "region"))] = (
                self.r.choice((self.number(1, 10**7), self.uuid(),
                               "eu-west-%d" % self.number(0, 4))))
        return (self.r.choice(("orders", "payments", "catalog")),
                self.number(1, 400), self.r.choice((134, 132, 131)),
                json.dumps(event, separators=(",", ":")))

    def kernel(self):
        what = self.r.choice((
            lambda: "IN=eth0 OUT= MAC=%s SRC=%s DST=%s LEN=%d TOS=0x00 "
            "PREC=0x00 TTL=%d ID=%d DF PROTO=TCP SPT=%d DPT=%d WINDOW=%d "
            "RES=0x00 SYN URGP=0" % (
                ":".join(self.hex(2) for _ in range(14)), self.ip(),
                self.ip(), self.number(40, 1500), self.number(30, 255),
                self.number(0, 65536), self.number(1024, 65535),
                self.r.choice((22, 23, 80, 443, 3389)),
                self.number(0, 65536)),
            lambda: "EXT4-fs (nvme%dn1p%d): mounted filesystem %s r/w with "
            "ordered data mode. Quota mode: none." % (
                self.number(0, 3), self.number(1, 5), self.uuid()),
            lambda: "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),"
            "cpuset=/,mems_allowed=0,oom_memcg=/kubepods/burstable/pod%s,"
            "task=java,pid=%d,uid=%d" % (
                self.uuid(), self.number(1000, 99999), self.number(0, 2000)),
            lambda: 'audit: type=1400 audit(%d.%03d:%d): apparmor="DENIED" '
            'operation="open" name="/proc/%d/cmdline" pid=%d comm="cupsd" '
            'requested_mask="r" denied_mask="r" fsuid=0 ouid=0' % (
                self.number(17 * 10**8, 18 * 10**8), self.number(0, 1000),
                self.number(0, 9999), self.number(0, 99999),
                self.number(0, 99999))))()
        return "kernel", None, self.r.choice((4, 6, 5)), "[%d.%06d] %s" % (
            self.number(1, 9999999), self.number(0, 10**6), what)

    def sshd(self):
        what = self.r.choice((
            lambda: "Failed password for invalid user %s%d from %s port %d "
            "ssh2" % (self.user(), self.number(0, 99), self.ip(),
                      self.number(1024, 65535)),
            lambda: "Accepted publickey for %s from %s port %d ssh2: ED25519 "
            "SHA256:%s" % (self.user(), self.ip(), self.number(1024, 65535),
                           base64.b64encode(self.r.randbytes(32)).decode()),
            lambda: "Disconnected from authenticating user %s %s port %d "
            "[preauth]" % (self.user(), self.ip(),
                           self.number(1024, 65535))))()
        return "sshd", self.number(500, 400000), 86, what

    def other(self):
        return self.r.choice((
            lambda: ("CRON", self.number(500, 400000), 78,
                     "(root) CMD (test -x /usr/sbin/anacron || ( cd / && "
                     "run-parts --report /etc/cron.daily ))"),
            lambda: ("systemd", 1, 30, "Started session-%d.scope - Session %d "
                     "of User %s." % (self.number(0, 9999),
                                      self.number(0, 9999), self.user())),
            lambda: ("postgres", self.number(500, 99999), 131,
                     "[%d-1] user=%s,db=shop_%d,client=%s LOG:  duration: "
                     "%.3f ms  statement: SELECT o.id, o.total, c.name FROM "
                     "orders o JOIN customers c ON c.id = o.customer_id WHERE "
                     "o.status = $1 ORDER BY o.created_at DESC LIMIT %d" % (
                         self.number(0, 999), self.user(), self.number(0, 9),
                         self.ip(), self.r.random() * 5000,
                         self.number(10, 500))),
            lambda: ("haproxy", self.number(500, 9999), 150,
                     '%s:%d [%02d/Nov/2025:%s.%03d] fe_https~ be_app/srv%02d '
                     '%d/0/%d/%d/%d 200 %d - - ---- %d/%d/%d/%d/0 0/0 "GET %s '
                     'HTTP/1.1"' % (
                         self.ip(), self.number(1024, 65535),
                         self.number(1, 29), self.clock(),
                         self.number(0, 1000), self.number(0, 40),
                         self.number(0, 9), self.number(0, 9),
                         self.number(0, 900), self.number(0, 999),
                         self.number(0, 99999), self.number(0, 500),
                         self.number(0, 500), self.number(0, 50),
                         self.number(0, 9), self.path()))))()

    def secret(self):
        return self.r.choice((
            lambda: "login attempt user=%s password=%s result=ok" % (
                self.user(), self.chars(12)),
            lambda: "request headers: Authorization: Bearer " + self.chars(48),
            lambda: "headers: Authorization: Basic " + self.chars(24),
            lambda: "token refreshed jwt=eyJ%s.%s.%s" % (
                self.chars(30), self.chars(80), self.chars(43)),
            lambda: "aws client init access_key_id=AKIA%s region=eu-west-1" % (
                self.chars(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
            lambda: "card charged pan=%s amount=%d.%02d EUR" % (
                self.card(), self.number(0, 999), self.number(0, 100)),
            lambda: "notification queued for %s%d@example.com" % (
                self.user(), self.number(0, 99)),
            lambda: "mail from=<%s%d@mail.example.net> status=sent" % (
                self.user(), self.number(0, 999)),
            lambda: '{"event":"signup","user":"%s","password":"%s"}' % (
                self.user(), self.chars(10)),
            lambda: "webhook call api_key=%s attempt=%d" % (
                self.chars(32), self.number(0, 5)),
            lambda: "vault login: token: %s" % self.chars(24)))()

    def card(self):
        """16 digits that pass the Luhn check."""
        body = "4" + self.digits(14)
        total = sum(sum(divmod(int(d) * (2 if i % 2 == 0 else 1), 10))
                    for i, d in enumerate(body))
        return body + str(-total % 10)

    def line(self):
        kind = self.r.choices((self.nginx, self.service, self.kernel,
                               self.sshd, self.other),
                              (34, 30, 14, 12, 10))[0]
        app, pid, pri, message = kind()
        if self.r.random() < SECRETS:
            secret = self.secret()
            message = (message + " " + secret if self.r.random() < 0.6
                       else secret)
        host = "%s-%s-%02d" % (self.r.choice(("web", "db", "api", "edge")),
                               self.r.choice(("prod", "stage")),
                               self.number(1, 25))
        day, clock = self.number(1, 29), self.clock()
        if self.r.random() < RFC5424:
            return "<%d>1 2025-11-%02dT%s.%06dZ %s %s %s - - %s" % (
                pri, day, clock, self.number(0, 10**6), host, app, pid or "-",
                message)
        return "<%d>Nov %2d %s %s %s%s: %s" % (
            pri, day, clock, host, app, "[%d]" % pid if pid else "", message)

    def lines(self, n):
        """Yields 'n' lines, the short ones filled up so that the mean is
        MEAN_BYTES, as the tracing fields of real services would."""
        surplus = 0
        for _ in range(n):
            line = self.line()
            missing = MEAN_BYTES - len(line) - surplus
            if missing > 12:
                fill = " trace_id=" + self.hex(32)
                while len(fill) < missing - 4:
                    fill += " %s=%s" % (
                        self.r.choice(("node", "shard", "zone", "seq")),
                        self.hex(self.number(4, 16)))
                line += fill[:max(missing, 0)]
            surplus += len(line) - MEAN_BYTES
            yield line


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: corpus.py N SEED")
    for line in Corpus(int(sys.argv[2])).lines(int(sys.argv[1])):
        print(line)


if __name__ == "__main__":
    main()
