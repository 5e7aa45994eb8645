# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests, made by openssl: good ones, expired ones, and of
whatever name."""

import os
import subprocess

CA_CONF = """
[ca]
default_ca = this
[this]
dir = {dir}
database = {dir}/index
serial = {dir}/serial
new_certs_dir = {dir}
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
"""


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


class Ca:
    """A certification authority in a directory of its own."""

    def __init__(self, directory, name):
        self.dir = os.path.join(directory, name)
        os.mkdir(self.dir)
        self.conf = os.path.join(self.dir, "conf")
        with open(self.conf, "w") as f:
            f.write(CA_CONF.format(dir=self.dir))
        open(os.path.join(self.dir, "index"), "w").close()
        with open(os.path.join(self.dir, "serial"), "w") as f:
            f.write("1000")
        self.key = os.path.join(self.dir, "ca.key")
        self.cert = os.path.join(self.dir, "ca.pem")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-config", self.conf,
                "-keyout", self.key, "-out", self.cert, "-days", "30",
                "-subj", "/CN=" + name, "-addext",
                "basicConstraints=critical,CA:TRUE")

    def issue(self, name, san, start="20200101000000Z",
              end="20490101000000Z", self_signed=False):
        """Returns the paths of a certificate and its key."""
        key, csr, cert = (os.path.join(self.dir, name + s)
                          for s in (".key", ".csr", ".pem"))
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-config", self.conf,
                "-keyout", key, "-out", csr, "-subj", "/CN=" + name,
                "-addext", "subjectAltName=" + san)
        os.chmod(key, 0o600)
        signer = (["-selfsign", "-keyfile", key] if self_signed else
                  ["-keyfile", self.key, "-cert", self.cert])
        openssl("ca", "-batch", "-notext", "-config", self.conf, *signer,
                "-startdate", start, "-enddate", end, "-in", csr,
                "-out", cert)
        return cert, key


def make_certificates(place, names, strangers=()):
    """A CA, and a certificate signed by it for each of 'names', as NAME.pem
    and NAME.key; and a CA that nobody should believe, with certificates for
    'strangers'.  The CAs' own are ca.pem and other.pem."""
    for authority, subjects in (("ca", names), ("other", strangers)):
        ca = Ca(place.dir, authority)
        os.replace(ca.cert, place.path(authority + ".pem"))
        ca.cert = place.path(authority + ".pem")
        for name in subjects:
            for path in ca.issue(name, "DNS:" + name):
                os.replace(path, place.path(os.path.basename(path)))
