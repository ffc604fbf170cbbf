"""What is sent: the bodies of requests, field by field as promptflow sends them (contract 3.8). Pure."""

from __future__ import annotations

from collections.abc import Mapping

from pfserve.llm.checks import check_functions, check_tools, function_call, tool_choice
from pfserve.values.llm_parameters import AZURE

Body = dict[str, object]
Parameters = Mapping[str, object]

_OPENAI_MODELS = {"chat": "", "completion": "text-davinci-003"}  # what is sent if the node names none
_PENALTIES = ("presence_penalty", "frequency_penalty")


def model_of(provider: str, api: str, parameters: Parameters) -> object:
    """The deployment (Azure) or model that the parameters name.

    Raises:
        TypeError: Azure is not told the deployment.
    """
    if provider != AZURE:
        return parameters.get("model", _OPENAI_MODELS[api])
    if "deployment_name" not in parameters:
        raise TypeError(f"AzureOpenAI.{api}() missing 1 required positional argument: 'deployment_name'")
    return parameters["deployment_name"]


def chat_body(provider: str, messages: list[dict[str, object]], parameters: Parameters) -> Body:
    """The body of a chat request.

    Raises:
        UserError: tools or functions are malformed.
        TypeError, ValueError: a parameter is not of its type.
    """
    body: Body = {
        "model": model_of(provider, "chat", parameters),
        "messages": messages,
        "temperature": parameters.get("temperature", 1.0),
        "top_p": parameters.get("top_p", 1.0),
        "stream": truth(parameters.get("stream", False)),
    }
    if provider == AZURE or "n" in parameters:  # OpenAI's nodes have no such parameter, its vision tools always send it
        body["n"] = parameters.get("n", 1)
    body |= {
        name: value for name in ("stop", "logit_bias", "response_format", "user") if (value := parameters.get(name))
    }
    limit = parameters.get("max_tokens")
    if limit is not None and str(limit).lower() != "inf":
        body["max_tokens"] = int(limit)  # type: ignore[call-overload]
    for name in ("seed", *_PENALTIES):
        if parameters.get(name) is not None:
            body[name] = parameters[name]
    return body | _choices(provider, parameters)


def _choices(provider: str, parameters: Parameters) -> Body:
    """What the model may call. OpenAI's tools are passed on as they are, wrong ones included."""
    tools, functions = parameters.get("tools"), parameters.get("functions")
    if tools:
        choice = parameters.get("tool_choice")
        if provider == AZURE:
            check_tools(tools)
            choice = tool_choice(choice)
        return {"tools": tools, "tool_choice": choice}
    if functions:
        check_functions(functions)
        return {"functions": functions, "function_call": function_call(parameters.get("function_call"))}
    return {}


def may_call(parameters: Parameters) -> bool:
    """Whether the answer is the whole message instead of its text."""
    return bool(parameters.get("tools") or parameters.get("functions"))


def completion_body(provider: str, prompt: str, parameters: Parameters) -> Body:
    """The body of a completion request.

    Raises:
        TypeError, ValueError: a parameter is not of its type.
    """
    limit, logprobs = parameters.get("max_tokens", 16), parameters.get("logprobs")
    body: Body = {
        "prompt": prompt,
        "model": model_of(provider, "completion", parameters),
        "max_tokens": None if limit is None else int(limit),  # type: ignore[call-overload]
        "temperature": _number(parameters.get("temperature", 1.0)),
        "top_p": _number(parameters.get("top_p", 1.0)),
        "n": int(parameters.get("n", 1)),  # type: ignore[call-overload]
        "stream": truth(parameters.get("stream", False)),
        "echo": truth(parameters.get("echo", False)),
        "best_of": int(parameters.get("best_of", 1)),  # type: ignore[call-overload]
        "logit_bias": parameters.get("logit_bias") or {},
        "user": parameters.get("user", ""),
        "suffix": parameters.get("suffix") or None,
        "stop": parameters.get("stop") or None,
        "logprobs": int(logprobs) if logprobs else None,  # type: ignore[call-overload]
    }
    for name in _PENALTIES:
        value = parameters.get(name)
        if provider != AZURE:
            body[name] = None if value is None else _number(value)
        elif value is not None:
            body[name] = value
    return body


def truth(value: object) -> bool:
    """A switch as promptflow reads it: True, or its text."""
    return value is True or str(value).lower() == "true"


def _number(value: object) -> float:
    return float(value)  # type: ignore[arg-type]
