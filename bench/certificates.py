"""A throwaway authority and a certificate of 127.0.0.1 that it signed: for servers that a measurement asks over TLS."""

from __future__ import annotations

from pathlib import Path

import msgspec

from .server import Launch


class Certificates(msgspec.Struct, frozen=True):
    """The PEM files."""

    authority: Path
    cert: Path
    key: Path

    @property
    def trust(self) -> dict[str, str]:
        """The environment of a program that is to trust the authority, and nobody else."""
        return {"SSL_CERT_FILE": str(self.authority)}


def issue(folder: Path) -> Certificates:
    """Make them, in ``folder``. Raises RuntimeError if the library that does it is not there."""
    try:
        import trustme
    except ImportError:
        raise RuntimeError("P1 and P13 make a certificate: pip install 'pfserve[bench]'") from None
    issuer = trustme.CA()
    issued = issuer.issue_cert("127.0.0.1")
    made = Certificates(folder / "authority.pem", folder / "cert.pem", folder / "key.pem")
    issuer.cert_pem.write_to_path(made.authority)
    issued.cert_chain_pems[0].write_to_path(made.cert)
    issued.private_key_pem.write_to_path(made.key)
    return made


def over_tls(launch: Launch, certificates: Certificates) -> Launch:
    """The same over HTTPS: ``pfserve serve`` and ``pfserve stub-llm`` have the same words for it."""
    more = "--tls-cert", str(certificates.cert), "--tls-key", str(certificates.key)
    argv = (*launch.argv, *more)
    return msgspec.structs.replace(
        launch, system=f"{launch.system}, TLS", argv=argv, authority=str(certificates.authority)
    )
