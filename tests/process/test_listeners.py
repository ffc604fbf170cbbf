"""Binding the port."""

from __future__ import annotations

import contextlib
import socket

import pytest

from pfserve.errors import PortError
from pfserve.master.listeners import bind, url_of


def test_port_0_is_one_free_port_on_every_address_of_the_host() -> None:
    with contextlib.ExitStack() as end:
        listeners = [end.enter_context(listener) for listener in bind("localhost", 0)]
        ports = {listener.getsockname()[1] for listener in listeners}
        assert len(ports) == 1
        assert all(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 0 for listener in listeners)


def test_the_url_puts_ipv6_addresses_in_brackets() -> None:
    try:
        (listener,) = bind("::1", 0)
    except PortError:
        pytest.skip("no IPv6 here")
    with listener:
        assert url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"


def test_a_port_in_use_is_named_and_nothing_stays_bound() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use") as raised:
            bind("127.0.0.1", port)
    assert raised.value.exit_code == 5


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_a_host_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(PortError, match=f"cannot listen on {host}:"):
        bind(host, 0)
