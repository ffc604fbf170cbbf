"""HTTPS: what a certificate may be, and how connections that cannot change their process live through a reload."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from eventually import eventually
from instance import Instance, instance, write_flow
from load import REQUEST, Client


class Certificates:
    """Of an authority of our own, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.folder = folder
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.renew()

    def renew(self) -> None:
        issued = self.authority.issue_cert("127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(self.cert)
        issued.private_key_pem.write_to_path(self.key)

    def flags(self) -> tuple[str, str]:
        return f"--tls-cert={self.cert}", f"--tls-key={self.key}"

    def client(self, port: int) -> Client:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return Client(port, context)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "flow")


@contextlib.contextmanager
def serving(flow: Path, certificates: Certificates, *flags: str) -> Iterator[tuple[Instance, int]]:
    with instance(flow, *certificates.flags(), *flags) as server:
        yield server.ready(), server.port


def ask(client: Client) -> int:
    client.send(REQUEST)
    return client.answer()


def test_https_is_served_with_modern_versions_and_http_1_1_only(flow: Path, certificates: Certificates) -> None:
    with serving(flow, certificates) as (server, port):
        assert f"serving on https://127.0.0.1:{port}" in server.log()
        context = ssl.create_default_context()
        certificates.authority.configure_trust(context)
        context.set_alpn_protocols(["h2", "http/1.1"])
        client = Client(port, context)
        assert [ask(client) for _ in range(5)] == [200] * 5
        assert client.socket.selected_alpn_protocol() == "http/1.1"
        assert client.socket.version() in ("TLSv1.2", "TLSv1.3")
        client.close()
        old = ssl.create_default_context()
        certificates.authority.configure_trust(old)
        with pytest.warns(DeprecationWarning):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, OSError)):
            Client(port, old)
        assert server.stop() == 0


def test_the_key_may_be_in_the_file_of_the_certificate(flow: Path, certificates: Certificates) -> None:
    both = certificates.folder / "both.pem"
    both.write_bytes(certificates.key.read_bytes() + certificates.cert.read_bytes())
    with instance(flow, f"--tls-cert={both}") as server:
        client = certificates.client(server.ready().port)
        assert ask(client) == 200
        client.close()


def test_who_speaks_no_tls_or_nothing_hurts_nobody(flow: Path, certificates: Certificates) -> None:
    with serving(flow, certificates, "--expose-admin") as (server, port):
        silent = [Client(port) for _ in range(20)]
        for _ in range(20):
            plain = Client(port)
            plain.send(REQUEST)
            with contextlib.suppress(ConnectionResetError):
                assert b"HTTP/1.1 200" not in plain.socket.recv(1000)
            plain.close()
        client = certificates.client(port)
        assert ask(client) == 200

        def counted() -> bool:
            client.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            return client.answer() == 200 and b"pfserve_tls_handshakes_failed_total 20\n" in client.body

        eventually(counted, within_s=5, why="they should be counted")
        client.close()
        assert "ERROR" not in server.log() and "handshake" not in server.log(), "a scan of ports must not fill the log"
        server.signal(signal.SIGTERM)
        assert server.exit_code(within_s=5) == 0, "silent connections do not hold up the stop"
        for one in silent:
            one.close()


def test_a_reload_reads_the_certificate_again_and_closes_tls_connections_after_an_answer(
    flow: Path, certificates: Certificates
) -> None:
    with serving(flow, certificates) as (server, port), contextlib.closing(certificates.client(port)) as client:
        first = client.socket.getpeercert(binary_form=True)
        assert ask(client) == 200
        certificates.renew()
        server.signal(signal.SIGHUP)
        server.ready(generation=2)

        def is_told_to_leave() -> bool:
            assert ask(client) == 200, "it is served on where it is"
            return b"connection: close" in client.head.lower()

        eventually(is_told_to_leave, within_s=5, why="an answer of the old generation should be the last one")
        assert client.socket.recv(1) == b""
        eventually(lambda: "generation 1: ended" in server.log(), within_s=10, why="nothing is left to serve")
        again = certificates.client(port)
        assert ask(again) == 200
        assert again.socket.getpeercert(binary_form=True) != first
        again.close()
        certificates.key.write_text("nothing")
        server.signal(signal.SIGHUP)
        eventually(lambda: "the one before goes on" in server.log(), within_s=10, why="a bad key is no generation")
        assert str(certificates.key) in server.log()
        assert server.stop() == 0


def encrypted(certificates: Certificates) -> None:
    plain = certificates.folder / "plain.pem"
    shutil.copy(certificates.key, plain)
    command = ["openssl", "rsa", "-aes256", "-passout", "pass:x", "-in", str(plain), "-out", str(certificates.key)]
    if subprocess.run(command, capture_output=True, timeout=20, check=False).returncode:
        command[1] = "ec"
        command.insert(2, "-aes256")
        command.remove("-aes256")
        subprocess.run(command, capture_output=True, timeout=20, check=True)


def swapped(certificates: Certificates) -> None:
    certificates.authority.issue_cert("127.0.0.1").private_key_pem.write_to_path(certificates.key)


def garbled(certificates: Certificates) -> None:
    certificates.cert.write_text("-----BEGIN CERTIFICATE-----\nnot base64 at all\n-----END CERTIFICATE-----\n")


BAD = {
    "no certificate in it": (lambda c: c.cert.write_text("hello"), "cert.pem", "a certificate in PEM form"),
    "no key in it": (lambda c: c.key.write_text("hello"), "key.pem", "a private key in PEM form"),
    "a folder": (lambda c: (c.key.unlink(), c.key.mkdir()), "key.pem", "cannot be read: Is a directory"),
    "of another certificate": (swapped, "key.pem", "key values mismatch"),
    "encrypted": (encrypted, "key.pem", "encrypted"),
    "garbled": (garbled, "cert.pem", "cannot be used"),
    "not there": (lambda c: c.cert.unlink(), "cert.pem", "is not there"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_told_with_its_file(name: str, flow: Path, certificates: Certificates) -> None:
    spoil, file, reason = BAD[name]
    spoil(certificates)
    with instance(flow, *certificates.flags()) as server:
        assert server.exit_code() == 2, server.log()
        assert str(certificates.folder / file) in server.log() and reason in server.log()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_key_that_may_not_be_read(flow: Path, certificates: Certificates) -> None:
    certificates.key.chmod(0)
    with instance(flow, *certificates.flags()) as server:
        assert server.exit_code() == 2
        assert "cannot be read: Permission denied" in server.log()


def test_a_key_alone_is_a_mistake(flow: Path, certificates: Certificates) -> None:
    with instance(flow, f"--tls-key={certificates.key}") as server:
        assert server.exit_code() == 2
        assert "a key without a certificate" in server.log()


def test_a_client_that_vanishes_within_its_handshake_is_uncounted(flow: Path, certificates: Certificates) -> None:
    with serving(flow, certificates) as (server, port):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port)) as vanishing:
                vanishing.sendall(b"\x16\x03\x01")
        client = certificates.client(port)
        assert ask(client) == 200
        client.close()
        server.signal(signal.SIGHUP)
        server.ready(generation=2)
        eventually(lambda: "generation 1: ended" in server.log(), within_s=15, why="no connection should be left")
        assert server.stop() == 0
