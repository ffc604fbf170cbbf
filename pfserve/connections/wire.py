"""Asks a service of connections over HTTP, with promptflow's retries (contract 6.6), until a deadline.

Blocking, and used while the flow is compiled: requests wait for it only where code of the flow asks for a connection
whose name nobody could know before.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

WAITS_S = (3.0, 6.0, 12.0)  # before the second, third and fourth attempt
_ATTEMPT_S = 20.0  # without a byte
_LARGEST_BYTES = 1 << 20
_AT_ONCE = 8
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})


class Unreachable(Exception):
    """There is no answer. The text names no secret."""


class Reply(msgspec.Struct, frozen=True):
    """An answer of any status."""

    status: int
    reason: str
    body: bytes


class Patience:
    """How long to go on: one deadline for all that is asked for together, and the waits in between."""

    def __init__(
        self,
        within_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.within_s = within_s
        self._clock = clock
        self._sleep = sleep
        self._deadline_s = clock() + within_s

    def begin(self) -> None:
        """Something else is asked for: it has its own time."""
        self._deadline_s = self._clock() + self.within_s

    def left_s(self) -> float:
        """What is left until the deadline."""
        return self._deadline_s - self._clock()

    def wait(self, attempt: int) -> bool:
        """Wait for the attempt after that number, counted from 0; False if there is to be none."""
        if attempt >= len(WAITS_S) or WAITS_S[attempt] >= self.left_s():
            return False
        self._sleep(WAITS_S[attempt])
        return True


class Wire:
    """One way out: proxies of the environment, and the authorities that it names."""

    def __init__(self, environ: Mapping[str, str], patience: Patience) -> None:
        bundle = environ.get("REQUESTS_CA_BUNDLE") or environ.get("SSL_CERT_FILE") or None
        self.patience = patience
        self._bundle = bundle
        self._opener: urllib.request.OpenerDirector | None = None

    def ask(self, method: str, url: str, headers: Mapping[str, str]) -> Reply:
        """The first answer that is worth no other attempt, or the last one.

        Raises:
            Unreachable: there is none.
        """
        attempt = 0
        while True:
            try:
                reply = self._attempt(method, url, headers)
                if not is_worth_another(reply.status) or not self.patience.wait(attempt):
                    return reply
            except Unreachable:
                if not self.patience.wait(attempt):
                    raise
            attempt += 1

    def _attempt(self, method: str, url: str, headers: Mapping[str, str]) -> Reply:
        request = urllib.request.Request(url, method=method, headers=dict(headers))
        timeout_s = max(0.1, min(_ATTEMPT_S, self.patience.left_s()))
        try:
            try:
                answer = self._opened().open(request, timeout=timeout_s)
            except urllib.error.HTTPError as refusal:
                answer = refusal
            with answer:
                return Reply(answer.status, answer.reason or "", answer.read(_LARGEST_BYTES))
        except urllib.error.URLError as problem:
            raise Unreachable(_told(problem.reason)) from None
        except (OSError, http.client.HTTPException) as problem:
            raise Unreachable(_told(problem)) from None

    def _opened(self) -> urllib.request.OpenerDirector:
        if self._opener is None:
            context = ssl.create_default_context(cafile=self._bundle)
            self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoRedirect)
        return self._opener


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token goes nowhere but where it was sent."""

    def redirect_request(self, *_: Any) -> None:
        return None


def is_worth_another(status: int) -> bool:
    """Whether a service may answer otherwise soon."""
    return status in _RETRIED or status >= 506


def at_once(patience: Patience, work: Callable[[str], T], names: Iterable[str]) -> dict[str, T | None]:
    """What ``work`` gives for each name, on a few threads; None for those that are not done by the deadline.

    The threads end with the last name: none is left where a fork may follow, unless something hangs. ``work`` raises
    nothing.
    """
    waiting = list(dict.fromkeys(names))
    done: dict[str, T | None] = dict.fromkeys(waiting)
    queue = iter(waiting)
    turn = threading.Lock()  # protects ``queue``

    def run() -> None:
        while True:
            with turn:
                name = next(queue, None)
            if name is None:
                return
            done[name] = work(name)

    threads = [threading.Thread(target=run, name="pfserve-fetch", daemon=True) for _ in waiting[:_AT_ONCE]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, patience.left_s()))
    return dict(done)


def _told(problem: object) -> str:
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return f"{type(problem).__name__}: {problem}"
