# SPDX-License-Identifier: Apache-2.0
"""sluice-ship and each kind of destination: rsyslogd with TLS of both makes,
UDP, files, one destination for another, and servers whose certificate or
behaviour is wrong, each of which must be told in a sentence.

Everything is on the loopback interface, at ports that were free when the test
began, and in a directory of its own.  Speaks TAP."""

import contextlib
import glob
import json
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from random import Random

from harness import RSYSLOGD, SHIP, TENANT, connects, listener, run
from certificates import Ca
from tap import LIMIT_S, Failure, check, wait_until

CONFIG = """
paths:
  run: {dir}/run
  spool: {dir}/spool
  state: {dir}/state
output:
  hold-ms: {hold}
  timeout-ms: {timeout}
  backoff-max-ms: 200
tenants:
  - id: {tenant}
    name: test
    delivery: {delivery}
    destinations:
{destinations}
"""

RSYSLOG_TLS = """
global(workDirectory="{dir}"
       defaultNetstreamDriverCAFile="{ca}"
       defaultNetstreamDriverCertFile="{cert}"
       defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="{driver}" streamDriver.mode="1"
       streamDriver.authMode="{auth}" permittedPeer=["proxy.example"])
template(name="raw" type="string" string="%rawmsg%\\n")
ruleset(name="all" queue.type="Direct") {{
    action(type="omfile" file="{out}" template="raw")
}}
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="all"
      supportOctetCountedFraming="on")
"""

RSYSLOG_UDP = """
global(workDirectory="{dir}" maxMessageSize="64k")
module(load="imudp")
template(name="raw" type="string" string="%rawmsg%\\n")
ruleset(name="all" queue.type="Direct") {{
    action(type="omfile" file="{out}" template="raw")
}}
input(type="imudp" address="127.0.0.1" port="{port}" ruleset="all"
      rcvbufSize="8m")
"""


def configure(b, destinations, delivery="all", hold=100, timeout=10000):
    """Writes the configuration; each destination is a dictionary."""
    text = "\n".join(
        "      - {%s}" % ", ".join("%s: '%s'" % item for item in d.items())
        for d in destinations)
    with open(b.path("sluice.yaml"), "w") as f:
        f.write(CONFIG.format(dir=b.dir, tenant=TENANT, hold=hold,
                              timeout=timeout, delivery=delivery,
                              destinations=text))
    if not os.path.exists(b.path("state")):
        os.mkdir(b.path("run"))
        os.mkdir(b.path("state"))
        os.rename(b.key, b.path("state/ship.key"))
    b.stats_file = b.path("run/ship-%d-main.stats" % TENANT)


def args(b, *extra):
    return [SHIP, "--config", b.path("sluice.yaml"), "--tenant", str(TENANT),
            *extra]


def start(b, *extra):
    with open(b.path("ship.log"), "a") as log:
        return b.start(args(b, *extra), stderr=log)


def once(b, *extra):
    return subprocess.run(args(b, "--once", *extra), stderr=subprocess.PIPE,
                          timeout=LIMIT_S)


def start_rsyslog(b, text):
    conf = b.path("rsyslog.conf")
    with open(conf, "w") as f:
        f.write(text)
    with open(b.path("rsyslog.log"), "a") as log:
        return b.start([RSYSLOGD, "-n", "-iNONE", "-f", conf], stdout=log,
                       stderr=log)


def tls(b, ca, **more):
    return dict(name="main", type="tls", server="127.0.0.1:%d" % b.port,
                **{"ca-file": ca.cert, "server-name": "logs.example"}, **more)


def has_driver(name):
    return bool(glob.glob("/usr/lib/*/rsyslog/lmnsd_%s.so" % name))


def rsyslog_takes_every_line(b, driver):
    if not has_driver(driver):
        raise Failure("rsyslog's driver %s is not installed: see the file "
                      "packages" % driver)
    ca = Ca(b.dir, "ca")
    cert, key = ca.issue("logs", "DNS:logs.example")
    ours, our_key = ca.issue("proxy.example", "DNS:proxy.example")
    start_rsyslog(b, RSYSLOG_TLS.format(
        dir=b.dir, ca=ca.cert, cert=cert, key=key, driver=driver,
        auth="x509/name", out=b.out, port=b.port))
    configure(b, [tls(b, ca, **{"certificate-file": ours,
                                "key-file": our_key})])
    b.push(40, 500)
    wait_until(lambda: connects(b.port), "rsyslogd does not listen")
    start(b)
    b.wait_spool_empty()
    wait_until(lambda: len(b.received()) >= b.n_lines, "lines are missing")
    b.check_received(duplicates=False)
    check(b.stat("main.state") == "connected", b.stat("main.state"))
    check(b.stat("failures") == 0, b.stat("error"))


def rsyslog_with_gnutls_takes_every_line(b):
    rsyslog_takes_every_line(b, "gtls")


def rsyslog_with_openssl_takes_every_line(b):
    rsyslog_takes_every_line(b, "ossl")


class TlsServer(threading.Thread):
    """A server that Python's OpenSSL speaks for, session after session.  What
    it does with one is 'act', which gets the socket."""

    def __init__(self, b, cert, key, act, setup=None):
        super().__init__(daemon=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        if setup:
            setup(self.context)
        self.act = act
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", b.port))
        self.listener.listen()
        self.start()

    def run(self):
        while True:
            try:
                session, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(session,
                                              server_side=True) as s:
                    self.act(s)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join(LIMIT_S)


def read_all(s):
    while s.recv(65536):
        pass


def expect_error(b, pattern):
    """The destination fails with a sentence, and nothing is shipped."""
    done = once(b)
    check(done.returncode == 1, "exit status %d" % done.returncode)
    error = b.stat("main.error")
    check(re.fullmatch(pattern, error), "%r is not %r" % (error, pattern))
    check(pattern == ".*" or re.search(pattern, done.stderr.decode()),
          done.stderr)
    check(b.in_spool(), "the batch is gone")
    check(b.stat("shipped") == 0, "shipped")


def each_wrong_certificate_is_told_in_a_sentence(b):
    ca, other = Ca(b.dir, "ca"), Ca(b.dir, "other")
    server = r"127\.0\.0\.1:%d" % b.port
    good = ca.issue("good", "DNS:logs.example")
    cases = [
        (ca.issue("old", "DNS:logs.example", "20200101000000Z",
                  "20210102030405Z"),
         "the certificate of %s expired on 2021-01-02 03:04:05 UTC" % server),
        (ca.issue("new", "DNS:logs.example", "20480102030405Z"),
         "the certificate of %s is not valid before "
         "2048-01-02 03:04:05 UTC" % server),
        (ca.issue("wrong", "DNS:logs.example.net,DNS:xlogs.example"),
         "the certificate of %s is for logs.example.net, xlogs.example, not "
         "for logs.example" % server),
        (ca.issue("partial", "DNS:l*.example"),
         r"the certificate of %s is for l\*.example, not for logs.example"
         % server),
        (ca.issue("address", "IP:127.0.0.1"),
         "the certificate of %s is for 127.0.0.1, not for logs.example"
         % server),
        (other.issue("foreign", "DNS:logs.example"),
         "the certificate of %s is signed by nobody whom .*/ca/ca.pem names"
         % server),
        (ca.issue("self", "DNS:logs.example", self_signed=True),
         "the certificate of %s is signed by itself, which nobody vouches for"
         % server),
    ]
    configure(b, [tls(b, ca)])
    b.push(1, 10)
    for (cert, key), sentence in cases:
        with TlsServer(b, cert, key, read_all):
            expect_error(b, sentence)
    # And it was not for anything else.
    with TlsServer(b, *good, read_all):
        done = once(b)
        check(done.returncode == 0, done.stderr)


def the_name_may_be_an_address_or_the_server_s_own(b):
    ca = Ca(b.dir, "ca")
    wild = ca.issue("wild", "DNS:*.tenant.example")
    address = ca.issue("address", "IP:127.0.0.1")
    b.push(1, 10)
    configure(b, [{**tls(b, ca), "server-name": "logs.tenant.example"}])
    with TlsServer(b, *wild, read_all):
        done = once(b)
        check(done.returncode == 0, done.stderr)
    b.push(1, 10)
    destination = tls(b, ca)
    del destination["server-name"]
    configure(b, [destination])
    with TlsServer(b, *address, read_all):
        done = once(b)
        check(done.returncode == 0, done.stderr)
    check(b.stat("shipped") == 20, "shipped")


def only_old(context):
    context.options &= ~ssl.OP_NO_TLSv1_1
    context.options |= ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")


def wants_certificate(ca):
    def setup(context):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(ca.cert)
    return setup


def each_wrong_server_is_told_in_a_sentence(b):
    if os.environ.get("SLUICE_SANITIZERS"):
        return "its deadlines are too short with sanitizers"
    ca = Ca(b.dir, "ca")
    good = ca.issue("good", "DNS:logs.example")
    server = r"127\.0\.0\.1:%d" % b.port
    b.push(1, 10)
    configure(b, [tls(b, ca)])
    with TlsServer(b, *good, read_all, only_old):
        expect_error(b, server + " speaks no TLS of version 1.2 or newer")
    with TlsServer(b, *good, read_all, wants_certificate(ca)):
        expect_error(b, server + ' ended the session with the alert '
                     '"certificate required"')
    configure(b, [tls(b, ca)], timeout=500)
    with listener(b):                   # Accepts, and is silent.
        expect_error(b, server + " did not finish the TLS handshake within "
                     "500 ms")
    configure(b, [tls(b, ca)])
    with plain_server(b, b"220 logs.example ESMTP\r\n"):
        expect_error(b, server + " does not speak TLS")
    with plain_server(b, b""):
        expect_error(b, "(%s closed the session in the handshake|"
                     "the session to %s broke: Connection reset by peer)"
                     % (server, server))
    # Where nobody listens.
    expect_error(b, "can't connect to %s: Connection refused" % server)
    # Our own files.
    cert, key = ca.issue("proxy", "DNS:proxy.example")
    _, wrong = ca.issue("wrong", "DNS:proxy.example")
    files = {"certificate-file": cert, "key-file": key}
    with TlsServer(b, *good, read_all):
        for change, mode, sentence in [
                ({"key-file": wrong}, 0o600,
                 ".*/wrong.key is not the key of the certificate in .*"),
                ({}, 0o640, "others may access .*/proxy.key; give it mode "
                 "0600"),
                ({"ca-file": "/nonexistent.pem"}, 0o600,
                 "/nonexistent.pem can't be read: No such file or directory"),
                ({"ca-file": key}, 0o600,
                 ".*/proxy.key is not as it should be: .*")]:
            configure(b, [{**tls(b, ca, **files), **change}])
            os.chmod(key, mode)
            expect_error(b, server + ": " + sentence)


@contextlib.contextmanager
def plain_server(b, greeting):
    """Says a word to each client, and goes."""
    with listener(b) as s:
        s.settimeout(None)

        def serve():
            while True:
                try:
                    session, _ = s.accept()
                except OSError:
                    return
                with session:
                    if greeting:
                        session.sendall(greeting)
                        session.recv(65536)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        s.shutdown(socket.SHUT_RDWR)
        thread.join(LIMIT_S)


def a_tls_server_that_reads_nothing_is_given_up(b):
    if os.environ.get("SLUICE_SANITIZERS"):
        return "its deadlines are too short with sanitizers"
    ca = Ca(b.dir, "ca")
    done = threading.Event()
    b.push(40, 500)
    configure(b, [tls(b, ca)], timeout=500)
    with TlsServer(b, *ca.issue("good", "DNS:logs.example"),
                   lambda s: done.wait(LIMIT_S)):
        start(b)
        # Looked for before the server ends, which breaks sessions as well.
        wait_until(lambda: "took nothing" in str(b.stat("error"))
                   or "timed out" in str(b.stat("error")), "nothing is told")
        check(b.stat("failures") >= 1, "no failure is counted")
        done.set()
        check(b.stat("shipped") == 0, "shipped what was not taken")
        check(len(b.in_spool()) == 40, "batches are gone")


def a_tls_session_ends_with_a_goodbye(b):
    ca = Ca(b.dir, "ca")
    ends = []

    def act(s):
        try:
            read_all(s)
            ends.append("close_notify")
        except ssl.SSLError as e:
            ends.append(str(e))

    b.push(1, 10)
    configure(b, [tls(b, ca)])
    with TlsServer(b, *ca.issue("good", "DNS:logs.example"), act):
        check(once(b).returncode == 0, "exit status")
        wait_until(lambda: ends, "the session does not end")
    check(ends == ["close_notify"], ends)


def udp_sends_a_line_in_each_datagram(b):
    start_rsyslog(b, RSYSLOG_UDP.format(dir=b.dir, out=b.out, port=b.port))
    configure(b, [dict(name="main", type="udp",
                       server="127.0.0.1:%d" % b.port)])
    wait_until(lambda: udp_is_bound(b.port), "rsyslogd does not listen")
    b.push(5, 200)
    start(b)
    b.wait_spool_empty()
    wait_until(lambda: len(b.received()) >= b.n_lines, "lines are missing")
    b.check_received(duplicates=False)


def udp_is_bound(port):
    with open("/proc/net/udp") as f:
        return any(":%04X " % port in line.split(" sl ")[0] for line in f)


def a_line_too_long_for_a_datagram_is_cut_at_a_character(b):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", b.port))
        s.settimeout(LIMIT_S)
        configure(b, [dict(name="main", type="udp", format="raw",
                           server="127.0.0.1:%d" % b.port)])
        text = "\u20ac" * 30000        # Three bytes each.
        b.push_texts([b"before", text.encode(), b"\xff" * 70000, b"behind"])
        done = once(b)
        check(done.returncode == 0, done.stderr)
        check(s.recv(70000) == b"before", "the first line")
        cut = s.recv(70000)
        check(65000 < len(cut) <= 65507, "%d bytes" % len(cut))
        check(text.startswith(cut.decode()), "not the line's begin")
        check(s.recv(70000) == b"\xff" * 65507, "what is no UTF-8")
        check(s.recv(70000) == b"behind", "the last line")
    check(b.stat("truncated") == 2, "truncated")
    check(b.stat("shipped") == 4, "shipped")


def an_icmp_error_breaks_the_udp_session(b):
    configure(b, [dict(name="main", type="udp",
                       server="127.0.0.1:%d" % b.port)], hold=1000)
    b.push(1, 10)
    expect_error(b, "nobody listens at 127.0.0.1:%d: Connection refused"
                 % b.port)


def file_destination(b, **more):
    return dict(name="main", type="file", path=b.out, **more)


def a_file_gets_every_line(b):
    configure(b, [file_destination(b)])
    b.push(10, 100)
    done = once(b)
    check(done.returncode == 0, done.stderr)
    b.check_received(duplicates=False)
    check(os.stat(b.out).st_mode & 0o777 == 0o640, "mode")
    with open(b.out, "rb") as f:
        for line in f:
            check(line.startswith(b"<14>1 ") and line.endswith(b"\n"), line)


def a_file_that_is_renamed_is_made_anew(b):
    configure(b, [file_destination(b)])
    ship = start(b)
    for i in range(3):
        b.push(2, 50)
        b.wait_spool_empty()
        os.rename(b.out, b.out + ".%d" % i)
        ship.send_signal(signal.SIGHUP)
        wait_until(lambda: os.path.exists(b.out), "there is no new file")
    for i in range(3):
        with open(b.out + ".%d" % i) as f:
            check(len(f.readlines()) == 100, "lines of file %d" % i)
    check(b.stat("failures") == 0, b.stat("error"))
    check(ship.poll() is None, "SIGHUP ended it")


def a_torn_line_does_not_stay(b):
    configure(b, [file_destination(b)])
    for rest in (b"torn", b"x" * 10000, b""):
        with open(b.out, "ab") as f:
            f.write(rest)
        b.push(1, 10)
        check(once(b).returncode == 0, "exit status")
    b.check_received(duplicates=False)
    with open(b.out, "rb") as f:
        check(all(line.startswith(b"<14>1 ") for line in f), "torn line")


def kills_leave_no_torn_line_and_lose_nothing(b):
    configure(b, [file_destination(b)])
    b.push(200, 500)
    while b.in_spool():
        n = len(b.in_spool())
        ship = start(b)
        wait_until(lambda: len(b.in_spool()) < n, "nothing is written")
        ship.kill()
        ship.wait()
    check(once(b).returncode == 0, "exit status")
    b.check_received(duplicates=True)
    with open(b.out, "rb") as f:
        for line in f:
            check(re.fullmatch(rb"<14>1 .* line \d+ [a-z]+\n", line), line)


def what_is_no_file_is_refused(b):
    b.push(1, 10)
    os.mkfifo(b.path("fifo"))
    os.symlink(b.path("elsewhere"), b.path("link"))
    for name, sentence in [
            ("fifo", "it is no file"), ("link", "it is a symbolic link"),
            ("no/such/file", "No such file or directory")]:
        configure(b, [{**file_destination(b), "path": b.path(name)}])
        expect_error(b, "%s can't be opened: %s" % (b.path(name), sentence))
    check(not os.path.exists(b.path("elsewhere")), "followed the link")


def no_constant(name):
    raise Failure("%s in JSON" % name)


def every_json_line_is_an_object(b):
    configure(b, [file_destination(b, format="json")])
    texts = ["plain", "", "quotes \" and \\ and /", "tab\tand\nline",
             "\u20ac \U0001f600 \u2028 \u202e \ufeff", "del \x7f \x85"]
    raw = [b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80 \xf8", b"cut \xe2\x82"]
    b.push_texts([t.encode() for t in texts] + raw)
    check(once(b).returncode == 0, "exit status")
    with open(b.out, "rb") as f:
        lines = f.read().split(b"\n")
    check(lines.pop() == b"", "the last line has no end")
    check(len(lines) == len(texts) + len(raw), "%d lines" % len(lines))
    for i, line in enumerate(lines):
        value = json.loads(line.decode("utf-8", "strict"),
                           parse_constant=no_constant)
        if i < len(texts):
            check(value["message"] == texts[i], value["message"])
        else:
            expected = raw[i - len(texts)].decode("utf-8", "replace")
            check(value["message"] == expected, value["message"])
        check(value["sluice"]["tenant"] == TENANT, value)
        check(value["sluice"]["seq"] == i, value)
        check((value["facility"], value["severity"]) == (1, 6), value)
        check(value["sluice"]["claimed-host"] == "guest", value)


def any_bytes_become_strict_json(b):
    """Text of all sorts of bytes, well-formed or not: each object is read by
    a strict reader, and says what UTF-8 says of the bytes."""
    random = Random(5424)
    pieces = [bytes([i]) for i in range(1, 256)] + [
        chr(code).encode() for code in
        [0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0x2028, 0xfffd, 0xffff, 0x10000,
         0x10ffff, 0x20ac]] + [
        b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\\u0000",
        b"</script>", b"}],"]
    texts = [b"".join(random.choices(pieces, k=random.randrange(1, 40)))
             for _ in range(5000)]
    configure(b, [file_destination(b, format="json")])
    b.push_texts(texts)
    check(once(b).returncode == 0, "exit status")
    with open(b.out, "rb") as f:
        lines = f.read().split(b"\n")[:-1]
    check(len(lines) == len(texts), "%d lines" % len(lines))
    for line, text in zip(lines, texts):
        check(not re.search(rb"[\x00-\x1f\x7f]", line), line)
        value = json.loads(line.decode("utf-8", "strict"), strict=True,
                           parse_constant=no_constant,
                           object_pairs_hook=no_twins)
        check(value["message"] == text.decode("utf-8", "replace"),
              "%r is not %r" % (value["message"], text))


def no_twins(pairs):
    value = dict(pairs)
    check(len(value) == len(pairs), "a key stands twice")
    return value


def raw_is_the_text_alone(b):
    configure(b, [file_destination(b, format="raw")])
    b.push_texts([b"one", b"two\nlines", b"\xff", b"four"])
    check(once(b).returncode == 0, "exit status")
    with open(b.out, "rb") as f:
        check(f.read() == b"one\ntwo#012lines\n\xff\nfour\n", "content")


def fail_over(b):
    """Two destinations: a TCP server at 'b.port', and a file."""
    configure(b, [dict(name="far", type="tcp",
                       server="127.0.0.1:%d" % b.port),
                  dict(name="near", type="file", path=b.path("near"))],
              delivery="first")


def n_lines(path):
    if not os.path.exists(path):
        return 0
    with open(path, "rb") as f:
        return len(f.readlines())


def the_next_takes_over_and_the_first_is_taken_back(b):
    fail_over(b)
    b.push(5, 100)
    start(b)
    b.wait_spool_empty()
    check(n_lines(b.path("near")) == 500, "lines in the file")
    wait_until(lambda: b.stat("far.failures") >= 3, "it is not tried again")
    check("Connection refused" in b.stat("far.error"), b.stat("far.error"))
    check(b.stat("near.state") == "connected", b.stat("near.state"))
    wait_until(lambda: b.stat("far.state") == "backoff"
               and b.stat("far.next") > 0, b.stat("far.state"))
    server = b.start_server()
    wait_until(lambda: b.stat("far.state") == "connected", "not taken back")
    wait_until(lambda: b.stat("near.state") == "idle", b.stat("near.state"))
    b.push(5, 100)
    b.wait_spool_empty()
    wait_until(lambda: len(b.received()) == 500, "lines at the server")
    check(n_lines(b.path("near")) == 500, "lines in the file")
    # And away again, with all that it has not settled.
    server.kill()
    server.wait()
    b.push(5, 100)
    b.wait_spool_empty()
    wait_until(lambda: b.stat("shipped") == 1500, "shipped")
    far, near = set(b.received()), set()
    with open(b.path("near"), "rb") as f:
        for line in f:
            near.add(int(re.search(rb" line (\d+) ", line).group(1)))
    check(far | near == set(range(1500)), "lines are lost")
    check(len(far & near) <= b.stat("resent"), "more twice than resent")


def a_flapping_server_loses_nothing(b):
    fail_over(b)
    b.push(40, 200)
    ship = start(b)
    for _ in range(5):
        server = b.start_server()
        wait_until(lambda: connects(b.port), "rsyslogd does not listen")
        wait_until(lambda: b.stat("far.state") == "connected"
                   or not b.in_spool(), "not taken back")
        b.push(5, 200)
        server.kill()
        server.wait()
    b.wait_spool_empty()
    wait_until(lambda: b.stat("shipped") == b.n_lines, "shipped")
    seen = set(b.received())
    with open(b.path("near"), "rb") as f:
        for line in f:
            seen.add(int(re.search(rb" line (\d+) ", line).group(1)))
    check(seen == set(range(b.n_lines)), "lines are lost")
    check(ship.poll() is None, "it ended")


def each_queue_goes_its_own_way(b):
    """Fan-out: one destination is down, which the other does not notice."""
    configure(b, [dict(name="far", type="tcp",
                       server="127.0.0.1:%d" % b.port),
                  dict(name="near", type="file", path=b.path("near"))])
    b.push(10, 100, queues="far,near")
    start(b, "--queue", "far")
    done = once(b, "--queue", "near")
    check(done.returncode == 0, done.stderr)
    check(n_lines(b.path("near")) == 1000, "lines in the file")
    check(len(b.in_spool(queue="far")) == 10, "batches of the other queue")
    check(not b.in_spool(queue="near"), "its own batches are still there")
    b.start_server()
    b.wait_spool_empty(queue="far")
    wait_until(lambda: len(b.received()) == 1000, "lines at the server")
    for queue in "far", "near":
        b.stats_file = b.path("run/ship-%d-%s.stats" % (TENANT, queue))
        wait_until(lambda: b.stat("shipped") == 1000, "shipped of " + queue)
    done = once(b, "--queue", "main")
    check(b'has no queue "main"' in done.stderr, done.stderr)


UNSHARE = ["unshare", "--net", "--mount", "sh", "-ec",
           "mount --bind \"$1\" /etc/resolv.conf; ip link set lo up; "
           "ip route add 192.0.2.0/24 dev lo; shift; exec \"$@\"", "sh"]


def a_silent_name_server_holds_up_nothing(b):
    """In a network without a way to the name server that resolv.conf
    names."""
    if os.geteuid():
        print("# skipped in part: a network namespace needs root")
        return
    with open(b.path("resolv.conf"), "w") as f:
        f.write("nameserver 127.0.0.53\n")
    configure(b, [dict(name="main", type="tcp",
                       server="logs.example:514")], timeout=1000)
    b.push(1, 10)
    # A name server that listens, and never answers.
    black_hole = ("import socket, os, sys\n"
                  "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                  "s.bind(('127.0.0.53', 53))\n"
                  "sys.exit(__import__('subprocess').call(sys.argv[1:]))\n")
    command = UNSHARE + [b.path("resolv.conf"), sys.executable, "-c",
                         black_hole]
    done = subprocess.run(command + args(b, "--once"),
                          stderr=subprocess.PIPE, timeout=LIMIT_S)
    check(b"can't find the address of logs.example:514: no name server "
          b"answered in time" in done.stderr, done.stderr)
    # It is asked to end while it waits for the answer, and does at once.
    configure(b, [dict(name="main", type="tcp",
                       server="logs.example:514")], timeout=3600000)
    with open(b.path("ship.log"), "a") as log:
        outer = b.start(command + args(b), stderr=log)
    wait_until(lambda: b.stat("main.state") == "connecting",
               "it does not ask")
    with open(b.path("run/ship-%d-main.stats" % TENANT), "rb") as f:
        pid = int.from_bytes(f.read(24)[16:24], "little")
    os.kill(pid, signal.SIGTERM)
    check(outer.wait(timeout=LIMIT_S) == 0, "exit status")


def names_come_from_the_hosts_file(b):
    b.start_server()
    wait_until(lambda: connects(b.port), "rsyslogd does not listen")
    configure(b, [dict(name="main", type="tcp",
                       server="localhost:%d" % b.port)])
    b.push(1, 10)
    done = once(b)
    check(done.returncode == 0, done.stderr)


def measure(b, destination):
    """CPU time of sluice-ship for a million lines."""
    configure(b, [destination])
    b.push(500, 800)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = once(b)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    check(done.returncode == 0, done.stderr)
    user = after.ru_utime - before.ru_utime
    system = after.ru_stime - before.ru_stime
    print("# ship-cpu-%s %.3f s/Mline (user %.3f, system %.3f)"
          % (destination["type"],
             *(x * 1e6 / b.n_lines for x in (user + system, user, system))))


def measure_tls(b):
    ca = Ca(b.dir, "ca")
    with TlsServer(b, *ca.issue("good", "DNS:logs.example"), read_all):
        measure(b, tls(b, ca))


def measure_file(b):
    measure(b, file_destination(b))


def main():
    if not shutil.which("openssl"):
        print("1..0 # SKIP openssl is not installed")
        return 0
    return run([
        rsyslog_with_gnutls_takes_every_line,
        rsyslog_with_openssl_takes_every_line,
        each_wrong_certificate_is_told_in_a_sentence,
        the_name_may_be_an_address_or_the_server_s_own,
        each_wrong_server_is_told_in_a_sentence,
        a_tls_server_that_reads_nothing_is_given_up,
        a_tls_session_ends_with_a_goodbye,
        udp_sends_a_line_in_each_datagram,
        a_line_too_long_for_a_datagram_is_cut_at_a_character,
        an_icmp_error_breaks_the_udp_session,
        a_file_gets_every_line,
        a_file_that_is_renamed_is_made_anew,
        a_torn_line_does_not_stay,
        kills_leave_no_torn_line_and_lose_nothing,
        what_is_no_file_is_refused,
        every_json_line_is_an_object,
        any_bytes_become_strict_json,
        raw_is_the_text_alone,
        the_next_takes_over_and_the_first_is_taken_back,
        a_flapping_server_loses_nothing,
        each_queue_goes_its_own_way,
        a_silent_name_server_holds_up_nothing,
        names_come_from_the_hosts_file,
    ], [measure_file, measure_tls])


if __name__ == "__main__":
    sys.exit(main())
