"""The built-in tool that asks a model behind an endpoint of Azure ML: Llama, Dolly, GPT-2, Falcon (contract 3.10)."""
# ruff: noqa: PLR0917 - promptflow's signatures, which its messages about missing arguments repeat

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pfserve.errors import UserError
from pfserve.llm.problems import masked
from pfserve.llm.tools.asking import Asking
from pfserve.values.ambient import DEADLINE_S
from pfserve.values.chat import invalid_role
from pfserve.values.roles import escape_variables, restore_roles

LLAMA = "LLaMa"
FAMILIES = {"LLAMA": LLAMA, "DOLLY": "Dolly", "GPT2": "GPT-2", "FALCON": "Falcon"}
"""How connections name the families, and how requests do."""

_TRIES = 5
_FIRST_WAIT_S = 6.0
_WAIT_GROWS = 3.0
_DIRECT = ("endpoint_url", "endpoint_api_key", "model_family")
_ROLES = ("system", "user", "assistant")
_SEPARATOR = re.compile(r"(?ai:(system|user|assistant))\s*+:[^\S\n]*+\n")
_SERVERLESS = ("serverless.ml.azure.com", "inference.ai.azure.com")
_UNEXPECTED = "Unexpected chat format. Please ensure the query matches the chat format of the model used."


class _EndpointFailed(Exception):
    """The endpoint did not give an answer, or none that is one: another try may help."""


class _Endpoint(NamedTuple):
    url: str
    key: str
    family: str

    @property
    def is_serverless(self) -> bool:
        return any(domain in self.url for domain in _SERVERLESS)


async def call(
    asking: Asking,
    /,
    api: str,
    endpoint_name: str,
    deployment_name: str | None = None,
    temperature: float | None = 1.0,
    max_new_tokens: int | None = 500,
    top_p: float | None = 1.0,
    model_kwargs: Mapping[str, object] | None = None,
    **variables: object,
) -> object:
    """What the model says."""
    endpoint = _endpoint(asking.connection, endpoint_name, api, variables)
    escapes = escape_variables(variables, asking.escaped)
    prompt = asking.prompt(variables)
    settings = {
        **(model_kwargs or {}),
        "top_p": top_p,
        "temperature": temperature,
        "max_new_tokens": max_new_tokens,
    }
    body, read = _form(endpoint, str(api), prompt, settings, escapes)
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {endpoint.key}",
        "x-ms-user-agent": f"PromptFlow/OpenModelLLM/{endpoint.family}",
    }
    deployment = (deployment_name or "").strip()
    if deployment and deployment != "default":
        headers["azureml-model-deployment"] = deployment
    return await _answer(asking, endpoint, headers, json.dumps(body).encode(), read)


call.__qualname__ = "OpenModelLLM.call"


async def _answer(
    asking: Asking, endpoint: _Endpoint, headers: dict[str, str], body: bytes, read: Callable[[Any], object]
) -> object:
    """The answer, after as many tries as it takes, five at most, and as the deadline allows."""
    deadline_s, wait_s = DEADLINE_S.get(), _FIRST_WAIT_S
    for attempt in range(1, _TRIES + 1):
        try:
            status, answer = await asking.models.fetch("POST", endpoint.url, headers, body)
            text = answer.decode("utf-8", "replace")
            if status != 200:
                raise _EndpointFailed(f"Request failure while calling Online Endpoint Status:{status}\nError:{text}")
            return read(json.loads(text))
        except _EndpointFailed as problem:
            if attempt == _TRIES or (deadline_s is not None and time.monotonic() + wait_s >= deadline_s):
                told = f"Exception hit calling Online Endpoint: OpenModelLLMOnlineEndpointError: {problem}"
                raise UserError(masked(told, [endpoint.key])) from problem
        await asking.models.pause(wait_s)
        wait_s *= _WAIT_GROWS
    raise AssertionError("the last try gives an answer or an error")


def _endpoint(connection: object | None, name: str, api: str, variables: dict[str, object]) -> _Endpoint:
    """Where to ask: what the node gives directly, taken out of the variables, or a custom connection has.

    Raises:
        UserError: something is missing.
    """
    direct = [variables.pop(key, None) for key in _DIRECT]
    if all(direct):
        return _Endpoint(*(str(value) for value in direct))
    if any(direct):
        raise UserError(
            "Endpoint connection via kwargs not fully set.\n"
            "If using kwargs, the following values must be set: endpoint_url, endpoint_api_key, and model_family"
        )
    if connection is None:
        raise UserError(
            f"The endpoint '{name}' is not known. Give it as a custom connection with endpoint_url, endpoint_api_key "
            "and model_family, and write connection/NAME in the flow file."
        )
    values = dict(connection)  # type: ignore[call-overload]
    for key in ("endpoint_url", "model_family"):
        if key not in values:
            needed = "Required keys are: endpoint_url,model_family."
            raise UserError(f"Required key `{key}` not found in given custom connection.\n{needed}")
    if "endpoint_api_key" not in values:
        needed = "Required keys are: endpoint_api_key."
        raise UserError(f"Required secret key `endpoint_api_key` not found in given custom connection.\n{needed}")
    family = FAMILIES.get(str(values["model_family"]))
    if family is None:
        supported = f"Supported models are: {','.join(FAMILIES)}."
        raise UserError(f"Given model_family '{values['model_family']}' not recognized.\n{supported}")
    endpoint = _Endpoint(str(values["endpoint_url"]), str(values["endpoint_api_key"]), family)
    path = "/v1/chat/completions" if api == "chat" else "/v1/completions"
    if endpoint.is_serverless and not endpoint.url.endswith(path):
        return endpoint._replace(url=endpoint.url + path)
    return endpoint


def _form(
    endpoint: _Endpoint, api: str, prompt: str, settings: dict[str, object], escapes: Mapping[str, str]
) -> tuple[dict[str, object], Callable[[Any], object]]:
    """The body of the request, and how its answer is read: each family has its own way."""
    is_chat = api == "chat"
    plain = _escaped_quotes(restore_roles(prompt, escapes))
    if endpoint.family != LLAMA:
        return {"input_data": {"input_string": [plain]}, "parameters": settings}, _read_standard
    if endpoint.is_serverless:
        settings = {"n": 1, **settings, "max_tokens": settings["max_new_tokens"]}
        asked = {"model": "llama-2-7b-hf", "messages": _messages(prompt, escapes)} if is_chat else {"prompt": plain}
        return asked | settings, _read_serverless_chat if is_chat else _read_serverless_completion
    settings = {"do_sample": True, **settings}
    asked_of = _messages(prompt, escapes) if is_chat else [plain]
    body: dict[str, object] = {"input_data": {"input_string": asked_of, "parameters": settings}}
    return body, _read_chat if is_chat else _read_completion


def _escaped_quotes(text: str) -> str:
    return re.sub(r"\\([\\\"a-zA-Z])", r"\\\1", text)


def _messages(prompt: str, escapes: Mapping[str, str]) -> list[dict[str, str]]:
    chunks = [chunk.strip() for chunk in _SEPARATOR.split(prompt) if chunk.strip()]
    messages = []
    for index in range(0, len(chunks), 2):
        role = chunks[index].lower()
        if role not in _ROLES:
            raise UserError(invalid_role(restore_roles(role, escapes), _ROLES))
        if index + 1 == len(chunks):
            raise UserError(_UNEXPECTED)
        messages.append({"role": role, "content": restore_roles(chunks[index + 1], escapes)})
    return messages


def _read_standard(answer: Any) -> object:
    if len(answer) > 0 and "0" in answer[0]:
        return answer[0]["0"]
    if "output" in answer:
        return answer["output"]
    raise _unexpected(answer)


def _read_chat(answer: Any) -> object:
    if "output" in answer:
        return answer["output"]
    raise _unexpected(answer)


def _read_completion(answer: Any) -> object:
    if len(answer) > 0 and "0" in answer[0]:
        return answer[0]["0"]
    raise _unexpected(answer)


def _read_serverless_chat(answer: Any) -> object:
    if "choices" in answer:
        return answer["choices"][0]["message"]["content"]
    raise _unexpected(answer)


def _read_serverless_completion(answer: Any) -> object:
    if "choices" in answer:
        return answer["choices"][0]["text"]
    raise _unexpected(answer)


def _unexpected(answer: object) -> _EndpointFailed:
    return _EndpointFailed(f"Unexpected response format. Response: {answer}")
