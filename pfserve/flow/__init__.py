"""What the author wrote: the flow's files as frozen data with positions. Nothing is resolved or run here."""

from pfserve.flow.locate import flow_name, locate_flow
from pfserve.flow.prompty import PromptySource
from pfserve.flow.read import AnySource, read_flow
from pfserve.flow.source import (
    ActivateSource,
    EnvironmentSource,
    FlexSource,
    FlowFile,
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
    "AnySource",
    "EnvironmentSource",
    "FlexSource",
    "FlowFile",
    "FlowSource",
    "InputSource",
    "NodeInputSource",
    "NodeSource",
    "OutputSource",
    "PromptySource",
    "SourceSpan",
    "Text",
    "VariantsSource",
    "flow_name",
    "locate_flow",
    "read_flow",
]
