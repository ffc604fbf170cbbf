"""``--show-config``: every setting, its value, unit and origin, as text. Secrets stay out of it."""

from __future__ import annotations

from collections.abc import Mapping

from pfserve.config.model import ServeConfig
from pfserve.config.setting import Setting
from pfserve.config.settings import SETTINGS

_HEAD = ("setting", "value", "unit", "origin")


def show_config(config: ServeConfig) -> str:
    """An aligned table in the operator's units; of added environment variables only the names."""
    rows = [_HEAD, *setting_rows(config)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def setting_rows(config: ServeConfig) -> list[tuple[str, str, str, str]]:
    """The rows of that table: name, value, unit and origin."""
    return [*(_row(setting, config) for setting in SETTINGS), _environment_row(config)]


def _row(setting: Setting, config: ServeConfig) -> tuple[str, str, str, str]:
    value = _text(setting, getattr(config, setting.target))
    return setting.name, value, setting.unit.text if setting.unit else "", config.origins[setting.name]


def _environment_row(config: ServeConfig) -> tuple[str, str, str, str]:
    names = _printable(" ".join(sorted(config.environment)))
    return ("environment", names or "none", "", "flags --env, --env-file" if names else "default")


def _text(setting: Setting, value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return f"{setting.unit.outward(value):.10g}" if setting.unit else str(value)
    if isinstance(value, Mapping):  # of arguments only the names: any value may be a secret
        return _printable(",".join(value)) or setting.default_text
    if isinstance(value, tuple):
        return _printable(",".join(value)) or ("no output" if setting.default is None else setting.default_text)
    if not value:
        return setting.default_text or "none"
    return _printable(str(value))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in text)
