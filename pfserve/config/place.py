"""Where the flow is, and what its surroundings say about who runs us."""

from __future__ import annotations

import os

from pfserve.config.variables import Found, Variables
from pfserve.errors import ConfigError

_AZURE_ML = (
    "AZUREML_MODEL_DIR",
    "AZUREML_ENTRY_SCRIPT",
    "AZUREML_MDC_CONFIG_PATH",
    "AML_APP_ROOT",
    "AML_APP_INSIGHTS_ENABLED",
    "AML_DEPLOYMENT_RESOURCE_ID",
    "PRT_CONFIG_OVERRIDE",
)


def find_flow(argument: str | None, variables: Variables) -> tuple[str, str]:
    """The absolute path of the flow, and the origin of the choice.

    Raises:
        ConfigError: there is no such file or folder.
    """
    path, origin = _chosen(argument, variables)
    if not path or "\0" in path or not os.path.exists(path):
        raise ConfigError("flow", path, origin, "no such file or folder")
    return os.path.abspath(path), origin


def _chosen(argument: str | None, variables: Variables) -> tuple[str, str]:
    if argument is not None:
        return argument, "argument FLOW"
    if project := variables.first(("PROMPTFLOW_PROJECT_PATH", "PF_PROJECT_PATH")):
        return project.text, project.origin
    if model := variables.first(("AZUREML_MODEL_DIR",)):
        return _in_model_folder(model), model.origin
    return ".", "default"


def _in_model_folder(model: Found) -> str:
    """The model is the first entry of the folder, in the order of names."""
    try:
        entries = sorted(os.listdir(model.text))
    except (OSError, ValueError):
        entries = []
    if not entries:
        raise ConfigError("flow", model.text, model.origin, "expected a folder that holds the model's folder")
    return os.path.join(model.text, entries[0])


def on_azure_ml(variables: Variables) -> bool:
    """Whether Azure ML's variables are present."""
    return variables.first(_AZURE_ML) is not None


def connections_folder(flow: str) -> str:
    """Where a promptflow export has the connections."""
    folder = flow if os.path.isdir(flow) else os.path.dirname(flow)
    return os.path.join(os.path.dirname(folder), "connections")


def is_promptflow_export(flow: str) -> bool:
    """Whether the flow lies as ``pf flow build --format docker`` lays it out: ``flow`` beside ``connections``."""
    folder = flow if os.path.isdir(flow) else os.path.dirname(flow)
    generated = (os.path.join(folder, ".promptflow", name) for name in ("flow.tools.json", "flow.json"))
    return (
        os.path.basename(folder) == "flow"
        and os.path.isdir(connections_folder(flow))
        and any(os.path.isfile(path) for path in generated)
    )
