"""``pfserve parity`` between two real servers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import Server, serving, write_flow

OTHER = """
import uuid
from promptflow.core import tool

@tool
def work(text: str) -> str:
    if text == "fail":
        raise ValueError("no")
    return text if text == "same" else f"{text}!"
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    folder = tmp_path_factory.mktemp("flows")
    a, b = write_flow(folder / "a"), write_flow(folder / "b", OTHER)
    with serving(a, "--workers", "1") as one, serving(b, "--workers", "1") as other:
        yield one, other


def parity(servers: tuple[Server, Server], requests: str, *options: str) -> subprocess.CompletedProcess[str]:
    urls = [f"http://127.0.0.1:{server.port}" for server in servers]
    command = [sys.executable, "-m", "pfserve", "parity", *urls, "--requests", "-", *options]
    return subprocess.run(command, input=requests, capture_output=True, text=True, timeout=60, check=False)


LINES = """
{"name": "same", "json": {"text": "same"}}
{"json": {"text": "x"}}
{"json": {"text": "fail"}}
{"json": {}}
"""


def test_what_differs_is_told_in_order(servers: tuple[Server, Server]) -> None:
    done = parity(servers, LINES * 5, "--concurrency", "3")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[:2] == ["3: POST /score", '  $.answer: "x" | "x!"']
    assert lines[2:4] == ["4: POST /score", "  status: 200 | 400"]
    assert lines[-1].startswith("20 requests: 10 alike, 10 differ (body 10, status 5); A median ")


def test_masked_and_alike(servers: tuple[Server, Server]) -> None:
    done = parity(servers, LINES.replace("fail", "y"), "--mask", "answer")
    assert done.returncode == 0
    assert done.stdout.startswith("4 requests: 4 alike, none differs; A median ")


def test_for_machines(servers: tuple[Server, Server]) -> None:
    done = parity(servers, LINES, "--json")
    first, second, total = map(json.loads, done.stdout.splitlines())
    assert first["differences"] == [{"place": "$.answer", "a": '"x"', "b": '"x!"'}]
    assert second["line"] == 4
    assert (total["requests"], total["different"], total["by_kind"]) == (4, 2, {"body": 2, "status": 1})


def test_a_server_that_is_not_there(servers: tuple[Server, Server], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pfserve", "parity", f"127.0.0.1:{servers[0].port}", "127.0.0.1:1"]
    (tmp_path / "r.jsonl").write_text('{"path": "/health"}\n')
    done = subprocess.run(
        [*command, "--requests", str(tmp_path / "r.jsonl")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stdout.splitlines()[:2] == [
        "1: GET /health",
        "  answer: status 200 | no answer: Connection refused",
    ]
    assert done.stdout.splitlines()[2].endswith("B gave no answer")


@pytest.mark.parametrize(
    ("requests", "options", "told"),
    [
        ("", (), "<stdin>: no requests"),
        ("{", (), "<stdin>: line 1 is no JSON"),
        (LINES, ("--mask", "a["), "is no path such as"),
        (LINES, ("--header", "x"), "expected a header as 'NAME: VALUE', not 'x'"),
    ],
)
def test_wrong_usage(servers: tuple[Server, Server], requests: str, options: tuple[str, ...], told: str) -> None:
    done = parity(servers, requests, *options)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
