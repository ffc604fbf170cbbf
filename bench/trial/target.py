"""The other end before the trial: its address, whether somebody is there, what it says of itself."""

from __future__ import annotations

import contextlib
import http.client
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..mistake import Mistake
from ..workload import Target

RETRY_S = 0.05
KNOCK_WITHIN_S = 3.0  # at one of several addresses
ASK_WITHIN_S = 10.0
SWAGGER_LIMIT_BYTES = 64 << 20
SPARE_FILES = 64
_HELP = "give bodies by --payload or --data"


def resolve(target: Target) -> list[str]:
    """Its numeric addresses: no name is looked up while it is measured. Raises Mistake."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except OSError as problem:
        raise Mistake(f"{target.host}: {problem.strerror or problem}") from problem
    except UnicodeError as problem:
        raise Mistake(f"{target.host!r} is no name of a host: {problem.__cause__ or problem}") from problem
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def wait_for(addresses: Sequence[str], port: int, within_s: float, say: Callable[[str], None]) -> str:
    """The first of its addresses that takes a connection, once one does. Says that it waits. Raises Mistake."""
    deadline_s, is_said = time.monotonic() + within_s, False
    where = f"{' or '.join(addresses)} port {port}"
    while True:
        for address in addresses:
            left_s = min(KNOCK_WITHIN_S, deadline_s - time.monotonic())
            try:
                socket.create_connection((address, port), timeout=max(RETRY_S, left_s)).close()
                return address
            except OSError as problem:
                why = problem.strerror or str(problem)
        if time.monotonic() >= deadline_s:
            raise Mistake(f"nobody answers at {where} within {within_s:g} s: {why}")
        if not is_said:
            say(f"waiting for {where}, at most {within_s:g} s: {why}")
            is_said = True
        time.sleep(RETRY_S)


def check_tls(target: Target, address: str, *, verifies_tls: bool) -> None:
    """Whether it speaks TLS, and is who it says. Raises Mistake."""
    context = _context(verifies_tls=verifies_tls)
    try:
        with (
            socket.create_connection((address, target.port), timeout=ASK_WITHIN_S) as plain,
            context.wrap_socket(plain, server_hostname=target.host),
        ):
            pass
    except ssl.SSLCertVerificationError as problem:
        why = f"its certificate is not trusted: {problem.verify_message}; --insecure takes any"
        raise Mistake(f"{target.authority}: {why}") from problem
    except OSError as problem:
        why = problem.reason if isinstance(problem, ssl.SSLError) else problem.strerror or str(problem)
        raise Mistake(f"{target.authority}: no TLS handshake: {why}; is it an http:// address?") from problem


def swagger(target: Target, address: str, headers: tuple[tuple[str, str], ...], *, verifies_tls: bool) -> bytes:
    """Its /swagger.json. Raises Mistake."""
    context = _context(verifies_tls=verifies_tls)
    connection = (
        http.client.HTTPSConnection(target.host, target.port, timeout=ASK_WITHIN_S, context=context)
        if target.tls
        else http.client.HTTPConnection(address, target.port, timeout=ASK_WITHIN_S)
    )
    told = {"Host": target.authority.encode(), **{name: value.encode() for name, value in headers}}
    try:
        connection.connect()
        with _patience(connection.sock):
            connection.request("GET", "/swagger.json", headers=told)
            reply = connection.getresponse()
            body = reply.read(SWAGGER_LIMIT_BYTES + 1)
    except (OSError, http.client.HTTPException) as problem:
        raise Mistake(f"{target.authority}: GET /swagger.json failed: {problem!r}; {_HELP}") from problem
    finally:
        connection.close()
    if reply.status != 200:
        raise Mistake(f"{target.authority}: GET /swagger.json gave {reply.status}; {_HELP}")
    if len(body) > SWAGGER_LIMIT_BYTES:
        raise Mistake(f"{target.authority}: /swagger.json is longer than {SWAGGER_LIMIT_BYTES:,} bytes; {_HELP}")
    return body


def _context(*, verifies_tls: bool) -> ssl.SSLContext:
    return ssl.create_default_context() if verifies_tls else ssl._create_unverified_context()


@contextlib.contextmanager
def _patience(connection: socket.socket) -> Iterator[None]:
    """The connection ends if the whole takes too long: its own timeout begins anew with every byte."""
    ends = threading.Timer(ASK_WITHIN_S, connection.shutdown, [socket.SHUT_RDWR])
    ends.start()
    try:
        yield
    finally:
        ends.cancel()


def check_limits(connections: int) -> None:
    """Whether the machine can hold so many. Raises Mistake."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if connections + SPARE_FILES > files:
        raise Mistake(
            f"--connections {connections}: a process may open {files:,} files here; take fewer, or raise ulimit -n"
        )
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    if connections > high - low + 1:
        raise Mistake(f"--connections {connections}: the machine has {high - low + 1:,} ephemeral ports for one target")
