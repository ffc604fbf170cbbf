"""A certificate and its key, as a server needs them. Imported only by who serves HTTPS: it brings OpenSSL along."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import msgspec

from pfserve.errors import ConfigError

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_KEY = b"PRIVATE KEY-----"


def load_tls(tls_cert: str, tls_key: str, origins: Mapping[str, str]) -> ssl.SSLContext | None:
    """The context of connections that come over TCP; None without a certificate. ``origins``: where each came from.

    TLS 1.2 and newer, with Python's defaults of ciphers. The key may be in the file of the certificate.

    Raises:
        ConfigError: a file cannot be used; names it.
    """
    given = _Given(tls_cert, tls_key, origins)
    if not tls_cert:
        if tls_key:
            raise given.problem("tls_key", "a key without a certificate; --tls-cert gives that")
        return None
    given.look("tls_cert", _CERTIFICATE, "a certificate in PEM form")
    given.look(given.key_name, _KEY, "a private key in PEM form")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    key = tls_key or tls_cert
    try:
        context.load_cert_chain(tls_cert, key, password=_refuse)
    except _Encrypted:
        raise given.problem(given.key_name, "the key is encrypted, and nobody is there to type its password") from None
    except ssl.SSLError as refusal:
        reason = (refusal.reason or str(refusal)).lower().replace("_", " ")
        raise given.problem("tls_cert", f"cannot be used with the key of {key}: {reason}") from None
    return context


class _Given(msgspec.Struct, frozen=True):
    """The two settings."""

    tls_cert: str
    tls_key: str
    origins: Mapping[str, str]

    @property
    def key_name(self) -> str:
        """The setting whose file has the key."""
        return "tls_key" if self.tls_key else "tls_cert"

    def look(self, name: str, mark: bytes, what: str) -> None:
        """Raise unless the file of a setting has ``mark`` in it."""
        try:
            with open(getattr(self, name), "rb") as file:
                found = mark in file.read()
        except OSError as problem:
            raise self.problem(name, f"cannot be read: {problem.strerror}") from None
        if not found:
            raise self.problem(name, f"expected a file with {what}")

    def problem(self, name: str, text: str) -> ConfigError:
        """An error that names the setting, its value and where that came from."""
        return ConfigError(name, getattr(self, name), self.origins.get(name, "default"), text)


class _Encrypted(Exception):
    """The key needs a password."""


def _refuse() -> str:
    raise _Encrypted
