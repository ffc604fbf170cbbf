"""Bad input against a real server: each gets its status, code and message, and the next request is served.

What a client can send is tried against one server; every case ends with a good request over the same connection where
the server keeps it, and with all workers still the ones that were there.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventually import eventually
from serving import Server, serving, start, write_flow

TOOL = """
import asyncio, sys, time
from promptflow.core import tool

@tool
def work(text: str, n: int = 0) -> str:
    if text == "raise":
        raise ValueError("boom")
    if text == "exit":
        sys.exit("bye")
    if text == "interrupt":
        raise KeyboardInterrupt
    if text == "set":
        return {1, 2}
    if text == "sleep":
        time.sleep(0.3)
    return f"{text}/{n}"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flow = write_flow(
        tmp_path_factory.mktemp("flows") / "bad",
        TOOL,
        inputs="text: {type: string}, n: {type: int, default: 0}",
        wiring="{text: '${inputs.text}', n: '${inputs.n}'}",
    )
    with serving(flow, "--workers", "2", "--body-limit-mb", "1") as running:
        yield running


@pytest.fixture(autouse=True)
def _the_workers_live_and_serve(server: Server) -> Iterator[None]:
    yield
    assert server.score({"text": "next"}).json == {"answer": "next/0"}
    assert "exited" not in server.log, "a worker was lost"
    assert "by a bug" not in server.log, "bad input is no bug"


def code_and_message(server: Server, body: bytes | str, status: int = 400) -> tuple[str, str]:
    answer = server.ask(body=body)
    assert answer.status == status, answer
    return answer.error


BODIES = {
    "malformed": (
        b'{"text": ',
        "Promptflow executor received non json data, but there's more than 1 input fields, please use json request "
        "data instead.",
    ),
    "empty": (
        b"",
        "Promptflow executor received non json data, but there's more than 1 input fields, please use json request "
        "data instead.",
    ),
    "missing": (b'{"n": 1}', "Required input fields ['text'] are missing in request data {'n': 1}"),
    "wrong type": (
        b'{"text": "a", "n": "abc"}',
        "The input for flow is incorrect. The value for flow input 'n' does not match the expected type 'int'. Please "
        "change flow input type or adjust the input value in your input data.",
    ),
    "raises": (b'{"text": "raise"}', "Execution failure in 'work': (ValueError) boom"),
    "exits": (b'{"text": "exit"}', "Execution failure in 'work': (SystemExit) bye"),
    "interrupts": (b'{"text": "interrupt"}', "Tool execution is canceled because: Received cancel request.."),
    "unserialisable": (
        b'{"text": "set"}',
        "The output 'answer' for flow is incorrect. The output value is not JSON serializable. JSON dump failed: "
        "(TypeError) Object of type set is not JSON serializable. Please verify your flow output and make sure the "
        "value serializable.",
    ),
}


def test_the_log_says_where_the_flows_code_raised(server: Server) -> None:
    server.score({"text": "raise"})
    eventually(lambda: 'raise ValueError("boom")' in server.log, within_s=5, why="no stack for the flow's author")


@pytest.mark.parametrize("name", BODIES)
def test_what_a_body_can_do_wrong(server: Server, name: str) -> None:
    body, message = BODIES[name]
    assert code_and_message(server, body) == ("UserError", message)


@pytest.mark.parametrize("body", [b"[1, 2]", b"5", b"null", b"true", b'"text"'])
def test_json_that_is_no_object_is_told_clearly(server: Server, body: bytes) -> None:
    code, message = code_and_message(server, body)
    assert code == "UserError"
    assert "object" in message or "Required input fields" in message
    assert not re.search(r"iterable|dictionary update|NoneType'", message), "Python's own words"


def test_bytes_that_are_no_text(server: Server) -> None:
    code, message = code_and_message(server, b'{"text": "\xff\xfe\xfa"}')
    assert code == "UserError"
    assert message


def test_a_deeply_nested_body(server: Server) -> None:
    depth = 200_000
    code, message = code_and_message(server, b'{"text": ' + b"[" * depth + b"]" * depth + b"}")
    assert code == "UserError"
    assert len(message) < 2000


def test_a_huge_body(server: Server) -> None:
    code, message = code_and_message(server, b'{"text": "' + b"x" * 1_500_000 + b'"}', 413)
    assert code == "PayloadTooLarge"
    assert "1000000" in message


def test_a_missing_field_message_is_bounded(server: Server) -> None:
    _, message = code_and_message(server, json.dumps({"other": "x" * 500_000}))
    assert message.startswith("Required input fields ['text'] are missing in request data {'other': 'xxx")
    assert len(message) < 20_000


# -- Clients that do not behave --------------------------------------------------------------------


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def received(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_a_header_block_without_end(server: Server) -> None:
    with connect(server) as client:
        try:
            for _ in range(64):
                client.sendall(b"X-Filler: " + b"y" * 1000 + b"\r\n" if _ else b"POST /score HTTP/1.1\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = received(client)
    assert answer.startswith(b"HTTP/1.1 431")


def test_vanished_clients_are_forgotten(server: Server) -> None:
    for _ in range(20):
        client = connect(server)
        client.sendall(b'POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n{"text": "sleep"}')
        client.close()
    for _ in range(20):
        client = connect(server)
        client.sendall(b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
        client.close()
    eventually(
        lambda: [server.score({"text": "a"}).status for _ in range(12)] == [200] * 12,
        within_s=10,
        why="places were lost to clients that are gone",
    )


def test_a_half_closing_client_is_taken_as_gone(server: Server) -> None:
    with connect(server) as client:
        client.sendall(b'POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n{"text": "sleep"}')
        client.shutdown(socket.SHUT_WR)
        assert received(client) == b""


def test_slow_clients_hold_no_place(server: Server) -> None:
    """More half-sent requests than the instance may hold, and the instance still serves."""
    clients = [connect(server) for _ in range(15)]
    try:
        for client in clients:
            client.sendall(b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
        assert [server.score({"text": "a"}).status for _ in range(5)] == [200] * 5
    finally:
        for client in clients:
            client.close()


# -- Full ------------------------------------------------------------------------------------------


def test_a_full_instance_refuses_and_recovers(tmp_path: Path) -> None:
    """Exactly C are inside, whichever workers hold them; the others read 429 with Retry-After, and know why."""
    tool = TOOL.replace("0.3", "1.0")
    flow = write_flow(tmp_path / "full", tool)
    with serving(flow, "--workers", "2", "--threads", "4", "--max-concurrent-requests", "3") as full:
        clients = [connect(full) for _ in range(9)]
        for client in clients:
            client.sendall(b'POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n{"text": "sleep"}')
        statuses = sorted(client.recv(4096).split(b" ")[1] for client in clients)
        for client in clients:
            client.close()
        assert statuses == [b"200"] * 3 + [b"429"] * 6
        refused = [connect(full) for _ in range(4)]
        for client in refused:
            client.sendall(b'POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n{"text": "sleep"}')
        heads = [client.recv(4096) for client in refused]
        [told] = [head for head in heads if b" 429 " in head]
        assert int(re.search(rb"(?i)\r\nretry-after: (\d+)\r\n", told)[1]) >= 1  # type: ignore[index]
        assert float(re.search(rb"(?i)\r\nretry-after-ms: (\d+)\r\n", told)[1]) > 0  # type: ignore[index]
        assert b"3 requests" in told
        assert b"--max-concurrent-requests" in told
        for client in refused:
            client.close()
        eventually(lambda: full.score({"text": "a"}).status == 200, within_s=5, why="the places were not given back")


def test_a_request_that_hangs_is_answered_and_its_worker_replaced(tmp_path: Path) -> None:
    tool = "import time\n" + ECHO_OR_HANG
    flow = write_flow(tmp_path / "hang", tool)
    with serving(flow, "--workers", "1", "--request-timeout-ms", "400", "--stuck-after-s", "2") as running:
        answer = running.score({"text": "hang"})
        assert (answer.status, answer.error[0]) == (408, "RequestTimeout")
        eventually(
            lambda: running.score({"text": "a"}).json == {"answer": "a"},
            within_s=15,
            why="a hanging thread keeps the server from serving",
        )


ECHO_OR_HANG = """
from promptflow.core import tool

@tool
def work(text: str) -> str:
    if text == "hang":
        time.sleep(3600)
    return text
"""


def test_an_async_node_that_hangs_costs_nothing(tmp_path: Path) -> None:
    tool = "import asyncio\n" + ECHO_OR_HANG.replace("def work", "async def work").replace("time.", "await asyncio.")
    flow = write_flow(tmp_path / "hang", tool)
    with serving(flow, "--workers", "1", "--max-concurrent-requests", "1", "--request-timeout-ms", "300") as running:
        answer = running.score({"text": "hang"})
        assert answer.status == 408
        assert running.score({"text": "a"}).json == {"answer": "a"}
        assert "exited" not in running.log


def test_a_task_of_user_code_that_exits_does_not_end_the_worker(tmp_path: Path) -> None:
    """asyncio lets SystemExit of any task out of the loop; the worker goes on with it."""
    tool = """
import asyncio, sys
from promptflow.core import tool

async def leave():
    sys.exit(3)

@tool
async def work(text: str) -> str:
    if text == "exit":
        asyncio.get_running_loop().create_task(leave())
        await asyncio.sleep(0.05)
    return text
"""
    with serving(write_flow(tmp_path / "task", tool), "--workers", "1") as running:
        assert running.score({"text": "exit"}).json == {"answer": "exit"}
        assert running.score({"text": "a"}).json == {"answer": "a"}
        assert "exited with code" not in running.log
        assert "SystemExit(3)" in running.log


@pytest.mark.parametrize(
    ("text", "line"),
    [("nodes: [\n  {name: a\n", 3), ("inputs:\n  a: {type: string}\n  a: {type: int}\n", 3), ("\t- x\n", 1)],
)
def test_broken_yaml_ends_the_start_with_file_and_line(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "flow.dag.yaml").write_text(text)
    broken = start(tmp_path)
    try:
        assert broken.process.wait(20) == 3, broken.log
        assert f"flow.dag.yaml:{line}: " in broken.log
        assert "Traceback" not in broken.log
    finally:
        broken.process.kill()
