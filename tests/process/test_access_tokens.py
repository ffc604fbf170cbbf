"""LLM nodes whose connection opens by a token: real azure-identity against local services, then a local model."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from azure_stub import azure
from eventually import eventually
from serving import serving
from stub_model import stub_model

pytest.importorskip("azure.identity")
trustme = pytest.importorskip("trustme")

FLOW = """
inputs: {text: {type: string}}
outputs: {answer: {type: string, reference: "${ask.output}"}}
nodes:
- name: ask
  type: llm
  source: {type: code, path: ask.jinja2}
  connection: azure
  api: chat
  inputs: {deployment_name: gpt-4, text: "${inputs.text}"}
"""
SCOPE = "https://cognitiveservices.azure.com"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a stub model."""
    with stub_model(tmp_path_factory.mktemp("model") / "log") as url:
        yield url


@pytest.fixture
def flow(tmp_path: Path, model: str) -> Path:
    folder = tmp_path / "flow"
    folder.mkdir()
    (folder / "flow.dag.yaml").write_text(FLOW)
    (folder / "ask.jinja2").write_text("user:\n{{text}}")
    connection = {
        "name": "azure", "type": "azure_open_ai", "api_base": model, "api_version": "2024-06-01",
        "auth_mode": "meid_token",
    }  # fmt: skip
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(connection))
    return folder


def options(flow: Path) -> tuple[str, ...]:
    return "--connections", str(flow.parent / "c.yaml"), "--workers", "1"


def test_a_managed_identity_s_token_is_fetched_once_and_ahead(flow: Path) -> None:
    with azure() as cloud:
        environment = {"IDENTITY_ENDPOINT": f"{cloud.url}/msi/token", "IDENTITY_HEADER": "header-secret"}
        with serving(flow, *options(flow), environment=environment) as server:
            eventually(lambda: cloud.issued, within_s=10, why="the token should be fetched before the first request")
            assert [server.score({"text": "x"}).status for _ in range(5)] == [200] * 5
            assert len(cloud.asked) == 1
            _, path, headers = cloud.asked[0]
            assert headers["X-IDENTITY-HEADER"] == "header-secret"
            assert "resource=https%3A%2F%2Fcognitiveservices.azure.com" in path or f"resource={SCOPE}" in path
            assert cloud.issued[0] not in server.log


def test_without_a_token_the_request_says_why_and_a_later_one_works(flow: Path) -> None:
    with azure() as cloud:
        cloud.token_statuses = [400] * 3
        environment = {"IDENTITY_ENDPOINT": f"{cloud.url}/msi/token", "IDENTITY_HEADER": "h"}
        with serving(flow, *options(flow), environment=environment) as server:
            answer = server.score({"text": "x"}, timeout_s=60)
            assert answer.status == 400
            code, message = answer.error
            assert code == "UserError"
            assert message.startswith("OpenAI API hits exception: ClientAuthenticationError: DefaultAzureCredential")
            eventually(
                lambda: server.score({"text": "x"}, timeout_s=60).status == 200, within_s=40, why="a token should come"
            )


def test_a_service_principal_at_an_authority_of_one_s_own(flow: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with azure(context) as cloud:
        environment = {
            "AZURE_AUTHORITY_HOST": cloud.url,
            "AZURE_TENANT_ID": "tenant",
            "AZURE_CLIENT_ID": "client",
            "AZURE_CLIENT_SECRET": "secret-of-client",
            "REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem"),
        }
        with serving(flow, *options(flow), environment=environment) as server:
            answer = server.score({"text": "x"}, timeout_s=30)
            assert (answer.status, answer.body[:11]) == (200, b'{"answer":"'), (answer.body, server.log)
            log = server.log
        [form] = cloud.forms
        assert (form["client_id"], form["client_secret"]) == (["client"], ["secret-of-client"])
        assert form["scope"] == [f"{SCOPE}/.default"]
        for secret in ("secret-of-client", cloud.issued[0]):
            assert secret not in log


def test_check_says_which_connection_needs_an_identity(flow: Path) -> None:
    command = [sys.executable, "-m", "pfserve", "check", str(flow), *options(flow)[:2]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "auth_mode=meid_token; opens by a token of Microsoft Entra ID; azure-identity is installed\n" in done.stdout
    blocked = flow.parent / "blocked"
    (blocked / "azure").mkdir(parents=True)
    (blocked / "azure" / "__init__.py").touch()
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONPATH": str(blocked)}
    )
    assert "azure-identity is not installed: pip install 'pfserve[azure]'" in done.stdout
    assert done.stdout.endswith("no mistakes, 1 warning\n")
