"""promptflow's own server and pfserve: the same flows, the same requests, the same model, the same answers.

``tox -e parity``. Needs a Python with promptflow: PFSERVE_PARITY_PYTHON, or one is made from PyPI in the cache folder.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from eventually import eventually
from parity.flows import FLOWS
from parity.model import Model, model
from parity.packages import write_package
from parity.table import Ask, Flow
from serving import start

pytestmark = pytest.mark.parity

PROMPTFLOW = "promptflow==1.18.5"
BESIDE_IT = ("promptflow-tools==1.6.1", "openai", "flask-cors")
BOOT_S = 600.0
ROOT = str(Path(__file__).parents[2])

Answer = dict[str, Any]


@pytest.fixture(scope="module")
def promptflow_python() -> str:
    if given := os.environ.get("PFSERVE_PARITY_PYTHON"):
        return given
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    venv = cache / "pfserve" / PROMPTFLOW
    if not (venv / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True, timeout=120)
        subprocess.run([venv / "bin/pip", "install", "--quiet", PROMPTFLOW, *BESIDE_IT], check=True, timeout=900)
        (venv / "complete").touch()
    return str(venv / "bin/python")


@pytest.fixture(scope="module")
def flows(request: pytest.FixtureRequest) -> list[Flow]:
    """Those that this run is about: promptflow takes its time to start each."""
    chosen = {item.callspec.params["flow"].name for item in request.session.items if hasattr(item, "callspec")}
    return [flow for flow in FLOWS if flow.name in chosen]


@pytest.fixture(scope="module")
def folders(flows: list[Flow], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("flows")
    return {flow.name: flow.write(root) for flow in flows}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with installed tools, for both sides."""
    return str(write_package(tmp_path_factory.mktemp("packages")))


@pytest.fixture(scope="module")
def their_model() -> Iterator[Model]:
    with model() as door:
        yield door


@pytest.fixture(scope="module")
def our_model() -> Iterator[Model]:
    with model() as door:
        yield door


@pytest.fixture(scope="module")
def theirs(
    promptflow_python: str,
    flows: list[Flow],
    folders: dict[str, Path],
    their_model: Model,
    packages: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, int | str]]:
    """Every flow's port at promptflow's server, or why it refused the flow. One process for each environment."""
    home = tmp_path_factory.mktemp("home")
    environments = {json.dumps(flow.environment): flow.environment for flow in flows}.values()
    ports: dict[str, int | str] = {}
    with contextlib.ExitStack() as stack:
        for number, environment in enumerate(environments):
            mine = [flow for flow in flows if flow.environment == environment]
            out = home / f"{number}.json"
            paths = [str(folders[flow.name]) for flow in mine]
            beside = {**mine[0].environment_of(their_model.url), "PYTHONPATH": packages, "MODEL_URL": their_model.url}
            stack.enter_context(oracle(promptflow_python, out, their_model.url, paths, beside))
            ports.update(json.loads(out.read_text()))
        yield ports


@contextlib.contextmanager
def oracle(python: str, out: Path, url: str, folders: list[str], environment: Mapping[str, str]) -> Iterator[None]:
    """promptflow's server for these folders."""
    command = [python, str(Path(__file__).with_name("oracle.py")), str(out), *folders]
    clean = {"PATH": os.environ["PATH"], "HOME": str(out.parent), "LANG": "C.UTF-8", "PF_LOGGING_LEVEL": "CRITICAL"}
    clean["PF_HTTP_CONNECTION_PROVIDER_ENDPOINT"] = url
    said = out.with_suffix(".log")
    with said.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=out.parent, env={**clean, **environment})

    def written() -> bool:
        if process.poll() is not None:
            pytest.fail(f"promptflow's server ended: {said.read_text(errors='replace')[-3000:]}")
        return out.exists()

    try:
        eventually(written, within_s=BOOT_S, why="promptflow's server never told its ports")
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_same_answers(
    flow: Flow,
    folders: dict[str, Path],
    theirs: dict[str, int | str],
    their_model: Model,
    our_model: Model,
    packages: str,
) -> None:
    their_port = theirs[flow.name]
    packed = base64.b64encode(gzip.compress(json.dumps(our_model.connections()).encode())).decode()
    environment = {**flow.environment_of(our_model.url), "PROMPTFLOW_ENCODED_CONNECTIONS": packed}
    environment |= {"PYTHONPATH": os.pathsep.join([ROOT, packages]), "MODEL_URL": our_model.url}
    server = start(folders[flow.name], "--workers", "1", environment=environment)
    try:
        if flow.refused:
            assert isinstance(their_port, str), "promptflow serves this flow"
            assert server.process.wait(20) == 3, server.log
            return
        assert isinstance(their_port, int), f"promptflow refuses this flow: {their_port}"
        server.wait_ready()
        told = [compared(ask, their_port, their_model, server.port, our_model) for ask in (*flow.asks, flow.swagger)]
        wrong = [text for text in told if text]
        assert not wrong, f"{len(wrong)} of {len(told)} answers differ:\n" + "\n".join(wrong)
    finally:
        server.process.kill()
        server.process.wait(5)


def compared(ask: Ask, their_port: int, their_model: Model, our_port: int, our_model: Model) -> str:
    """What is wrong; nothing if the answers agree, or differ as the contract's row says."""
    want = {**answer(their_port, ask), "model": their_model.taken()}
    got = {**answer(our_port, ask), "model": our_model.taken()}
    if ask.row:
        return f"{ask}: they agree, so no row is to be named: {got}" if want == got else ""
    wrong = sorted(key for key in want.keys() | got.keys() if want.get(key) != got.get(key))
    return "\n".join(f"{ask} {key}:\n  want {want.get(key)!r}\n  got  {got.get(key)!r}" for key in wrong)


def answer(port: int, ask: Ask) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request(ask.method, ask.path, ask.body, {"Accept": ask.accept} if ask.accept else {})
        response = connection.getresponse()
        try:
            body, cut = response.read(), False
        except http.client.IncompleteRead as problem:
            body, cut = problem.partial, True
        kind = response.getheader("Content-Type", "")
        return {"status": response.status, "type": kind, "body": read(body, kind), "cut": cut}


def read(body: bytes, kind: str) -> object:
    """The body as its type says. The same JSON may be written in more than one way."""
    text = body.decode()
    if kind.startswith("text/event-stream"):
        return [json.loads(event.removeprefix("data: ")) for event in text.split("\n\n") if event]
    return json.loads(text) if kind.startswith("application/json") and text else text
