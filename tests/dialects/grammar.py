#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes valid syslog messages in the forms of the field.

usage: grammar.py N SEED > messages.txt

The same arguments make the same messages.  Each form has its name, which
docs/dialects.md uses too, and the same share of them.
"""
import random
import sys

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
HOSTS = ("web-1", "db01.example.com", "gw", "10.20.30.40", "a.b", "ns_1",
         "Srv-2022", "x")
APPS = ("sshd", "CRON", "systemd-logind", "nginx", "dhclient", "app.py",
        "puppet-agent", "k3s", "su")
WORDS = ("session opened for user root", "error: timeout", "key=value",
         "GET /index.html 200", "[warn]", "(uid=0)", "100%", "ünïcode ☂",
         "a: b: c", "\"quoted\"", "{brace}", "x=[1,2]", "it's", "\\n", "<13>",
         "10:20:30", "--", "user@host", "état", "a|b", "#1", "tab\there")
MNEMONICS = ("%SYS-5-CONFIG_I", "%LINK-3-UPDOWN", "%SEC_LOGIN-5-LOGIN_SUCCESS",
             "%LINEPROTO-5-UPDOWN", "%BGP-5-ADJCHANGE")
# The forms whose times have a year.
WITH_YEAR = {"rfc5424", "rfc5424-sd", "rfc5424-bom", "rfc5424-no-text",
             "rfc5424-zeros", "rfc5424-broken-sd", "juniper-sd",
             "juniper-year", "rfc3164-iso", "rfc3164-iso-no-zone",
             "rfc3164-year", "esxi",
             "cisco-nx-os", "cisco-asa", "cisco-asa-host", "huawei"}


class Grammar:
    """Each method form_NAME() returns the message without PRI, or with it
    where the PRI is what the form is about."""

    def __init__(self, seed):
        self.r = random.Random(seed)

    # The parts.

    def number(self, low, high):
        return self.r.randrange(low, high)

    def host(self):
        return self.r.choice(HOSTS)

    def app(self):
        return self.r.choice(APPS)

    def text(self):
        return "said " + " ".join(self.r.choices(WORDS, k=self.number(1, 6)))

    def pri(self):
        return self.number(0, 192)

    def clock(self):
        return "%02d:%02d:%02d" % (self.number(0, 24), self.number(0, 60),
                                   self.number(0, 60))

    def day(self):
        return self.r.choice(MONTHS), self.number(1, 29)

    def time(self):
        return "%s %2d %s" % (*self.day(), self.clock())

    def year(self):
        return self.number(2020, 2030)

    def iso(self, fraction=6, zone=True):
        return "%d-%02d-%02dT%s%s%s" % (
            self.year(), self.number(1, 13), self.number(1, 29), self.clock(),
            "." + str(self.number(0, 10**fraction)).zfill(fraction)
            if fraction else "",
            self.r.choice(("Z", "+00:00", "-08:00", "+05:30"))
            if zone else "")

    def ipv6(self):
        return self.r.choice((
            lambda: "2001:db8::%x" % self.number(1, 65536),
            lambda: "fe80::%x:%x" % (self.number(1, 65536),
                                     self.number(1, 65536)),
            lambda: ":".join("%x" % self.number(1, 65536)
                             for _ in range(8))))()

    def tag(self):
        return self.r.choice((
            lambda: self.app() + ":",
            lambda: "%s[%d]:" % (self.app(), self.number(1, 99999))))()

    def sd(self):
        def element(name):
            return "[%s%s]" % (name, "".join(
                " %s=\"%s\"" % (key, self.r.choice((
                    "", "1", "a b", "\\\"", "\\]", "\\\\", "ü", "[x", "=")))
                for key in self.r.sample(("a", "b-c", "iut", "x.y"),
                                         self.number(0, 4))))
        return "".join(element(name) for name in self.r.sample(
            ("origin", "exampleSDID@32473", "meta", "a@1"),
            self.number(1, 4)))

    def nil(self, text):
        return self.r.choice(("-", text, text))

    def rfc5424(self, sd, text):
        return "1 %s %s %s %s %s %s%s" % (
            self.iso(self.r.choice((0, 3, 6))), self.nil(self.host()),
            self.nil(self.app()), self.nil(str(self.number(1, 99999))),
            self.nil("ID%d" % self.number(1, 99)), sd, text)

    # RFC 5424.

    def form_rfc5424(self):
        return self.rfc5424("-", " " + self.text())

    def form_rfc5424_sd(self):
        return self.rfc5424(self.sd(), " " + self.text())

    def form_rfc5424_bom(self):
        return self.rfc5424(self.nil(self.sd()), " \ufeff" + self.text())

    def form_rfc5424_no_text(self):
        return self.rfc5424(self.sd(), "")

    def form_rfc5424_nil(self):
        return "1 - - - - - - " + self.text()

    def form_rfc5424_zeros(self):
        return "<0%02d>%s" % (self.number(0, 99), self.form_rfc5424())

    def form_rfc5424_broken_sd(self):
        return self.rfc5424(self.r.choice((
            "[a b=\"c\"", "[a b=c]", "[a b=\"]\"]", "[]", "{}")),
            " " + self.text())

    def form_juniper_sd(self):
        return ("1 %s re0.%s mgd %d UI_COMMIT [junos@2636.1.1.1.2.18 "
                "username=\"root\"] %s" % (self.iso(3), self.host(),
                                           self.number(1, 9999), self.text()))

    # RFC 3164.

    def form_rfc3164(self):
        return "%s %s %s %s" % (self.time(), self.host(), self.tag(),
                                self.text())

    def form_rfc3164_no_tag(self):
        return "%s %s %s" % (self.time(), self.host(), self.text())

    def form_rfc3164_no_host(self):
        return "%s %s %s" % (self.time(), self.tag(), self.text())

    def form_rfc3164_ipv6(self):
        return "%s %s %s %s" % (self.time(), self.ipv6(), self.tag(),
                                self.text())

    def form_rfc3164_ipv6_scope(self):
        return "%s fe80::%x%%eth0 %s %s" % (
            self.time(), self.number(1, 9999), self.tag(), self.text())

    def form_rfc3164_bracket(self):
        return "%s [%s] %s %s" % (self.time(), self.ipv6(), self.tag(),
                                  self.text())

    def form_rfc3164_fraction(self):
        return "%s.%03d %s %s %s" % (self.time(), self.number(0, 1000),
                                     self.host(), self.tag(), self.text())

    def form_rfc3164_iso(self):
        return "%s %s %s %s" % (self.iso(), self.host(), self.tag(),
                                self.text())

    def form_rfc3164_iso_no_zone(self):
        return "%s %s %s %s" % (self.iso(3, zone=False), self.host(),
                                self.tag(), self.text())

    def form_rfc3164_year(self):
        return "%s %2d %d %s %s %s %s" % (
            *self.day(), self.year(), self.clock(), self.host(), self.tag(),
            self.text())

    def form_rfc3164_zeros(self):
        return "<0%02d>%s" % (self.number(0, 99), self.form_rfc3164())

    def form_rfc3164_no_pri(self):
        return "%s %s %s %s" % (self.time(), self.host(), self.tag(),
                                self.text())

    def form_tag_path(self):
        return "%s %s postfix/%s[%d]: %s" % (
            self.time(), self.host(), self.r.choice(("smtpd", "qmgr")),
            self.number(1, 99999), self.text())

    def form_tag_parentheses(self):
        return "%s %s (%s)[%d]: %s" % (self.time(), self.host(), self.app(),
                                       self.number(1, 99999), self.text())

    def form_tag_alone(self):
        return "%s[%d]: %s" % (self.app(), self.number(1, 99999), self.text())

    # What syslog daemons and systems write.

    def form_repeated(self):
        return "%s %s last message repeated %d times" % (
            self.time(), self.host(), self.number(2, 99))

    def form_repeated_no_host(self):
        return "%s last message repeated %d times" % (self.time(),
                                                      self.number(2, 99))

    def form_mark(self):
        return "%s %s -- MARK --" % (self.time(), self.host())

    def form_aix(self):
        return "%s Message forwarded from %s: %s %s" % (
            self.time(), self.host(), self.tag(), self.text())

    def form_solaris(self):
        return "%s %s %s[%d]: [ID %d auth.info] %s" % (
            self.time(), self.host(), self.app(), self.number(1, 9999),
            self.number(1, 999999), self.text())

    def form_esxi(self):
        return "%s %s Hostd[%d]: info hostd[%d] [Originator@6876] %s" % (
            self.iso(3), self.host(), self.number(1, 9999999),
            self.number(1, 9999999), self.text())

    def form_kernel(self):
        return "%s %s kernel: [%5d.%06d] %s" % (
            self.time(), self.host(), self.number(0, 99999),
            self.number(0, 10**6), self.text())

    def form_netconsole(self):
        return "[%5d.%06d] %s" % (self.number(0, 99999),
                                  self.number(0, 10**6), self.text())

    # Network devices.

    def form_cisco_ios(self):
        return "%d: %s%s: %s: %s" % (
            self.number(1, 99999), self.r.choice(("", "*", ".")), self.time(),
            self.r.choice(MNEMONICS), self.text())

    def form_cisco_ios_host(self):
        return "%06d: %s: %s.%03d: %s: %s" % (
            self.number(1, 99999), self.host(), self.time(),
            self.number(0, 1000), self.r.choice(MNEMONICS), self.text())

    def form_cisco_ios_zone(self):
        return "%s.%03d %s: %s: %s" % (
            self.time(), self.number(0, 1000),
            self.r.choice(("UTC", "CET", "EDT")),
            self.r.choice(MNEMONICS), self.text())

    def form_cisco_ios_host_behind(self):
        return "%s router%d: %s: %s" % (self.time(), self.number(1, 9),
                                        self.r.choice(MNEMONICS), self.text())

    def form_cisco_nx_os(self):
        return ": %d %s %s UTC: %s: %s" % (
            self.year(), "%s %2d" % self.day(), self.clock(),
            self.r.choice(MNEMONICS), self.text())

    def form_cisco_ios_xr(self):
        return "%d: %s RP/0/RSP0/CPU0:%s.%03d UTC: config[%d]: %s : %s" % (
            self.number(1, 9999), self.host(), self.time(),
            self.number(0, 1000), self.number(1, 99999),
            self.r.choice(MNEMONICS), self.text())

    def form_cisco_asa(self):
        return "%s %2d %d %s: %%ASA-6-%d: %s" % (
            *self.day(), self.year(), self.clock(),
            self.number(100000, 800000), self.text())

    def form_cisco_asa_host(self):
        return "%s %2d %d %s fw%d : %%ASA-6-%d: %s" % (
            *self.day(), self.year(), self.clock(), self.number(1, 9),
            self.number(100000, 800000), self.text())

    def form_juniper(self):
        return "%s %s mgd[%d]: UI_COMMIT: %s" % (
            self.time(), self.host(), self.number(1, 99999), self.text())

    def form_juniper_year(self):
        return "%s.%03d %d %s mgd[%d]: UI_COMMIT: %s" % (
            self.time(), self.number(0, 1000), self.year(), self.host(),
            self.number(1, 99999), self.text())

    def form_juniper_srx(self):
        return "%s %s (FPC Slot %d, PIC Slot 0) %s" % (
            self.time(), self.host(), self.number(0, 9), self.text())

    def form_huawei(self):
        return "%s %2d %d %s+01:00 %s %%%%01SHELL/5/LOGIN(l): %s" % (
            *self.day(), self.year(), self.clock(), self.host(), self.text())

    def form_palo_alto(self):
        return "%s %s 1,2026/11/20 %s,%06d,TRAFFIC,end,%s" % (
            self.time(), self.host(), self.clock(), self.number(0, 10**6),
            self.text())

    def form_fortigate(self):
        return "date=2026-11-20 time=%s devname=\"%s\" msg=\"%s\"" % (
            self.clock(), self.host(), self.number(1, 99))

    # What is left whole.

    def form_json(self):
        return "{\"level\": \"info\", \"n\": %d, \"msg\": \"ü\"}" % (
            self.number(1, 9999))

    def form_json_no_pri(self):
        return self.form_json()

    def form_json_header(self):
        return "%s %s %s %s" % (self.time(), self.host(), self.tag(),
                                self.form_json())

    def form_json_cee(self):
        return "%s %s @cee: %s" % (self.time(), self.host(), self.form_json())

    def cef(self):
        return "CEF:0|Vendor|Product|1.0|%d|%s|10|src=10.0.0.%d" % (
            self.number(1, 999), "worm stopped", self.number(1, 255))

    def form_cef(self):
        return "%s %s %s" % (self.time(), self.host(), self.cef())

    def form_cef_no_header(self):
        return self.cef()

    def form_leef(self):
        return "%s %s LEEF:1.0|Microsoft|MSExchange|4.0|%d|src=10.0.0.1" % (
            self.time(), self.host(), self.number(1, 99999))

    def form_text(self):
        return self.text()

    def form_text_no_pri(self):
        return self.text()

    def messages(self, n):
        """Yields the name of a form and a message of it, 'n' times."""
        forms = [name for name in dir(self) if name.startswith("form_")]
        for i in range(n):
            form = forms[i % len(forms)]
            message = getattr(self, form)()
            if not form.endswith(("_no_pri", "_zeros")):
                message = "<%d>%s" % (self.pri(), message)
            yield form[5:].replace("_", "-"), message.encode()


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: grammar.py N SEED")
    for _, message in Grammar(int(sys.argv[2])).messages(int(sys.argv[1])):
        sys.stdout.buffer.write(message + b"\n")


if __name__ == "__main__":
    main()
