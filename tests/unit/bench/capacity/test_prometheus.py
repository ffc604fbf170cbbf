"""Metrics as what a forecast starts from: pfserve's own page, and the API of a Prometheus, played."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
import urllib.parse

import pytest

from bench.capacity.prometheus import from_prometheus, getter, rows
from bench.mistake import Mistake
from pfserve.region import Region
from pfserve.telemetry.exposition import exposition
from pfserve.telemetry.look import look
from pfserve.telemetry.vitals import Vitals

BUCKETS = {"0.1": "40", "0.2": "100", "+Inf": "100"}
TOKENS = [({"direction": "prompt"}, "50000"), ({"direction": "completion"}, "20000")]
NOW = 1_700_000_000


class Played:
    """A Prometheus: what it knows, and what it was asked."""

    def __init__(self, *, buckets=BUCKETS, rates=(), each=(), calls=(({}, "200"),), tokens=TOKENS):
        self.told = {"rates": rates, "each": each, "calls": calls, "tokens": tokens}
        self.buckets = [({"le": le}, value) for le, value in buckets.items()]
        self.asked: list[tuple[str, dict[str, str]]] = []

    def __call__(self, url: str) -> bytes:
        parts = urllib.parse.urlsplit(url)
        asked = {name: values[0] for name, values in urllib.parse.parse_qs(parts.query).items()}
        self.asked.append((parts.path, asked))
        if parts.path.endswith("/query_range"):
            values = self.told["each" if " / " in asked["query"] else "rates"]
            result = [{"metric": {}, "values": values}] if values else []
        else:
            known = self._known(asked["query"])
            result = [{"metric": labels, "value": [NOW, value]} for labels, value in known]
        return json.dumps({"status": "success", "data": {"resultType": "x", "result": result}}).encode()

    def _known(self, query):
        if "duration_seconds_bucket" in query:
            return self.buckets
        return self.told["tokens" if "tokens_total" in query else "calls"]


def minutes(*rates):
    return [[NOW + 60 * at, rate] for at, rate in enumerate(rates) if rate is not None]


def ask(played, window_s=3600, select=""):
    return from_prometheus("http://prometheus:9090", window_s, select, played)


def test_times_tokens_and_calls_of_a_request():
    known = ask(Played())
    assert known.count == 100 and known.origin == "100 requests of the last 60 min in http://prometheus:9090"
    assert known.times.percentile(40) == pytest.approx(0.1, abs=0.003)
    assert (known.prompt_tokens, known.completion_tokens, known.calls) == (500, 200, 2)
    assert known.traffic is None and known.rates_per_s is None  # it has scraped too seldom to tell a rate


def test_the_rate_is_of_all_and_the_range_of_one_instance():
    known = ask(Played(rates=minutes("4", "20", "8"), each=minutes("2", "5", "4")))
    assert known.traffic.minutes == [4, 20, 8] and known.traffic.most_per_s == 20
    assert known.traffic.requests == (4 + 20 + 8) * 60 and known.traffic.peak is None
    assert known.rates_per_s == (2, 5)
    assert known.inside == pytest.approx(known.times.mean_s * 11 / 3)


def test_minutes_in_which_it_was_away_stay_minutes():
    known = ask(Played(rates=minutes("4", None, None, "8"), each=minutes("4", None, None, "NaN")))
    assert known.traffic.minutes == [4, 0, 0, 8] and known.rates_per_s == (4, 4)


def test_a_month_is_asked_for_in_steps_that_it_can_answer():
    played = Played()
    ask(played, window_s=30 * 86_400)
    ranges = [asked for path, asked in played.asked if path == "/api/v1/query_range"]
    assert ranges
    for asked in ranges:
        assert (int(asked["end"]) - int(asked["start"])) / int(asked["step"]) <= 11_000
        assert int(asked["step"]) % 60 == 0 and f"[{asked['step']}s]" in asked["query"]


def test_counters_that_begin_anew_are_its_business_and_are_asked_for_so():
    played = Played()
    ask(played)
    queries = [asked["query"] for _, asked in played.asked]
    assert all("increase(" in query or "rate(" in query for query in queries)


def test_one_of_several_flows_can_be_chosen():
    played = Played()
    ask(played, select='job="flow",zone=~"a|b"')
    assert all('job="flow",zone=~"a|b"}' in asked["query"] for _, asked in played.asked)
    assert 'pfserve_request_duration_seconds_bucket{class="2xx",job="flow"' in played.asked[0][1]["query"]


@pytest.mark.parametrize(
    "answer, words",
    [
        (b"<html>", "does not answer as a Prometheus"),
        (b'{"status": "success", "data": {"result": [{"value": 1}]}}', "does not answer as a Prometheus"),
        (b'{"status": "error", "error": "bad \\"le\\""}', 'it says bad "le"'),
        (b'{"status": "success", "data": {"result": []}}', "has counted nothing"),
        (b'{"status": "success"}', "has counted nothing"),
    ],
)
def test_answers_that_are_none(answer, words):
    with pytest.raises(Mistake, match=words):
        ask(lambda _: answer)


def test_what_counted_nothing_or_nonsense():
    for buckets in ({"0.1": "0", "+Inf": "0"}, {"0.1": "NaN", "+Inf": "NaN"}):
        with pytest.raises(Mistake, match="has counted nothing"):
            ask(Played(buckets=buckets))
    with pytest.raises(Mistake, match="'many' is no number"):
        ask(Played(buckets={"+Inf": "many"}))


def test_a_window_shorter_than_its_steps():
    with pytest.raises(Mistake, match="--window 60 s"):
        ask(Played(), window_s=60)
    assert ask(Played(rates=minutes("5")), window_s=120).traffic.minutes == [5]


def test_users_and_passwords_do_not_belong_into_the_url():
    with pytest.raises(Mistake, match="--prometheus-key") as caught:
        from_prometheus("http://me:secret@prometheus:9090", 3600)
    assert "secret" not in str(caught.value)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.heard.append((self.path, self.headers.get("Authorization")))
        status, headers, body = self.server.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(status, body=b"", **headers):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.answer, server.heard = (status, headers, body), []
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    "status, body, words",
    [
        (401, b"Unauthorized", "401"),
        (503, b"", "503"),
        (422, b'{"status":"error","errorType":"execution","error":"too many samples"}', "it says too many samples"),
        (200, b"", "does not answer as a Prometheus"),
    ],
)
def test_errors_over_the_network_are_told_without_the_key(status, body, words):
    with served(status, body) as server, pytest.raises(Mistake, match=words) as caught:
        from_prometheus(server.url, 3600, fetch=getter("s3cret"))
    assert server.heard[0][1] == "Bearer s3cret" and "s3cret" not in str(caught.value)


def test_the_key_follows_no_redirect():
    with served(500) as elsewhere, served(302, Location=f"{elsewhere.url}/x") as server, pytest.raises(Mistake):
        from_prometheus(server.url, 3600, fetch=getter("s3cret"))
    assert server.heard[0][1] == "Bearer s3cret" and elsewhere.heard == [("/x", None)]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://127.0.0.1:x", "http://[::1", "http://"])
def test_nobody_is_there(url):
    with pytest.raises(Mistake, match="--from-prometheus"):
        from_prometheus(url, 3600)


@pytest.fixture
def page(tmp_path):
    """As pfserve writes it, of a server that has answered ten requests."""
    region = Region(capacity=4, seats=2, blocks=2)
    region.master_beat_ns = time.monotonic_ns()
    counted = region.ledger.pages[0]
    for took_s in [0.02] * 6 + [0.4] * 4:
        counted.count_scored(200, took_s)
    counted.count_scored(429, 0.0001)
    counted.flush()
    path = tmp_path / "metrics.txt"
    path.write_bytes(exposition(look(region, Vitals(region, 30.0), time.monotonic_ns), "1.2.3"))
    return path


def test_the_page_of_pfserve_itself(page):
    known = from_prometheus(str(page), 3600)
    assert (
        known.count == 10 and 0.01 <= known.times.percentile(50) <= 0.025 and 0.25 <= known.times.percentile(95) <= 0.5
    )
    assert any("buckets of a histogram" in doubt for doubt in known.doubts)
    with served(200, page.read_bytes()) as server:
        assert from_prometheus(f"{server.url}/metrics", 3600).times == known.times


def test_a_page_cannot_be_selected_from(page):
    with pytest.raises(Mistake, match="--select"):
        from_prometheus(str(page), 3600, 'job="x"')


def test_pages_that_are_none(tmp_path):
    path = tmp_path / "page.txt"
    path.write_text("<html>\n")
    with pytest.raises(Mistake, match="is no line of Prometheus text"):
        from_prometheus(str(path), 3600)
    path.write_text("up 1\n")
    with pytest.raises(Mistake, match="has counted nothing"):
        from_prometheus(str(path), 3600)
    with pytest.raises(Mistake, match="No such file"):
        from_prometheus(str(tmp_path / "none.txt"), 3600)


def test_lines_of_the_text_format():
    assert rows('# HELP a b\na{b="c \\" }",d="e"} +Inf 1700000000000\n\nf 1e3\n') == [
        ("a", {"b": 'c \\" }', "d": "e"}, float("inf")),
        ("f", {}, 1000.0),
    ]
