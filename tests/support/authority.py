"""Certificates for servers of tests, signed by an authority that nobody else trusts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """A certificate authority. certificate: the file with its own, for DATABASE_CA."""

    def __init__(self, name: str, directory: Path) -> None:
        self._name, self._key = x509_name(name), ec.generate_private_key(ec.SECP256R1())
        own = self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        self.certificate = directory / f"{name}.crt"
        self.certificate.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def certify(self, host: str, directory: Path, *, days: int = 1) -> None:
        """Write server.crt and server.key for a host. days: from now until the certificate ends; negative, it has."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        certificate = self._signed(x509_name(host), key, names, days=days)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (directory / "server.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (directory / "server.key").touch(mode=0o600)
        (directory / "server.key").write_bytes(key.private_bytes(*form))

    def _signed(self, name: x509.Name, key: Any, extension: x509.ExtensionType, *, days: int = 1) -> x509.Certificate:
        ends = datetime.now(UTC) + timedelta(days=days)
        certificate = x509.CertificateBuilder(self._name, name, key.public_key(), x509.random_serial_number())
        certificate = certificate.not_valid_before(ends - timedelta(days=2)).not_valid_after(ends)
        return certificate.add_extension(extension, critical=True).sign(self._key, hashes.SHA256())


def x509_name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
