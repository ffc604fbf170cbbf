"""``pfserve-bench compare``."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from . import against, systems
from .baseline import beside, read_past
from .budgets import NUMBERS
from .change import Outcome
from .changes_page import page, regressed
from .compare import compare
from .launches import VENV
from .mistake import Mistake
from .part import Settings
from .report.comparison import report

EXAMPLES = Path(__file__).parent.parent / "examples"
ROUNDS = 5
_FILE = click.Path(path_type=Path)
_PYTHON = click.Path(exists=True, dir_okay=False, path_type=Path)


class Unmeasured(click.ClickException):
    """With a gate, 1 is a regression and nothing else."""

    exit_code = 2


@click.command("compare")
@click.option("--only", help=f"The budgets to measure. [default: all; with --against {','.join(against.NUMBERS)}]")
@click.option(
    "--rounds",
    type=click.IntRange(1),
    help=f"Interleaved repeats. [default: {ROUNDS}; with --baseline or --against {against.ROUNDS}]",
)
@click.option("--seconds", default=4, show_default=True, type=click.IntRange(1), help="Load per system and round.")
@click.option("--json", "json_file", type=_FILE, help="Also write every sample there.")
@click.option("--baseline", type=_FILE, help="What --json wrote before: fail if we have become worse since.")
@click.option("--against", "older", type=_PYTHON, help="An interpreter with an older pfserve: fail if we are worse.")
@click.option("--examples", default=EXAMPLES, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--promptflow-python",
    type=click.Path(exists=True, path_type=Path),
    help=f"An interpreter with promptflow; by default that of {VENV}, made from PyPI if it is not there.",
)
def compare_command(
    *,
    only: str | None,
    rounds: int | None,
    seconds: int,
    json_file: Path | None,
    baseline: Path | None,
    older: Path | None,
    examples: Path,
    promptflow_python: Path | None,
) -> None:
    """Measure pfserve, promptflow and hand-written servers side by side, and judge the budgets.

    Exits 0 only if every budget measured is met.

    With --baseline the budgets are measured too, but the exit code says whether ratios and memory have become worse
    than they were in that file. With --against two versions of pfserve are measured in turn instead. Both exit 0 if
    no regression is shown, 1 if one is, 2 if nothing could be measured.
    """
    if baseline and older:
        raise click.UsageError("--baseline or --against, not both")
    known = against.NUMBERS if older else NUMBERS
    numbers = only.split(",") if only else known
    if unknown := set(numbers) - set(known):
        raise click.BadParameter(f"no such budget: {', '.join(sorted(unknown))}", param_hint="--only")

    @functools.cache
    def promptflow() -> Path:
        return promptflow_python.absolute() if promptflow_python else systems.promptflow_python(VENV)

    repeats = rounds or (against.ROUNDS if baseline or older else ROUNDS)
    try:
        if older:
            raise SystemExit(_gate(older, numbers, examples.absolute(), repeats, seconds, json_file=json_file))
        settings = Settings(repeats, seconds, examples.absolute(), promptflow)
        raise SystemExit(_budgets(numbers, settings, json_file, baseline))
    except Mistake as mistake:
        raise click.UsageError(str(mistake)) from mistake
    except (RuntimeError, FileNotFoundError) as problem:  # a system that does not start, no wrk: nothing was measured
        raise (Unmeasured if baseline or older else click.ClickException)(str(problem)) from problem


def _budgets(numbers: Sequence[str], settings: Settings, json_file: Path | None, baseline: Path | None) -> int:
    past = read_past(baseline) if baseline else None  # what is wrong with it is told before the measuring
    comparison = compare(numbers, settings, _say)
    click.echo(report(comparison))
    _write(json_file, comparison)
    if past is None:
        return 0 if comparison.met else 1
    found = beside(comparison, past)
    click.echo("\n" + page(past.machine, found.changes, found.left_out))
    if all(change.outcome is Outcome.TOO_FEW for change in found.changes):
        raise RuntimeError(f"nothing of {baseline} could be compared")
    return int(regressed(found.changes))


def _gate(
    older: Path, numbers: Sequence[str], examples: Path, rounds: int, seconds: int, *, json_file: Path | None
) -> int:
    gate = against.against(older.absolute(), numbers, examples, rounds, seconds, say=_say)
    click.echo(page(gate.machine, gate.changes, gate.doubts))
    _write(json_file, gate)
    return int(regressed(gate.changes))


def _write(json_file: Path | None, found: msgspec.Struct) -> None:
    if json_file:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))


def _say(line: str) -> None:
    click.echo(line, err=True)
