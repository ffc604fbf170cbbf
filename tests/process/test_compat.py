"""What user code meets when it imports promptflow: in fresh interpreters, because imports leave traces."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pfserve import __version__
from pfserve.compat.names import MODULES

ROOT = Path(__file__).parents[2]


def run(code, *paths):
    """Run the code after ``compat.install()``; its standard output."""
    code = "from pfserve import compat\ncompat.install()\n" + textwrap.dedent(code)
    prepared = f"import sys\nsys.path[:0] = {[str(path) for path in (*paths, ROOT)]!r}\n{code}"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", prepared], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_every_name_of_the_table_can_be_imported():
    lines = [f"from {module} import {', '.join(names)}" for module, names in MODULES.items() if names]
    run("\n".join(lines))


def test_tool_is_the_same_wherever_it_comes_from():
    run(
        """
        from promptflow import tool
        from promptflow.core import tool as from_core
        from promptflow._core.tool import tool as from_below
        assert tool is from_core is from_below
        """
    )


def test_modules_look_like_modules():
    run(
        """
        import importlib, importlib.util, inspect, sys
        compat.install()  # twice is once
        assert importlib.util.find_spec("promptflow.core").name == "promptflow.core"
        import promptflow
        assert promptflow.contracts.types is importlib.import_module("promptflow.contracts.types")
        assert promptflow.__version__ and promptflow.VERSION
        assert not hasattr(promptflow, "__file__")
        from promptflow.core import *
        assert tool is promptflow.tool
        assert inspect.getmodule(tool).__name__ == "pfserve.compat.tool"
        assert importlib.reload(promptflow) is promptflow
        """
    )


@pytest.mark.parametrize(
    ("statement", "kind", "missing"),
    [
        ("from promptflow.core import Nonesuch", "ImportError", "promptflow.core.Nonesuch"),
        ("from promptflow import Nonesuch", "ImportError", "promptflow.Nonesuch"),
        ("import promptflow; promptflow.Nonesuch", "ImportError", "promptflow.Nonesuch"),
        ("import promptflow.nonesuch", "ModuleNotFoundError", "promptflow.nonesuch"),
        ("from promptflow.nonesuch import x", "ModuleNotFoundError", "promptflow.nonesuch"),
        ("import promptflow.core.nonesuch", "ModuleNotFoundError", "promptflow.core.nonesuch"),
    ],
)
def test_what_is_not_there_says_so_and_names_the_version(statement, kind, missing):
    told = run(
        f"""
        try:
            {statement}
        except ImportError as problem:
            print(type(problem).__name__, problem)
        """
    )
    assert told.startswith(f"{kind} {missing} is not part of pfserve {__version__}, which has these ")


@pytest.fixture
def installed(tmp_path):
    """A folder of installed packages with a promptflow in it."""
    files = {
        "promptflow/__init__.py": "raise AssertionError('the real promptflow was imported')",
        "promptflow/core/__init__.py": "raise AssertionError('the real promptflow was imported')",
        "promptflow/core/_below.py": "from promptflow.core import tool",
        "promptflow/other/__init__.py": "",
        "promptflow/tools/aoai.py": "raise AssertionError('the real promptflow-tools was imported')",
        "promptflow/tools/extra.py": "from promptflow.core import tool\n\n@tool\ndef extra(): return 'extra'",
        "promptflow/lacking/__init__.py": "import a_package_that_nobody_has",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_our_names_win_over_an_installed_promptflow_and_the_rest_of_it_is_found(installed):
    run(
        """
        from promptflow import tool
        from promptflow.core import tool as from_core
        import promptflow.core._below
        from promptflow import other
        assert tool is from_core is promptflow.core._below.tool
        """,
        installed,
    )


def test_installed_tools_are_marked_by_us_and_not_wrapped(installed):
    run(
        """
        import inspect
        from pfserve.values import is_tool
        from promptflow.tools.aoai import chat
        from promptflow.tools.extra import extra
        assert chat.__module__.startswith("pfserve.")
        assert is_tool(extra) and inspect.isfunction(extra) and not hasattr(extra, "__wrapped__")
        assert extra() == "extra"
        """,
        installed,
    )


def test_what_an_installed_module_lacks_is_told_as_it_is(installed):
    told = run(
        """
        try:
            from promptflow import lacking
        except ModuleNotFoundError as problem:
            print(problem.name)
        """,
        installed,
    )
    assert told == "a_package_that_nobody_has"
