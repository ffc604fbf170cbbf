"""The options of ``pfserve serve``, made from the table of settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import click

from pfserve.config.setting import Setting
from pfserve.config.settings import SETTINGS

Command = TypeVar("Command", bound=Callable[..., None])
Given = Mapping[str, str | tuple[str, ...] | bool | None]


def serve_options(command: Command) -> Command:
    """Add one option per setting that has a flag, and the two that add environment variables."""
    for add in reversed([*(_option(setting) for setting in SETTINGS if setting.flag), *_environment_options()]):
        command = add(command)
    return command


def flow_options(command: Command) -> Command:
    """Add the options that change what a flow compiles to."""
    settings = [setting for setting in SETTINGS if setting.name in _OF_THE_FLOW]
    for add in reversed([*map(_option, settings), *_environment_options()]):
        command = add(command)
    return command


def as_flags(given: Given) -> dict[str, str | tuple[str, ...]]:
    """What click collected, as ``load_config`` wants it: only what was given, as texts."""
    flags: dict[str, str | tuple[str, ...]] = {}
    for name, value in given.items():
        if isinstance(value, bool):
            flags[name] = "on" if value else "off"
        elif value is not None:
            flags[name] = value
    return flags


def _option(setting: Setting) -> Callable[[Command], Command]:
    if setting.is_switch:
        declared = f"{setting.flag}/--no-{setting.flag.removeprefix('--')}"
        return click.option(declared, setting.name, default=None, help=_help(setting))
    if setting.is_repeatable:
        metavar = _METAVARS.get(setting.name, "TEXT")
        return click.option(setting.flag, setting.name, metavar=metavar, multiple=True, help=_help(setting))
    metavar = setting.unit.text.upper() if setting.unit else _METAVARS.get(setting.name, "TEXT")
    return click.option(setting.flag, setting.name, metavar=metavar, help=_help(setting))


_OF_THE_FLOW = ("connections", "connection", "variant", "init", "stub_llm")
_METAVARS = {
    "host": "ADDRESS",
    "port": "N",
    "admin_port": "N",
    "admin_host": "ADDRESS",
    "max_requests": "N",
    "workers": "N",
    "threads": "N",
    "max_concurrent_requests": "N",
    "max_connections": "N",
    "outputs": "NAME,…",
    "log_format": "FORMAT",
    "log_level": "LEVEL",
    "cors": "ORIGIN",
    "nan": "FORM",
    "pidfile": "PATH",
    "connections": "PATH",
    "connection": "NAME=OTHER",
    "variant": "NODE.VARIANT",
    "init": "JSON|@FILE",
}


def _help(setting: Setting) -> str:
    default = setting.default_text or _shown(setting.default)
    told = [*([", ".join(setting.variables)] if setting.variables else []), f"default: {default}"]
    repeatable = " Repeatable." if setting.is_repeatable else ""
    return f"{setting.help}{repeatable} [{'; '.join(told)}]"


def _shown(default: object) -> str:
    return ("on" if default else "off") if isinstance(default, bool) else str(default)


def _environment_options() -> list[Callable[[Command], Command]]:
    return [
        click.option(
            "--env",
            metavar="KEY=VALUE",
            multiple=True,
            help="Set an environment variable, for pfserve and for the flow; wins over the one inherited. Repeatable.",
        ),
        click.option("--env-file", metavar="PATH", help="Set the variables of a .env file; --env wins over them."),
    ]
