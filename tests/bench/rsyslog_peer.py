# SPDX-License-Identifier: Apache-2.0
"""The peer of the benchmark: rsyslog, told to do the same job.

Receives by UDP, parses, looks the VM up by its source address (15 keys),
redacts by the rules of tests/bench/peer-rules.def as far as POSIX extended regular
expressions can say them, and forwards by TCP.  Validators (the Luhn check)
have no counterpart there.
"""
import re
import shutil

MARK = "<redacted:%s>"


def program():
    path = shutil.which("rsyslogd", path="/usr/sbin:/sbin:/usr/bin")
    if not path:
        raise SystemExit("bench: rsyslogd is missing: apt-get install rsyslog")
    return path


def quote(text):
    """A string of RainerScript."""
    return "'%s'" % text.replace("\\", "\\\\").replace("'", "\\'")


def configuration(rules_def, table, directory, port, sink_port):
    lines = [
        'global(workDirectory="%s" net.enableDNS="off" maxMessageSize="8k")'
        % directory,
        'module(load="imudp" threads="1" batchSize="256" timeRequery="16")',
        'main_queue(queue.type="FixedArray" queue.size="50000"'
        ' queue.dequeueBatchSize="2048" queue.workerThreads="1"'
        ' queue.timeoutEnqueue="2000")',
        'lookup_table(name="vms" file="%s")' % table,
        'input(type="imudp" address="127.0.0.1" port="%d" rcvbufSize="4m")'
        % port,
        'template(name="rfc5424" type="string" string="<%PRI%>1 '
        '%TIMESTAMP:::date-rfc3339% %HOSTNAME% %APP-NAME% %PROCID% - '
        '%$.context%%$.text%\\n")',
        'set $.context = lookup("vms", $fromhost-ip);',
        'set $.text = $msg;',
    ]
    if rules_def:
        lines += [redaction(*rule) for rule in read_def(rules_def)]
    lines.append('action(type="omfwd" target="127.0.0.1" port="%d" '
                 'template="rfc5424" protocol="tcp")' % sink_port)
    return "\n".join(lines) + "\n"



def synced_file(directory, port):
    """From UDP to a file that is synced after each batch of the queue: neither
    enriched nor redacted."""
    return """
global(workDirectory="%s" net.enableDNS="off" maxMessageSize="8k")
module(load="imudp" threads="1" batchSize="256" timeRequery="16")
main_queue(queue.type="FixedArray" queue.size="50000"
           queue.dequeueBatchSize="2048" queue.workerThreads="1"
           queue.timeoutEnqueue="2000")
input(type="imudp" address="127.0.0.1" port="%d" rcvbufSize="4m")
template(name="rfc5424" type="string" string="<%%PRI%%>1 \
%%TIMESTAMP:::date-rfc3339%% %%HOSTNAME%% %%APP-NAME%% %%PROCID%% - - \
%%msg%%\\n")
action(type="omfile" file="%s/out" template="rfc5424" sync="on"
       flushOnTXEnd="on" ioBufferSize="256k")
""" % (directory, port, directory)


def read_def(path):
    """Yields the arguments of each RULE() in a .def file: strings joined and
    unescaped, other words as they are, NULL as None."""
    with open(path) as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    token = re.compile(r'"((?:\\.|[^"\\])*)"|(\w+)|([(),])')
    arguments = None
    for string, word, mark in token.findall(text):
        if word == "RULE":
            arguments = []
        elif mark == ")":
            yield arguments
        elif mark:
            arguments.append(None)
        elif word:
            arguments[-1] = None if word == "NULL" else word
        else:
            arguments[-1] = (arguments[-1] or "") + (
                string.encode().decode("unicode_escape"))


def bracket(found):
    """A bracket expression of POSIX: no escapes, '-' at the end."""
    body = found.group(1).replace("\\w", "A-Za-z0-9_")
    body = body.replace("\\s", "[:space:]").replace("\\", "")
    dash = body.endswith("-") or "_-" in body
    return "[%s%s]" % (body.rstrip("-").replace("_-", "_"),
                       "-" if dash else "")


def shape(literals, pattern):
    """A literal and the pattern behind it, of which '(' begins the secret.
    Returns the expression and its group that is the secret."""
    pattern = re.sub(r"\[((?:\\.|[^\]\\])*)\]", bracket, pattern)
    pattern = pattern.replace("\\s", "[[:space:]]")
    if "(" in pattern:
        return "(%s)%s)" % (literals, pattern), 2
    return "(%s)%s" % (literals, pattern), 0


def value(literals, pattern):
    """A key with the literal in its name, a separator, a value."""
    value_, _ = shape("", pattern or '[^[:space:]"&,;]+')
    return (r"""(%s)[A-Za-z0-9_-]{0,40}["'\]*[[:blank:]]*(=>|[=:])"""
            r"""[[:blank:]]*["'\]*(%s)""" % (literals, value_[2:])), 3


OTHERS = {
    "authorization": (
        r"""authorization["'\]*[[:blank:]]*[=:][[:blank:]]*["'\]*"""
        r"""([A-Za-z]+[[:blank:]]+)?([^[:space:]"&,;]+)""", 2),
    "pem": ("-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*", 0),
    "url": (r"""://[^[:space:]"'<>/?#@:]*:([^[:space:]"'<>/@]+)@""", 1),
    "card": (r"\b[3-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,7}\b", 0),
    "email": (r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}",
              0),
}


def redaction(name, matcher, caseless, literals, pattern, *_):
    """The statement that does what the rule does: what leads to a secret
    stays, the secret is replaced by the rule's mark."""
    quoted = re.sub(r"([.+*?()\[\]{}^$\\])", r"\\\1", literals or "")
    if matcher in ("shape", "value"):
        expression, group = globals()[matcher](quoted, pattern)
    else:
        expression, group = OTHERS[matcher]
    i = "_i" if caseless == "true" else ""
    return ("if re_match%s($.text, %s) then { set $.text = replace($.text, "
            "re_extract%s($.text, %s, 0, %d, \"\"), %s); }" % (
                i, quote(expression), i, quote(expression), group,
                quote(MARK % name)))
