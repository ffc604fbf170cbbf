"""The one path from a name to a connection object: replaced, found, its fields overridden, ``${env:…}`` filled in."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import msgspec

from pfserve.connections.arm import BadPayload, from_arm
from pfserve.connections.form import Form, from_execution_form
from pfserve.connections.problems import (
    AccessDenied,
    BrokenConnection,
    ConnectionProblem,
    field_variable_of,
    missing,
    variable_of,
)
from pfserve.values import identity
from pfserve.values.connection_form import BadConnection, connection_from, fields_of
from pfserve.values.connections import AadConnection, AzureOpenAIConnection, Connection, OpenAIConnection

_ENVIRONMENT_REFERENCE = re.compile(r"\s*\$\{env:([^{}]+)\}\s*")
_INJECTION = re.compile(r"\s*\$\{\{\s*(azureml://connections/([^/{}\s]+)(/[^{}\s]*)?|keyvault:[^{}]*)\s*\}\}\s*")
_MASK = "******"
_FAILED_S = 30.0  # for so long what a provider did not give is not asked for again

StandIn = Callable[[str], Mapping[str, object] | None]
"""From the type of a connection, empty if unknown, to an execution form in its place; None to leave it."""


EndpointLookup = Callable[[str, str, str], Form | ConnectionProblem]
"""From kind, name and deployment (or the empty text) of a model's endpoint in the workspace to its connection."""


def _no_endpoint(kind: str, name: str, _deployment: str) -> ConnectionProblem:
    return BrokenConnection(name, f"{kind} {name!r}: no workspace is known to look it up in")


class Source(Protocol):
    """A service that has connections by name."""

    def fetch(self, names: Iterable[str]) -> Mapping[str, Form | ConnectionProblem]:
        """The connections of all these names, or why each cannot be had."""


class Field(msgspec.Struct, frozen=True):
    """One value of a resolved connection, fit to be shown: secrets and what a custom connection holds are masked."""

    name: str
    shown: str
    origin: str  # "" for the connection's own


class Resolved(msgspec.Struct, frozen=True):
    """How a connection resolved, fit to be shown."""

    name: str
    type: str
    origin: str
    fields: tuple[Field, ...]
    identity: str = ""  # what it needs of azure-identity, and whether that is there; "" for a connection with a key

    def __str__(self) -> str:
        fields = (f"{one.name}={one.shown}{f' (from {one.origin})' if one.origin else ''}" for one in self.fields)
        identity = f"; {self.identity}" if self.identity else ""
        return f"{self.name} ({self.type}) from {self.origin}: {', '.join(fields)}{identity}"


class Sources(msgspec.Struct, frozen=True):
    """What connections are made from."""

    forms: Mapping[str, Form]
    replaced: Mapping[str, str] = {}  # --connection NAME=OTHER
    environ: Mapping[str, str] = {}
    only_encoded: bool = False
    provider: Source | None = None  # has those that are not among the forms
    endpoint: EndpointLookup = _no_endpoint  # has the models' endpoints of a workspace
    clock: Callable[[], float] = time.monotonic
    unasked: str = ""  # why a provider that is named is not asked
    stand_in: StandIn | None = None  # what replaces every connection of the types that it knows
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Sources {sorted(self.forms)}>"


class Connections:
    """The connections that a flow may use, by the names that it uses.

    A connection is made when it is first asked for, so that what nobody needs can be broken; then it stays as it is.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._made: dict[str, Connection] = {}
        self._resolved: dict[str, Resolved] = {}
        self._fetched: dict[str, Form] = {}  # by the provider's names
        self._failed: dict[str, tuple[ConnectionProblem, float]] = {}  # and when that was
        self.denied = ""  # why the provider lets nobody in, once it has said so

    def fetch(self, names: Iterable[str]) -> None:
        """Get these connections from the provider, all at once, as far as they are to be had there and are not yet."""
        if self._sources.stand_in is None:
            self._fetch({target for name in names if name not in self._made for target in self._at_provider(name)})

    def get(self, name: str, expected: str = "") -> Connection:
        """The connection that the flow calls ``name``; the same object each time.

        ``expected`` is the type that its user wants (``OpenAIConnection``), as far as known; a stand-in goes by it
        where nobody gave the connection.

        Raises:
            MissingConnection: no source has it.
            BrokenConnection: a source has it, but it cannot be used.
        """
        if name not in self._made:
            self._make(name, self._stand_in(name, expected) or self._find(name))
        return self._made[name]

    def endpoint(self, kind: str, name: str, deployment: str) -> Connection:
        """A model's endpoint in the workspace, as a connection; the same object each time.

        Raises:
            ConnectionProblem: it cannot be had.
        """
        label = f"{kind}/{name}/{deployment}".rstrip("/")
        if label not in self._made:
            found = self._sources.endpoint(kind, name, deployment)
            if isinstance(found, ConnectionProblem):
                raise found
            self._make(label, found)
        return self._made[label]

    def has(self, name: object) -> bool:
        """Whether the connection of that name is there already, so that getting it takes no time; true for no name."""
        return not isinstance(name, str) or name in self._made

    def described(self, label: str, type_name: str, values: Mapping[str, object] | None) -> Connection:
        """The connection that a flow describes where it needs it, without a name; ``label`` says where.

        Without ``values`` it is the one that the environment describes.

        Raises:
            BrokenConnection: a value that the type needs is missing.
            RequiredEnvironmentVariablesNotSetError: the environment does not describe it.
        """
        stand_in = self._sources.stand_in(type_name) if self._sources.stand_in else None
        origin = "stub" if stand_in else "the flow" if values is not None else "the environment"
        if stand_in is None and values is None:
            made = _from_environment(type_name, label)
        else:
            form = stand_in or {"type": type_name, "value": values}
            try:
                made = connection_from(form, label)
            except BadConnection as problem:
                raise BrokenConnection(label, str(problem)) from None
        self._resolved[label] = Resolved(label, made.type, origin, _fields(made, {}), _identity_of(made))
        return made

    def names(self) -> tuple[str, ...]:
        """The names that the sources have, and those that are replaced; variables may add others."""
        return tuple(sorted({*self._sources.forms, *self._sources.replaced}))

    def resolved(self) -> tuple[Resolved, ...]:
        """How the connections that were asked for resolved, in the order of their names."""
        return tuple(self._resolved[name] for name in sorted(self._resolved))

    def need_identity(self) -> bool:
        """Whether a connection that was asked for opens by a token of Entra ID."""
        return any(one.identity for one in self._resolved.values())

    def warnings(self) -> tuple[str, ...]:
        """What is wrong although nobody needed it so far."""
        forms = sorted(self._sources.forms.items())
        lacking = tuple(
            f"connection {one.name!r} {one.identity}" for one in self.resolved() if one.identity == _NO_IDENTITY
        )
        return (
            self._sources.warnings
            + lacking
            + tuple(
                f"connection {name!r} from {form.origin} {form.problem}; nothing needs it"
                for name, form in forms
                if form.problem and name not in self._made
            )
        )

    def __repr__(self) -> str:
        return f"<Connections {', '.join(self.names())}>"

    def _stand_in(self, name: str, expected: str) -> Form | None:
        if self._sources.stand_in is None:
            return None
        with contextlib.suppress(ConnectionProblem):  # a stand-in needs no original
            expected = self._find(name).type_name or expected
        given = self._sources.stand_in(expected)
        return from_execution_form(given, "stub") if given is not None else None

    def _make(self, name: str, form: Form) -> None:
        if form.problem:
            raise _broken(name, form, form.problem)
        environ = {} if form.origin == "stub" else self._sources.environ
        value, origins = _filled(name, form, environ)
        try:
            made = connection_from(
                {"type": form.type_name, "value": value, "secret_keys": list(form.secret_keys)}, name
            )
        except BadConnection as problem:
            variables = " or ".join(field_variable_of(name, key) for key in problem.missing)
            way = f"; add it there, or set {variables}" if variables else ""
            raise BrokenConnection(name, f"{problem} (from {form.origin}){way}") from None
        self._made[name] = made
        self._resolved[name] = Resolved(name, made.type, form.origin, _fields(made, origins), _identity_of(made))

    def _find(self, name: str) -> Form:
        """The form for a name of the flow: of the name that a flag or variable puts in its place, else its own."""
        target, shown = self._target(name)
        return self._look(target, name, shown)

    def _target(self, name: str) -> tuple[str, str]:
        """The name to look for in the place of ``name``, and as what errors show it."""
        sources = self._sources
        if other := sources.replaced.get(name):
            return other, other
        given = sources.environ.get(variable_of(name), "")
        if not given or _read_json(given)[0]:
            return name, name
        injected = _INJECTION.fullmatch(given)
        if injected and injected[2] and not injected[3]:  # what Azure ML would have put the connection's JSON for
            return injected[2], injected[2]
        return given, ""

    def _look(self, name: str, asked_as: str, shown: str) -> Form:
        """The data that a variable holds for the name, else that of the sources. Errors name it as ``shown``."""
        sources = self._sources
        is_json, payload = _read_json(sources.environ.get(variable_of(name), ""))
        if is_json:
            return _from_variable(name, payload)
        if name not in sources.forms and sources.provider is not None:
            self._fetch([name])
        form = sources.forms.get(name) or self._fetched.get(name)
        if form is None and name in self._failed:
            problem, _ = self._failed[name]
            told = str(problem)
            raise type(problem)(asked_as, told if shown else told.replace(name, "…"))
        if form is None:
            raise missing(shown, asked_as, self.names(), only_encoded=sources.only_encoded, provider=sources.unasked)
        return form if name == asked_as else msgspec.structs.replace(form, origin=f"{name!r} of {form.origin}")

    def _at_provider(self, name: str) -> Iterable[str]:
        target, _ = self._target(name)
        is_json, _ = _read_json(self._sources.environ.get(variable_of(target), ""))
        return () if is_json or target in self._sources.forms else (target,)

    def _fetch(self, targets: Iterable[str]) -> None:
        now_s, provider = self._sources.clock(), self._sources.provider
        failed = {name for name, (_, at_s) in self._failed.items() if now_s - at_s < _FAILED_S}
        open_ones = [name for name in targets if name not in self._fetched and name not in failed]
        if provider is None or not open_ones:
            return
        for name, found in provider.fetch(sorted(open_ones)).items():
            if isinstance(found, Form):
                self._fetched[name] = found
                continue
            self._failed[name] = found, self._sources.clock()
            if isinstance(found, AccessDenied):
                self.denied = str(found)


def _from_environment(type_name: str, label: str) -> Connection:
    kind = AzureOpenAIConnection if type_name == AzureOpenAIConnection.__name__ else OpenAIConnection
    return kind.from_env(label)


def _read_json(text: str) -> tuple[bool, object]:
    try:
        return True, json.loads(text)
    except (ValueError, RecursionError):
        return False, None


def _from_variable(name: str, payload: object) -> Form:
    origin = f"variable {variable_of(name)}"
    try:
        return from_arm(name, payload, origin)
    except BadPayload as problem:
        text = f"Invalid connection data detected while overriding connection {name}. ({problem}; from {origin})"
        raise BrokenConnection(name, text) from None


def _filled(name: str, form: Form, environ: Mapping[str, str]) -> tuple[dict[str, object], dict[str, str]]:
    """The values with those of variables in their place, and where each that a variable gave came from."""
    value, origins = dict(form.value), dict[str, str]()
    kind = form.kind
    others: Iterable[str] = fields_of(kind) if kind else ()
    for key in dict.fromkeys([*value, *others]):
        variable = field_variable_of(name, key)
        given = environ.get(variable)
        if given is not None and (given or key in form.value):
            value[key], origins[key] = given, f"variable {variable}"
    for key, held in value.items():
        if isinstance(held, str) and _INJECTION.fullmatch(held):
            raise _broken(
                name, form, f"has for {key} what only Azure ML fills in when it starts a deployment; {_INSTEAD}"
            )
        reference = _ENVIRONMENT_REFERENCE.fullmatch(held) if isinstance(held, str) else None
        if reference:
            value[key], origins[key] = _of_environment(name, key, form, reference[1], environ)
    if open_ones := sorted(form.to_be_given - origins.keys()):
        wanted = ", ".join(field_variable_of(name, key) for key in open_ones)
        raise _broken(name, form, f"has a placeholder for {', '.join(open_ones)}; set {wanted}")
    return value, origins


_INSTEAD = "set the value itself, or name the connection in the variable for the whole of it"


def _of_environment(name: str, key: str, form: Form, variable: str, environ: Mapping[str, str]) -> tuple[str, str]:
    if variable in environ:
        return environ[variable], f"variable {variable}"
    # ``Environment variable … is not found.`` is promptflow's own message
    text = f"has ${{env:{variable}}} for {key}: Environment variable {variable} is not found."
    raise _broken(name, form, f"{text} Set it, or {field_variable_of(name, key)}")


def _broken(name: str, form: Form, problem: str) -> BrokenConnection:
    return BrokenConnection(name, f"connection {name!r} from {form.origin} {problem}")


_BY_TOKEN = "opens by a token of Microsoft Entra ID"
_NO_IDENTITY = f"{_BY_TOKEN}, and azure-identity is not installed: pip install 'pfserve[azure]'"


def _identity_of(made: Connection) -> str:
    if not isinstance(made, AadConnection) or made.by_key:
        return ""
    return f"{_BY_TOKEN}; azure-identity is installed" if identity.is_installed() else _NO_IDENTITY


def _fields(made: Connection, origins: Mapping[str, str]) -> tuple[Field, ...]:
    masked = {**dict.fromkeys(made.secrets, True), **dict.fromkeys(made.configs, made.type == "Custom")}
    return tuple(
        Field(key, _MASK if masked[key] else _shown(made[key]), origins.get(key, ""))
        for key in made.keys()  # noqa: SIM118 - a connection is no mapping
        if made[key] is not None
    )


def _shown(value: object) -> str:
    """The value; of an address without what could be credentials."""
    text = str(value)
    try:
        parts = urlsplit(text)
    except ValueError:
        return _MASK
    if not parts.scheme or not parts.netloc:
        return text
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "…" if parts.query else "", ""))
