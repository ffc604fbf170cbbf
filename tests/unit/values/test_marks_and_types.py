from __future__ import annotations

import enum
import inspect
from typing import Any, List, Optional, Union  # noqa: UP035 - what flows write

import pytest

from pfserve.values import TOOL_MARK, is_tool, type_of_annotation

EMPTY = inspect.Parameter.empty


class Color(enum.Enum):
    RED = "red"


class Secret(str):
    pass


class PromptTemplate(str):
    pass


class FilePath(str):
    pass


class AzureOpenAIConnection:
    pass


class Image(bytes):
    pass


ANNOTATIONS = [
    (int, EMPTY, "int"),
    (float, EMPTY, "double"),
    (bool, EMPTY, "bool"),
    (str, EMPTY, "string"),
    (list, EMPTY, "list"),
    (dict, EMPTY, "object"),
    (List[str], EMPTY, "object"),  # noqa: UP006
    (list[str], EMPTY, "object"),
    (Any, EMPTY, "object"),
    (EMPTY, EMPTY, "object"),
    (EMPTY, 1, "int"),
    (EMPTY, "x", "string"),
    (EMPTY, None, "object"),
    (EMPTY, Color.RED, "string"),
    (Optional[int], None, "int"),  # noqa: UP045
    (Union[int, str], EMPTY, "object"),  # noqa: UP007
    (int | None, None, "object"),
    ("int", EMPTY, "object"),
    (Color, EMPTY, "string"),
    (Secret, EMPTY, "secret"),
    (PromptTemplate, EMPTY, "prompt_template"),
    (FilePath, EMPTY, "file_path"),
    (Image, EMPTY, "image"),
    (AzureOpenAIConnection, EMPTY, "connection"),
]


@pytest.mark.parametrize(("annotation", "default", "expected"), ANNOTATIONS)
def test_type_of_annotation(annotation: object, default: object, expected: str) -> None:
    assert type_of_annotation(annotation, default) == expected


def test_is_tool_knows_functions_by_our_mark_and_by_promptflows() -> None:
    def plain() -> None: ...
    def ours() -> None: ...
    def theirs() -> None: ...

    class Marked:
        pass

    setattr(ours, TOOL_MARK, True)
    setattr(theirs, "__tool", None)
    setattr(Marked, TOOL_MARK, True)
    assert [is_tool(value) for value in (plain, ours, theirs, Marked, Marked(), 5)] == [
        False,
        True,
        True,
        False,
        False,
        False,
    ]
