"""Connections of an Azure ML workspace and of an HTTP provider, against local services that speak their REST."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_stub import KEY, Azure, azure, payload
from eventually import eventually
from serving import Server, serving

pytest.importorskip("azure.identity")

FLOW = """
environment_variables: {BASE: "${of env.api_base}"}
inputs: {text: {type: string}}
outputs: {answer: {type: string, reference: "${node.output}"}}
nodes:
- name: node
  type: python
  source: {type: code, path: node.py}
  inputs: {text: "${inputs.text}", one: one, two: two}
"""
NODE = """
import os
from promptflow.connections import AzureOpenAIConnection, CustomConnection
from promptflow.core import tool

@tool
def node(text: str, one: AzureOpenAIConnection, two: CustomConnection) -> str:
    return " ".join((one.api_base, one.api_version, two.region, str(len(two.secrets["token"])), os.environ["BASE"]))
"""
ANSWER = {"answer": f"http://target 2024-06-01 north {len(KEY)} http://target"}
DENIED = (
    "Access denied to list workspace secret due to invalid authentication. Please ensure you have gain RBAC role "
    "'Azure Machine Learning Workspace Connection Secrets Reader' for current workspace, and wait for a few minutes "
    "to make sure the new role takes effect. "
)


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    folder = tmp_path / "flow"
    folder.mkdir()
    (folder / "flow.dag.yaml").write_text(FLOW)
    (folder / "node.py").write_text(NODE)
    return folder


@pytest.fixture
def cloud() -> Iterator[Azure]:
    with azure() as held:
        held.connections = {
            "of env": payload(),
            "one": payload(),
            "two": payload("CustomKeys", credentials={"keys": {"token": KEY}}, metadata={"region": "north"}),
            "unneeded": payload(),
        }
        yield held


def check(flow: Path, environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pfserve", "check", str(flow), *options]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )
    assert KEY not in done.stdout + done.stderr
    return done


def test_what_is_needed_is_fetched_at_boot_and_nothing_later(flow: Path, cloud: Azure) -> None:
    cloud.delay_s = 0.2
    with serving(flow, environment=cloud.environment(AZURE_CLIENT_ID="my-identity")) as server:
        asked = len(cloud.asked)
        assert [server.score({"text": "x"}).json for _ in range(3)] == [ANSWER] * 3
        log = server.log
    assert cloud.listed()[0] == "of%20env"
    assert sorted(cloud.listed()) == ["of%20env", "one", "two"]
    assert cloud.busiest == 2  # the two of the node at once
    assert len(cloud.asked) == asked == 4  # one token for all
    method, path, headers = cloud.asked[0]
    assert (method, headers["X-IDENTITY-HEADER"]) == ("GET", "header-secret")
    assert "client_id=my-identity" in path
    assert all(request[2]["Authorization"] == f"Bearer {cloud.issued[0]}" for request in cloud.asked[1:])
    assert "one (AzureOpenAI) from workspace w; two (Custom) from workspace w" in log
    for secret in (KEY, cloud.issued[0], "header-secret"):
        assert secret not in log


def test_a_throttled_token_service_delays_the_boot_only(flow: Path, cloud: Azure) -> None:
    cloud.token_statuses, cloud.retry_after_s = [429, 429], 1
    with serving(flow, environment=cloud.environment()) as server:
        assert server.score({"text": "x"}).json == ANSWER
    assert cloud.token_requests == 3


def test_check_tells_how_they_resolve(flow: Path, cloud: Azure) -> None:
    done = check(flow, cloud.environment(ONE_API_VERSION="mine", TWO_TOKEN="x"))
    assert (done.returncode, done.stdout) == (
        0,
        "connection of env (AzureOpenAI) from workspace w: api_base=http://target, api_type=azure, "
        "api_version=2024-06-01, auth_mode=key, api_key=******\n"
        "connection one (AzureOpenAI) from workspace w: api_base=http://target, api_type=azure, "
        "api_version=mine (from variable ONE_API_VERSION), auth_mode=key, api_key=******\n"
        "connection two (Custom) from workspace w: region=******, token=****** (from variable TWO_TOKEN)\n"
        "no mistakes, no warnings\n",
    )


def test_check_tells_what_cannot_be_had(flow: Path, cloud: Azure) -> None:
    cloud.status = 403
    done = check(flow, cloud.environment())
    assert (done.returncode, done.stdout.count(DENIED)) == (3, 3)
    cloud.status, cloud.connections = 0, {"of env": payload(), "one": payload("Git")}
    done = check(flow, cloud.environment())
    assert done.returncode == 3
    assert (
        "Get connection 'one' for node 'node' error: Build connection dict for connection one failed with Unknown"
        in (done.stdout)
    )
    assert "failed with status code: 404, action: listsecrets, reason: Not Found; there is no connection 'two'" in (
        done.stdout
    )
    cloud.audience = "https://somebody.else"
    done = check(flow, cloud.environment())
    assert "AAD token with aml scope could not be fetched using the credentials being used." in done.stdout


def test_a_service_of_one_s_own(flow: Path, cloud: Azure) -> None:
    form = {"type": "AzureOpenAIConnection", "value": {"api_key": KEY, "api_base": "http://target"}}
    forms = {"type": "CustomConnection", "value": {"token": KEY, "region": "north"}, "secret_keys": ["token"]}
    cloud.connections = {"of env": form, "one": form, "two": forms}
    environment = {"PF_HTTP_CONNECTION_PROVIDER_ENDPOINT": cloud.url, "ONE_API_VERSION": "2024-06-01"}
    with serving(flow, environment=environment) as server:
        assert server.score({"text": "x"}).json == ANSWER
    assert {path for _, path, _ in cloud.asked} == {"/connections/of%20env", "/connections/one", "/connections/two"}


def readiness(server: Server) -> int:
    return server.ask("GET", "/readyz").status


def test_denied_access_is_waited_out_and_requests_are_told(flow: Path, cloud: Azure) -> None:
    cloud.status = 403
    with serving(flow, "--workers", "2", environment=cloud.environment()) as server:
        for body in ({"text": "x"}, {"wrong": 1}, []):
            answer = server.score(body)
            assert (answer.status, answer.error) == (400, ("UserError", DENIED))
        assert server.ask("GET", "/health").json["status"] == "Healthy"
        assert (readiness(server), server.ask("GET", "/livez").status) == (503, 200)
        paths = server.ask("GET", "/swagger.json").json["paths"]
        assert "text" in json.dumps(paths["/score"])
        assert "generation 1 waits, and answers /score with 400: Access denied to list workspace secret" in server.log
        before = len(cloud.listed())
        eventually(lambda: len(cloud.listed()) > before, within_s=15, why="access should be tried again")
        assert server.score({"text": "x"}).status == 400
        cloud.status = 0
        eventually(lambda: server.score({"text": "x"}).json == ANSWER, within_s=25, why="the flow should be served")
        eventually(lambda: readiness(server) == 200, within_s=5, why="the instance should be ready")
        asked = len(cloud.asked)
        assert server.score({"text": "x"}).json == ANSWER
        assert len(cloud.asked) == asked
        assert KEY not in server.log

        cloud.status = 403  # a reload that is denied leaves the generation that serves as it is
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: "; the one before goes on" in server.log, within_s=20, why="the reload should fail")
        assert server.score({"text": "x"}).json == ANSWER
        assert server.stop() == 0


def test_a_stop_while_access_is_waited_for(flow: Path, cloud: Azure) -> None:
    cloud.status = 403
    with serving(flow, "--workers", "1", environment=cloud.environment()) as server:
        assert server.score({"text": "x"}).status == 400
        assert server.stop() == 0


def test_denied_access_without_preload(flow: Path, cloud: Azure) -> None:
    cloud.status = 403
    with serving(flow, "--workers", "1", "--no-preload", environment=cloud.environment()) as server:
        assert server.score({"text": "x"}).error == ("UserError", DENIED)
        assert readiness(server) == 503
        cloud.status = 0
        eventually(lambda: server.score({"text": "x"}).json == ANSWER, within_s=25, why="the flow should be served")


def test_other_mistakes_do_not_wait(flow: Path, cloud: Azure) -> None:
    cloud.status = 403
    (flow / "node.py").write_text(NODE + "raise ValueError('broken')\n")
    command = [sys.executable, "-m", "pfserve", "serve", str(flow), "--port", "0"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **cloud.environment()}
    )
    assert done.returncode == 3
    assert "ValueError" in done.stderr


def test_a_connection_that_only_a_request_names_is_fetched_once_per_worker(tmp_path: Path, cloud: Azure) -> None:
    folder = tmp_path / "late"
    folder.mkdir()
    (folder / "flow.flex.yaml").write_text("entry: late:answer\n")
    (folder / "x.prompty").write_text(
        "---\nmodel:\n  api: chat\n  configuration: {type: azure_openai, azure_deployment: d, connection: late one}\n"
        "  parameters: {}\n"
        "inputs: {text: {type: string}}\n---\nuser:\n{{text}}\n"
    )
    (folder / "late.py").write_text(
        "from pathlib import Path\nfrom promptflow.core import AsyncPrompty\n\n"
        "async def answer(text: str) -> str:\n"
        "    prompty = AsyncPrompty.load(Path(__file__).parent / 'x.prompty')\n"
        "    try:\n        await prompty(text=text)\n    except Exception as problem:\n        return str(problem)\n"
    )
    cloud.connections["late one"] = payload(target="http://127.0.0.1:9")
    environment = cloud.environment(PF_LINE_TIMEOUT_SEC="20")
    with serving(folder, "--workers", "1", environment=environment) as server:
        assert cloud.listed() == []
        for _ in range(2):
            assert "Connection error" in str(server.score({"text": "x"}, timeout_s=30).json)
    assert cloud.listed() == ["late%20one"]
