"""``capacity`` from what really writes and scrapes: a server's access log, its page of metrics, a Prometheus."""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.capacity.logs import from_log
from bench.capacity.prometheus import from_prometheus
from bench.mistake import Mistake
from eventually import eventually
from instance import instance, write_flow

REQUESTS = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("form", ["json", "text"])
def test_the_log_and_the_page_of_a_server(tmp_path: Path, form: str) -> None:
    flow, port = write_flow(tmp_path / "flow"), free_port()
    with instance(flow, "--access-log", f"--log-format={form}", f"--admin-port={port}") as server:
        server.ready()
        for _ in range(REQUESTS):
            server.ask("wait:0.01")
        assert server.get("/health") == 200
        page = from_prometheus(f"http://127.0.0.1:{port}/metrics", 3600)
        assert server.stop() == 0
        known = from_log(server.log_file)
    assert known.count == page.count == REQUESTS
    assert known.traffic is not None and known.traffic.requests == REQUESTS
    assert 0.01 <= known.times.percentile(50) <= page.times.percentile(50) * 2.5 + 0.001


class Exporter:
    """Two instances' counters: what is set is what is scraped."""

    def __init__(self) -> None:
        self.counts = {"a": 0, "b": 0}

    def page(self, instance_: str) -> bytes:
        count = self.counts[instance_]
        labels = 'class="2xx"'
        return (
            "pfserve_start_time_seconds 1\n"
            f'pfserve_requests_total{{route="score",{labels}}} {count}\n'
            f'pfserve_request_duration_seconds_bucket{{{labels},le="0.1"}} {count // 2}\n'
            f'pfserve_request_duration_seconds_bucket{{{labels},le="0.2"}} {count}\n'
            f'pfserve_request_duration_seconds_bucket{{{labels},le="+Inf"}} {count}\n'
            f'pfserve_model_calls_total{{tokens="counted"}} {2 * count}\n'
            f'pfserve_model_tokens_total{{direction="prompt"}} {500 * count}\n'
            f'pfserve_model_tokens_total{{direction="completion"}} {300 * count}\n'
        ).encode()


LEAST_SCRAPES = 20  # a Prometheus extrapolates by half of what lies between two at either end


@contextlib.contextmanager
def exporting(exporter: Exporter) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exporter.page(self.path.split("/")[1])
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_port
        server.shutdown()


@contextlib.contextmanager
def scraping(folder: Path, port: int) -> Iterator[str]:
    """A Prometheus that looks at both instances ten times a second."""
    jobs = "".join(
        f"- job_name: {name}\n  metrics_path: /{name}/metrics\n  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
        for name in ("a", "b")
    )
    (folder / "prometheus.yml").write_text(f"global: {{scrape_interval: 100ms}}\nscrape_configs:\n{jobs}")
    own = free_port()
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{own}"], stdout=out, stderr=out, cwd=folder
        )
    try:
        yield f"http://127.0.0.1:{own}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs prometheus")
def test_a_real_prometheus_over_a_restart(tmp_path: Path) -> None:
    exporter = Exporter()
    with exporting(exporter) as port, scraping(tmp_path, port) as url:

        def ask(query: str) -> float:
            asked = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
            with urllib.request.urlopen(asked, timeout=5) as answer:
                return float(json.load(answer)["data"]["result"][0]["value"][1])

        def scraped(count: int) -> bool:
            return ask("sum(pfserve_requests_total)") == count

        def often() -> bool:
            return ask("min(count_over_time(pfserve_requests_total[1m]))") >= LEAST_SCRAPES

        def reach(a: int, b: int) -> None:
            exporter.counts.update(a=a, b=b)
            eventually(lambda: scraped(a + b), within_s=30, why=f"{a} and {b} requests should be scraped")

        reach(0, 0)
        eventually(often, within_s=60, why="a few looks are too few to tell from what came between them")
        with pytest.raises(Mistake, match="has counted nothing"):
            from_prometheus(url, 120)
        reach(1000, 1000)
        reach(0, 1000)  # a was started anew
        reach(500, 1000)
        known = from_prometheus(url, 120)
        only = from_prometheus(url, 120, 'job="b"')
        with pytest.raises(Mistake, match=r"it says .*parse error"):
            from_prometheus(url, 120, "job=")
    assert known.count == pytest.approx(2500, rel=0.2)  # a Prometheus extrapolates to the ends of its window
    assert only.count == pytest.approx(1000, rel=0.3)
    assert (known.calls, known.prompt_tokens, known.completion_tokens) == pytest.approx((2, 500, 300), rel=0.1)
    assert known.times.percentile(50) == pytest.approx(0.1, abs=0.002)
    assert known.rates_per_s is not None and known.traffic is not None
    assert known.rates_per_s[1] == pytest.approx(known.traffic.most_per_s / 2)  # two instances share what comes
