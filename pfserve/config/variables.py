"""The environment that pfserve goes by: the process's own, under ``--env-file``, under ``--env``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from pfserve.errors import ConfigError

PREFIX = "PFSERVE_"

_NAME = re.compile(r"[^=\0\s]+")
_LINE = re.compile(r"(?:export\s+)?([^=\0\s]+)\s*=\s*(.*)", re.DOTALL)
_DOUBLE_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_SINGLE_QUOTED = re.compile(r"'([^']*)'\s*(?:#.*)?")
_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_OF_A_SERVICE = re.compile(r"\w+_SERVICE_(?:HOST|PORT)\w*|\w+_PORT_\d+_(?:TCP|UDP|SCTP)\w*")
_SERVICE_LINK = re.compile(r"(?:tcp|udp|sctp)://\S+:\d+")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


class Found(msgspec.Struct, frozen=True):
    """A variable that is set, and where."""

    name: str
    text: str
    origin: str

    @property
    def is_service_link(self) -> bool:
        """Whether nobody set it: Kubernetes puts ``NAME_PORT=tcp://IP:PORT`` into every pod beside a Service NAME."""
        return self.name.endswith("_PORT") and _SERVICE_LINK.fullmatch(self.text) is not None


class Variables:
    """Looks variables up, the highest layer first. An empty value counts as not set, as ``${NAME:-default}`` has it."""

    def __init__(self, process: Mapping[str, str], env_file: Mapping[str, str], env: Mapping[str, str]) -> None:
        self._layers = (("flag --env", env), ("--env-file", env_file), ("environment", process))
        self.added = {**env_file, **env}

    def first(self, names: Iterable[str]) -> Found | None:
        """The first of ``names`` that is set, or None."""
        found = (self._look(name) for name in names)
        return next((one for one in found if one is not None and one.text and not one.is_service_link), None)

    def unknown(self, known: Iterable[str]) -> list[str]:
        """The names that look like ours and are not ``known``. What Kubernetes says of Services is none of them."""
        names = {name for _, layer in self._layers for name in layer if name.startswith(PREFIX)}
        links = {found.name for found in self.service_links(names)}
        return sorted(name for name in names - links - set(known) if not _OF_A_SERVICE.fullmatch(name))

    def service_links(self, names: Iterable[str]) -> list[Found]:
        """Those of ``names`` that only Kubernetes set: they count as not set."""
        return [one for name in names if (one := self._look(name)) is not None and one.is_service_link]

    def _look(self, name: str) -> Found | None:
        for origin, layer in self._layers:
            if name in layer:
                return Found(name, layer[name], f"{origin} {name}")
        return None


def from_flags(pairs: Sequence[str]) -> dict[str, str]:
    """The variables of ``--env KEY=VALUE …``; the last one wins. Errors show no value, it may be a secret."""
    variables = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not _NAME.fullmatch(name) or "\0" in value:
            shown = f"{name}=…" if equals else "…"
            raise ConfigError("env", shown, "flag --env", "expected KEY=VALUE")
        variables[name] = value
    return variables


def from_file(path: str) -> dict[str, str]:
    """The variables of a ``.env`` file: ``KEY=VALUE`` lines, comments, quotes and ``export``; no interpolation."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "not a UTF-8 text file"
        raise ConfigError("env_file", path, "flag --env-file", f"cannot be read: {reason}") from None
    variables = {}
    for line_number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            name, value = _parse_line(line.strip(), f"{path}:{line_number}")
            variables[name] = value
    return variables


def _parse_line(line: str, place: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    if match is None or "\0" in line:
        raise ConfigError("env_file", "…", place, "expected KEY=VALUE, a comment or an empty line")
    name, raw = match.groups()
    if quoted := _DOUBLE_QUOTED.fullmatch(raw):
        return name, _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), quoted[1])
    if quoted := _SINGLE_QUOTED.fullmatch(raw):
        return name, quoted[1]
    return name, _COMMENT.sub("", raw)
