"""The names of the contract's section 8: every one imports, or says why not."""

from __future__ import annotations

import importlib
import inspect
import sys

import pytest

from pfserve.compat import finder
from pfserve.compat.absent import NotServed
from pfserve.compat.names import MODULES
from pfserve.values import type_of_annotation

NAMES = {
    "promptflow": "__version__ VERSION tool ToolProvider log_metric log_flow_metric PFClient load_flow load_run",
    "promptflow.core": (
        "tool ToolProvider log_metric log_flow_metric Flow AsyncFlow Prompty AsyncPrompty ModelConfiguration "
        "AzureOpenAIModelConfiguration OpenAIModelConfiguration __version__"
    ),
    "promptflow.core._flow": "Prompty AsyncPrompty Flow AsyncFlow",
    "promptflow.connections": (
        "AzureOpenAIConnection OpenAIConnection ServerlessConnection SerpConnection CognitiveSearchConnection "
        "AzureAIServicesConnection AzureContentSafetyConnection FormRecognizerConnection CustomConnection "
        "CustomStrongTypeConnection BingConnection ConnectionProvider register_connections Secret"
    ),
    "promptflow.entities": (
        "AzureContentSafetyConnection AzureOpenAIConnection OpenAIConnection CustomConnection SerpConnection "
        "CognitiveSearchConnection QdrantConnection FormRecognizerConnection Run InputSetting DynamicList FlowContext"
    ),
    "promptflow._sdk.entities": "AzureOpenAIConnection",
    "promptflow._sdk._errors": "InvalidRunStatusError",
    "promptflow.contracts.multimedia": "PFBytes Image Text",
    "promptflow.contracts.types": "Secret PromptTemplate FilePath AssistantDefinition AttrDict",
    "promptflow.tracing": "trace start_trace ThreadPoolExecutorWithContext __version__",
    "promptflow.tracing._operation_context": "OperationContext",
    "promptflow.client": "PFClient load_flow load_run",
    "promptflow.azure": "PFClient",
    "promptflow.exceptions": (
        "PromptflowException UserErrorException SystemErrorException ValidationException ErrorTarget ErrorCategory"
    ),
    "promptflow.executor._assistant_tool_invoker": "AssistantToolInvoker",
    "promptflow._core.tool": "tool ToolProvider InputSetting DynamicList GeneratedBy ToolInvoker",
    "promptflow._internal": (
        "tool ToolProvider ErrorResponse ExceptionPresenter get_logger flow_logger logger OperationContext "
        "register_connections register_apis register_builtins"
    ),
    "promptflow._utils.logger_utils": "get_logger",
    "promptflow._utils.yaml_utils": "load_yaml",
    "promptflow._utils.async_utils": "async_run_allowing_running_loop",
    "promptflow.integrations.langchain": "PromptFlowCallbackHandler",
    "promptflow.tools": "AzureOpenAI OpenAI",
    "promptflow.tools.aoai": "AzureOpenAI chat completion",
    "promptflow.tools.openai": "OpenAI chat completion Engine",
    "promptflow.tools.embedding": "embedding EmbeddingModel",
    "promptflow.tools.llm": "llm",
    "promptflow.tools.llm_vision": "llm_vision",
    "promptflow.tools.aoai_gpt4v": "AzureOpenAI",
    "promptflow.tools.openai_gpt4v": "OpenAI",
    "promptflow.tools.template_rendering": "render_template_jinja2",
    "promptflow.tools.common": (
        "parse_chat render_jinja_template build_messages handle_openai_error normalize_connection_config "
        "process_function_call validate_functions validate_tools"
    ),
    "promptflow.tools.exception": "ChatAPIInvalidRole WrappedOpenAIError LLMError",
}


@pytest.fixture
def promptflow(monkeypatch):
    """Our finder, and no module of promptflow left behind."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    finder.install(MODULES)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "promptflow"]:
        del sys.modules[name]


@pytest.mark.parametrize("module", NAMES)
def test_every_name_imports(promptflow, module):
    imported = importlib.import_module(module)
    for name in NAMES[module].split():
        assert getattr(imported, name) is not None


def test_every_parent_of_a_module_is_a_module():
    assert [name for name in MODULES if "." in name and name.rpartition(".")[0] not in MODULES] == []


def test_the_same_names_are_the_same_things_everywhere(promptflow):
    from promptflow import tool as outer
    from promptflow._core.tool import tool as inner
    from promptflow.connections import AzureOpenAIConnection
    from promptflow.core import tool
    from promptflow.entities import AzureOpenAIConnection as entity

    assert tool is inner is outer
    assert entity is AzureOpenAIConnection


@pytest.mark.parametrize("module", ["promptflow.tools.list", "promptflow.evals"])
def test_what_nobody_has_fails_and_says_what_there_is(promptflow, module):
    with pytest.raises(
        ModuleNotFoundError, match=rf"^{module} is not part of pfserve .*: promptflow, promptflow._core"
    ):
        importlib.import_module(module)


def test_tools_that_are_a_distribution_of_their_own_are_named(promptflow):
    with pytest.raises(ModuleNotFoundError, match=r"pip install promptflow-tools"):
        importlib.import_module("promptflow.tools.list")


NOT_SERVED = [
    ("promptflow.client", "PFClient", lambda client: client()),
    ("promptflow.azure", "PFClient", lambda client: client.from_config()),
    ("promptflow.client", "load_run", lambda load: load("x")),
]


@pytest.mark.parametrize(("module", "name", "use"), NOT_SERVED, ids=[f"{case[0]}.{case[1]}" for case in NOT_SERVED])
def test_what_is_not_served_fails_where_it_is_used(module, name, use):
    with pytest.raises(NotServed, match=rf"^{name} can be imported but not used"):
        use(MODULES[module][name])


def test_what_is_not_served_may_be_annotated_with_and_derived_from():
    client = MODULES["promptflow.client"]["PFClient"]
    assert type_of_annotation(client) == "object"
    assert issubclass(type("Mine", (client,), {}), client)
    assert not hasattr(client, "_is_protocol")


SIGNATURES = [
    ("promptflow.tools.aoai", "chat", "deployment_name", "string", inspect.Parameter.empty),
    ("promptflow.tools.aoai", "chat", "connection", "connection", inspect.Parameter.empty),
    ("promptflow.tools.aoai", "chat", "prompt", "prompt_template", inspect.Parameter.empty),
    ("promptflow.tools.aoai", "chat", "stop", "list", None),
    ("promptflow.tools.aoai", "completion", "max_tokens", "int", 16),
    ("promptflow.tools.openai", "chat", "model", "string", ""),
    ("promptflow.tools.openai", "completion", "model", "string", "text-davinci-003"),
    ("promptflow.tools.embedding", "embedding", "model", "string", "text-embedding-ada-002"),
    ("promptflow.tools.embedding", "embedding", "connection", "connection", inspect.Parameter.empty),
    ("promptflow.tools.llm", "llm", "api", "string", "chat"),
    ("promptflow.tools.llm_vision", "llm_vision", "presence_penalty", "double", 0),
]


@pytest.mark.parametrize(("module", "function", "name", "kind", "default"), SIGNATURES)
def test_tools_can_be_read_as_nodes(module, function, name, kind, default):
    parameter = inspect.signature(MODULES[module][function]).parameters[name]
    assert type_of_annotation(parameter.annotation, parameter.default) == kind
    assert parameter.default == default
