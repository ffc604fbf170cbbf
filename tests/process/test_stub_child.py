"""The stub of ``serve --stub-llm``: it is there from the start, and never outlives its leader."""

from __future__ import annotations

import http.client
import os
import re
import signal
from pathlib import Path

from eventually import eventually
from instance import alive
from serving import Server, serving, start, write_flow


def stubs(server: Server) -> list[tuple[int, int]]:
    """Port and pid of every stub that the log tells of."""
    found = re.findall(r"sends every model call to the stub at http://127\.0\.0\.1:(\d+) \(pid (\d+)\)", server.log)
    return [(int(port), int(pid)) for port, pid in found]


def test_it_answers_and_ends_with_the_server(tmp_path: Path):
    with serving(write_flow(tmp_path), "--stub-llm", "--workers", "1") as server:
        ((port, pid),) = stubs(server)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        connection.close()
        assert server.score({"text": "hi"}).status == 200
        assert server.stop() == 0
        eventually(lambda: not alive(pid), within_s=5, why="the stub outlived the server")


def test_it_dies_when_the_master_is_killed(tmp_path: Path):
    with serving(write_flow(tmp_path), "--stub-llm", "--workers", "1") as server:
        ((_, pid),) = stubs(server)
        server.process.kill()
        eventually(lambda: not alive(pid), within_s=5, why="the stub outlived the master")


def test_it_dies_with_its_leader_and_the_next_one_has_another(tmp_path: Path):
    with serving(write_flow(tmp_path), "--stub-llm", "--workers", "1") as server:
        ((_, pid),) = stubs(server)
        [leader] = re.findall(r"leader pid (\d+): started", server.log)
        os.kill(int(leader), signal.SIGKILL)
        eventually(lambda: not alive(pid), within_s=5, why="the stub outlived its leader")
        eventually(lambda: "generation 2: 1 workers ready" in server.log, within_s=20, why="no second generation")
        assert alive(stubs(server)[1][1])


def test_every_generation_has_its_own(tmp_path: Path):
    with serving(write_flow(tmp_path), "--stub-llm", "--workers", "1") as server:
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: "generation 2: 1 workers ready" in server.log, within_s=20, why="no second generation")
        (_, first), (_, second) = stubs(server)
        eventually(lambda: not alive(first), within_s=20, why="the stub of the first generation stayed")
        assert alive(second)


def test_without_the_flag_there_is_none(tmp_path: Path):
    with serving(write_flow(tmp_path), "--workers", "1") as server:
        assert stubs(server) == []


def test_a_flow_that_does_not_compile_leaves_none_behind(tmp_path: Path):
    server = start(write_flow(tmp_path, "import nothing_of_this_name\n"), "--stub-llm", "--workers", "1")
    assert server.process.wait(20) == 3
    ((_, pid),) = stubs(server)
    assert not alive(pid)
    assert "left behind" not in server.log


def test_workers_that_import_the_flow_themselves_know_it_too(tmp_path: Path):
    asking = (
        "from promptflow.core import tool\nfrom promptflow.connections import OpenAIConnection\n\n\n"
        "@tool\ndef ask(text: str, model: OpenAIConnection) -> str:\n    return f'{model.base_url} {model.api_key}'\n"
    )
    flow = write_flow(tmp_path / "flow", asking, wiring="{text: '${inputs.text}', model: mine}")
    given = tmp_path / "mine.yaml"
    given.write_text("name: mine\ntype: open_ai\napi_key: real-key\nbase_url: http://real.invalid\n")
    with serving(flow, "--stub-llm", "--no-preload", "--workers", "1", "--connections", str(given)) as server:
        ((port, _),) = stubs(server)
        assert server.score({"text": "hi"}).json == {"answer": f"http://127.0.0.1:{port}/v1 stub"}
