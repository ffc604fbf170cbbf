"""The tools of installed packages (contract 3.10): found by entry points, described by metadata, imported if needed."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Collection, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import msgspec

from pfserve.compiler.builtin_node import as_metadata
from pfserve.compiler.missing import import_told
from pfserve.compiler.python_file import put_first_on_path
from pfserve.compiler.signature import Parameter
from pfserve.compiler.tool import Tool, ToolProblem, tool_of_class, tool_of_function
from pfserve.values import is_strong_connection
from pfserve.values.builtin_tools import builtin_id
from pfserve.values.connection_form import CONNECTION_CLASSES

_GROUP = "package_tools"
_TEMPLATE = "PromptTemplate"


class PackageProblem(Exception):
    """A package's tool cannot be had. The text is for the author of the flow."""


class Template(msgspec.Struct, frozen=True):
    """The parameter that gets the text of a prompt's template, as an object of ``kind``."""

    name: str
    kind: type


class PackageTool(msgspec.Struct, frozen=True):
    """A tool of a package. What literals are converted to is said by its metadata, what it takes by its signature."""

    shown: str  # its name in the metadata, which is no id
    tool: Tool
    parameters: dict[str, Parameter]
    template: Template | None


class PackageTools:
    """The tools that nodes name by their ids. Of the packages' other tools nothing is imported.

    ``problems`` are the packages, or tools of them, that could not be loaded.
    """

    def __init__(self, needed: Collection[str]) -> None:
        self._needed = frozenset(needed)
        self._described: dict[str, Mapping[str, Any]] = {}
        self._failed: dict[str, str] = {}
        self.problems: list[str] = []

    def gather(self, folder: Path) -> None:
        """Ask every installed package what tools it has, and import the modules of those that are needed.

        What they import may lie in the ``folder`` of the flow, which stays the first of ``sys.path``.
        """
        for identity in filter(None, map(builtin_id, self._needed)):
            self._described[identity] = as_metadata(identity)
        if not self._needed:
            return
        put_first_on_path(folder)
        for entry in entry_points(group=_GROUP):
            package = entry.dist.name if entry.dist else entry.value
            try:
                for identity, described in _listed(entry):
                    self._add(package, identity, described)
            except (Exception, SystemExit) as problem:  # anybody's code
                self.problems.append(f"Failed to load tools from package {package}: {import_told(problem)}")

    def _add(self, package: str, identity: str, described: Mapping[str, Any]) -> None:
        names = {identity, *_former_ids(described)} & self._needed
        if not names or builtin_id(identity):
            return
        try:
            importlib.import_module(described["module"])
        except (Exception, SystemExit) as problem:
            told = f"Failed to load tool {identity} from package {package}: {import_told(problem)}"
            self.problems.append(told)
            self._failed |= dict.fromkeys(names, told)
        else:
            self._described[identity] = described

    def load(self, identity: str) -> PackageTool:
        """The tool of that id, or the one that has taken the place of it.

        Raises:
            PackageProblem: there is none, there are two, or it cannot be called.
        """
        described = self._described.get(builtin_id(identity) or identity)
        described = described or self._described.get(self._successor(identity))
        if described is None:
            absent = f"Package tool '{identity}' is not found in the current environment."
            cause = f" {self._failed[identity]}" if identity in self._failed else ""
            raise PackageProblem(f"{absent} All available package tools are: {list(self._described)}.{cause}")
        try:
            return _read(described)
        except (ImportError, AttributeError, KeyError, TypeError, ValueError, ToolProblem) as problem:
            cause = f"{type(problem).__name__}: {problem}"
            raise PackageProblem(f"Package tool '{identity}' cannot be used: {cause}") from problem

    def _successor(self, identity: str) -> str:
        successors = [new for new, described in self._described.items() if identity in _former_ids(described)]
        if len(successors) > 1:
            first, second = successors[:2]
            raise PackageProblem(
                f"The tools '{first}', '{second}' are both linked to the deprecated tool ID '{identity}'. To ensure "
                "secure operation, please either remove or adjust one of these tools in your environment and fix this "
                "conflict."
            )
        return successors[0] if successors else ""


def _listed(entry: EntryPoint) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for identity, described in entry.load()().items():
        if isinstance(described, Mapping):
            yield str(identity), described


def _former_ids(described: Mapping[str, Any]) -> list[str]:
    return list(described.get("deprecated_tools") or ())


def _read(described: Mapping[str, Any]) -> PackageTool:
    module = importlib.import_module(described["module"])
    name, class_name = str(described["function"]), described.get("class_name")
    shown = str(described.get("name") or name)
    if class_name is None:
        tool = tool_of_function(getattr(module, name))
    else:
        tool = tool_of_class(getattr(module, class_name), name, shown)
    own = (tool.provider.parameters if tool.provider else {}) | tool.signature.parameters
    template = _template(tool)
    if template is not None:
        own.pop(template.name)
    inputs = described.get("inputs") or {}
    unlisted = {one: _untyped(one, parameter.required) for one, parameter in own.items() if one not in inputs}
    typed = {str(one): _parameter(str(one), input_, own.get(one), module) for one, input_ in inputs.items()}
    return PackageTool(shown, tool, unlisted | typed, template)


def _template(tool: Tool) -> Template | None:
    """The parameter that is annotated with promptflow's class for templates, known by its name."""
    for name, annotation in inspect.get_annotations(inspect.unwrap(tool.function)).items():
        if inspect.isclass(annotation) and annotation.__name__ == _TEMPLATE and name in tool.signature.parameters:
            return Template(name, annotation)
    return None


def _untyped(name: str, required: bool) -> Parameter:
    """A parameter that the metadata do not list: it takes literals as they are."""
    return Parameter(name, "", required)


def _parameter(name: str, described: Mapping[str, Any], own: Parameter | None, module: object) -> Parameter:
    given = described["type"]
    types = [str(one) for one in (given if isinstance(given, list) else [given])]
    required = own is not None and own.required
    if types[0] not in CONNECTION_CLASSES:
        return Parameter(name, types[0], required, choices=tuple(map(str, described.get("enum") or ())))
    custom = described.get("custom_type") or ()
    strong = getattr(module, custom if isinstance(custom, str) else custom[0]) if custom else None
    if strong is not None and not is_strong_connection(strong):
        raise TypeError(f"the custom_type {strong!r} of the input {name!r} is no class of connections")
    return Parameter(name, "connection", required, connections=tuple(types), strong=strong)
