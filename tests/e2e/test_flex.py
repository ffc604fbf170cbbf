"""Flex flows in a real server: where their objects are made, what their arguments may say, and what is never told."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eventually import eventually
from serving import serving, start

COUNTED = """
import os
class F:
    def __init__(self, word: str = "none"):
        self.word, self.maker = word, os.getpid()
    def __call__(self):
        return {"word": self.word, "maker": self.maker, "caller": os.getpid()}
"""
FAILING = """
class F:
    def __init__(self, key: str, size: int = 1):
        raise ValueError(f"cannot use {key}")
    def __call__(self):
        return ""
"""


def write(folder: Path, code: str, entry: str, yaml: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "entry.py").write_text(code)
    (folder / "flow.flex.yaml").write_text(f"entry: entry:{entry}\n{yaml}")
    return folder


def check(flow: Path, *options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pfserve", "check", str(flow), *options]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("preload", ["--preload", "--no-preload"])
def test_every_worker_makes_an_object_of_its_own_and_nothing_is_written(tmp_path: Path, preload: str) -> None:
    flow = write(tmp_path / "flow", COUNTED, "F")
    before = sorted(flow.rglob("*"))
    with serving(flow, "--workers", "2", "--init", '{"word": "given"}', preload) as server:

        def makers() -> bool:
            answers = [server.score({}).json for _ in range(8)]
            assert all(isinstance(one, dict) and one["maker"] == one["caller"] for one in answers)
            assert {one["word"] for one in answers} == {"given"}  # type: ignore[index]
            seen.update(one["maker"] for one in answers)  # type: ignore[index]
            return len(seen) == 2

        seen: set[int] = set()
        eventually(makers, within_s=20, why="only one worker ever answered")
    assert sorted(flow.rglob("*")) == before


def test_arguments_come_from_a_file_or_the_variable(tmp_path: Path) -> None:
    flow = write(tmp_path / "flow", COUNTED, "F", "sample: {init: {word: sampled}}\n")
    (tmp_path / "init.json").write_text('{"word": "filed"}')
    variable = {"PF_FLOW_INIT_CONFIG": '{"word": "variable"}'}
    for options, environment, word in (
        (("--init", f"@{tmp_path}/init.json"), variable, "filed"),
        ((), variable, "variable"),
        ((), {}, "sampled"),
    ):
        with serving(flow, "--workers", "1", *options, environment=environment) as server:
            answer = server.score({}).json
            assert isinstance(answer, dict)
            assert answer["word"] == word


def test_an_object_that_cannot_be_made_is_told_without_its_arguments(tmp_path: Path) -> None:
    flow = write(tmp_path / "flow", FAILING, "F")
    init = ("--init", '{"key": "s3cret-key", "size": 4711}')
    server = start(flow, "--workers", "2", *init)
    assert server.process.wait(30) == 3
    code, told = check(flow, *init)
    assert code == 3
    for text in (server.log, told):
        assert "Failed to initialize flow entry 'F' with the init arguments 'key', 'size'" in text
        assert "(ValueError) cannot use <value of 'key'>" in text
        assert "s3cret" not in text


def test_what_the_constructor_lacks_is_a_mistake(tmp_path: Path) -> None:
    code, told = check(write(tmp_path / "flow", FAILING, "F"), "--init", '{"siez": 1}')
    assert code == 3
    assert "its constructor needs 'key'" in told
    assert "its constructor takes no 'siez'; did you mean 'size'?" in told


def test_a_models_connection_is_resolved_as_every_other(tmp_path: Path) -> None:
    code = """
from promptflow.core import AzureOpenAIModelConfiguration
class F:
    def __init__(self, model: AzureOpenAIModelConfiguration):
        self.model = model
    def __call__(self):
        return [self.model.api_key, self.model.azure_endpoint, self.model.azure_deployment]
"""
    flow = write(tmp_path / "flow", code, "F")
    connection = {
        "name": "azure",
        "type": "azure_open_ai",
        "api_key": "${env:THE_KEY}",
        "api_base": "http://before",
        "api_version": "1",
    }
    (tmp_path / "azure.json").write_text(json.dumps(connection))
    environment = {
        "THE_KEY": "filled in",
        "AZURE_API_BASE": "http://overridden",
        "PF_FLOW_INIT_CONFIG": json.dumps({"model": {"azure_deployment": "d", "connection": "azure"}}),
    }
    with serving(
        flow, "--workers", "1", "--connections", str(tmp_path / "azure.json"), environment=environment
    ) as server:
        assert server.score({}).json == ["filled in", "http://overridden", "d"]
        assert "filled in" not in server.log


def test_a_stream_of_a_class_and_its_cut(tmp_path: Path) -> None:
    code = """
class F:
    async def __call__(self, n: int):
        for number in range(n):
            yield number
        if n > 2:
            raise ValueError("boom")
"""
    with serving(write(tmp_path / "flow", code, "F"), "--workers", "1") as server:
        whole = server.ask(body='{"n": 2}', headers={"Accept": "text/event-stream"})
        assert whole.body == b'data: {"output": 0}\n\ndata: {"output": 1}\n\n'
        joined = server.ask(body='{"n": 2}')
        assert joined.body == b'"01"'
        failed = server.ask(body='{"n": 3}')
        assert (failed.status, failed.error[1]) == (400, "Execution failure in 'F.__call__': (ValueError) boom")


def test_blocking_functions_run_on_threads_beside_each_other(tmp_path: Path) -> None:
    code = """
import threading
both = threading.Barrier(2, timeout=20)
def f():
    both.wait()
    return threading.current_thread() is threading.main_thread()
"""
    with (
        serving(write(tmp_path / "flow", code, "f"), "--workers", "1", "--threads", "2") as server,
        ThreadPoolExecutor(2) as clients,
    ):
        answers = list(clients.map(lambda _: server.score({}, timeout_s=30.0), range(2)))
    assert [answer.body for answer in answers] == [b"false", b"false"]


def test_missing_packages_are_told_at_boot_and_with_a_failed_import(tmp_path: Path) -> None:
    flow = write(tmp_path / "flow", "def f():\n    return 1\n", "f")
    (flow / "requirements.txt").write_text("no-such-package>=2\npromptflow\n")
    with serving(flow, "--workers", "1") as server:
        assert "requirements.txt:1: the requirement 'no-such-package>=2' is not met" in server.log
    (flow / "entry.py").write_text("import no_such_package\n")
    server = start(flow)
    assert server.process.wait(30) == 3
    assert "No module named 'no_such_package'" in server.log
    assert "no-such-package is not installed (warning)" in server.log
    assert "Traceback" not in server.log


def test_a_flow_of_another_language_is_refused_by_name(tmp_path: Path) -> None:
    flow = write(tmp_path / "flow", "", "x", "language: csharp\n")
    code, told = check(flow)
    assert code == 3
    assert "Only python flows are allowed" in told
    assert "csharp" in told
