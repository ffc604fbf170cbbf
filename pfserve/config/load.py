"""Flags and environment to a ServeConfig. Precedence, lowest first: default, environment, flag."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from pfserve.config import derive
from pfserve.config.cores import usable_cores
from pfserve.config.derive import Choice, Site
from pfserve.config.model import ServeConfig
from pfserve.config.place import find_flow, is_promptflow_export, on_azure_ml
from pfserve.config.setting import Setting
from pfserve.config.settings import SETTINGS
from pfserve.config.variables import PREFIX, Variables, from_file, from_flags
from pfserve.errors import ConfigError, did_you_mean

_READ_ELSEWHERE = ("PFSERVE_ARM_ENDPOINT", "PFSERVE_BENCH_KEY")
_IGNORED = ("PROMPTFLOW_SERVING_ENGINE", "PROMPTFLOW_RUN_MODE")

Flags = Mapping[str, str | Sequence[str]]


def load_config(flags: Flags, environ: Mapping[str, str], *, cores: int | None = None) -> ServeConfig:
    """Choose, check and convert every setting.

    ``flags`` maps names of settings to the texts given on the command line, and ``env`` and ``env_file`` to theirs;
    ``environ`` is the process environment; ``cores`` the CPU cores to reckon with, by default those we may use.

    Raises:
        ConfigError: a value cannot be used; it names the key, the value, its origin and what is allowed.
    """
    variables = _variables(flags, environ)
    flow, flow_origin = find_flow(_text(flags, "flow"), variables)
    site = Site(cores or usable_cores(), on_azure_ml(variables), is_promptflow_export(flow))
    choices = {setting.name: _choose(setting, flags, variables) for setting in SETTINGS if setting.name != "flow"}
    complete = _derived(choices, site, flow) | {"flow": Choice(flow, flow_origin)}
    return _config(complete, variables)


def _variables(flags: Flags, environ: Mapping[str, str]) -> Variables:
    file = _text(flags, "env_file")
    pairs = flags.get("env", ())
    return Variables(environ, from_file(file) if file is not None else {}, from_flags(_texts(pairs)))


def _text(flags: Flags, name: str) -> str | None:
    text = flags.get(name)
    assert text is None or isinstance(text, str), f"{name} is given once"
    return text


def _texts(given: str | Sequence[str]) -> Sequence[str]:
    return (given,) if isinstance(given, str) else given


def _choose(setting: Setting, flags: Flags, variables: Variables) -> Choice | None:
    """The choice of the highest layer that names the setting; None if none does."""
    if setting.is_repeatable:
        texts = _texts(flags.get(setting.name, ()))
        if texts:
            parsed = (_parsed(setting, setting.parse, text, f"flag {setting.flag}").value for text in texts)
            return Choice(tuple(parsed), f"flag {setting.flag}")
    elif (text := _text(flags, setting.name)) is not None:
        return _parsed(setting, setting.parse, text, f"flag {_spelling(setting, text)}")
    found = variables.first(setting.variables)
    if found is None:
        return None
    try:
        return _parsed(setting, setting.parse_variable or setting.parse, found.text, found.origin)
    except ConfigError as problem:
        if not setting.bad_variable_warns:
            raise
        shown = setting.default_text or setting.default
        return Choice(setting.default, f"default, {found.name} is unusable", f"{problem}; the default counts: {shown}")


def _spelling(setting: Setting, text: str) -> str:
    return setting.flag.replace("--", "--no-") if setting.is_switch and text == "off" else setting.flag


def _parsed(setting: Setting, parse: Callable[[str], object], text: str, origin: str) -> Choice:
    try:
        return Choice(parse(text), origin)
    except ValueError as problem:
        shown = "(not shown)" if setting.is_secret else text
        raise ConfigError(setting.name, shown, origin, str(problem)) from None


def _derived(choices: Mapping[str, Choice | None], site: Site, flow: str) -> dict[str, Choice]:
    """Every choice made: the plain defaults first, then what depends on others."""
    made = {setting.name: choices.get(setting.name) or Choice(setting.default, "default") for setting in SETTINGS}
    return made | {
        "workers": derive.workers(choices["workers"], site),
        "max_concurrent_requests": derive.max_concurrent_requests(choices["max_concurrent_requests"], site),
        "drain_delay_s": derive.drain_delay_s(choices["drain_delay_s"], made["host"].value),
        "admin_host": derive.admin_host(choices["admin_host"], made["host"]),
        "access_log": derive.access_log(choices["access_log"], made["log_format"].value),
        "jinja_sandbox": derive.jinja_sandbox(made["jinja_sandbox"]),
        "connections": derive.connections(choices["connections"], site, flow),
    }


def _config(choices: Mapping[str, Choice], variables: Variables) -> ServeConfig:
    fields: dict[str, object] = {setting.target: _inward(setting, choices[setting.name].value) for setting in SETTINGS}
    fields["environment"] = variables.added
    fields["origins"] = {name: choice.origin for name, choice in choices.items()}
    unusual = [choice.warning for choice in choices.values() if choice.warning]
    fields["warnings"] = (*unusual, *_misspelt(variables))
    fields["notices"] = tuple(_notices(variables))
    return msgspec.convert(fields, ServeConfig)


def _inward(setting: Setting, value: object) -> object:
    if setting.unit is None or not isinstance(value, int | float):
        return value
    return setting.unit.inward(value)


def _misspelt(variables: Variables) -> Iterator[str]:
    """A line for each variable that somebody believes to be ours."""
    known = {name for setting in SETTINGS for name in setting.variables}
    guessed = {f"{PREFIX}{setting.name.upper()}": setting for setting in SETTINGS if setting.variables}
    for name in variables.unknown({*known, *_READ_ELSEWHERE}):
        setting = guessed.get(name)
        hint = f"; {setting.flag} has {setting.variables[0]}" if setting else _nearest(name, known)
        yield f"{name} is no variable of pfserve, and is ignored{hint}"


def _nearest(name: str, known: Iterable[str]) -> str:
    """By what comes after the prefix, which makes all of them alike."""
    ours = (one.removeprefix(PREFIX) for one in known if one.startswith(PREFIX))
    return did_you_mean(name.removeprefix(PREFIX), ours).replace("'", f"'{PREFIX}", 1)


def _notices(variables: Variables) -> list[str]:
    found = (variables.first((name,)) for name in _IGNORED)
    links = variables.service_links(name for setting in SETTINGS for name in setting.variables)
    return [
        *(f"{one.name} = {one.text!r} is ignored: pfserve has one engine and only serves" for one in found if one),
        *(f"{one.name} = {one.text!r} is ignored: Kubernetes tells of a Service with that name" for one in links),
    ]
