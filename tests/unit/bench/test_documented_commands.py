"""Every command that the workflows and the guide show exists, with these options and values."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from bench.cli import main as bench
from bench.worked import worked
from pfserve.cli import main as pfserve

CHECKOUT = Path(__file__).parents[3]
WORKFLOWS = sorted((CHECKOUT / "docs" / "ci").glob("*.yml"))
GUIDE = (CHECKOUT / "bench" / "README.md").read_text()
ROOTS = {"pfserve-bench": bench, "pfserve": pfserve}
INLINE_LEAST = 3  # words: fewer in running text only name a command


def scripts(workflow: Path) -> list[str]:
    [*jobs] = yaml.safe_load(workflow.read_text())["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


def commands(script: str) -> list[list[str]]:
    """The words of each command of ours; what a shell separates and comments is taken off."""
    found = []
    for line in re.split(r"\n|&&|\|\|| & ?", script.replace("\\\n", " ")):
        words = shlex.split(line, comments=True)
        if words[1:3] == ["-m", "bench"]:
            words[:3] = ["pfserve-bench"]
        if words and words[0].rpartition("/")[2] in ROOTS:
            found.append([words[0].rpartition("/")[2], *words[1:]])
    return found


def parse(words: list[str]) -> None:
    """As far as nothing but the command line is needed: a file that it names is not looked for."""
    command: click.Command = ROOTS[words[0]]
    rest = words[1:]
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), rest[0])
        assert found is not None, f"{' '.join(words)}: no such command"
        command, rest = found, rest[1:]
    context = click.Context(command)
    values, left, _ = command.make_parser(context).parse_args(rest)
    assert not left, f"{' '.join(words)}: {left} is too much"
    for param in command.params:
        if param.name in values and not isinstance(param.type, click.Path):
            param.type_cast_value(context, values[param.name])


def in_guide() -> list[list[str]]:
    blocks = re.findall(r"^```\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    inline = re.findall(
        r"`((?:pfserve|python -m bench)\S* [^`\n]+)`", re.sub(r"^```.*?^```", "", GUIDE, flags=re.M | re.S)
    )
    return [words for text in (*blocks, *inline) for words in commands(text) if len(words) >= INLINE_LEAST]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_one_and_its_commands_exist(workflow):
    told = yaml.safe_load(workflow.read_text())
    assert {"name", "jobs"} <= told.keys()
    assert told[True] == "pull_request"  # YAML 1.1 reads "on" as true, and GitHub as the word
    for job in told["jobs"].values():
        assert job["runs-on"].startswith("ubuntu-")
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])
    found = [words for script in scripts(workflow) for words in commands(script)]
    assert found
    for words in found:
        parse(words)


def test_the_commands_of_the_guide_exist():
    found = in_guide()
    assert len(found) > 20
    assert {words[1] for words in found if words[0] == "pfserve-bench"} >= {
        "run",
        "report",
        "tune",
        "capacity",
        "compare",
    }
    for words in found:
        parse(words)
    assert "`python -m bench.worked`" in GUIDE
    assert worked.name == "worked"


@pytest.mark.parametrize(
    "words",
    [
        "pfserve-bench tune FLOW --slow p95=2s",
        "pfserve-bench plan x",
        "pfserve-bench run u --users many",
        "pfserve explain a b",
    ],
)
def test_what_does_not_exist_is_found(words):
    with pytest.raises((AssertionError, click.ClickException)):
        parse(words.split())
