"""LLM nodes whose connection opens by a token: real azure-identity against local services, then a local model."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from azure_stub import Azure, azure
from eventually import eventually
from services_stub import Services, services
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


# -- a token service that is busy, and tokens that end

MANAGED, PRINCIPAL = "a managed identity", "a service principal"


class Rig(NamedTuple):
    cloud: Azure
    service: Services
    environment: dict[str, str]
    flow: Path


@pytest.fixture(params=[MANAGED, PRINCIPAL])
def rig(request: pytest.FixtureRequest, flow: Path, tmp_path: Path) -> Iterator[Rig]:
    """A flow that asks a model that takes valid tokens only."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    managed = request.param == MANAGED
    with azure(None if managed else context) as cloud, services(context) as service:
        connection = yaml.safe_load((tmp_path / "c.yaml").read_text())
        (tmp_path / "c.yaml").write_text(yaml.safe_dump({**connection, "api_base": service.url}))
        environment = {"IDENTITY_ENDPOINT": f"{cloud.url}/msi/token", "IDENTITY_HEADER": "h"}
        if not managed:
            environment = {
                "AZURE_AUTHORITY_HOST": cloud.url,
                "AZURE_TENANT_ID": "tenant",
                "AZURE_CLIENT_ID": "client",
                "AZURE_CLIENT_SECRET": "secret-of-client",
                "REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem"),
            }
        cloud.retry_after_s = 1
        yield Rig(cloud, service, environment, flow)


def test_a_throttled_token_service_is_asked_again_when_it_says(rig: Rig) -> None:
    rig.cloud.token_statuses = [429, 429]
    with serving(rig.flow, *options(rig.flow), environment=rig.environment) as server:
        answers = [server.score({"text": "x"}, timeout_s=60) for _ in range(3)]
        assert [answer.json for answer in answers] == [{"answer": "said"}] * 3
    assert rig.cloud.token_requests == 3


def test_a_token_service_that_stays_throttled_is_not_pressed_and_told_of(rig: Rig) -> None:
    rig.cloud.token_statuses = [429] * 1000
    with serving(rig.flow, *options(rig.flow), "--max-concurrent-requests=20", environment=rig.environment) as server:
        with ThreadPoolExecutor(20) as clients:
            answers = list(clients.map(lambda _: server.score({"text": "x"}, timeout_s=90), range(20)))
        assert {answer.status for answer in answers} == {400}
        code, message = answers[0].error
        assert code == "UserError"
        assert message.startswith("OpenAI API hits exception: "), message
        assert rig.cloud.token_requests <= 12, "twenty requests at once press the service no harder than one"
        asked = rig.cloud.token_requests
        rig.cloud.token_statuses = []
        eventually(
            lambda: server.score({"text": "x"}, timeout_s=60).status == 200, within_s=40, why="a token should come"
        )
        assert rig.cloud.token_requests <= asked + 2
        assert "secret-of-client" not in server.log


def test_a_renewal_that_is_throttled_costs_no_request_while_the_token_is_valid(rig: Rig) -> None:
    rig.cloud.lifetime_s = 26  # renewed after 13 s; pfserve lets go of it after 16
    with serving(rig.flow, *options(rig.flow), environment=rig.environment) as server:
        assert server.score({"text": "x"}, timeout_s=30).status == 200
        rig.cloud.token_statuses = [429]
        statuses: list[int] = []

        def renewed() -> bool:
            statuses.append(server.score({"text": "x"}, timeout_s=30).status)
            return len(set(rig.service.took)) > 1

        eventually(renewed, within_s=40, why="the token should be renewed")
    assert set(statuses) == {200}
    assert rig.cloud.token_statuses == [], "the renewal has met the throttled service"


def test_requests_go_on_over_the_end_of_a_token(rig: Rig) -> None:
    """Its life is so short that each is over soon after it came: none is used that the model would refuse."""
    rig.cloud.lifetime_s = 12
    with serving(rig.flow, *options(rig.flow), environment=rig.environment) as server:
        statuses: list[int] = []

        def third() -> bool:
            statuses.append(server.score({"text": "x"}, timeout_s=30).status)
            return len(set(rig.service.took)) >= 3

        eventually(third, within_s=40, why="tokens should be renewed")
    assert set(statuses) == {200}
