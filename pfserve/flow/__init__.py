"""What the author wrote: the flow's files as frozen data with positions. Nothing is resolved or run here."""

from pfserve.flow.locate import flow_name, locate_flow
from pfserve.flow.parse import parse_flow
from pfserve.flow.source import (
    ActivateSource,
    EnvironmentSource,
    FlowSource,
    InputSource,
    NodeInputSource,
    NodeSource,
    OutputSource,
    SourceSpan,
    Text,
    VariantsSource,
)

__all__ = [
    "ActivateSource",
    "EnvironmentSource",
    "FlowSource",
    "InputSource",
    "NodeInputSource",
    "NodeSource",
    "OutputSource",
    "SourceSpan",
    "Text",
    "VariantsSource",
    "flow_name",
    "locate_flow",
    "parse_flow",
]
