#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes lines without secrets, of the kinds that look most as if they had.

usage: benign.py N SEED > FILE

Half are those of tests/bench/corpus.py without its secrets (web servers,
services that log JSON, kernels, sshd, databases).  The others speak of
passwords, keys and tokens without telling them, or have what looks encoded or
random: digests of images and commits, fingerprints, ETags, UUIDs, percent-
encoded URLs, escaped JSON, numbers of orders, dates, versions, base64 of
pictures, stack traces.  The same arguments make the same lines.
"""
import base64
import json
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "bench"))
import corpus

WORDS = ("order invoice cache miss retry upstream timeout session user page "
         "report export import sync worker queue batch shard replica leader "
         "election snapshot compaction checkpoint backup restore metric "
         "latency request response payload header cookie consent banner "
         "token bucket limiter password policy key rotation secret santa "
         "credential helper authorization rule signature verified").split()

APPS = "shop orders catalog payments search edge auth-proxy mailer".split()


class Benign(corpus.Corpus):
    def words(self, n):
        return " ".join(self.r.choices(WORDS, k=n))

    def digest(self):
        return "sha256:" + self.hex(64)

    def kinds(self):
        c, n = self.r.choice, self.number
        return c((
            lambda: ("sshd", 86, c((
                "Failed password for %s from %s port %d ssh2" % (
                    self.user(), self.ip(), n(1024, 65535)),
                "pam_unix(sshd:auth): authentication failure; logname= uid=0 "
                "euid=0 tty=ssh ruser= rhost=%s  user=%s" % (self.ip(),
                                                             self.user()),
                "Postponed keyboard-interactive for %s from %s port %d ssh2 "
                "[preauth]" % (self.user(), self.ip(), n(1024, 65535)),
                "error: maximum authentication attempts exceeded for root "
                "from %s port %d ssh2 [preauth]" % (self.ip(),
                                                    n(1024, 65535))))),
            lambda: ("sudo", 85, "%s : TTY=pts/%d ; PWD=/home/%s ; USER=root "
                     "; COMMAND=/usr/bin/systemctl restart %s" % (
                         self.user(), n(0, 9), self.user(), c(WORDS))),
            lambda: ("passwd", 86, "pam_unix(passwd:chauthtok): password "
                     "changed for %s" % self.user()),
            lambda: ("dockerd", 30, 'time="2025-11-%02dT%sZ" level=info '
                     'msg="image pulled" image=registry.example.org/%s/%s:'
                     'v%d.%d.%d digest=%s' % (
                         n(1, 29), self.clock(), c(APPS), c(APPS), n(0, 9),
                         n(0, 20), n(0, 20), self.digest())),
            lambda: ("kubelet", 30, 'I1120 %s.%06d %7d kubelet.go:%d] "SyncLoop'
                     ' (PLEG): event for pod" pod="%s/%s-%s-%s" '
                     'event={"ID":"%s","Type":"ContainerStarted","Data":"%s"}'
                     % (self.clock(), n(0, 10**6), n(1, 10**7), n(1, 3000),
                        c(WORDS), c(WORDS), self.hex(9), self.hex(5),
                        self.uuid(), self.hex(64))),
            lambda: ("git-daemon", 30, "pushed %s..%s to refs/heads/%s-%d" % (
                self.hex(40), self.hex(40), c(WORDS), n(1, 9999))),
            lambda: ("nginx", 190, '%s - - "GET /search?q=%s&page=%d HTTP/1.1"'
                     ' 200 %d "https://www.example.org/%s?utm_source=%s" "%s"'
                     % (self.ip(),
                        urllib.parse.quote(self.words(n(2, 6))), n(1, 40),
                        n(0, 99999), urllib.parse.quote(self.words(2)),
                        c(WORDS), c(corpus.BROWSERS))),
            lambda: ("nginx", 190, '%s "GET /static/%s.%s.woff2 HTTP/2.0" 304 '
                     '0 etag="W/%s" cache=HIT ray=%s-FRA' % (
                         self.ip(), c(WORDS), self.hex(8),
                         base64.b64encode(self.r.randbytes(20)).decode(),
                         self.hex(16))),
            lambda: ("shop", 134, json.dumps({
                "level": "info", "msg": self.words(n(3, 9)),
                "order": n(10**8, 10**10), "sku": "%s-%d-%d" % (
                    self.chars(3, "ABCDEFGHJKLMNPRSTUVWXYZ"), n(100, 999),
                    n(1000, 9999)),
                "total_tokens": n(1, 9999), "token_type": "access",
                "expires_in": n(60, 3600), "session": n(1, 10**6),
                "path": "C:\\data\\%s" % c(WORDS),
                "inner": json.dumps({"a": n(0, 9), "b": c(WORDS)})})),
            lambda: ("java", 131, "java.lang.IllegalStateException: %s at "
                     "com.example.%s.%sAuthenticationTokenFilterFactoryBean."
                     "invoke(%sFactory.java:%d) at org.springframework."
                     "security.web.FilterChainProxy$VirtualFilterChain."
                     "doFilter(FilterChainProxy.java:%d)" % (
                         self.words(3), c(WORDS), c(WORDS).title(),
                         c(WORDS).title(), n(1, 999), n(1, 999))),
            lambda: ("app", 134, "avatar stored: data:image/png;base64,%s..."
                     % base64.b64encode(self.r.randbytes(
                         n(30, 120))).decode()),
            lambda: ("certbot", 30, "Certificate %s expires 2026-%02d-%02d, "
                     "fingerprint %s" % (
                         self.hex(36), n(1, 13), n(1, 29),
                         ":".join(self.hex(2).upper() for _ in range(20)))),
            lambda: ("app", 134, "feature flags loaded: %s; keys=%d secrets=%d"
                     " passwords=%d tokens=%d in %d ms" % (
                         self.words(4), n(0, 99), n(0, 9), n(0, 9), n(0, 99),
                         n(1, 999))),
            lambda: ("terraform", 134, 'aws_secretsmanager_secret.%s: '
                     'Refreshing state... [id=arn:aws:secretsmanager:eu-west-1:'
                     '%s:secret:%s-%s]' % (c(WORDS), self.digits(12),
                                           c(WORDS), self.chars(6))),
            lambda: ("ntpd", 30, "adjusting local clock by %.6fs, 2025-11-%02d"
                     " %d-%02d-%04d" % (self.r.random(), n(1, 29),
                                        n(2020, 2026), n(1, 13), n(1, 9999))),
            lambda: ("batch", 134, "imported %d rows from export-%d%08d.csv in "
                     "%d.%03d s, checksum %s, job %s" % (
                         n(1, 10**7), n(1, 9), n(10**7, 10**8 - 1), n(0, 99),
                         n(0, 1000), self.hex(32), self.uuid())),
            lambda: ("vpn", 30, "peer %s: handshake completed, public key %s, "
                     "%d bytes" % (self.ip(), base64.b64encode(
                         self.r.randbytes(32)).decode(), n(0, 10**9))),
            lambda: ("dhcpd", 30, "DHCPACK on %s to %s (%s-%d) via eth%d" % (
                self.ip(), ":".join(self.hex(2) for _ in range(6)), c(WORDS),
                n(1, 99), n(0, 9))),
            lambda: ("app", 134, "%s pour l\u2019utilisateur, Stra\u00dfe %d, "
                     "\u65e5\u672c\u8a9e, %s" % (self.words(3), n(1, 99),
                                                  self.words(2))),
        ))()

    def benign(self):
        if self.r.random() < 0.5:
            app, pid, pri, message = self.r.choices(
                (self.nginx, self.service, self.kernel, self.sshd, self.other),
                (34, 30, 14, 12, 10))[0]()
        else:
            app, pri, message = self.kinds()
            pid = self.number(1, 99999)
        host = "%s-%s-%02d" % (self.r.choice(("web", "db", "api", "edge")),
                               self.r.choice(("prod", "stage")),
                               self.number(1, 25))
        day, clock = self.number(1, 29), self.clock()
        if self.r.random() < corpus.RFC5424:
            return "<%d>1 2025-11-%02dT%s.%06dZ %s %s %s - - %s" % (
                pri, day, clock, self.number(0, 10**6), host, app, pid or "-",
                message)
        return "<%d>Nov %2d %s %s %s%s: %s" % (
            pri, day, clock, host, app, "[%d]" % pid if pid else "", message)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: benign.py N SEED")
    lines = Benign(int(sys.argv[2]))
    for _ in range(int(sys.argv[1])):
        sys.stdout.buffer.write(lines.benign().encode() + b"\n")


if __name__ == "__main__":
    main()
