"""The built-in tool that has a text judged by Azure AI Content Safety (contract 3.10)."""
# ruff: noqa: PLR0917 - promptflow's signatures, which its messages about missing arguments repeat

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pfserve.errors import SystemFailure, UserError
from pfserve.llm.problems import masked
from pfserve.llm.tools.asking import Asking

_MEDIUM = "medium_sensitivity"
_THRESHOLDS = {"disable": -1, "low_sensitivity": 6, _MEDIUM: 4, "high_sensitivity": 2}
_FIELDS = {"Hate": "hateResult", "SelfHarm": "selfHarmResult", "Sexual": "sexualResult", "Violence": "violenceResult"}
_BY_CATEGORY = "2023-10-01"  # the version whose answers list the categories; the others have a field for each


async def analyze_text(
    asking: Asking,
    /,
    connection: object,
    text: str,
    hate_category: str = _MEDIUM,
    sexual_category: str = _MEDIUM,
    self_harm_category: str = _MEDIUM,
    violence_category: str = _MEDIUM,
) -> object:
    """Whether to accept the text, as a whole and for each category."""
    judged = await _judged(asking, connection, text)
    sensitivities = {
        "Hate": hate_category,
        "SelfHarm": self_harm_category,
        "Sexual": sexual_category,
        "Violence": violence_category,
    }
    lists = _field(connection, "api_version") == _BY_CATEGORY
    actions = {name: _action(judged, name, sensitivity, lists) for name, sensitivity in sensitivities.items()}
    listed = judged.get("blocklistsMatch" if lists else "blocklistsMatchResults")
    rejected = bool(listed) or "Reject" in actions.values()
    return {"suggested_action": "Reject" if rejected else "Accept", "action_by_category": actions}


async def _judged(asking: Asking, connection: object, text: str) -> dict[str, Any]:
    """The service's answer.

    Raises:
        SystemFailure: it says that something went wrong.
    """
    key = _field(connection, "api_key")
    version, endpoint = _field(connection, "api_version"), _field(connection, "endpoint")
    headers = {
        "Ocp-Apim-Subscription-Key": key,
        "Content-Type": "application/json",
        "ms-azure-ai-sender": "prompt_flow",
    }
    body = json.dumps({"text": text, "blocklistNames": []}).encode()
    url = f"{endpoint}/contentsafety/text:analyze?api-version={version}"
    status, answer = await asking.models.fetch("POST", url, headers, body)
    judged: dict[str, Any] = json.loads(answer)
    if status != 200:
        raise SystemFailure(masked(f"Error in detecting content: {judged['error']['message']}", [key]))
    return judged


def _action(judged: Mapping[str, Any], category: str, sensitivity: str, lists: bool) -> str:
    """``Reject`` if the text is as bad as the sensitivity says, or worse.

    Raises:
        UserError: there is no such sensitivity, or no such category in the answer.
        SystemFailure: the answer lacks the category's severity.
    """
    threshold = _THRESHOLDS.get(getattr(sensitivity, "value", sensitivity))
    if threshold is None:
        raise UserError("RejectThreshold can only be in (-1, 0, 2, 4, 6)")
    found = _listed(judged, category) if lists else judged.get(_FIELDS[category])
    if found is None or "severity" not in found:
        raise SystemFailure(f"Can not find detection result for Category.{category}")
    return "Reject" if threshold != -1 and found["severity"] >= threshold else "Accept"


def _listed(judged: Mapping[str, Any], category: str) -> Mapping[str, Any]:
    for found in judged.get("categoriesAnalysis"):  # type: ignore[union-attr]  # without one promptflow fails here too
        if found.get("category") == category:
            return found  # type: ignore[no-any-return]
    raise UserError(f"Invalid Category Category.{category}")


def _field(connection: object, name: str) -> str:
    return str(getattr(connection, name, "") or "")
