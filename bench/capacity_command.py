"""``pfserve-bench capacity``."""

from __future__ import annotations

import csv
import datetime
import math
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from .capacity import azure, given, page, patch
from .capacity.demand import Demand, Times
from .capacity.fleet import Safety, Spare
from .capacity.given import Given
from .capacity.instance import Shape
from .capacity.logs import from_log
from .capacity.plan import Plan, Question, plan
from .capacity.prometheus import from_prometheus as read_prometheus
from .capacity.prometheus import getter
from .capacity.records import from_records, merged
from .capacity.simulation import Balancer
from .capacity.slo import Slo
from .capacity.traffic import Traffic
from .capacity.usl import LEAST_LEVELS, Usl, fit
from .mistake import Mistake
from .report import html, plans
from .run_command import Length
from .schedule.trace import read as read_trace

_FILE = click.Path(path_type=Path)
_DEFAULT_SKUS = tuple(machine.name for machine in azure.SKUS if machine.cores <= 16 and "a_v4" not in machine.name)


def as_json(answer: Plan) -> str:
    """Everything but single times and arrivals."""
    told = msgspec.to_builtins(answer)
    for traffic in (told["question"]["traffic"], told["question"]["given"]["traffic"]):
        if traffic:
            del traffic["peak"]
    told["question"]["given"]["times"] = _spread(answer.question.given.times)
    for told_phase, phase in zip(told["question"]["demand"]["phases"], answer.question.demand.phases, strict=True):
        told_phase["times"] = _spread(phase.times)
    told["summary"] = page.summary(answer)
    return msgspec.json.format(msgspec.json.encode(told)).decode() + "\n"


def _spread(times: Times) -> dict[str, float]:
    return {"mean_s": times.mean_s, **{f"p{at}_s": times.percentile(at) for at in (50, 95, 99)}}


_PAGES: dict[str, Callable[[Plan], str]] = {"text": page.text, "markdown": page.markdown, "json": as_json}
_PAGES["html"] = lambda answer: html.page(plans.document(answer))
_KINDS = {".html": "html", ".htm": "html", ".md": "markdown", ".json": "json", ".txt": "text"}


@click.command("capacity")
@click.argument("records", nargs=-1, type=_FILE)
@click.option("--from-log", type=_FILE, help="pfserve's log in JSON, or a CSV with a time and a duration.")
@click.option("--from-prometheus", metavar="URL|FILE", help="A page of /metrics, or a Prometheus.")
@click.option("--window", type=Length(), default="24h", show_default=True, help="Of what the Prometheus knows.")
@click.option("--select", default="", metavar="LABELS", help="""Of what it has scraped: 'job="flow"'.""")
@click.option(
    "--prometheus-key", envvar="PFSERVE_BENCH_PROMETHEUS_KEY", metavar="KEY", help="Sent as Authorization: Bearer KEY."
)
@click.option(
    "--service",
    metavar="DIST",
    help="Told: 1.2s, exp:1.2s, lognormal:1.2s,0.5 (median, sigma) or p50=1.2s,p95=2.8s.",
)
@click.option("--phase", "phases", multiple=True, metavar="TEXT", help="'blocking 20ms cpu 5ms', 'beside 1s'. In turn.")
@click.option("--cpu", type=Length(), help="CPU of a request. [default: as recorded]")
@click.option("--blocking", metavar="all|none|TIME", help="How long a request holds a slot.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of each worker.")
@click.option("--cores", type=click.FloatRange(0, min_open=True), help="Of the instance. [default: as workers]")
@click.option("--max-concurrent-requests", "places", type=click.IntRange(1), default=64, show_default=True)
@click.option("--timeout", type=Length(), help="Of a request, in the server. [default: none]")
@click.option("--slo", "promise", default="p95<2s", show_default=True)
@click.option("--max-refusals", type=click.FloatRange(0, 1, max_open=True), default=0.001, show_default=True)
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Requests per second that must be taken.")
@click.option("--trace", type=_FILE, help="When the requests of a day came: JSON lines or CSV.")
@click.option("--speed", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True, help="Of the trace.")
@click.option("--headroom", type=click.FloatRange(0, 0.9), default=0.2, show_default=True, help="Share left free.")
@click.option("--spare", type=click.Choice([each.value for each in Spare]), default="instance", show_default=True)
@click.option("--zones", type=click.IntRange(2), default=3, show_default=True)
@click.option("--at-least", "least", type=click.IntRange(1), default=azure.LEAST_INSTANCES, show_default=True)
@click.option("--lag", type=Length(), default="18m", show_default=True, help="Until a new instance serves.")
@click.option(
    "--balancer", type=click.Choice([e.value for e in Balancer]), default="least-connections", show_default=True
)
@click.option("--measured-on", metavar="SKU", help="The machine that everything was measured on.")
@click.option("--sku", "skus", multiple=True, metavar="SKU", help="Machines to look at. [default: up to 16 cores]")
@click.option("--prices", type=_FILE, help="CSV: machine, price of an hour.")
@click.option("--points", metavar="N:X,…", help="Throughput X at N, for the scalability law.")
@click.option("--points-over", type=click.Choice(["workers", "threads", "users"]), default="workers", show_default=True)
@click.option("--prompt-tokens", type=click.FloatRange(0), help="Of models, per request. [default: as measured]")
@click.option("--completion-tokens", type=click.FloatRange(0), help="The same. [default: as measured]")
@click.option("--tokens", type=click.FloatRange(0), help="Both, where they are not known apart.")
@click.option("--calls", type=click.FloatRange(0), help="Of models, per request.")
@click.option("--request-bytes", type=click.FloatRange(0), default=0.0)
@click.option("--response-bytes", type=click.FloatRange(0), help="[default: as recorded]")
@click.option("--stream", is_flag=True, help="Answers are streams: each has a connection of its own.")
@click.option("--azure-yaml", type=_FILE, help="Write the patch for a managed online deployment.")
@click.option("--kubernetes-yaml", type=_FILE, help="Write the patch and autoscaler for Kubernetes.")
@click.option("--autoscaler", type=click.Choice([patch.KEDA, patch.HPA]), default=patch.KEDA, show_default=True)
@click.option("--name", default="pfserve", show_default=True, help="Of the Deployment.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--output", "-o", type=_FILE, help="Write there instead of to the terminal.")
@click.option("--format", "kind", type=click.Choice(list(_PAGES)), help="[default: by the name of --output, else text]")
def capacity_command(
    *,
    kind: str | None,
    output: Path | None,
    azure_yaml: Path | None,
    kubernetes_yaml: Path | None,
    autoscaler: str,
    name: str,
    **told: object,
) -> None:
    """Say how much an instance takes, how many are needed, and on which machines.

    \b
    pfserve-bench capacity trials/*.pftrial --blocking none --rate 300 --slo 'p95<2s'
    pfserve-bench capacity --from-log access.log --blocking all --cpu 15ms --workers 4
    pfserve-bench capacity --service lognormal:1.2s,0.5 --cpu 15ms --blocking none --trace day.csv

    RECORDS are files of pfserve-bench run. Give several, at different loads, and the quietest tells the times.

    Exits 0 if some rate keeps the promise, 1 if none does, 2 if something has to be mended first.
    """  # noqa: D301
    try:
        answer = plan(_question(**told), datetime.datetime.now(datetime.UTC).date())  # type: ignore[arg-type]
        text = _PAGES[kind or (_KINDS.get(output.suffix, "text") if output else "text")](answer)
    except Mistake as mistake:
        raise click.UsageError(str(mistake)) from mistake
    if answer.reach.is_reached:  # else there is nothing to deploy
        if azure_yaml:
            _write(azure_yaml, patch.azure_yaml(answer))
        if kubernetes_yaml:
            _write(kubernetes_yaml, patch.kubernetes_yaml(answer, name, autoscaler))
    if output:
        _write(output, text)
    else:
        click.echo(text, nl=False)
    raise SystemExit(0 if answer.reach.is_reached else 1)


def _write(path: Path, text: str) -> None:
    """Raises ClickException where it cannot be: a full disk, no such folder."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise click.ClickException(f"{path}: {problem.strerror}") from problem


def _question(
    *,
    workers: int,
    threads: int,
    cores: float | None,
    places: int,
    timeout: float | None,
    promise: str,
    max_refusals: float,
    rate: float | None,
    trace: Path | None,
    speed: float,
    headroom: float,
    spare: str,
    zones: int,
    least: int,
    lag: float,
    balancer: str,
    measured_on: str | None,
    skus: tuple[str, ...],
    prices: Path | None,
    points: str | None,
    points_over: str,
    request_bytes: float,
    stream: bool,
    seed: int,
    **source: object,
) -> Question:
    known, asks, has_cpu = _source(**source)  # type: ignore[arg-type]
    shape = Shape(workers * threads, min(cores or workers, workers), places, timeout or math.inf)
    law, over = _law(known, points, points_over)
    return Question(
        given=known,
        demand=asks,
        shape=shape,
        slo=Slo.parse(promise, max_refusals),
        safety=Safety(headroom, Spare(spare), zones, least),
        per_s=rate,
        traffic=Traffic.of(read_trace(trace, speed).offsets_s) if trace else known.traffic,
        lag_s=lag,
        balancer=Balancer(balancer),
        workers=workers,
        threads=threads,
        measured_on=_sku(measured_on) if measured_on else None,
        skus=[_sku(name) for name in skus or _DEFAULT_SKUS],
        prices=_prices(prices) if prices else {},
        stream=stream,
        request_bytes=request_bytes,
        usl=law,
        usl_over=over,
        doubts=_doubts(given.doubts(known, asks, shape.slots, has_cpu=has_cpu), measured_on),
        seed=seed,
    )


def _source(
    *,
    records: tuple[Path, ...],
    from_log: Path | None,
    from_prometheus: str | None,
    window: float,
    select: str,
    prometheus_key: str | None,
    service: str | None,
    phases: tuple[str, ...],
    cpu: float | None,
    blocking: str | None,
    prompt_tokens: float | None,
    completion_tokens: float | None,
    tokens: float | None,
    calls: float | None,
    response_bytes: float | None,
) -> tuple[Given, Demand, bool]:
    """What is known, what a request asks, and whether its CPU is known."""
    sources = [bool(records), from_log is not None, from_prometheus is not None, service is not None, bool(phases)]
    if sources.count(True) != 1:
        raise Mistake("say where times come from: RECORDS, or one of --from-log, --from-prometheus, --service, --phase")
    if tokens is not None and (prompt_tokens is not None or completion_tokens is not None):
        raise Mistake("--tokens are both together: say them, or --prompt-tokens and --completion-tokens")
    beside = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "tokens": tokens,
        "calls": calls,
        "response_bytes": response_bytes,
    }
    if phases:
        asks = Demand(tuple(map(given.phase, phases)))
        return merged(Given(origin="as told", times=asks.whole, count=0), **beside), asks, asks.cpu_s > 0
    if from_prometheus is not None:
        known = read_prometheus(from_prometheus, window, select, getter(prometheus_key))
    else:
        known = _measured(records, from_log, service)
    if blocking is None:
        raise Mistake(
            "say how long a request holds a thread: --blocking all for a flow of plain functions, none for one of "
            "asynchronous and model nodes, or a time. pfserve explain FLOW tells which nodes block"
        )
    asks = given.demand(known, blocking, cpu)
    return merged(known, **beside), asks, asks.cpu_s > 0


def _measured(records: tuple[Path, ...], log: Path | None, service: str | None) -> Given:
    if records:
        return from_records(records)
    if log is not None:
        return from_log(log)
    assert service is not None
    return Given(origin=f"--service {service}", times=Times.parse(service), count=0)


def _law(known: Given, points: str | None, over: str) -> tuple[Usl | None, str]:
    if points is None:
        levels = {n for n, _ in known.points}
        return (fit(known.points), "users") if len(levels) >= LEAST_LEVELS else (None, over)
    try:
        pairs = [(float(n), float(x)) for n, _, x in (pair.partition(":") for pair in points.split(","))]
    except ValueError:
        raise Mistake(f"--points {points}: write 1:55,2:104,4:190,8:310") from None
    return fit(pairs), over


def _doubts(doubts: list[str], measured_on: str | None) -> list[str]:
    if measured_on is None:
        doubts.append("--measured-on is not said: for other machines, this one's core is taken for a Standard_F4s_v2's")
    return doubts


def _sku(name: str) -> azure.Sku:
    machine = azure.sku(name)
    if machine is None:
        raise Mistake(f"no such machine: {name}. Known are {', '.join(each.name for each in azure.SKUS)}")
    return machine


def _prices(path: Path) -> dict[str, float]:
    """Of an hour, by the machine's own name; machines that nobody knows here are left out. Raises Mistake."""
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, ValueError) as problem:
        raise Mistake(f"--prices {path}: {problem}") from problem
    found = {}
    for number, row in enumerate(rows, 1):
        if not row or row[0].startswith("#") or (number == 1 and _is_head(row)):
            continue
        price = _price(row[1]) if len(row) == 2 else math.nan
        if not 0 <= price < math.inf:
            raise Mistake(
                f"--prices {path}, line {number}: write a machine and the price of an hour, as Standard_D4as_v4,0.21, "
                f"not {','.join(row)}"
            )
        if machine := azure.sku(row[0].strip()):
            found[machine.name] = price
    if not found:
        raise Mistake(f"--prices {path}: no machine that is known is in it, such as Standard_D4as_v4,0.21")
    return found


def _price(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _is_head(row: list[str]) -> bool:
    return row[0].strip().lower() in {"sku", "machine", "name"}
