"""TLS of the main port: certificate and key, read once by each leader, so that a reload reads them again."""

from __future__ import annotations

import ssl

from pfserve.config import ServeConfig
from pfserve.errors import ConfigError

HANDSHAKE_S = 10.0
"""How long a client may take for its handshake."""

SHUTDOWN_S = 3600.0
"""How long the end of a connection may take: longer than it ever does, for the web room sees to slow clients."""

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_KEY = b"PRIVATE KEY-----"


def load_tls(config: ServeConfig) -> ssl.SSLContext | None:
    """The context of all connections that come over TCP; None without a certificate.

    TLS 1.2 and newer, with Python's defaults of ciphers. The key may be in the file of the certificate.

    Raises:
        ConfigError: a file cannot be used; names it.
    """
    cert, key = config.tls_cert, config.tls_key or config.tls_cert
    if not cert:
        if config.tls_key:
            raise _problem(config, "tls_key", "a key without a certificate; --tls-cert gives that")
        return None
    _look(config, "tls_cert", _CERTIFICATE, "a certificate in PEM form")
    _look(config, "tls_key" if config.tls_key else "tls_cert", _KEY, "a private key in PEM form")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, password=_refuse)
    except _Encrypted:
        name = "tls_key" if config.tls_key else "tls_cert"
        raise _problem(config, name, "the key is encrypted, and nobody is there to type its password") from None
    except ssl.SSLError as problem:
        reason = (problem.reason or str(problem)).lower().replace("_", " ")
        raise _problem(config, "tls_cert", f"cannot be used with the key of {key}: {reason}") from None
    return context


class _Encrypted(Exception):
    """The key needs a password."""


def _refuse() -> str:
    raise _Encrypted


def _look(config: ServeConfig, name: str, mark: bytes, what: str) -> None:
    try:
        with open(getattr(config, name), "rb") as file:
            found = mark in file.read()
    except OSError as problem:
        raise _problem(config, name, f"cannot be read: {problem.strerror}") from None
    if not found:
        raise _problem(config, name, f"expected a file with {what}")


def _problem(config: ServeConfig, name: str, problem: str) -> ConfigError:
    return ConfigError(name, getattr(config, name), config.origins.get(name, "default"), problem)
