"""README's table of settings is the table of settings.

To write it anew: ``python -m tests.unit.config.test_readme`` in the checkout.
"""

from __future__ import annotations

import re
from pathlib import Path

from pfserve.config.setting import Setting
from pfserve.config.settings import SETTINGS

README = Path(__file__).parents[3] / "README.md"
MARK = "<!-- settings -->"


def row(setting: Setting) -> str:
    flag = f"`{setting.flag}`" if setting.flag else ""
    variables = ", ".join(f"`{name}`" for name in setting.variables)
    default = setting.default_text or default_text(setting.default)
    return f"| {flag} | {variables} | {default} | {setting.help} |"


def default_text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value in (None, "") else f"`{value}`"


def table() -> str:
    rows = [row(setting) for setting in SETTINGS if setting.name != "flow"]
    return "\n".join([MARK, "| flag | environment | default | |", "|---|---|---|---|", *rows])


def test_readme_has_the_table_of_settings() -> None:
    assert table() in README.read_text()


if __name__ == "__main__":
    text = README.read_text()
    README.write_text(re.sub(rf"{MARK}\n(\|.*\n)*", lambda _: table() + "\n", text))
