"""The table of what ``promptflow`` is here: module by module, the names that flow code may import."""

from __future__ import annotations

from collections.abc import Mapping

from pfserve.compat import passive, tool, types
from pfserve.values import promptflow_errors as errors

VERSION = "1.18.5"  # the promptflow whose behaviour these names have

_TOOLS = {"tool": tool.tool, "ToolProvider": tool.ToolProvider}
_METRICS = {"log_metric": passive.log_metric, "log_flow_metric": passive.log_metric}

MODULES: Mapping[str, Mapping[str, object]] = {
    "promptflow": {**_TOOLS, **_METRICS, "__version__": VERSION, "VERSION": VERSION},
    "promptflow._core": {},
    "promptflow._core.tool": _TOOLS,
    "promptflow.contracts": {},
    "promptflow.contracts.types": {
        "Secret": types.Secret,
        "PromptTemplate": types.PromptTemplate,
        "FilePath": types.FilePath,
    },
    "promptflow.core": {**_TOOLS, **_METRICS, "__version__": VERSION},
    "promptflow.exceptions": {
        "PromptflowException": errors.PromptflowException,
        "UserErrorException": errors.UserErrorException,
        "SystemErrorException": errors.SystemErrorException,
        "ValidationException": errors.ValidationException,
        "ErrorTarget": errors.ErrorTarget,
        "ErrorCategory": errors.ErrorCategory,
    },
    "promptflow.tracing": {
        "trace": passive.trace,
        "start_trace": passive.start_trace,
        "__version__": VERSION,
    },
}
