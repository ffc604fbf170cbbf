"""Connection files: YAML or JSON as ``pf connection create --file`` takes it and the Docker export writes it.

A file holds one connection or a list of them. Every scalar is a text, as written: ``api_version: 2024-02-01`` is no
date here. No error shows a part of a file, because every part may be a secret.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

import yaml

from pfserve.connections.form import Form, broken, from_execution_form
from pfserve.errors import ConfigError
from pfserve.values.connection_form import CONNECTION_CLASSES, fields_of

_SUFFIXES = (".yaml", ".yml", ".json")
_CUSTOM = "CustomConnection"
_STRONG_TYPE_FIELDS = ("custom_type", "module", "package", "package_version")
_PLACEHOLDER = re.compile(r"\*+|<no-change>|<user-input>|")
_SHORT_NAMES = {name.removesuffix("Connection").lower(): name for name in CONNECTION_CLASSES}


def read_connections(path: str, origin: str) -> Iterator[tuple[str, Form]]:
    """The connections of a file, or of a folder's files in the order of their names; each with its own name.

    ``origin`` says who named the path.

    Raises:
        ConfigError: a file cannot be read, or holds something without a name.
    """
    for file in _files(path, origin):
        found = _load(file, origin)
        for position, entry in enumerate(found if isinstance(found, list) else [found], 1):
            if not isinstance(entry, dict):
                raise ConfigError("connections", file, origin, f"entry {position} is no mapping")
            name = entry.get("name")
            if not isinstance(name, str) or not name:
                raise ConfigError("connections", file, origin, f"entry {position} has no 'name'")
            yield name, _form(entry, file)


def _files(path: str, origin: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    try:
        names = sorted(name for name in os.listdir(path) if name.endswith(_SUFFIXES) and not name.startswith("."))
    except OSError as problem:
        raise ConfigError("connections", path, origin, f"cannot be read: {problem.strerror}") from None
    return [os.path.join(path, name) for name in names]


def _load(file: str, origin: str) -> object:
    try:
        with open(file, encoding="utf-8-sig") as stream:
            text = stream.read()
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "not a UTF-8 text file"
        raise ConfigError("connections", file, origin, f"cannot be read: {reason}") from None
    found, line = _parsed(text, is_json=file.endswith(".json"))
    if line is not None:
        raise ConfigError(
            "connections", file, origin, f"line {line} is not {'JSON' if file.endswith('.json') else 'YAML'}"
        )
    return found


def _parsed(text: str, *, is_json: bool) -> tuple[object, int | None]:
    """What the text holds, or the line that cannot be read. Raises nothing: the library's errors quote the text."""
    try:
        if is_json:
            return json.loads(text, parse_int=str, parse_float=str, parse_constant=str), None
        return yaml.load(text, Loader=_Texts), None
    except json.JSONDecodeError as problem:
        return None, problem.lineno
    except yaml.MarkedYAMLError as problem:
        return None, problem.problem_mark.line + 1 if problem.problem_mark else 1
    except (yaml.YAMLError, RecursionError, ValueError, TypeError):  # a control character, nesting, a list as key
        return None, 1


class _Texts(yaml.SafeLoader):
    """Reads scalars as the texts that they are; only null stays null."""


_Texts.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.endswith((":null", ":merge"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _form(entry: dict[object, object], file: str) -> Form:
    """The form of one entry. What is wrong with it beyond its name is told to who needs it."""
    origin = f"file {file}"
    given = entry.get("type")
    if not isinstance(given, str) or not given:
        return broken(origin, "has no 'type', such as open_ai or custom")
    if isinstance(entry.get("value"), dict):
        return from_execution_form(entry, origin)
    kind = _SHORT_NAMES.get(given.replace("_", "").lower().removesuffix("connection"))
    if kind is None:
        return broken(origin, f"has the type {given!r}; known are {', '.join(_spelled())}")
    return _custom(entry, origin) if kind == _CUSTOM else _strong(kind, entry, origin)


def _strong(kind: str, entry: dict[object, object], origin: str) -> Form:
    value = {key: entry[key] for key in fields_of(CONNECTION_CLASSES[kind]) if entry.get(key) is not None}
    return _checked(Form(kind, value, frozenset({"api_key"}), origin))


def _custom(entry: dict[object, object], origin: str) -> Form:
    configs, secrets = entry.get("configs") or {}, entry.get("secrets") or {}
    if not isinstance(configs, dict) or not isinstance(secrets, dict):
        return broken(origin, "needs mappings under 'configs' and 'secrets'")
    if not configs and not secrets:
        return broken(origin, "has nothing under 'configs' and 'secrets'")
    strong = {}
    if entry.get("custom_type"):
        strong = {f"promptflow.connection.{key}": entry[key] for key in _STRONG_TYPE_FIELDS if entry.get(key)}
    return _checked(Form(_CUSTOM, {**configs, **strong, **secrets}, frozenset(secrets), origin))


def _checked(form: Form) -> Form:
    """The form with texts for values, and with the secrets marked that are placeholders for people to fill."""
    values = {key: _text(value) for key, value in form.value.items()}
    wrong = [str(key) for key, value in values.items() if not isinstance(key, str) or not isinstance(value, str | None)]
    if wrong:
        return broken(form.origin, f"needs a text for {', '.join(wrong)}")
    placeholders = (key for key in form.secret_keys & values.keys() if _PLACEHOLDER.fullmatch(str(values[key] or "")))
    return Form(form.type_name, values, form.secret_keys, form.origin, to_be_given=frozenset(placeholders))


def _text(value: object) -> object:
    return ("true" if value else "false") if isinstance(value, bool) else value


def _spelled() -> list[str]:
    """The names of the types as connection files spell them."""
    return sorted(
        re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=AI)(?=[A-Z])", "_", n.removesuffix("Connection")).lower()
        for n in CONNECTION_CLASSES
    )
