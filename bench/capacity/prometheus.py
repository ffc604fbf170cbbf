"""pfserve's metrics as what a forecast starts from: the text of /metrics, or a Prometheus that has scraped it."""

from __future__ import annotations

import math
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from ..durations import written
from ..mistake import Mistake
from .demand import Times
from .given import Given

DURATIONS = "pfserve_request_duration_seconds"
_STEP_S = 60
_TIMEOUT_S = 30.0
_SERIES = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class _Series(msgspec.Struct, frozen=True):
    """Of an answer of the API: a ``value`` of a query, or ``values`` of a range; each a time and a number as text."""

    metric: Mapping[str, str] = {}
    value: tuple[float, str] = (0.0, "0")
    values: Sequence[tuple[float, str]] = ()


class _Data(msgspec.Struct, frozen=True):
    result: Sequence[_Series] = ()


class _Answer(msgspec.Struct, frozen=True):
    status: str
    data: _Data = _Data()
    error: str = ""


Get = Callable[[str], bytes]  # a URL's content; raises OSError
Row = tuple[str, Mapping[str, str], float]


def get(url: str) -> bytes:
    """By HTTP."""
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
        content: bytes = answer.read()
        return content


def from_prometheus(source: str, window_s: float, fetch: Get = get) -> Given:
    """``source``: a file, the URL of a page that ends in /metrics, or of a Prometheus. Raises Mistake."""
    is_url = source.startswith(("http://", "https://"))
    if not is_url or urllib.parse.urlsplit(source).path.endswith("/metrics"):
        return _from_page(source, _read(source, fetch, is_url=is_url))
    return _from_api(source.rstrip("/"), window_s, fetch)


def _read(source: str, fetch: Get, *, is_url: bool) -> str:
    try:
        content = fetch(source) if is_url else Path(source).read_bytes()
        return content.decode()
    except (OSError, UnicodeDecodeError) as problem:
        raise Mistake(f"--from-prometheus {source}: {problem}") from problem


def rows(text: str) -> list[Row]:
    """The series of a text exposition."""
    found: list[Row] = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            series = _SERIES.fullmatch(line.strip())
            if not series:
                raise Mistake(f"{line[:80]!r} is no line of Prometheus text")
            found.append((series[1], dict(_LABEL.findall(series[2] or "")), _number(series[3])))
    return found


def _from_page(source: str, text: str) -> Given:
    try:
        found = rows(text)
    except Mistake as mistake:
        raise Mistake(f"--from-prometheus {source}: {mistake}") from mistake
    buckets = {
        _number(labels["le"]): value
        for name, labels, value in found
        if name == f"{DURATIONS}_bucket" and labels.get("class") == "2xx" and "le" in labels
    }
    totals: dict[str, float] = {}
    for name, labels, value in found:
        key = name + (f":{labels['direction']}" if "direction" in labels else "")
        totals[key] = totals.get(key, 0.0) + value
    started = [value for name, _, value in found if name == "pfserve_start_time_seconds"]
    lasted_s = time.time() - started[0] if started else 0.0
    return _given(source, buckets, totals, rates=None if lasted_s <= 0 else (0.0, _last(buckets) / lasted_s))


def _from_api(base: str, window_s: float, fetch: Get) -> Given:
    window = f"{int(window_s)}s"

    def ask(query: str) -> list[tuple[Mapping[str, str], float]]:
        answer = _answer(base, f"{base}/api/v1/query?" + urllib.parse.urlencode({"query": query}), fetch)
        return [(series.metric, _number(series.value[1])) for series in answer]

    asked = ask(f'sum by (le) (increase({DURATIONS}_bucket{{class="2xx"}}[{window}]))')
    buckets = {_number(labels["le"]): value for labels, value in asked if "le" in labels}
    totals = {
        "pfserve_model_calls_total": sum(v for _, v in ask(f"sum(increase(pfserve_model_calls_total[{window}]))"))
    }
    for labels, value in ask(f"sum by (direction) (increase(pfserve_model_tokens_total[{window}]))"):
        totals[f"pfserve_model_tokens_total:{labels.get('direction', '')}"] = value
    now_s = time.time()
    span = {"start": f"{now_s - window_s:.0f}", "end": f"{now_s:.0f}", "step": str(_STEP_S)}
    query = f'sum(rate(pfserve_requests_total{{route="score"}}[{_STEP_S * 2}s]))'
    series = _answer(base, f"{base}/api/v1/query_range?" + urllib.parse.urlencode({"query": query, **span}), fetch)
    rates = [_number(value) for each in series for _, value in each.values]
    rates = [rate for rate in rates if math.isfinite(rate)]
    given = _given(base, buckets, totals, rates=(min(rates), max(rates)) if rates else None)
    arrivals_s = _spread(rates)
    inside = given.times.mean_s * (sum(rates) / len(rates) if rates else 0.0)
    origin = f"{given.count:,} requests of the last {written(window_s)} in {base}"
    return msgspec.structs.replace(given, origin=origin, arrivals_s=arrivals_s, inside=inside)


def _answer(base: str, url: str, fetch: Get) -> Sequence[_Series]:
    try:
        answer = msgspec.json.decode(fetch(url), type=_Answer)
    except (OSError, msgspec.MsgspecError) as problem:
        raise Mistake(f"--from-prometheus {base}: it does not answer as a Prometheus: {problem}") from problem
    if answer.status != "success":
        raise Mistake(f"--from-prometheus {base}: it says {answer.error or answer.status}")
    return answer.data.result


def _given(
    source: str, buckets: Mapping[float, float], totals: Mapping[str, float], rates: tuple[float, float] | None
) -> Given:
    count = _last(buckets)
    if not count:
        raise Mistake(f'--from-prometheus {source}: {DURATIONS} with class="2xx" has counted nothing')
    bounds_s = sorted(buckets)
    return Given(
        origin=f"{count:,.0f} requests of {source}",
        times=Times.from_buckets(bounds_s, [buckets[bound] for bound in bounds_s]),
        count=int(count),
        rates_per_s=rates,
        prompt_tokens=totals.get("pfserve_model_tokens_total:prompt", 0.0) / count,
        completion_tokens=totals.get("pfserve_model_tokens_total:completion", 0.0) / count,
        calls=totals.get("pfserve_model_calls_total", 0.0) / count,
        doubts=(
            "times come from the buckets of a histogram: within one they are taken as evenly spread",
            "times are from the head of a request to the end of its answer, waiting in the server included",
        ),
    )


def _last(buckets: Mapping[float, float]) -> float:
    return buckets[max(buckets)] if buckets else 0.0


def _spread(rates: list[float]) -> list[float]:
    """Arrivals evenly within each step."""
    found = []
    for step, rate in enumerate(rates):
        count = round(rate * _STEP_S)
        found += [(step + (place + 0.5) / count) * _STEP_S for place in range(count)]
    return found


def _number(text: object) -> float:
    try:
        return float(str(text).replace("Inf", "inf"))
    except ValueError:
        raise Mistake(f"{text!r} is no number") from None
