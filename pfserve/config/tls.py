"""A certificate and its key, as a server needs them. Imported only by who serves HTTPS: it brings OpenSSL along."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from pfserve.errors import ConfigError

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_KEY = b"PRIVATE KEY-----"


def load_tls(tls_cert: str, tls_key: str, origins: Mapping[str, str]) -> ssl.SSLContext | None:
    """The context of connections that come over TCP; None without a certificate. ``origins``: where each came from.

    TLS 1.2 and newer, with Python's defaults of ciphers. The key may be in the file of the certificate.

    Raises:
        ConfigError: a file cannot be used; names it.
    """

    def problem(name: str, text: str) -> ConfigError:
        value = tls_cert if name == "tls_cert" else tls_key
        return ConfigError(name, value, origins.get(name, "default"), text)

    def look(name: str, file: str, mark: bytes, what: str) -> None:
        if trouble := _trouble(file, mark, what):
            raise problem(name, trouble)

    if not tls_cert:
        if tls_key:
            raise problem("tls_key", "a key without a certificate; --tls-cert gives that")
        return None
    key_name = "tls_key" if tls_key else "tls_cert"
    look("tls_cert", tls_cert, _CERTIFICATE, "a certificate in PEM form")
    look(key_name, tls_key or tls_cert, _KEY, "a private key in PEM form")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(tls_cert, tls_key or tls_cert, password=_refuse)
    except _Encrypted:
        raise problem(key_name, "the key is encrypted, and nobody is there to type its password") from None
    except ssl.SSLError as refusal:
        reason = (refusal.reason or str(refusal)).lower().replace("_", " ")
        raise problem("tls_cert", f"cannot be used with the key of {tls_key or tls_cert}: {reason}") from None
    return context


class _Encrypted(Exception):
    """The key needs a password."""


def _refuse() -> str:
    raise _Encrypted


def _trouble(file: str, mark: bytes, what: str) -> str:
    """What is wrong with a file that should have ``mark`` in it; "" if nothing."""
    try:
        with open(file, "rb") as opened:
            return "" if mark in opened.read() else f"expected a file with {what}"
    except OSError as problem:
        return f"cannot be read: {problem.strerror}"
