"""The other end before the trial: its address, whether somebody is there, what it says of itself."""

from __future__ import annotations

import http.client
import resource
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path

from ..mistake import Mistake
from ..workload import Target

RETRY_S = 0.05
ASK_WITHIN_S = 10.0
SPARE_FILES = 64


def resolve(target: Target) -> list[str]:
    """Its numeric addresses: no name is looked up while it is measured. Raises Mistake."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except OSError as problem:
        raise Mistake(f"{target.host}: {problem.strerror or problem}") from problem
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def wait_for(addresses: Sequence[str], port: int, within_s: float) -> str:
    """The first of its addresses that takes a connection, once one does. Raises Mistake."""
    deadline_s = time.monotonic() + within_s
    while True:
        for address in addresses:
            try:
                socket.create_connection((address, port), timeout=max(RETRY_S, deadline_s - time.monotonic())).close()
                return address
            except OSError as problem:
                why = problem.strerror or str(problem)
        if time.monotonic() >= deadline_s:
            raise Mistake(f"nobody answers at {' or '.join(addresses)} port {port} within {within_s:g} s: {why}")
        time.sleep(RETRY_S)


def swagger(target: Target, address: str, headers: tuple[tuple[str, str], ...], *, verifies_tls: bool) -> bytes:
    """Its /swagger.json. Raises Mistake."""
    context = ssl.create_default_context() if verifies_tls else ssl._create_unverified_context()
    connection = (
        http.client.HTTPSConnection(target.host, target.port, timeout=ASK_WITHIN_S, context=context)
        if target.tls
        else http.client.HTTPConnection(address, target.port, timeout=ASK_WITHIN_S)
    )
    try:
        connection.request("GET", "/swagger.json", headers={"Host": target.authority, **dict(headers)})
        reply = connection.getresponse()
        body = reply.read()
    except (OSError, http.client.HTTPException) as problem:
        raise Mistake(
            f"{target.authority}: GET /swagger.json failed: {problem!r}; give bodies by --payload"
        ) from problem
    finally:
        connection.close()
    if reply.status != 200:
        raise Mistake(f"{target.authority}: GET /swagger.json gave {reply.status}; give bodies by --payload or --data")
    return body


def check_limits(connections: int) -> None:
    """Whether the machine can hold so many. Raises Mistake."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if connections + SPARE_FILES > files:
        raise Mistake(f"--connections {connections}: a process may open {files:,} files here (ulimit -n)")
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    if connections > high - low + 1:
        raise Mistake(f"--connections {connections}: the machine has {high - low + 1:,} ephemeral ports for one target")
