"""Worked examples: three flows, each loaded, reported, planned for and tuned; ``python -m bench.worked``.

What is written is small and names no machine: no records, no paths.
"""

from __future__ import annotations

import datetime
import functools
import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import click
import msgspec

from .backtest import CALM_S, FLOWS, MODEL_MS, Flow, on, whole, with_cpu
from .capacity import given, page
from .capacity.azure import sku
from .capacity.fleet import Safety, Spare
from .capacity.instance import Shape
from .capacity.plan import Plan, Question, plan
from .capacity.records import from_records
from .capacity.slo import Slo, reach
from .capacity_command import as_json
from .recorder import read
from .report import html, markdown, plans, trials, tuning
from .report_command import json
from .schedule import Closed, Load, Open, Segment, Spacing, Span
from .schedule import Shape as Rates
from .server import Server
from .systems import pfserve
from .throughput import BODY
from .trial import Summary, Trial, summarise
from .tuner import Goal, Limit, Space
from .tuning import Question as Asked
from .tuning import Tuning, tune
from .tuning.measure import Site
from .upstream import connections_option, stub_model

SHARES = (0.5, 0.8, 0.95, 1.1)  # of what the forecast says an instance takes
WARM_UP_S = 2.0
MACHINES = ("Standard_D2as_v4", "Standard_D4as_v4", "Standard_D8as_v4", "Standard_F4s_v2", "Standard_E4s_v3")
RATE_PER_S = 300.0
TRIALS = 8
TRIAL_LOAD_S = 1.0

Named = list[tuple[str, Summary]]


@click.command("worked")
@click.option("--out", type=click.Path(path_type=Path), default=Path("bench/results"), show_default=True)
@click.option("--seconds", default=30.0, show_default=True, type=click.FloatRange(1), help="Of each trial.")
@click.option("--only", type=click.Choice([flow.name for flow in FLOWS]), multiple=True, help="[default: all]")
def worked(out: Path, seconds: float, only: tuple[str, ...]) -> None:
    """Load three flows at several rates, plan for 300 requests/s, tune each, and write all of it as pages into OUT."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        with stub_model(home, MODEL_MS):
            for flow in FLOWS:
                if flow.name in (only or [each.name for each in FLOWS]):
                    folder, written = out / flow.name.replace("/", "").replace(" ", "-").lower(), flow.write(home)
                    named, answer = _example(flow, written, home, seconds)
                    _write(folder, named, answer)
                    click.echo("\n".join([flow.name, *page.summary(answer)]))
                    found = tuning.document(_tuned(flow, written, home, answer.question.slo))
                    _keep(folder, {"tuning.html": html.page(found), "tuning.md": markdown.page(found)})
                    click.echo("\n".join(found.summary))


def _tuned(flow: Flow, written: Path, home: Path, slo: Slo) -> Tuning:
    """What of this machine a few trials bring, under the promise that the plan is for."""
    goal = Goal((Limit(f"{slo.percent:g}", slo.limit_s),), slo.refusals)
    cores = len(os.sched_getaffinity(0))
    told = Asked(flow.name, goal, Space.of(cores), TRIALS, (), "", TRIAL_LOAD_S, 0)
    place = home / f"tuning-{written.name}"
    site = Site(written, connections_option(home), (BODY,), cores, TRIAL_LOAD_S, 0, place)
    found = tune(told, site, functools.partial(click.echo, err=True))
    if found.verdict is None:
        raise click.Abort
    return found


def _example(flow: Flow, written: Path, home: Path, seconds: float) -> tuple[Named, Plan]:
    workers, threads, places = flow.shapes[-1]
    more = "--threads", str(threads), *connections_option(home)
    cores = sorted(os.sched_getaffinity(0))  # the last is the generator's, the others are the server's
    with ExitStack() as stack:
        with on(cores[:-1]):
            server = stack.enter_context(Server(pfserve(written, workers, places, *more)))
        stack.enter_context(on(cores[-1:]))
        server.wait_ready()
        whole(_poisson(server, flow.calm_per_s, 1.0, home))  # the first requests of all pay for what is made once
        calm, cpu_s = with_cpu(server, lambda: whole(_crowd(server, workers, max(CALM_S, seconds), home)))
        question = _question(flow, server, calm, cpu_s)
        most = reach(question.demand, question.shape, question.slo).per_s.value
        rates = [most * share for share in SHARES] if most else []
        records = [calm, *(whole(_poisson(server, per_s, seconds, home)) for per_s in rates)]
    names = [f"{workers} users", *(f"{share:.0%} of the forecast" for share in SHARES)]
    named = [(name, anonymous(summarise(read(record)))) for name, record in zip(names, records, strict=False)]
    return named, plan(question, datetime.datetime.now(datetime.UTC).date())


def _poisson(server: Server, per_s: float, seconds: float, home: Path) -> Trial:
    rates = Rates((Segment(WARM_UP_S + seconds, per_s, per_s),))
    return _trial(server, Open(rates, Spacing.POISSON), seconds, home)


def _crowd(server: Server, users: int, seconds: float, home: Path) -> Trial:
    return _trial(server, Closed(users), seconds, home)


def _trial(server: Server, load: Load, seconds: float, home: Path) -> Trial:
    return Trial(url=server.address, load=load, span=Span(WARM_UP_S, seconds), seed=1, bodies=(BODY,), out=home)


def _question(flow: Flow, server: Server, calm: Path, cpu_s: float) -> Question:
    """The calm trial is not of a server that it started itself, so CPU and memory are told."""
    workers, threads, places = flow.shapes[-1]
    known = from_records([calm])
    origin = f"{known.count:,} requests of {workers} users"
    known = msgspec.structs.replace(known, origin=origin, cpu_s=cpu_s, memory_bytes=server.pss_bytes())
    asks = given.demand(known, flow.blocking, None)
    found = [each for name in MACHINES if (each := sku(name))]
    return Question(
        given=known,
        demand=asks,
        shape=Shape(workers * threads, workers, places),
        slo=Slo(95, flow.patience * known.times.percentile(95), 0.01),
        safety=Safety(0.2, Spare.INSTANCE, 3, 3),
        per_s=RATE_PER_S,
        workers=workers,
        threads=threads,
        skus=found,
        doubts=given.doubts(known, asks, workers * threads, has_cpu=True),
    )


def anonymous(summary: Summary) -> Summary:
    """Without paths; the target is a port that is gone."""
    header = summary.header
    argv = tuple(Path(part).name if part.startswith("/") else part for part in header.system)
    return msgspec.structs.replace(summary, header=msgspec.structs.replace(header, system=argv, target="/score"))


def _write(folder: Path, named: Named, answer: Plan) -> None:
    told = trials.document(named)
    pages = {
        "report.html": html.page(told),
        "report.md": markdown.page(told),
        "report.json": json([summary for _, summary in named]),
        "plan.html": html.page(plans.document(answer)),
        "plan.md": page.markdown(answer),
        "plan.json": as_json(answer),
    }
    _keep(folder, pages)


def _keep(folder: Path, pages: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    worked()
