"""P11: what it costs to be looked at: an access log, and somebody who asks for the metrics."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator

import msgspec

from . import contest, systems
from .budgets import judge
from .contest import REQUESTS_PER_S
from .part import Part, Say, Settings
from .series import ratio
from .server import Launch, free_port
from .throughput import BODY, WORKERS, unseen
from .wrk import Load

EVERY_S = 1.0  # fifteen times as often as Prometheus is wont to


class Scrapes:
    """How many answers there were."""

    def __init__(self) -> None:
        self.answered = 0


def watched(settings: Settings, say: Say) -> Part:
    """P11: the node async, loaded as in P1. The log goes to a file.

    The metrics are always counted, and no server without them is there to compare with: what can be left out is
    asking for them.
    """
    flow, port = settings.examples / "async-echo", free_port()
    plain = systems.pfserve(flow, WORKERS)
    log = _named(systems.pfserve(flow, WORKERS, 64, "--access-log"), "access log")
    asked = _named(systems.pfserve(flow, WORKERS, 64, "--admin-port", str(port)), "scraped")
    load = Load(16, settings.seconds, BODY)
    with scraping(port) as scrapes:
        held = contest.hold("looked at", [plain, log, asked], load, settings.rounds, probe=unseen, say=say)
    kept, shown = (
        ratio(held.of(one.system, REQUESTS_PER_S), held.of(plain.system, REQUESTS_PER_S)) for one in (log, asked)
    )
    doubts = () if scrapes.answered else ("looked at: nobody was given the metrics",)
    verdicts = (judge("P11.log", kept), judge("P11.metrics", shown))
    return Part((*held.series(), kept, shown), verdicts, (*held.voids(), *doubts))


def _named(launch: Launch, what: str) -> Launch:
    return msgspec.structs.replace(launch, system=f"{systems.PFSERVE}, {what}")


@contextlib.contextmanager
def scraping(port: int) -> Iterator[Scrapes]:
    """Ask the admin port for the metrics, again and again."""
    scrapes, ends = Scrapes(), threading.Event()

    def scrape() -> None:
        while not ends.wait(EVERY_S):
            scrapes.answered += _has_metrics(port)

    scraper = threading.Thread(target=scrape)
    scraper.start()
    try:
        yield scrapes
    finally:
        ends.set()
        scraper.join()


def _has_metrics(port: int) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            reply = connection.getresponse()
            return reply.status == 200 and bool(reply.read())
    return False
