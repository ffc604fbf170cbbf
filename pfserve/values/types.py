"""The type names of flows (contract 3.2), and which of them a Python annotation means (contract 3.5)."""

from __future__ import annotations

import enum
import inspect
import types
import typing

from pfserve.values.connection_form import CONNECTION_CLASSES
from pfserve.values.connections import CustomStrongTypeConnection

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
    if connection_classes(annotation):
        return "connection"
    annotation = _without_optional(annotation)
    if not inspect.isclass(annotation):
        return "object"
    if issubclass(annotation, enum.Enum):
        return "string"
    return _BUILT_IN.get(annotation) or _BY_CLASS_NAME.get(annotation.__name__, "object")


def connection_classes(annotation: object) -> tuple[str, ...]:
    """The names of the connection classes that the annotation is, or is a ``Union`` of; empty if it is anything else.

    A class counts by its name, so that of promptflow's is as good as ours. For a connection class of the author's own
    a custom connection will do.
    """
    names = [_connection_class(member) for member in annotation_members(annotation)]
    return tuple(dict.fromkeys(names)) if all(names) else ()


def strong_connection_class(annotation: object) -> type | None:
    """The first connection class of the author's own that the annotation admits."""
    return next((one for one in annotation_members(annotation) if is_strong_connection(one)), None)


def choices_of_annotation(annotation: object) -> tuple[str, ...]:
    """The values of an enumeration, as texts; empty if the annotation is none."""
    annotation = _without_optional(annotation)
    if not inspect.isclass(annotation) or not issubclass(annotation, enum.Enum):
        return ()
    return tuple(str(member.value) for member in annotation)


def is_strong_connection(member: object) -> typing.TypeGuard[type[CustomStrongTypeConnection]]:
    """Whether it is a connection class of the author's own."""
    return (
        inspect.isclass(member)
        and issubclass(member, CustomStrongTypeConnection)
        and member is not CustomStrongTypeConnection
    )


def _connection_class(member: object) -> str:
    if is_strong_connection(member):
        return "CustomConnection"
    name = member.__name__ if inspect.isclass(member) else ""
    return name if name in CONNECTION_CLASSES else ""


def _without_optional(annotation: object) -> object:
    members = annotation_members(annotation)
    return members[0] if len(members) == 1 else annotation


def annotation_members(annotation: object) -> tuple[object, ...]:
    """What a ``Union`` admits besides None; else the annotation alone."""
    if typing.get_origin(annotation) is not typing.Union:  # ``T | None`` (types.UnionType) is an object to promptflow
        return (annotation,)
    return tuple(member for member in typing.get_args(annotation) if member is not types.NoneType)
