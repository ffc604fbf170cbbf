"""Connections from the operator's files and variables to the flow's code, and what is told about them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from serving import serving

CANARY = "sk-canary-1234"
FLOW = """
environment_variables:
  PLAIN: plain
  KEY: ${my conn.api_key}
  BASE: ${my conn.api_base}
  LACKING: ${my conn.nothing}
inputs: {text: {type: string}}
outputs: {answer: {type: string, reference: "${node.output}"}}
nodes:
- {name: node, type: python, source: {type: code, path: node.py}, inputs: {text: "${inputs.text}"}}
"""
NODE = """
import os
from promptflow.connections import AzureOpenAIConnection, BingConnection, CustomConnection, Secret
from promptflow.core import tool
from promptflow.entities import OpenAIConnection

@tool
def node(text: str) -> str:
    return " ".join(os.environ[name] for name in ("PLAIN", "KEY", "BASE", "LACKING"))
"""
FILE = f"""
- name: my conn
  type: azure_open_ai
  api_key: {CANARY}
  api_base: ${{env:ADDRESS}}
  api_version: 2024-02-01
- {{name: unneeded, type: open_ai, api_key: "${{env:NOBODY_SETS_IT}}"}}
- {{name: broken}}
"""


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "flow.dag.yaml").write_text(FLOW)
    (folder / "node.py").write_text(NODE)
    (tmp_path / "c.yaml").write_text(FILE)
    return folder


def check(flow: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pfserve", "check", str(flow), *options]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environ}
    )
    assert CANARY not in done.stdout + done.stderr
    return done


def test_a_flow_gets_the_values_and_the_log_the_origin(flow: Path, tmp_path: Path) -> None:
    with serving(flow, "--connections", str(tmp_path / "c.yaml"), environment={"ADDRESS": "http://a"}) as server:
        answer = server.score({"text": "x"})
        log = server.log
    assert answer.json == {"answer": f"plain {CANARY} http://a ${{my conn.nothing}}"}
    assert f"connections: my conn (AzureOpenAI) from file {tmp_path}/c.yaml\n" in log
    assert CANARY not in log


def test_the_flow_s_process_variable_may_refer_too(flow: Path, tmp_path: Path) -> None:
    environment = {"ADDRESS": "http://a", "PLAIN": "${my conn.api_version}", "KEY": "own", "UNDECLARED": "${x.y}"}
    with serving(flow, "--connections", str(tmp_path / "c.yaml"), environment=environment) as server:
        assert server.score({"text": "x"}).json == {"answer": "2024-02-01 own http://a ${my conn.nothing}"}


def test_check_lists_the_connections(flow: Path, tmp_path: Path) -> None:
    done = check(flow, "--connections", f"{tmp_path}/c.yaml", ADDRESS="http://a", MY_CONN_API_TYPE="azure")
    assert (done.returncode, done.stdout.replace(str(tmp_path), "…")) == (
        0,
        "connection my conn (AzureOpenAI) from file …/c.yaml: api_base=http://a (from variable ADDRESS), "
        "api_type=azure (from variable MY_CONN_API_TYPE), api_version=2024-02-01, auth_mode=key, api_key=******\n"
        "connection 'broken' from file …/c.yaml has no 'type', such as open_ai or custom; nothing needs it (warning)\n"
        "no mistakes, 1 warning\n",
    )


def test_check_in_json(flow: Path, tmp_path: Path) -> None:
    done = check(flow, "--json", "--connections", f"{tmp_path}/c.yaml", "--env", "ADDRESS=http://a")
    [told] = json.loads(done.stdout)["connections"]
    assert (told["name"], told["type"], told["origin"]) == ("my conn", "AzureOpenAI", f"file {tmp_path}/c.yaml")
    assert told["fields"][-1] == {"name": "api_key", "shown": "******", "origin": ""}


def test_check_without_the_connection(flow: Path) -> None:
    done = check(flow)
    lines = done.stdout.splitlines()
    assert (done.returncode, lines[-1]) == (3, "3 mistakes, no warnings")
    for number, (line, variable) in enumerate(zip(lines, ("KEY", "BASE", "LACKING"), strict=False), 4):
        assert f"flow.dag.yaml:{number}: environment variable '{variable}': connection 'my conn' is not given" in line
        assert "--connections PATH" in line


def test_check_with_a_file_that_is_none(flow: Path, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"name: x\napi_key: '{CANARY}")
    done = check(flow, "--connections", f"{tmp_path}/c.yaml")
    assert done.returncode == 2
    assert done.stderr.endswith("c.yaml' (from flag --connections): line 2 is not YAML\n")


def test_serve_without_the_connection_is_3(flow: Path) -> None:
    command = [sys.executable, "-m", "pfserve", "serve", str(flow), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "environment variable 'KEY': connection 'my conn' is not given" in done.stderr


def test_an_export_of_promptflow_s(tmp_path: Path) -> None:
    flow = tmp_path / "flow"
    (flow / ".promptflow").mkdir(parents=True)
    (flow / ".promptflow" / "flow.tools.json").write_text("{}")
    (flow / "flow.dag.yaml").write_text(FLOW)
    (flow / "node.py").write_text(NODE)
    (tmp_path / "connections").mkdir()
    (tmp_path / "connections" / "my_conn.yaml").write_text(
        "$schema: x\ntype: azure_open_ai\nname: my conn\napi_base: http://a\napi_type: azure\napi_version: 2024-02-01\n"
        "auth_mode: key\napi_key: ${env:MY_CONN_API_KEY}\nmodule: promptflow.connections\n"
    )
    with serving(flow, environment={"MY_CONN_API_KEY": CANARY}) as server:
        assert server.score({"text": "x"}).json == {"answer": f"plain {CANARY} http://a ${{my conn.nothing}}"}
        assert CANARY not in server.log
    done = check(flow)
    assert "${env:MY_CONN_API_KEY} for api_key: Environment variable MY_CONN_API_KEY is not found." in done.stdout
