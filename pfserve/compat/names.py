"""The table of what ``promptflow`` is here: module by module, the names that flow code may import."""

from __future__ import annotations

from collections.abc import Mapping

from pfserve.compat import absent, connections, editor, flows, internals, passive, responses, tool, types
from pfserve.compat import context as contexts
from pfserve.compat import model_configuration as configuration
from pfserve.compat import prompty as prompties
from pfserve.compat.tools import TOOL_MODULES
from pfserve.values import Image, PFBytes, Text
from pfserve.values import promptflow_errors as errors
from pfserve.values.assistant import AssistantDefinition, AssistantToolInvoker
from pfserve.values.core_errors import CORE_ERRORS

VERSION = "1.18.5"  # the promptflow whose behaviour these names have

_VERSION = {"__version__": VERSION}
_TOOLS = {"tool": tool.tool, "ToolProvider": tool.ToolProvider}
_METRICS = {"log_metric": passive.log_metric, "log_flow_metric": passive.log_metric}
_CLIENT = {"PFClient": absent.PFClient, "load_flow": flows.load_flow, "load_run": absent.load_run}
_SETTINGS = {"InputSetting": editor.InputSetting, "DynamicList": editor.DynamicList}
_CONTEXT = {"OperationContext": contexts.OperationContext}
_LOGGERS = {"get_logger": internals.get_logger, "logger": internals.logger, "flow_logger": internals.flow_logger}
_REGISTER = {"register_apis": internals.register_class, "register_builtins": internals.register_class}
_FLOWS = {
    "Flow": flows.Flow,
    "AsyncFlow": flows.AsyncFlow,
    "Prompty": prompties.Prompty,
    "AsyncPrompty": prompties.AsyncPrompty,
}
_CONFIGURATIONS = {
    "ModelConfiguration": configuration.ModelConfiguration,
    "AzureOpenAIModelConfiguration": configuration.AzureOpenAIModelConfiguration,
    "OpenAIModelConfiguration": configuration.OpenAIModelConfiguration,
}
_ENTITIES = {**connections.ENTITIES, **_SETTINGS, "FlowContext": absent.FlowContext, "Run": absent.Run}

MODULES: Mapping[str, Mapping[str, object]] = {
    "promptflow": {**_TOOLS, **_METRICS, **_CLIENT, **_VERSION, "VERSION": VERSION},
    "promptflow._core": {},
    "promptflow._core.tool": {
        **_TOOLS,
        **_SETTINGS,
        "GeneratedBy": editor.GeneratedBy,
        "ToolInvoker": absent.ToolInvoker,
    },
    "promptflow._core.tools_manager": _REGISTER,
    "promptflow._internal": {
        **_TOOLS,
        **_LOGGERS,
        **_CONTEXT,
        **_REGISTER,
        "ErrorResponse": responses.ErrorResponse,
        "ExceptionPresenter": responses.ExceptionPresenter,
        "register_connections": connections.register_connections,
    },
    "promptflow._sdk": {},
    "promptflow._sdk._errors": {
        name: absent.error(name) for name in ("InvalidRunStatusError", "RunNotFoundError", "ConnectionNotFoundError")
    },
    "promptflow._sdk.entities": _ENTITIES,
    "promptflow._utils": {},
    "promptflow._utils.async_utils": {"async_run_allowing_running_loop": internals.async_run_allowing_running_loop},
    "promptflow._utils.logger_utils": {**_LOGGERS, "get_cli_sdk_logger": lambda: internals.logger},
    "promptflow._utils.yaml_utils": {
        "load_yaml": internals.load_yaml,
        "load_yaml_string": internals.load_yaml_string,
        "dump_yaml": internals.dump_yaml,
    },
    "promptflow.azure": _CLIENT,
    "promptflow.client": _CLIENT,
    "promptflow.connections": connections.CONNECTIONS,
    "promptflow.contracts": {},
    "promptflow.contracts.multimedia": {"PFBytes": PFBytes, "Image": Image, "Text": Text},
    "promptflow.contracts.types": {
        "Secret": types.Secret,
        "PromptTemplate": types.PromptTemplate,
        "FilePath": types.FilePath,
        "AssistantDefinition": AssistantDefinition,
        "AttrDict": types.AttrDict,
    },
    "promptflow.core": {**_TOOLS, **_METRICS, **_FLOWS, **_CONFIGURATIONS, **_VERSION},
    "promptflow.core._errors": CORE_ERRORS,
    "promptflow.core._flow": _FLOWS,
    "promptflow.core._model_configuration": {
        **_CONFIGURATIONS,
        "PromptyModelConfiguration": configuration.PromptyModelConfiguration,
    },
    "promptflow.entities": _ENTITIES,
    "promptflow.exceptions": {
        "PromptflowException": errors.PromptflowException,
        "UserErrorException": errors.UserErrorException,
        "SystemErrorException": errors.SystemErrorException,
        "ValidationException": errors.ValidationException,
        "ErrorTarget": errors.ErrorTarget,
        "ErrorCategory": errors.ErrorCategory,
    },
    "promptflow.executor": {},
    "promptflow.executor._assistant_tool_invoker": {"AssistantToolInvoker": AssistantToolInvoker},
    "promptflow.integrations": {},
    "promptflow.integrations.langchain": {"PromptFlowCallbackHandler": passive.PromptFlowCallbackHandler},
    **TOOL_MODULES,
    "promptflow.tracing": {
        "trace": passive.trace,
        "start_trace": passive.start_trace,
        "ThreadPoolExecutorWithContext": contexts.ThreadPoolExecutorWithContext,
        **_VERSION,
    },
    "promptflow.tracing._operation_context": _CONTEXT,
}
