"""The commands of the measuring suite."""

from __future__ import annotations

import functools
from pathlib import Path

import click
import msgspec

from . import systems
from .budgets import NUMBERS
from .capacity_command import capacity_command
from .compare import compare
from .launches import VENV
from .part import Settings
from .report.comparison import report
from .report_command import report_command
from .run_command import run_command

EXAMPLES = Path(__file__).parent.parent / "examples"


@click.group()
def main() -> None:
    """Measure pfserve and its peers."""


main.add_command(run_command)
main.add_command(report_command)
main.add_command(capacity_command)


@main.command("compare")
@click.option("--only", default=",".join(NUMBERS), show_default=True, help="The budgets to measure.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Interleaved repeats.")
@click.option("--seconds", default=4, show_default=True, type=click.IntRange(1), help="Load per system and round.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write every sample there.")
@click.option("--examples", default=EXAMPLES, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--promptflow-python",
    type=click.Path(exists=True, path_type=Path),
    help=f"An interpreter with promptflow; by default that of {VENV}, made from PyPI if it is not there.",
)
def compare_command(
    *,
    only: str,
    rounds: int,
    seconds: int,
    json_file: Path | None,
    examples: Path,
    promptflow_python: Path | None,
) -> None:
    """Measure pfserve, promptflow and hand-written servers side by side, and judge the budgets.

    Exits 0 only if every budget measured is met.
    """
    numbers = only.split(",")
    if unknown := set(numbers) - set(NUMBERS):
        raise click.BadParameter(f"no such budget: {', '.join(sorted(unknown))}", param_hint="--only")

    @functools.cache
    def promptflow() -> Path:
        return promptflow_python.absolute() if promptflow_python else systems.promptflow_python(VENV)

    settings = Settings(rounds, seconds, examples.absolute(), promptflow)
    try:
        comparison = compare(numbers, settings, functools.partial(click.echo, err=True))
    except (RuntimeError, FileNotFoundError) as problem:  # a system that does not start, no wrk: nothing was measured
        raise click.ClickException(str(problem)) from problem
    click.echo(report(comparison))
    if json_file:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(comparison), indent=1))
    raise SystemExit(0 if comparison.met else 1)
