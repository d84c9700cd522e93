# SPDX-License-Identifier: Apache-2.0
"""A certificate authority in a directory, for one test. EC keys: an RSA key can take a second."""

import pathlib
import subprocess

_EXTENSIONS = """keyUsage=critical,digitalSignature
extendedKeyUsage=clientAuth,serverAuth
"""


def _openssl(*args, stdin=b""):
    done = subprocess.run(["openssl", *map(str, args)], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    assert done.returncode == 0, f"openssl {args[0]}: {done.stderr.decode()}"
    return done.stdout


class Pki:
    """Files NAME.crt and NAME.key, signed by ca.crt."""

    def __init__(self, directory, name="kube-test-ca"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o700, parents=True)
        self.ca = self.directory / "ca.crt"
        self.key("ca")
        _openssl("req", "-x509", "-new", "-key", self.directory / "ca.key", "-subj", f"/CN={name}",
                 "-days", 30, "-out", self.ca, "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature")

    def key(self, name):
        """A private key, and its public half as NAME.pub."""
        path = self.directory / f"{name}.key"
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
        path.chmod(0o600)
        return path

    def public(self, name):
        path = self.directory / f"{name}.pub"
        _openssl("ec", "-in", self.directory / f"{name}.key", "-pubout", "-out", path)
        return path

    def issue(self, name, subject, alt="", days=30):
        """(certificate, key). subject as '/O=…/CN=…', alt as 'DNS:localhost,IP:127.0.0.1'."""
        key, cert = self.key(name), self.directory / f"{name}.crt"
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        extensions.write_text(_EXTENSIONS + (f"subjectAltName={alt}\n" if alt else ""))
        _openssl("req", "-new", "-key", key, "-subj", subject, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.directory / "ca.key",
                 "-CAcreateserial", "-days", days, "-out", cert, "-extfile", extensions)
        request.unlink()
        extensions.unlink()
        return cert, key
