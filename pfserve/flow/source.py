"""The parts of a flow as its author wrote them. Every part knows its file and line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import msgspec

from pfserve.errors import Diagnostic


class SourceSpan(msgspec.Struct, frozen=True):
    """A place in a file of the flow, as it is shown to people."""

    file: str
    line: int  # 1-based; 0 for the whole file

    def mistake(self, message: str) -> Diagnostic:
        """The diagnostic that says ``message`` about this place."""
        return Diagnostic(self.file, self.line, message)


class Text(msgspec.Struct, frozen=True):
    """A text and where it stands; empty where the author wrote none."""

    text: str
    span: SourceSpan


class InputSource(msgspec.Struct, frozen=True):
    """One entry of ``inputs``. ``default`` is None where there is none: null and absent mean the same."""

    name: str
    type: str
    default: object
    description: str
    is_chat_input: bool
    is_chat_history: bool
    span: SourceSpan


class OutputSource(msgspec.Struct, frozen=True):
    """One entry of ``outputs``. ``reference`` is the value as it stands in the file: ``${…}`` or a literal."""

    name: str
    type: str
    reference: object
    description: str
    evaluation_only: bool
    is_chat_output: bool
    span: SourceSpan


class NodeInputSource(msgspec.Struct, frozen=True):
    """One entry of a node's ``inputs``: ``${…}`` or a literal."""

    name: str
    value: object
    span: SourceSpan

    @property
    def is_given(self) -> bool:
        """Whether the node gets it: null and empty texts are dropped, so that a parameter's own default applies."""
        return self.value not in (None, "")


class ActivateSource(msgspec.Struct, frozen=True):
    """A node's ``activate``. Either part may be missing, which is the compiler's to complain about."""

    when: object
    equals: object
    is_complete: bool
    span: SourceSpan


class NodeSource(msgspec.Struct, frozen=True):
    """One entry of ``nodes``, or the body of a variant."""

    name: str
    type: Text
    source_type: Text  # "code" where the author wrote none
    source_path: Text
    source_tool: Text  # the id of a package's tool
    connection: Text  # this and api: of llm nodes
    api: Text
    module: Text  # to be imported at start
    inputs: tuple[NodeInputSource, ...]
    activate: ActivateSource | None
    aggregation: bool
    use_variants: bool
    span: SourceSpan


class VariantsSource(msgspec.Struct, frozen=True):
    """One entry of ``node_variants``: the bodies that may take the place of a node."""

    node: str
    default_id: str
    variants: tuple[tuple[str, NodeSource], ...]
    span: SourceSpan


class EnvironmentSource(msgspec.Struct, frozen=True):
    """One entry of ``environment_variables``, as the text that the process environment gets."""

    name: str
    text: str
    span: SourceSpan


class FlowFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a flow of any kind has: its file, read but not resolved.

    ``folder`` is where its files are: the folder of the flow file, or a copy with what ``additional_includes`` names.
    ``mistakes`` holds what is wrong with the file's shape; the compiler reports it together with all else.
    """

    kind: ClassVar[str]

    path: Path
    folder: Path
    name: str  # for swagger: the folder's name without its final suffix
    span: SourceSpan  # of the whole file
    language: Text
    inputs: tuple[InputSource, ...]
    outputs: tuple[OutputSource, ...]
    environment_variables: tuple[EnvironmentSource, ...]
    additional_includes: tuple[Text, ...]
    requirements: Text  # a file that ``environment`` names; the usual one counts anyway
    sample: object  # the first element of samples.json, or None
    content: bytes  # of the flow file, for the fingerprint
    mistakes: tuple[Diagnostic, ...]
    warnings: tuple[Diagnostic, ...] = ()
    included: Mapping[str, Path] = {}  # what stands in ``folder`` by its first name -> where the author has it

    def shown(self, path: Path) -> str:
        """``path`` as messages name it: beside the flow file's own name. Does not depend on the current directory."""
        if not path.is_relative_to(self.folder):
            return str(path)
        relative = path.relative_to(self.folder)
        beside = Path(self.span.file).parent
        own = self.included.get(relative.parts[0]) if relative.parts else None
        return os.path.normpath(beside / own / Path(*relative.parts[1:])) if own else str(beside / relative)

    @property
    def environment(self) -> dict[str, str]:
        """The flow's ``environment_variables``; to be set, before compiling, where the process has no such variable."""
        return {variable.name: variable.text for variable in self.environment_variables}


class FlowSource(FlowFile, frozen=True, kw_only=True):
    """A DAG flow: nodes and what they give each other."""

    kind: ClassVar[str] = "dag"

    message_format: Text
    nodes: tuple[NodeSource, ...]
    variants: tuple[VariantsSource, ...]


class FlexSource(FlowFile, frozen=True, kw_only=True):
    """A flex flow: one function, or one class whose instance is called (contract 4.1).

    Its ``inputs`` say defaults and types of parameters; which parameters there are says the code.
    """

    kind: ClassVar[str] = "flex"

    entry: Text  # "package.module:function" or "package.module:Class"
    code: Text  # another folder, relative to the flow's, where modules are looked for; or empty
    init: tuple[InputSource, ...]  # of the class's constructor
    sample_inputs: Mapping[str, object]  # the inputs of a request that gives none
    sample_init: Mapping[str, object]  # the arguments of the constructor, where the operator gives none
