"""pfserve's metrics as what a forecast starts from: the text of /metrics, or a Prometheus that has scraped it."""

from __future__ import annotations

import http.client
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
from .traffic import Traffic

DURATIONS = "pfserve_request_duration_seconds"
_STEP_S = 60
_LEAST_WINDOW_S = 120.0
_MOST_POINTS = 10_000  # of a range: a Prometheus gives 11,000
_TIMEOUT_S = 30.0
_ERROR_BYTES = 65_536
_OK, _SCORE = 'class="2xx"', 'route="score"'
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
    data: _Data | None = None
    error: str = ""


Get = Callable[[str], bytes]  # a URL's content; raises OSError
Row = tuple[str, Mapping[str, str], float]


def getter(key: str | None) -> Get:
    """By HTTP, with ``Authorization: Bearer key``. An answer that is an error in JSON counts as one: it says why."""

    def get(url: str) -> bytes:
        request = urllib.request.Request(url)
        if key:
            request.add_unredirected_header("Authorization", f"Bearer {key}")  # for nobody whom this one names
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                content: bytes = answer.read()
        except urllib.error.HTTPError as problem:
            content = problem.read(_ERROR_BYTES)
            if not content.lstrip().startswith(b"{"):
                raise
        except (ValueError, http.client.HTTPException) as problem:
            raise OSError(f"{type(problem).__name__}") from problem
        return content

    return get


def from_prometheus(source: str, window_s: float, select: str = "", fetch: Get | None = None) -> Given:
    """``source``: a file, the URL of a page that ends in /metrics, or of a Prometheus.

    ``select``: which series of a Prometheus, as ``job="flow"``. Raises Mistake.
    """
    fetch = fetch or getter(None)
    is_url = source.startswith(("http://", "https://"))
    try:
        parts = urllib.parse.urlsplit(source)
    except ValueError as problem:
        raise Mistake(f"--from-prometheus: this is no URL: {problem}") from problem
    if is_url and "@" in parts.netloc:
        raise Mistake("--from-prometheus: no user and password in the URL, please: it is shown. Give --prometheus-key")
    if not is_url or parts.path.endswith("/metrics"):
        if select:
            raise Mistake("--select is for a Prometheus: a page of /metrics is one instance")
        return _from_page(source, _read(source, fetch, is_url=is_url))
    if window_s < _LEAST_WINDOW_S:
        raise Mistake(f"--window {written(window_s)}: {written(_LEAST_WINDOW_S)} are the least")
    return _from_api(source.rstrip("/"), window_s, select, fetch)


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


def _from_api(base: str, window_s: float, select: str, fetch: Get) -> Given:
    window = f"[{round(window_s)}s]"

    def chosen(name: str, *matchers: str) -> str:
        return f"{name}{{{','.join(each for each in (*matchers, select) if each)}}}"

    def ask(query: str) -> list[tuple[Mapping[str, str], float]]:
        answer = _answer(base, f"{base}/api/v1/query?" + urllib.parse.urlencode({"query": query}), fetch)
        found = [(series.metric, _number(series.value[1])) for series in answer]
        return [(labels, value) for labels, value in found if math.isfinite(value)]

    asked = ask(f"sum by (le) (increase({chosen(f'{DURATIONS}_bucket', _OK)}{window}))")
    buckets = {_number(labels["le"]): value for labels, value in asked if "le" in labels}
    calls = ask(f"sum(increase({chosen('pfserve_model_calls_total')}{window}))")
    totals = {"pfserve_model_calls_total": sum(value for _, value in calls)}
    for labels, value in ask(f"sum by (direction) (increase({chosen('pfserve_model_tokens_total')}{window}))"):
        totals[f"pfserve_model_tokens_total:{labels.get('direction', '')}"] = value

    step_s = _STEP_S * math.ceil(window_s / _STEP_S / _MOST_POINTS)
    end_s = time.time()
    span = {"start": f"{end_s - window_s + step_s:.0f}", "end": f"{end_s:.0f}", "step": str(step_s)}

    def over(query: str) -> list[float]:
        url = f"{base}/api/v1/query_range?" + urllib.parse.urlencode({"query": query, **span})
        series = _answer(base, url, fetch)
        return _steps(series[0].values if series else (), step_s)

    per_s = f"sum(rate({chosen('pfserve_requests_total', _SCORE)}[{max(step_s, 2 * _STEP_S)}s]))"
    rates = over(per_s)
    each = [rate for rate in over(f"{per_s} / count({chosen('pfserve_start_time_seconds')})") if rate]
    given = _given(base, buckets, totals, rates=(min(each), max(each)) if each else None)
    return msgspec.structs.replace(
        given,
        origin=f"{given.count:,} requests of the last {written(window_s)} in {base}",
        traffic=Traffic.of_rates(rates, step_s) if any(rates) else None,
        inside=given.times.mean_s * (sum(each) / len(each) if each else 0.0),
    )


def _steps(values: Sequence[tuple[float, str]], step_s: int) -> list[float]:
    """Step by step, 0 where the Prometheus knows nothing: it was away, or nobody asked."""
    known = [(at_s, _number(text)) for at_s, text in values]
    known = [(at_s, value) for at_s, value in known if math.isfinite(value)]
    if not known:
        return []
    found = [0.0] * (round((known[-1][0] - known[0][0]) / step_s) + 1)
    for at_s, value in known:
        found[round((at_s - known[0][0]) / step_s)] = value
    return found


def _answer(base: str, url: str, fetch: Get) -> Sequence[_Series]:
    try:
        answer = msgspec.json.decode(fetch(url), type=_Answer)
    except (OSError, msgspec.MsgspecError) as problem:
        raise Mistake(f"--from-prometheus {base}: it does not answer as a Prometheus: {problem}") from problem
    if answer.status != "success":
        raise Mistake(f"--from-prometheus {base}: it says {answer.error or answer.status}")
    return answer.data.result if answer.data else ()


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


def _number(text: object) -> float:
    try:
        return float(str(text).replace("Inf", "inf"))
    except ValueError:
        raise Mistake(f"{text!r} is no number") from None
