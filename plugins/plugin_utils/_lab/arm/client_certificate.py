# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate that the lab's service principal may log in with, made when the control address is asked for it."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from datetime import UTC, datetime, timedelta

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.x509.oid import NameOID
except ImportError:  # the lab's __main__ says what to install
    x509 = None  # type: ignore[assignment]


class ClientCertificate:
    """A self-signed certificate with its key, as an administrator uploads one to an application."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        now = datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "winops.hotpatch lab principal")])
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        """Key and certificate."""
        key = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return (key + self._certificate.public_bytes(serialization.Encoding.PEM)).decode()

    @property
    def thumbprint(self) -> str:
        return self._certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303  what a thumbprint is

    def has_signed(self, assertion: str) -> bool:
        """Whether a JWT carries its signature (RS256 or PS256)."""
        signed, _dot, signature = assertion.rpartition(".")
        try:
            raw = urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
        except (ValueError, NotBase64):
            return False
        for scheme in (
            padding.PKCS1v15(),
            padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size),
        ):
            try:
                self._key.public_key().verify(raw, signed.encode(), scheme, hashes.SHA256())
            except InvalidSignature:
                continue
            return True
        return False
