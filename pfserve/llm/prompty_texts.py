"""How a prompty tells what went wrong with its call: like an LLM node, but in words of its own here and there. Pure.

The texts are promptflow-core's, where those of LLM nodes are promptflow-tools' (contract 1.5, 3.8, 4.2).
"""

from __future__ import annotations

from pfserve.llm.problems import AZURE_HELP, NO_ACCESS, NO_IMAGES, REFERENCE, Problem

_NO_FUNCTIONS = (
    "Current model does not support the `functions` parameter. If you are using openai connection, then please use "
    "gpt-3.5-turbo, gpt-4, gpt-4-32k, gpt-3.5-turbo-0613 or gpt-4-0613. You can refer to "
    f"https://platform.openai.com/docs/guides/gpt/function-calling. {AZURE_HELP} deploy model 'gpt-35-turbo' or "
    "'gpt-4' with version 0613. You can refer to "
    "https://learn.microsoft.com/en-us/azure/ai-services/openai/how-to/function-calling."
)
_NO_COMPLETION = (
    "The completion operation does not work with the current model. Completion API is a legacy api and is going to be "
    "deprecated soon. Please change to use Chat API for current model."
)
_NO_RESPONSE_FORMAT = (
    'The response_format parameter needs to be a dictionary such as {"type": "text"}. The value associated with the '
    "type key should be either 'text' or 'json_object' If you are using openai connection, you can only set "
    'response_format to { "type": "json_object" } when calling gpt-3.5-turbo-1106 or gpt-4-1106-preview to enable JSON '
    "mode. You can refer to https://platform.openai.com/docs/guides/text-generation/json-mode. If you are using azure "
    "openai connection, then please first go to your Azure OpenAI resource, compatible with GPT-4 Turbo and all "
    "GPT-3.5 Turbo models newer than gpt-35-turbo-1106. You can refer to "
    "https://learn.microsoft.com/en-us/azure/ai-services/openai/how-to/json-mode?tabs=python."
)

# Each: all of these words in the message mean that text. The first that fits counts.
_REWRITTEN = (
    (("Unrecognized request argument supplied: functions",), _NO_FUNCTIONS),
    (("The completion operation does not work with the specified model",), _NO_COMPLETION),
    (("logprobs", "parameters are not available"), _NO_COMPLETION),
    (("best_of", "parameters are not available"), _NO_COMPLETION),
    (("echo", "parameters are not available"), _NO_COMPLETION),
    (("Invalid content type. image_url is only supported by certain models",), NO_IMAGES),
    (("'response_format' of type", "is not supported with this model."), _NO_RESPONSE_FORMAT),
    (("Additional properties are not allowed", "unexpected) - 'response_format'"), _NO_RESPONSE_FORMAT),
    (("Principal does not have access to API/Operation",), NO_ACCESS),
)


def prompty_text(problem: Problem) -> str:
    """The message for a problem that no other attempt can help; or, if one could, that there will be none."""
    prefix = "Exceed max retry times. " if problem.retriable else ""
    return f"{prefix}OpenAI API hits {problem.name}: {_rewritten(problem.text)}"


def _rewritten(text: str) -> str:
    for signs, better in _REWRITTEN:
        if all(sign in text for sign in signs):
            return better
    return f"{text} {REFERENCE}"
