"""The cluster's own certificate authority: everything trusts it, nothing outside does."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.cluster.harness.places import API_SERVICE, GATEWAY, NODE

LIFETIME = timedelta(days=30)
_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
API_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    NODE,
)
API_ADDRESSES = ("127.0.0.1", GATEWAY, API_SERVICE)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM form, and the administrator's token."""

    folder: Path

    def file(self, name: str) -> Path:
        """``ca.crt``, ``api.crt``, ``api.key``, ``kubelet-client.crt``, ``accounts.key``, ..."""
        return self.folder / name

    @property
    def token(self) -> str:
        """What an administrator shows."""
        return self.file("tokens.csv").read_text().partition(",")[0]

    def make(self) -> None:
        """Write them all, readable by root alone."""
        self.folder.mkdir(parents=True, mode=0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("fogbell-test-ca")
        authority = (
            _builder(name, name, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        self._write("ca.crt", authority.public_bytes(serialization.Encoding.PEM))
        self._sign("api", _name("kube-apiserver"), name, key, server=True)
        self._sign("kubelet-client", _name("kube-apiserver", "system:masters"), name, key)
        accounts = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._write("accounts.key", _private(accounts))
        self._write(
            "accounts.pub",
            accounts.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
        )
        token = secrets.token_urlsafe(32)
        self._write("tokens.csv", f'{token},admin,admin,"system:masters"\n'.encode())

    def _sign(
        self,
        file: str,
        name: x509.Name,
        issuer: x509.Name,
        issuer_key: ec.EllipticCurvePrivateKey,
        *,
        server: bool = False,
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.ExtendedKeyUsage([_SERVER if server else _CLIENT])
        builder = _builder(name, issuer, key).add_extension(usage, critical=False)
        if server:
            names: list[x509.GeneralName] = [x509.DNSName(n) for n in API_NAMES]
            names += [x509.IPAddress(ip_address(a)) for a in API_ADDRESSES]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = builder.sign(issuer_key, hashes.SHA256())
        self._write(f"{file}.crt", signed.public_bytes(serialization.Encoding.PEM))
        self._write(f"{file}.key", _private(key))

    def _write(self, name: str, content: bytes) -> None:
        path = self.file(name)
        path.touch(mode=0o600)
        path.write_bytes(content)


def _name(common: str, organization: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organization:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def _builder(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
    )


def _private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
