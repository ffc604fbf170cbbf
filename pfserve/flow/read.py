"""Which kind of flow a file holds, decided by what is in it (contract section 0)."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from pfserve.errors import CompileError
from pfserve.flow.document import Mapping, read_document
from pfserve.flow.flex import flex_flow
from pfserve.flow.locate import flow_name, locate_flow, shown
from pfserve.flow.parse import dag_flow
from pfserve.flow.parts import FlowText
from pfserve.flow.prompty import PromptySource, prompty_flow
from pfserve.flow.reader import Reader
from pfserve.flow.source import FlexSource, FlowSource, SourceSpan

AnySource: TypeAlias = FlowSource | FlexSource | PromptySource


def read_flow(path: Path) -> AnySource:
    """Read the flow that ``path``, a folder or a file, means.

    YAML with an ``entry`` is a flex flow whatever its file is called, all other YAML a DAG flow. What is wrong with the
    shape of a readable file is kept in the source's ``mistakes``, for the compiler to report.

    Raises:
        CompileError: there is no flow, or its file cannot be read.
    """
    file = locate_flow(path)
    whole = SourceSpan(shown(file), 0)
    try:
        content = file.read_bytes()
    except OSError as problem:
        raise CompileError([whole.mistake(f"cannot be read: {problem.strerror}")]) from None
    if file.suffix.lower() == ".prompty":
        return prompty_flow(file, flow_name(path), content)
    document = read_document(content, whole.file)
    if not isinstance(document, Mapping):
        raise CompileError([whole.mistake("a flow is a mapping with 'inputs', 'outputs' and 'nodes'")])
    reader = Reader()
    text = FlowText(file, flow_name(path), content, document, reader, reader.fields(document))
    return flex_flow(text) if "entry" in text.fields else dag_flow(text)
