# SPDX-License-Identifier: Apache-2.0
"""A real rsyslogd that tells what it reads, in a network namespace of the
test.

In: octet-counted frames.  Out: the fields of each message.
Runs in: tests/dialects/test-*.py."""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

PORT = 514
LIMIT_S = 120
RSYSLOGD = shutil.which("rsyslogd", path=os.environ.get("PATH", "")
                        + ":/usr/sbin:/sbin")
INSIDE = "SLUICE_TEST_INSIDE"

# rsyslog writes control bytes as they came, as we do, and not as "#009".
RSYSLOG_CONF = """
global(workDirectory="{dir}" parser.escapeControlCharactersOnReceive="off"
       net.enableDNS="off" maxMessageSize="64k")
module(load="imtcp")
template(name="fields" type="list" option.jsonf="on") {{
    property(outname="pri" name="pri" format="jsonf")
    property(outname="time" name="timereported" dateFormat="rfc3339"
             format="jsonf")
    property(outname="host" name="hostname" format="jsonf")
    property(outname="from" name="fromhost" format="jsonf")
    property(outname="app" name="app-name" format="jsonf")
    property(outname="procid" name="procid" format="jsonf")
    property(outname="msgid" name="msgid" format="jsonf")
    property(outname="sd" name="structured-data" format="jsonf")
    property(outname="msg" name="msg" format="jsonf")
}}
ruleset(name="all" queue.type="Direct") {{
    action(type="omfile" file="{dir}/out" template="fields")
}}
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="all"
      supportOctetCountedFraming="on")
"""


def enter_namespace():
    """Goes on in a network namespace of its own, or says in TAP why it can't
    and ends."""
    if not RSYSLOGD:
        print("1..0 # SKIP rsyslogd is missing: apt-get install rsyslog")
        sys.exit(0)
    if INSIDE not in os.environ:
        unshare = ["unshare", "--net"]
        if os.geteuid():
            unshare.append("--map-root-user")
        if subprocess.run(unshare + ["true"], check=False,
                          stderr=subprocess.DEVNULL).returncode:
            print("1..0 # SKIP network namespaces are not to be had here")
            sys.exit(0)
        os.environ[INSIDE] = "1"
        os.execvp(unshare[0], unshare + [sys.executable, "-B", *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def wait_until(condition, what):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("Bail out! waited %d s in vain: %s" % (LIMIT_S, what))
        time.sleep(0.02)


def connect(found):
    """Appends a connection to rsyslogd to 'found', if it listens."""
    try:
        found.append(socket.create_connection(("127.0.0.1", PORT)))
    except ConnectionRefusedError:
        pass
    return found


def count_lines(path):
    if not os.path.exists(path):
        return 0
    with open(path, "rb") as f:
        return sum(block.count(b"\n")
                   for block in iter(lambda: f.read(1 << 20), b""))


def read(frames, n):
    """What rsyslogd makes of the frames, 'n' of them: a list of dictionaries.
    Their strings stand for bytes, one character for each."""
    directory = tempfile.mkdtemp(prefix="sluice-test-rsyslog.")
    process = None
    try:
        conf = os.path.join(directory, "conf")
        out = os.path.join(directory, "out")
        with open(conf, "w", encoding="ascii") as f:
            f.write(RSYSLOG_CONF.format(dir=directory, port=PORT))
        process = subprocess.Popen(
            [RSYSLOGD, "-n", "-iNONE", "-f", conf],
            env=dict(os.environ, TZ="UTC"), stdout=subprocess.DEVNULL)
        connections = []
        wait_until(lambda: connect(connections), "rsyslogd does not listen")
        with connections[0] as sock:
            sock.sendall(frames)
        wait_until(lambda: count_lines(out) >= n,
                   "rsyslogd writes %d messages" % n)
        # What it still has in hand would be one too many.
        process.terminate()
        process.wait()
        with open(out, encoding="latin-1", newline="\n") as f:
            return [json.loads(line) for line in f]
    finally:
        if process:
            process.kill()
            process.wait()
        shutil.rmtree(directory)
