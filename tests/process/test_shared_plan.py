"""The flow is imported and compiled once, before the fork, and its heap is frozen there."""

from __future__ import annotations

import contextlib
import http.client
import json
from pathlib import Path

from serving import Server, serving, write_flow

TOOL = """
import gc, os
from promptflow.core import tool

IMPORTED_BY = os.getpid()

@tool
def work(text: str) -> str:
    return f"{IMPORTED_BY} {os.getppid()} {os.getpid()} {gc.get_freeze_count()}"
"""


def told(server: Server) -> list[list[int]]:
    """What requests on connections open at the same time are told: importer, parent, worker, frozen objects."""
    with contextlib.ExitStack() as stack:
        answers = []
        for _ in range(4):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            stack.callback(connection.close)
            connection.request("POST", "/score", '{"text": "a"}')
            answers.append(json.loads(connection.getresponse().read())["answer"])
    return [[int(number) for number in answer.split()] for answer in answers]


def test_workers_share_what_their_leader_imported_and_froze(tmp_path: Path) -> None:
    with serving(write_flow(tmp_path / "once", TOOL), "--workers", "2") as server:
        seen = told(server)
    assert len({worker for _, _, worker, _ in seen}) == 2
    assert {importer for importer, _, _, _ in seen} == {parent for _, parent, _, _ in seen}
    assert all(importer != server.process.pid for importer, _, _, _ in seen)
    assert all(frozen > 10_000 for _, _, _, frozen in seen)


def test_without_preloading_each_worker_imports_for_itself(tmp_path: Path) -> None:
    with serving(write_flow(tmp_path / "each", TOOL), "--workers", "2", "--no-preload") as server:
        assert all(importer == worker for importer, _, worker, _ in told(server))
