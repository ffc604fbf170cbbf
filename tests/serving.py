"""A real ``pfserve serve`` for tests: one process tree, a free port, ended for certain."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from eventually import eventually

ECHO = "from promptflow.core import tool\n\n\n@tool\ndef echo(text: str) -> str:\n    return text\n"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[str, str]:
        """Code and message of an error answer."""
        document = json.loads(self.body)
        assert set(document) == {"error"}, document
        return document["error"]["code"], document["error"]["message"]


class Server:
    """A started server; ``process`` is its master."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        self.port = 0

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_ready(self, within_s: float = 20.0) -> None:
        def port() -> int:
            if self.process.poll() is not None:
                return -1
            found = re.search(r"serving on https?://\S+:(\d+)", self.log)
            return int(found[1]) if found else 0

        self.port = eventually(port, within_s=within_s, why="the server never said that it serves")
        assert self.port > 0, f"the server ended: {self.log}"

    def ask(
        self, method: str = "POST", path: str = "/score", body: bytes | str | None = None, timeout_s: float = 10.0,
        headers: dict[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def score(self, inputs: object, **kwargs: object) -> Answer:
        return self.ask(body=json.dumps(inputs), **kwargs)  # type: ignore[arg-type]

    def stop(self, within_s: float = 20.0) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within_s)


def start(flow: Path, *options: str, environment: dict[str, str] | None = None) -> Server:
    """Start a server; the caller ends it. Most tests want :func:`serving`."""
    log = Path(tempfile.mkstemp(prefix="pfserve-test-", suffix=".log")[1])
    command = [sys.executable, "-m", "pfserve", "serve", str(flow), "--port", "0", *options]
    root = str(Path(__file__).parents[1])
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, "PYTHONPATH": root, **(environment or {})},
        )  # fmt: skip
    return Server(process, log)


@contextlib.contextmanager
def serving(flow: Path, *options: str, environment: dict[str, str] | None = None) -> Iterator[Server]:
    """A server that is ready, and gone afterwards."""
    server = start(flow, *options, environment=environment)
    try:
        server.wait_ready()
        yield server
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.stop(5.0)
        server.process.kill()  # its tree dies with it
        server.process.wait(5.0)


def write_flow(folder: Path, tool: str = ECHO, *, inputs: str = "text: {type: string}", wiring: str = "") -> Path:
    """A flow of one python node ``work`` that gets the input ``text``, or what ``wiring`` says."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "work.py").write_text(tool)
    wired = wiring or "{text: '${inputs.text}'}"
    (folder / "flow.dag.yaml").write_text(
        f"inputs: {{{inputs}}}\n"
        "outputs:\n  answer: {type: string, reference: '${work.output}'}\n"
        f"nodes:\n- name: work\n  type: python\n  source: {{type: code, path: work.py}}\n  inputs: {wired}\n"
    )
    return folder
