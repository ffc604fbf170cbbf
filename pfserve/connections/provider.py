"""Which service gives the connections that no file and no variable has (contract 2.1, 6.6). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

_OF_A_DEPLOYMENT = ("PRT_CONFIG_OVERRIDE", "AML_DEPLOYMENT_RESOURCE_ID")
_HTTP = "PF_HTTP_CONNECTION_PROVIDER_ENDPOINT"
_VARIABLES = ("PROMPTFLOW_CONNECTION_PROVIDER", _HTTP, "PF_CONNECTION_PROVIDER", *_OF_A_DEPLOYMENT)

_WORKSPACE = re.compile(
    r"azureml:/{1,2}subscriptions/([^/]+)/resource[gG]roups/([^/]+)"
    r"(?:/providers/Microsoft\.MachineLearningServices)?/workspaces/([^/]+)/?"
)
_DEPLOYMENT = re.compile(
    r"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.MachineLearningServices/workspaces/([^/]+)"
    r"/onlineEndpoints/[^/]+/deployments/[^/]+",
    re.IGNORECASE,
)
_ADDRESS = "/providers/Microsoft.MachineLearningServices/workspaces/"
_EXPECTED = f"azureml://subscriptions/<subscription_id>/resourceGroups/<resource_group>{_ADDRESS}<workspace_name>"
_SUPPORTED = (
    f"azureml://subscriptions/<your-subscription>/resourceGroups/<your-resourcegroup>{_ADDRESS}<your-workspace>"
)

_OF_ENDPOINTS = ("AZUREML_ARM_SUBSCRIPTION", "AZUREML_ARM_RESOURCEGROUP", "AZUREML_ARM_WORKSPACE_NAME")

ARM_VARIABLE = "PFSERVE_ARM_ENDPOINT"
_PUBLIC_ARM = "https://management.azure.com"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Workspace(msgspec.Struct, frozen=True):
    """An Azure ML workspace, and the resource manager that knows its connections."""

    subscription: str
    group: str
    name: str
    arm: str  # the URL of the resource manager, without a slash at its end


class Provider(msgspec.Struct, frozen=True):
    """A service that has connections by name. Exactly one of the three last ones says more."""

    variable: str  # that names it
    managed: bool = False  # of a deployment of Azure ML: asked as its managed identity
    workspace: Workspace | None = None
    endpoint: str = ""
    problem: str = ""  # why it cannot be asked


def provider_of(environ: Mapping[str, str]) -> Provider | None:
    """The provider that the environment names; None for ``local`` and where it names none."""
    variable = next((name for name in _VARIABLES if environ.get(name)), "")
    if not variable:
        return None
    given = environ[variable]
    if variable == _HTTP:
        return Provider(variable, endpoint=given.rstrip("/"), problem=_address_problem(given, _HTTP))
    if variable in _OF_A_DEPLOYMENT:
        found = _of_settings(given) if variable == "PRT_CONFIG_OVERRIDE" else _of_deployment(given)
    elif given == "local":
        return None
    else:
        found = _of_text(given)
    managed = variable != "PF_CONNECTION_PROVIDER"
    if isinstance(found, str):
        return Provider(variable, managed, problem=found)
    arm = _arm(environ)
    return Provider(variable, managed, Workspace(*found, arm), problem=_address_problem(arm, ARM_VARIABLE))


def provider_of_endpoints(environ: Mapping[str, str]) -> Provider:
    """The workspace whose model endpoints flows name: that of promptflow's tool's own variables, else of connections.

    Its ``problem`` says why there is none.
    """
    subscription, group, name = (environ.get(one, "") for one in _OF_ENDPOINTS)
    of_connections = provider_of(environ)
    if subscription and group and name:
        managed, arm = of_connections is not None and of_connections.managed, _arm(environ)
        return Provider(
            _OF_ENDPOINTS[0],
            managed,
            Workspace(subscription, group, name, arm),
            problem=_address_problem(arm, ARM_VARIABLE),
        )
    if of_connections is not None and of_connections.workspace is not None:
        return of_connections
    return Provider(_OF_ENDPOINTS[0], problem=f"no workspace is known to look it up in: set {', '.join(_OF_ENDPOINTS)}")


def _arm(environ: Mapping[str, str]) -> str:
    return (environ.get(ARM_VARIABLE) or _PUBLIC_ARM).rstrip("/")


def _of_text(text: str) -> tuple[str, str, str] | str:
    match = _WORKSPACE.fullmatch(text)
    if match is not None:
        return match[1], match[2], match[3]
    if text.startswith("azureml"):
        return f"Malformed connection provider config, expected {_EXPECTED}, got {text}"
    return f"Unsupported connection provider config: {text}, only 'local' and '{_SUPPORTED}' are expected as value."


def _of_settings(text: str) -> tuple[str, str, str] | str:
    pairs = (pair.partition("=") for pair in text.split(","))
    settings = {name.strip(): value.strip() for name, _, value in pairs}
    names = ("subscription_id", "resource_group", "workspace_name")
    subscription, group, workspace = (settings.get(f"deployment.{name}", "") for name in names)
    if subscription and group and workspace:
        return subscription, group, workspace
    lacking = ", ".join(f"deployment.{name}" for name in names if not settings.get(f"deployment.{name}"))
    return f"PRT_CONFIG_OVERRIDE lacks {lacking}; expected deployment.subscription_id=…,deployment.resource_group=…, …"


def _of_deployment(text: str) -> tuple[str, str, str] | str:
    match = _DEPLOYMENT.fullmatch(text.rstrip("/"))
    if match is None:
        return f"AML_DEPLOYMENT_RESOURCE_ID is no resource id of a deployment: {text}"
    return match[1], match[2], match[3]


def _address_problem(text: str, variable: str) -> str:
    """Secrets travel there: in the clear only within this machine, or to a provider of one's own."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        return f"{variable} is no http or https URL"
    if "@" in parts.netloc:  # nothing would send it, and messages and origins show the address
        return f"{variable} must not hold a user or a password"
    if variable == ARM_VARIABLE and parts.scheme == "http" and host not in _LOOPBACK:
        return f"{variable} has to be an https URL"
    return ""
