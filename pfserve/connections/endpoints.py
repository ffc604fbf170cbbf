"""Endpoints of models in an Azure ML workspace, by name: where they are, what opens them, and what they serve.

promptflow's tool for open models asks Azure's resource manager for these in every request. Here they are found once,
while the flow is compiled; a key that was changed counts after a reload.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pfserve.connections.arm_token import ArmToken, NoToken
from pfserve.connections.form import Form
from pfserve.connections.problems import BrokenConnection, ConnectionProblem, MissingConnection
from pfserve.connections.provider import Workspace
from pfserve.connections.wire import Unreachable, Wire

ONLINE = "onlineEndpoint"
SERVERLESS = "serverlessEndpoint"

_API_VERSIONS = {ONLINE: "2023-10-01", SERVERLESS: "2023-08-01-preview"}
_REGISTERED = re.compile(r"azureml://registries/[^/]+/models/([^/]+)/versions/")
_FAMILIES = {"llama-2": "LLAMA", "tiiuae-falcon": "FALCON", "databricks-dolly-v2": "DOLLY", "gpt2": "GPT2"}
_INSTEAD = "give it as a custom connection with endpoint_url, endpoint_api_key and model_family, and write connection/…"


class Endpoints:
    """Asks the resource manager for single endpoints."""

    def __init__(self, workspace: Workspace, tokens: ArmToken, wire: Wire) -> None:
        self._workspace = workspace
        self._tokens = tokens
        self._wire = wire

    def fetch(self, kind: str, name: str, deployment: str) -> Form | ConnectionProblem:
        """The endpoint as the custom connection that the tool takes, or why it cannot be had.

        ``kind`` is ``ONLINE`` or ``SERVERLESS``. Without a ``deployment``, the one of an online endpoint that most of
        its traffic goes to says what model is served.
        """
        self._wire.patience.begin()
        token = self._tokens.get()
        if isinstance(token, NoToken):
            return BrokenConnection(name, f"{kind} {name!r} of {self._place()}: {token.why}")
        asking = _Asking(self._workspace, self._wire, token, kind, name)
        try:
            found = asking.online(deployment) if kind == ONLINE else asking.serverless()
        except _NotHad as problem:
            told = f"{kind} {name!r} of {self._place()}: {problem}"
            return (MissingConnection if problem.missing else BrokenConnection)(name, told)
        return Form("CustomConnection", found, frozenset({"endpoint_api_key"}), f"workspace {self._workspace.name}")

    def _place(self) -> str:
        return f"workspace {self._workspace.name!r} of resource group {self._workspace.group!r}"


class _NotHad(Exception):
    """Why the endpoint cannot be had. The text repeats no answer: answers hold keys."""

    def __init__(self, text: str, *, missing: bool = False) -> None:
        super().__init__(text)
        self.missing = missing


class _Asking:
    """The requests for one endpoint."""

    def __init__(self, workspace: Workspace, wire: Wire, token: str, kind: str, name: str) -> None:
        self._workspace = workspace
        self._wire = wire
        self._token = token
        self._kind = kind
        self._name = name

    def online(self, deployment: str) -> dict[str, object]:
        described = self._properties("GET", "")
        served_by = deployment or _busiest(described.get("traffic"))
        model = self._properties("GET", f"/deployments/{quote(served_by, safe='')}").get("model")
        return self._opened(described.get("scoringUri"), _family(str(model), served_by))

    def serverless(self) -> dict[str, object]:
        described = self._properties("GET", "")
        if (state := described.get("provisioningState")) != "Succeeded":
            raise _NotHad(f"it is not ready, its provisioning state is {state}")
        if not _is_llama(described):
            raise _NotHad(f"it serves no Llama of Meta, the only serverless models that this tool asks; {_INSTEAD}")
        return self._opened(_mapping(described.get("inferenceEndpoint")).get("uri"), "LLAMA")

    def _opened(self, url: object, family: str) -> dict[str, object]:
        key = self._answer("POST", "/listKeys").get("primaryKey")
        if not url or not key:
            raise _NotHad("the answer of Azure's resource manager has no address or no key of it")
        return {"endpoint_url": str(url), "endpoint_api_key": str(key), "model_family": family}

    def _properties(self, method: str, path: str) -> Mapping[str, Any]:
        return _mapping(self._answer(method, path).get("properties"))

    def _answer(self, method: str, path: str) -> Mapping[str, Any]:
        """The JSON object that the resource manager answers.

        Raises:
            _NotHad: it is none.
        """
        where = self._workspace
        url = (
            f"{where.arm}/subscriptions/{quote(where.subscription)}/resourceGroups/{quote(where.group)}/providers/"
            f"Microsoft.MachineLearningServices/workspaces/{quote(where.name)}/{self._kind}s/"
            f"{quote(self._name, safe='')}{path}?api-version={_API_VERSIONS[self._kind]}"
        )
        headers = {"Authorization": f"Bearer {self._token}"} | ({"Content-Length": "0"} if method == "POST" else {})
        try:
            reply = self._wire.ask(method, url, headers)
        except Unreachable as problem:
            raise _NotHad(f"{where.arm} cannot be asked: {problem}") from None
        if reply.status != 200:
            raise _refused(reply.status, reply.reason, path)
        try:
            return _mapping(json.loads(reply.body))
        except (ValueError, RecursionError):
            raise _NotHad("the answer of Azure's resource manager is no JSON") from None


def _refused(status: int, reason: str, path: str) -> _NotHad:
    of = path.strip("/") or "the endpoint"
    if status == 404:
        return _NotHad("there is none" if not path else f"it has no {of.replace('s/', ' ', 1)}", missing=True)
    if status == 403:
        return _NotHad(
            f"access denied to {of}: this identity needs the role 'AzureML Data Scientist' or another that lists "
            "keys of endpoints; a new role takes some minutes"
        )
    return _NotHad(f"Azure's resource manager answered {status} {reason} to {of}")


def _busiest(traffic: object) -> str:
    """The deployment that most of the traffic goes to, the first by name of several."""
    shares = {name: share for name, share in _mapping(traffic).items() if isinstance(share, int) and share > 0}
    if not shares:
        raise _NotHad("no deployment of it gets traffic; name one as deployment_name")
    return min(shares, key=lambda name: (-shares[name], name))


def _family(model: str, deployment: str) -> str:
    named = _REGISTERED.match(model)
    served = named[1].lower() if named else ""
    for beginning, family in _FAMILIES.items():
        if served.startswith(beginning):
            return family
    raise _NotHad(f"its deployment {deployment!r} serves {model}, no model that this tool knows; {_INSTEAD}")


def _is_llama(described: Mapping[str, Any]) -> bool:
    offer, market = _mapping(described.get("offer")), _mapping(described.get("marketplaceInfo"))
    if offer.get("publisher") == "Meta":
        return "llama" in str(offer.get("offerName"))
    return market.get("publisherId") == "metagenai" and "llama" in str(market.get("offerId"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
