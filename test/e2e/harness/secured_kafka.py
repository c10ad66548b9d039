"""A private Apache Kafka with a second listener: SCRAM over TLS, with keys made for it."""

import subprocess

from .kafka import Broker
from .processes import free_port

USER = "shop"
PASSWORD = "correct horse"

LISTENER = """\
listeners=PLAINTEXT://127.0.0.1:{port},SECURED://127.0.0.1:{secured_port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SECURED://127.0.0.1:{secured_port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURED:SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secured.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={keys}
"""


class SecuredBroker(Broker):
    """`secured`: the listener's address, `authority`: the certificate that its own is signed by."""

    def __init__(self, folder):
        super().__init__(folder)
        self.secured_port = free_port()
        self.secured = f"127.0.0.1:{self.secured_port}"
        self.authority = self.folder / "authority.pem"

    def settings(self, controller_port):
        keys = self._make_keys()
        return super().settings(controller_port) + LISTENER.format(
            port=self.port,
            secured_port=self.secured_port,
            controller_port=controller_port,
            keys=keys,
        )

    def format_arguments(self):
        return ["--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"]

    def _make_keys(self):
        """An authority, and a key and certificate of the broker's own in one file."""
        key, request = self.folder / "broker.key", self.folder / "broker.csr"
        certificate, extensions = self.folder / "broker.pem", self.folder / "extensions"
        extensions.write_text("subjectAltName=IP:127.0.0.1\n")
        authority_key = self.folder / "authority.key"
        new_key = ["-newkey", "rsa:2048", "-nodes"]
        self._openssl(
            "req", "-x509", *new_key, "-days", "2", "-subj", "/CN=Authority",
            "-keyout", authority_key, "-out", self.authority,
        )  # fmt: skip
        self._openssl("req", *new_key, "-subj", "/CN=broker", "-keyout", key, "-out", request)
        self._openssl(
            "x509", "-req", "-in", request, "-days", "2", "-extfile", extensions,
            "-CA", self.authority, "-CAkey", authority_key, "-CAcreateserial",
            "-out", certificate,
        )  # fmt: skip
        both = self.folder / "broker-keys.pem"
        both.write_text(key.read_text() + certificate.read_text())
        return both

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
