"""The type names of flows (contract 3.2), and which of them a Python annotation means (contract 3.5)."""

from __future__ import annotations

import enum
import inspect
import types
import typing

TYPES = (
    "int",
    "double",
    "bool",
    "string",
    "list",
    "object",
    "image",
    "secret",
    "prompt_template",
    "file_path",
    "assistant_definition",
)
"""Every type name that an input or output may declare."""

_BUILT_IN: dict[object, str] = {int: "int", float: "double", bool: "bool", str: "string", list: "list"}
_BY_CLASS_NAME = {  # promptflow's own classes, known by name: they may be ours or promptflow's
    "Secret": "secret",
    "PromptTemplate": "prompt_template",
    "FilePath": "file_path",
    "Image": "image",
    "AssistantDefinition": "assistant_definition",
}


def type_of_annotation(annotation: object, default: object = inspect.Parameter.empty) -> str:
    """The type that literals for a parameter are converted to; ``connection`` for a connection class.

    As promptflow reads it: no annotation means the default's type; ``Optional[T]`` means ``T``; everything else that is
    not a known class, annotations that are texts included, means ``object``.
    """
    if annotation is inspect.Parameter.empty and default is not inspect.Parameter.empty:
        annotation = type(default)
    annotation = _without_optional(annotation)
    if not inspect.isclass(annotation):
        return "object"
    if issubclass(annotation, enum.Enum):
        return "string"
    if annotation.__name__.endswith("Connection"):
        return "connection"
    return _BUILT_IN.get(annotation) or _BY_CLASS_NAME.get(annotation.__name__, "object")


def _without_optional(annotation: object) -> object:
    if typing.get_origin(annotation) is not typing.Union:  # ``T | None`` (types.UnionType) is an object to promptflow
        return annotation
    members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
    return members[0] if len(members) == 1 else annotation
