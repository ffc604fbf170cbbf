"""``pfserve-bench tune``."""

from __future__ import annotations

import functools
import hashlib
import os
import shlex
import sys
from pathlib import Path

import click

from .mistake import Mistake
from .recorder import DiskProblem
from .report import html, markdown, tuning
from .run_command import Length, bodies
from .tuner import Goal, Limit, Space
from .tuner.step import Ending
from .tuning import Question, Tuning, advice, tune
from .tuning.measure import Site

_FILE = click.Path(path_type=Path)
DEFAULT_SHARE = 0.2  # of the grid: budget B2
LEAST_TRIALS = 6  # of a grid so small that a fifth of it shows nothing


@click.command("tune")
@click.argument("flow", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--slo", "limits", multiple=True, default=("p95=2s",), show_default=True, help="Repeatable: all must hold."
)
@click.option("--max-refused", default="1%", show_default=True, help="Refusals and failures together.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Find the least memory that serves this rate.")
@click.option("--least-memory", is_flag=True, help="With --rate: what is meant by the best.")
@click.option("--max-threads", type=click.IntRange(1), default=64, show_default=True, help="Of a worker.")
@click.option("--max-bound", type=click.IntRange(2), default=1024, show_default=True, help="The largest C to try.")
@click.option("--max-trials", type=click.IntRange(1), help="[default: a fifth of the grid, 6 to 24]")
@click.option("--load", "load_s", type=Length(), default="5s", show_default=True, help="Length of one load.")
@click.option("--payload", type=_FILE, help="Bodies, as for run. [default: the flow's sample]")
@click.option("--data", metavar="JSON", multiple=True, help="A body. Repeatable.")
@click.option("--serve-arg", "serve_args", multiple=True, metavar="ARG", help="One more argument of pfserve serve.")
@click.option("--deployment", type=_FILE, help="A deployment.yaml: make a patch that sets what was found.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--out", type=_FILE, default=Path("tuning"), show_default=True, help="Everything goes there; go on from there."
)
def tune_command(
    *,
    flow: Path,
    limits: tuple[str, ...],
    max_refused: str,
    rate: float | None,
    least_memory: bool,
    max_threads: int,
    max_bound: int,
    max_trials: int | None,
    load_s: float,
    payload: Path | None,
    data: tuple[str, ...],
    serve_args: tuple[str, ...],
    deployment: Path | None,
    seed: int,
    out: Path,
) -> None:
    """Find workers, threads and the bound for FLOW on this machine.

    \b
    pfserve-bench tune FLOW --slo p95=2s --max-refused 1%          the most requests/s within these limits
    pfserve-bench tune FLOW --slo p95=2s --rate 20 --least-memory  the cheapest that serves 20 requests/s

    Begins with what Azure ML documents, asks a model and the trials so far what to try next, and repeats in turn
    what noise might decide. Ctrl-C keeps every trial; the same command goes on.

    Exits 0 if the goal was reached, 1 if nothing reaches it, it was stopped or could not be measured, 2 if something
    has to be mended first.
    """  # noqa: D301
    try:
        if least_memory != (rate is not None):
            raise Mistake("--rate and --least-memory belong together")
        goal = Goal(tuple(map(Limit.parse, limits)), _share(max_refused), rate)
        told = bodies(payload, data, "POST")
        cores = len(os.sched_getaffinity(0))
        space = Space.of(cores, max_threads, max_bound)
        question = Question(
            flow=str(flow.absolute()),
            goal=goal,
            space=space,
            most_trials=max_trials or min(24, max(LEAST_TRIALS, int(DEFAULT_SHARE * len(space)))),
            serve_args=serve_args,
            bodies_sha256=hashlib.sha256("\n".join(told).encode()).hexdigest() if told else "",
            load_s=load_s,
            seed=seed,
        )
        if deployment:
            advice.patch(space.snap(next(iter(space))), deployment)  # what is wrong with it is told now
        site = Site(flow, serve_args, told, cores, load_s, seed, out)
        found = tune(question, site, functools.partial(click.echo, err=True))
        _show(found, out, deployment)
    except Mistake as mistake:
        raise click.UsageError(str(mistake)) from mistake
    except (RuntimeError, DiskProblem, OSError) as problem:
        raise click.ClickException(str(problem)) from problem
    sys.exit(0 if found.verdict and found.verdict.ending is not Ending.UNREACHED else 1)


def _show(found: Tuning, out: Path, deployment: Path | None) -> None:
    document = tuning.document(found)
    click.echo("\n".join(document.summary))
    (out / "report.md").write_text(markdown.page(document), encoding="utf-8")
    try:
        (out / "report.html").write_text(html.page(document), encoding="utf-8")
    except Mistake as mistake:
        click.echo(str(mistake), err=True)
    if found.verdict is None or found.verdict.ending is Ending.UNREACHED:
        return
    setting = found.verdict.setting
    told = found.question
    click.echo(f"\npfserve serve {shlex.join((told.flow, *told.serve_args))} {advice.flags(setting)}\n")
    click.echo("\n".join(f"{name}={value}" for name, value in advice.environment(setting).items()))
    if deployment:
        (out / "deployment.patch").write_text(advice.patch(setting, deployment), encoding="utf-8")
        click.echo(f"\n{advice.patch(setting, deployment)}", nl=False)
    else:
        click.echo(f"\n# deployment.yaml\n{advice.snippet(setting)}", nl=False)
    click.echo(f"\nevery trial: {out / 'report.html'}", err=True)


def _share(text: str) -> float:
    """``1%`` or ``0.01``. Raises Mistake."""
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise Mistake(f"--max-refused {text}: write 1% or 0.01")
    return share
