"""Open models whose endpoints are named: looked up in the workspace by the documented REST, then asked."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_stub import KEY, Azure, azure
from pfserve.connections.endpoints import ONLINE, SERVERLESS
from services_stub import Services, services
from serving import serving

pytest.importorskip("azure.identity")

TOOL = "promptflow.tools.open_model_llm.OpenModelLLM.call"
VARIABLES = {
    "AZUREML_ARM_SUBSCRIPTION": "s", "AZUREML_ARM_RESOURCEGROUP": "g", "AZUREML_ARM_WORKSPACE_NAME": "w",
}  # fmt: skip
LLAMA = "azureml://registries/azureml-meta/models/Llama-2-7b-chat/versions/18"


@pytest.fixture
def service() -> Iterator[Services]:
    with services(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), KEY) as held:
        yield held


@pytest.fixture
def cloud(service: Services) -> Iterator[Azure]:
    with azure() as held:
        held.endpoints = {
            "onlineEndpoints/mine": {
                "scoringUri": f"{service.url}/llama/score",
                "traffic": {"blue": 10, "green": 90},
                "authMode": "Key",
            },
            "onlineEndpoints/mine/deployments/green": {"model": LLAMA},
            "onlineEndpoints/mine/deployments/blue": {"model": LLAMA.replace("Llama-2-7b-chat", "gpt2")},
            "onlineEndpoints/mine/deployments/odd": {"model": LLAMA.replace("Llama-2-7b-chat", "bert")},
            "onlineEndpoints/idle": {"scoringUri": service.url, "traffic": {}},
            "serverlessEndpoints/mine": {
                "provisioningState": "Succeeded",
                "offer": {"publisher": "Meta", "offerName": "meta-llama-2-7b-chat"},
                "inferenceEndpoint": {"uri": f"{service.url}/inference.ai.azure.com"},
            },
            "serverlessEndpoints/early": {"provisioningState": "Creating"},
            "serverlessEndpoints/other": {
                "provisioningState": "Succeeded",
                "marketplaceInfo": {"publisherId": "mistral", "offerId": "large"},
            },
        }
        yield held


def flow(folder: Path, endpoint: str, **more: str) -> Path:
    node = {
        "name": "n", "type": "custom_llm",
        "source": {"type": "package_with_prompt", "tool": TOOL, "path": "n.jinja2"},
        "inputs": {"endpoint_name": endpoint, "api": "chat", "text": "${inputs.text}", **more},
    }  # fmt: skip
    (folder / "n.jinja2").write_text("user:\n{{ text }}\n")
    (folder / "flow.dag.yaml").write_text(json.dumps({
        "inputs": {"text": {"type": "string"}},
        "outputs": {"answer": {"type": "string", "reference": "${n.output}"}},
        "nodes": [node],
    }))  # fmt: skip
    return folder


def environment(cloud: Azure) -> dict[str, str]:
    given = cloud.environment() | VARIABLES
    del given["PROMPTFLOW_CONNECTION_PROVIDER"]
    return given


@pytest.mark.parametrize(
    ("endpoint", "more", "answer", "asked"),
    [
        ("onlineEndpoint/mine", {}, "None heard: hi", "/llama/score"),
        ("onlineEndpoint/mine", {"deployment_name": "green"}, "green heard: hi", "/llama/score"),
        ("serverlessEndpoint/mine", {}, "serverless heard: hi", "/inference.ai.azure.com/v1/chat/completions"),
    ],
)
def test_an_endpoint_is_found_once_and_asked(
    tmp_path: Path, cloud: Azure, service: Services, endpoint: str, more: dict[str, str], answer: str, asked: str
) -> None:
    with serving(flow(tmp_path, endpoint, **more), "--workers", "1", environment=environment(cloud)) as server:
        lookups = len(cloud.asked)
        assert [server.score({"text": "hi"}).json for _ in range(3)] == [{"answer": answer}] * 3
        assert len(cloud.asked) == lookups, "no request asks the workspace"
        log = server.log
    assert [path for _, path, _ in service.asked] == [asked] * 3
    assert f"{endpoint}" in log
    assert not [secret for secret in (KEY, *cloud.issued) if secret in log]


def test_a_workspace_of_connections_will_do(tmp_path: Path, cloud: Azure) -> None:
    folder = flow(tmp_path, "onlineEndpoint/mine")
    with serving(folder, "--workers", "1", environment=cloud.environment()) as server:
        assert server.score({"text": "hi"}).json == {"answer": "None heard: hi"}


def test_a_throttled_workspace_is_asked_again(tmp_path: Path, cloud: Azure) -> None:
    cloud.statuses["onlineEndpoints/mine"] = [429]
    with serving(flow(tmp_path, "onlineEndpoint/mine"), "--workers", "1", environment=environment(cloud)) as server:
        assert server.score({"text": "hi"}).status == 200


PLACE = "of workspace 'w' of resource group 'g'"
INSTEAD = "give it as a custom connection with endpoint_url, endpoint_api_key and model_family, and write connection/…"
MISTAKES: dict[str, tuple[str, dict[str, str], dict[str, list[int]], str]] = {
    "no endpoint": ("onlineEndpoint/gone", {}, {}, f"{ONLINE} 'gone' {PLACE}: there is none"),
    "no deployment": (
        "onlineEndpoint/mine", {"deployment_name": "red"}, {}, f"{ONLINE} 'mine' {PLACE}: it has no deployment red"
    ),
    "no traffic": (
        "onlineEndpoint/idle", {}, {},
        f"{ONLINE} 'idle' {PLACE}: no deployment of it gets traffic; name one as deployment_name",
    ),
    "another model": (
        "onlineEndpoint/mine", {"deployment_name": "odd"}, {},
        f"{ONLINE} 'mine' {PLACE}: its deployment 'odd' serves azureml://registries/azureml-meta/models/bert/versions/18"
        f", no model that this tool knows; {INSTEAD}",
    ),
    "no right": (
        "onlineEndpoint/mine", {}, {"onlineEndpoints/mine/listKeys": [403]},
        f"{ONLINE} 'mine' {PLACE}: access denied to listKeys: this identity needs the role 'AzureML Data Scientist' or "
        "another that lists keys of endpoints; a new role takes some minutes",
    ),
    "a refusal": (
        "serverlessEndpoint/mine", {}, {"serverlessEndpoints/mine": [400]},
        f"{SERVERLESS} 'mine' {PLACE}: Azure's resource manager answered 400 Bad Request to the endpoint",
    ),
    "not ready": (
        "serverlessEndpoint/early", {}, {},
        f"{SERVERLESS} 'early' {PLACE}: it is not ready, its provisioning state is Creating",
    ),
    "no Llama": (
        "serverlessEndpoint/other", {}, {},
        f"{SERVERLESS} 'other' {PLACE}: it serves no Llama of Meta, the only serverless models that this tool asks; "
        f"{INSTEAD}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_an_endpoint_that_cannot_be_had(tmp_path: Path, cloud: Azure, name: str) -> None:
    endpoint, more, cloud.statuses, expected = MISTAKES[name]
    told = check(flow(tmp_path, endpoint, **more), environment(cloud))
    assert f"node 'n' names the endpoint '{endpoint}': {expected}\n" in told
    assert KEY not in told


def test_without_a_workspace_or_a_token(tmp_path: Path, cloud: Azure) -> None:
    folder = flow(tmp_path, "onlineEndpoint/mine")
    told = check(folder, {})
    assert f"{ONLINE} 'mine': no workspace is known to look it up in: set AZUREML_ARM_SUBSCRIPTION, " in told
    cloud.audience = "https://somebody.else"
    told = check(folder, cloud.environment() | VARIABLES)
    assert f"{ONLINE} 'mine' {PLACE}: AAD token with aml scope could not be fetched" in told


def check(folder: Path, more: dict[str, str]) -> str:
    command = [sys.executable, "-m", "pfserve", "check", str(folder)]
    done = subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    return done.stdout
