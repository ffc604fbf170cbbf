"""Which provider the environment names, and what single answers of it come to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import pytest

from azure_stub import KEY, WORKSPACE, jwt, payload
from pfserve.connections import AccessDenied, BrokenConnection, ConnectionProblem, Connections, MissingConnection
from pfserve.connections.arm_token import NoToken, credential_of, token_of
from pfserve.connections.connections import Sources
from pfserve.connections.form import Form, from_execution_form
from pfserve.connections.provider import Workspace, provider_of
from pfserve.connections.wire import Patience, Reply, Unreachable, Wire, at_once, is_worth_another
from pfserve.connections.workspace import WorkspaceSource

ARM = "https://management.azure.com"
SETTINGS = "deployment.subscription_id=s,deployment.resource_group=g,deployment.workspace_name=w"
RESOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
DEPLOYMENT = f"{RESOURCE}/onlineEndpoints/e/deployments/d"

# -- Which one --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({"PROMPTFLOW_CONNECTION_PROVIDER": WORKSPACE}, "PROMPTFLOW_CONNECTION_PROVIDER"),
        (
            {"PF_CONNECTION_PROVIDER": "azureml:/subscriptions/s/resourcegroups/g/workspaces/w"},
            "PF_CONNECTION_PROVIDER",
        ),
        ({"PRT_CONFIG_OVERRIDE": SETTINGS}, "PRT_CONFIG_OVERRIDE"),
        ({"PRT_CONFIG_OVERRIDE": f"storage=x=y, {SETTINGS} ,odd"}, "PRT_CONFIG_OVERRIDE"),
        ({"AML_DEPLOYMENT_RESOURCE_ID": DEPLOYMENT}, "AML_DEPLOYMENT_RESOURCE_ID"),
        ({"AML_DEPLOYMENT_RESOURCE_ID": "x", "PRT_CONFIG_OVERRIDE": SETTINGS}, "PRT_CONFIG_OVERRIDE"),
        (
            {"PRT_CONFIG_OVERRIDE": "x", "PROMPTFLOW_CONNECTION_PROVIDER": WORKSPACE, "PF_CONNECTION_PROVIDER": "y"},
            "PROMPTFLOW_CONNECTION_PROVIDER",
        ),
    ],
)
def test_a_workspace(environ, variable):
    found = provider_of(environ)
    assert (found.variable, found.workspace, found.problem) == (variable, Workspace("s", "g", "w", ARM), "")
    assert found.managed == (variable != "PF_CONNECTION_PROVIDER")


def test_a_service_of_one_s_own():
    found = provider_of({"PF_HTTP_CONNECTION_PROVIDER_ENDPOINT": "http://h:1/", "PF_CONNECTION_PROVIDER": "local"})
    assert (found.endpoint, found.workspace, found.problem) == ("http://h:1", None, "")


@pytest.mark.parametrize(
    "environ",
    [{}, {"PROMPTFLOW_CONNECTION_PROVIDER": "local", "PRT_CONFIG_OVERRIDE": SETTINGS}, {"PF_CONNECTION_PROVIDER": ""}],
)
def test_none(environ):
    assert provider_of(environ) is None


MALFORMED = (
    "Malformed connection provider config, expected azureml://subscriptions/<subscription_id>/resourceGroups/"
    "<resource_group>/providers/Microsoft.MachineLearningServices/workspaces/<workspace_name>, got "
)


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"PF_CONNECTION_PROVIDER": "azureml://nope"}, MALFORMED + "azureml://nope"),
        ({"PF_CONNECTION_PROVIDER": f"{WORKSPACE}/more/x"}, MALFORMED + f"{WORKSPACE}/more/x"),
        ({"PF_CONNECTION_PROVIDER": WORKSPACE.replace("/s/", "//")}, MALFORMED),
        ({"PF_CONNECTION_PROVIDER": f"x{WORKSPACE}"}, "Unsupported connection provider config: xazureml"),
        ({"PF_CONNECTION_PROVIDER": "sql"}, "Unsupported connection provider config: sql, only 'local' and 'azureml:"),
        ({"PRT_CONFIG_OVERRIDE": "deployment.resource_group=g"}, "lacks deployment.subscription_id, deployment.work"),
        ({"AML_DEPLOYMENT_RESOURCE_ID": RESOURCE}, "AML_DEPLOYMENT_RESOURCE_ID is no resource id of a deployment: /"),
        ({"PF_HTTP_CONNECTION_PROVIDER_ENDPOINT": "ftp://x"}, "is no http or https URL"),
        ({"PF_HTTP_CONNECTION_PROVIDER_ENDPOINT": "http://me:s3cret@h"}, "must not hold a user or a password"),
        (
            {"PF_CONNECTION_PROVIDER": WORKSPACE, "PFSERVE_ARM_ENDPOINT": "https://me:s3cret@h"},
            "PFSERVE_ARM_ENDPOINT must not hold a user or a password",
        ),
        (
            {"PF_CONNECTION_PROVIDER": WORKSPACE, "PFSERVE_ARM_ENDPOINT": "http://h"},
            "PFSERVE_ARM_ENDPOINT has to be an https URL",
        ),
        ({"PF_CONNECTION_PROVIDER": WORKSPACE, "PFSERVE_ARM_ENDPOINT": "h"}, "PFSERVE_ARM_ENDPOINT is no http"),
    ],
)
def test_one_that_cannot_be_asked(environ, problem):
    told = provider_of(environ).problem
    assert problem in told and "s3cret" not in told


def test_another_cloud():
    found = provider_of({"PF_CONNECTION_PROVIDER": WORKSPACE, "PFSERVE_ARM_ENDPOINT": "https://arm.gov/"})
    assert found.workspace.arm == "https://arm.gov"


# -- Asking -----------------------------------------------------------------------------------------


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now_s = 0.0
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now_s += seconds


def patience(within_s=60.0):
    time = Time()
    return Patience(within_s, clock=lambda: time.now_s, sleep=time.sleep), time


class ScriptedWire(Wire):
    """Gives these replies to its attempts; an exception is raised."""

    def __init__(self, *replies, within_s=60.0):
        own_patience, self.time = patience(within_s)
        super().__init__({}, own_patience)
        self.replies = list(replies)
        self.asked = []

    def _attempt(self, method, url, headers):
        self.asked.append((method, url, headers))
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


def reply(status=200, body=b"", reason="Reason"):
    return Reply(status, reason, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("replies", "status", "slept"),
    [
        ([200], 200, []),
        ([503, 429, 200], 200, [3.0, 6.0]),
        ([500] * 4, 500, [3.0, 6.0, 12.0]),
        ([403], 403, []),
        ([505], 505, []),
        ([506, 200], 200, [3.0]),
    ],
)
def test_attempts(replies, status, slept):
    wire = ScriptedWire(*map(reply, replies))
    assert wire.ask("GET", "http://x", {}).status == status
    assert (wire.time.slept, len(wire.asked)) == (slept, len(replies))


def test_the_deadline_ends_the_attempts():
    wire = ScriptedWire(reply(503), reply(503), within_s=8)
    assert wire.ask("GET", "http://x", {}).status == 503
    assert wire.time.slept == [3.0]


def test_no_answer_is_tried_again_too():
    wire = ScriptedWire(Unreachable("cut"), reply(200))
    assert wire.ask("GET", "http://x", {}).status == 200
    with pytest.raises(Unreachable, match="cut"):
        ScriptedWire(*[Unreachable("cut")] * 4).ask("GET", "http://x", {})


def test_statuses_worth_another_attempt():
    assert [status for status in range(400, 520) if is_worth_another(status)] == [
        408, 429, 500, 502, 503, 504, *range(506, 520),
    ]  # fmt: skip


def test_all_at_once_and_each_once():
    seen = []
    assert at_once(Patience(10), lambda name: seen.append(name) or name * 2, ["b", "a", "b"]) == {"b": "bb", "a": "aa"}
    assert sorted(seen) == ["a", "b"]


# -- The workspace's answers ------------------------------------------------------------------------


def source(*replies, token: object = "t", within_s=60.0):
    wire = ScriptedWire(*replies, within_s=within_s)
    made = WorkspaceSource(
        provider_of({"PROMPTFLOW_CONNECTION_PROVIDER": WORKSPACE}), Workspace("s", "g", "w", ARM), {}, wire
    )
    made._tokens._token = token
    return made, wire


URL = (
    "/subscriptions/s/resourcegroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/connections/my conn"
    "/listsecrets?api-version=2023-04-01-preview"
)


def test_what_is_sent():
    made, wire = source(reply(body=payload()))
    form = made.fetch(["my conn"])["my conn"]
    assert wire.asked == [("POST", ARM + URL.replace(" ", "%20"), {"Authorization": "Bearer t", "Content-Length": "0"})]
    assert (form.type_name, form.value["api_key"], form.origin) == ("AzureOpenAIConnection", KEY, "workspace w")


DENIED = (
    "Access denied to list workspace secret due to invalid authentication. Please ensure you have gain RBAC role "
    "'Azure Machine Learning Workspace Connection Secrets Reader' for current workspace, and wait for a few minutes "
    "to make sure the new role takes effect. "
)


@pytest.mark.parametrize(
    ("replies", "kind", "told"),
    [
        ([reply(403)], AccessDenied, DENIED),
        (
            [reply(404)],
            MissingConnection,
            f"Open url {URL} failed with status code: 404, action: listsecrets, reason: Reason; there is no connection "
            "'my conn' in workspace 'w' of resource group 'g'",
        ),
        (
            [reply(401, KEY.encode())],
            BrokenConnection,
            f"Open url {URL} failed with status code: 401, action: listsecrets, reason: Reason",
        ),
        (
            [reply(500)] * 4,
            BrokenConnection,
            f"Open url {URL} failed with status code: 500, action: listsecrets, reason: Reason",
        ),
        (
            [reply(302)],
            BrokenConnection,
            f"Open url {URL} failed with status code: 302, action: listsecrets, reason: Reason",
        ),
        (
            [reply(body=payload("Git"))],
            BrokenConnection,
            "Build connection dict for connection my conn failed with Unknown connection my conn category Git..",
        ),
        (
            [reply(body=KEY.encode())],
            BrokenConnection,
            "Build connection dict for connection my conn failed with an answer that is no JSON.",
        ),
        (
            [Unreachable("gone")] * 4,
            BrokenConnection,
            f"connection 'my conn': {ARM} (action: listsecrets) cannot be asked: gone",
        ),
    ],
)
def test_what_goes_wrong(replies, kind, told):
    made, _ = source(*replies)
    problem = made.fetch(["my conn"])["my conn"]
    assert (type(problem), str(problem)) == (kind, told)


def test_without_a_token():
    made, wire = source(token=NoToken("the token service says no"))
    problem = made.fetch(["a"])["a"]
    assert str(problem) == "connection 'a' of workspace 'w' of resource group 'g': the token service says no"
    assert wire.asked == []


def test_a_token_that_is_over_is_not_sent_and_every_round_has_its_own_time(monkeypatch):
    given = [jwt(ARM, 3600, 1)]
    monkeypatch.setattr("pfserve.connections.arm_token.credential_of", lambda *_, **__: Identity(*given))
    made, wire = source(reply(body=payload()), reply(body=payload()), token=jwt(ARM, 30, 0))
    wire.time.now_s += 1000
    assert isinstance(made.fetch(["a"])["a"], Form)
    wire.time.now_s += 1000
    assert isinstance(made.fetch(["b"])["b"], Form)
    assert [headers["Authorization"] for _, _, headers in wire.asked] == [f"Bearer {given[0]}"] * 2


class Identity:
    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.scopes = []

    def get_token(self, *scopes):
        self.scopes.append(scopes)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return type("Token", (), {"token": outcome})


def test_a_token_is_for_the_resource_manager_and_tried_four_times():
    token = jwt(ARM, 60, 0)
    own_patience, time = patience()
    identity = Identity(*[ValueError("busy")] * 3, token)
    assert token_of(identity, ARM, own_patience) == token
    assert (time.slept, set(identity.scopes)) == ([3.0, 6.0, 12.0], {(f"{ARM}/.default",)})
    assert token_of(Identity(*[ValueError("busy")] * 4), ARM, patience()[0]).why == "busy"
    assert token_of(Identity(ValueError("")), ARM, None).why == "ValueError"
    assert token_of(Identity(jwt(f"{ARM}/", 60, 0)), ARM, None)


@pytest.mark.parametrize("token", [jwt("https://else", 60, 0), "opaque", "a.b.c"])
def test_a_token_for_somebody_else(token):
    why = token_of(Identity(token), ARM, None).why
    assert why.startswith("AAD token with aml scope could not be fetched using the credentials being used. The token ")
    assert token not in why


@pytest.mark.parametrize(
    ("environ", "managed", "kind"),
    [
        ({}, True, "ManagedIdentityCredential"),
        ({"AZURE_CLIENT_ID": "c"}, True, "ManagedIdentityCredential"),
        ({}, False, "DefaultAzureCredential"),
        (
            {"AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_SECRET": "s"},
            True,
            "DefaultAzureCredential",
        ),
    ],
)
def test_whom_to_ask_as(environ, managed, kind):
    pytest.importorskip("azure.identity")
    assert type(credential_of(environ, managed=managed)).__name__ == kind


# -- Connections of a provider ----------------------------------------------------------------------


class FakeSource:
    """Has these connections, and notes what it was asked."""

    def __init__(self, **found: Form | ConnectionProblem) -> None:
        self.found = found
        self.asked: list[list[str]] = []

    def fetch(self, names: Iterable[str]) -> Mapping[str, Form | ConnectionProblem]:
        self.asked.append(list(names))
        return {name: self.found.get(name) or MissingConnection(name, f"no {name}") for name in names}


def form(key="k"):
    return from_execution_form(
        {"type": "OpenAIConnection", "value": {"api_key": key}, "secret_keys": ["api_key"]}, "provider"
    )


def test_only_what_is_needed_is_fetched_together_and_once():
    provider = FakeSource(a=form("1"), b=form("2"), c=form("3"))
    made = Connections(
        Sources(
            forms={"of file": form("0")},
            environ={"data": json.dumps(payload()), "alias": "c", "b_": "x", "inj": "${{azureml://connections/a}}"},
            provider=provider,
        )
    )
    made.fetch(["a", "b", "of file", "data", "alias", "inj", "a"])
    assert provider.asked == [["a", "b", "c"]]
    assert [made.get(name).api_key for name in ("a", "b", "alias", "inj", "of file")] == ["1", "2", "3", "1", "0"]
    assert made.get("data").api_base == "http://target"
    made.fetch(["a", "new"])
    assert provider.asked == [["a", "b", "c"], ["new"]]
    with pytest.raises(MissingConnection, match="no new"):
        made.get("new")


def test_two_names_for_one_connection_and_its_own():
    """Promptflow gives it to the last name only, and the target loses its own entry (row 28)."""
    provider = FakeSource(target=form("t"))
    made = Connections(
        Sources(forms={}, environ={"one": "target", "two": "target", "TWO_ORGANIZATION": "o"}, provider=provider)
    )
    made.fetch(["one", "two", "target"])
    assert [made.get(name).api_key for name in ("one", "two", "target")] == ["t", "t", "t"]
    assert [made.get(name).organization for name in ("one", "two", "target")] == [None, "o", None]
    assert provider.asked == [["target"]]


def test_what_failed_is_asked_for_again_after_a_while():
    now_s = 0.0
    provider = FakeSource()
    made = Connections(Sources(forms={}, provider=provider, clock=lambda: now_s))
    for _ in range(3):
        with pytest.raises(MissingConnection):
            made.get("a")
    assert provider.asked == [["a"]]
    provider.found["a"], now_s = form("late"), 31.0
    assert made.get("a").api_key == "late"
    assert provider.asked == [["a"]] * 2


def test_a_denied_one_is_remembered():
    made = Connections(Sources(forms={}, provider=FakeSource(a=AccessDenied("a", DENIED))))
    assert made.denied == ""
    with pytest.raises(AccessDenied):
        made.get("a")
    assert made.denied == DENIED


def test_a_name_in_a_variable_may_be_a_secret_and_is_not_shown():
    made = Connections(Sources(forms={}, environ={"a": KEY}, provider=FakeSource()))
    with pytest.raises(MissingConnection) as problem:
        made.get("a")
    assert str(problem.value) == "no …"


@pytest.mark.parametrize(
    "held", ["${{azureml://connections/c/credentials/key}}", "${{keyvault:https://v.vault.azure.net/secrets/s/1}}"]
)
def test_a_secret_that_only_azure_ml_injects(held):
    made = Connections(Sources(forms={"a": form()}, environ={"A_API_KEY": held}))
    with pytest.raises(BrokenConnection, match="has for api_key what only Azure ML fills in when it starts a deploy"):
        made.get("a")
