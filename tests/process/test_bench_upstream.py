"""P13 over TLS: the stub counts the handshakes, and a server that trusts its authority calls it over few of them."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import msgspec
import pytest

from bench import certificates, flows, systems, upstream
from bench.server import Server

CALLS = 40


@pytest.fixture
def trusted(tmp_path: Path) -> certificates.Certificates:
    return certificates.issue(tmp_path)


def serving(home: Path, environment: dict[str, str]) -> Server:
    flow = home / "model"
    flow = flow if flow.exists() else flows.model(flow)
    launch = systems.pfserve(flow, 1, 64, "--admin-port", "0", *upstream.connections_option(home))
    return Server(msgspec.structs.replace(launch, environment=environment))


def test_the_stub_counts_handshakes_of_a_server_that_trusts_it(tmp_path: Path, trusted: certificates.Certificates):
    with upstream.stub_model(tmp_path, 0, trusted) as stub, serving(tmp_path, trusted.trust) as server:
        server.wait_ready()
        before = upstream.stats(stub)
        assert [server.ask("POST", "/score", b'{"text": "hello"}')[0] for _ in range(CALLS)] == [200] * CALLS
        after = upstream.stats(stub)
        assert stub.address.startswith("https://")
        assert after.calls - before.calls == CALLS
        assert after.tls_handshakes - before.tls_handshakes == 1 + 1  # the server's one connection, and who asks


def test_nobody_else_trusts_it(tmp_path: Path, trusted: certificates.Certificates):
    with upstream.stub_model(tmp_path, 0, trusted) as stub, serving(tmp_path, {}) as server:
        server.wait_ready()
        assert server.ask("POST", "/score", b'{"text": "hello"}')[0] >= 400
        assert upstream.stats(stub).calls == 0


def test_a_server_over_tls_is_asked_over_tls(tmp_path: Path, trusted: certificates.Certificates):
    launch = certificates.over_tls(systems.pfserve(flows.awaiting(tmp_path / "flow", 0), 1), trusted)
    with Server(launch) as server:
        server.wait_ready()
        assert server.address == f"https://127.0.0.1:{server.port}"
        assert server.ask("POST", "/score", b'{"text": "hello"}')[0] == 200
        with socket.create_connection(("127.0.0.1", server.port)) as plain, pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1")
