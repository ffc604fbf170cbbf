"""The workflows that are shown: YAML, and every command of ours in them has the options that it is given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from bench.cli import main as bench
from pfserve.cli import main as pfserve

WORKFLOWS = sorted((Path(__file__).parents[2] / "docs" / "ci").glob("*.yml"))
PROGRAMS = {"pfserve-bench": bench, "pfserve": pfserve}


def commands(workflow: Path) -> Iterator[list[str]]:
    for job in yaml.safe_load(workflow.read_text())["jobs"].values():
        for step in job["steps"]:
            for line in step.get("run", "").replace("\\\n", " ").splitlines():
                words = shlex.split(re.split(r" [&|>] ?", line)[0], comments=True)
                if words and Path(words[0]).name in PROGRAMS:
                    yield [Path(words[0]).name, *words[1:]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_option_exists(workflow: Path) -> None:
    found = list(commands(workflow))
    assert found
    for program, name, *words in found:
        command = PROGRAMS[program].commands[name]
        known = {option for parameter in command.params for option in parameter.opts}
        used = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert used <= known, (program, name, used - known)
        command.parse_args(click.Context(command, resilient_parsing=True), words)


def test_there_are_some() -> None:
    assert [path.name for path in WORKFLOWS] == ["flow.yml", "regression.yml"]
