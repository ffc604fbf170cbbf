"""Tokens of Microsoft Entra ID for model calls: kept per worker, and renewed before they end, beside the requests.

No request waits for a renewal while there is a token that is valid. Only the first ones, and those after the service
of tokens has failed for the whole rest of a token's life, wait or fail; how often it is asked is bounded then, too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TypeAlias

from pfserve.values.identity import AccessToken, access_token

Fetch: TypeAlias = Callable[[str], AccessToken]

_log = logging.getLogger("pfserve")

AHEAD_S = 300.0  # renewed so long before the end, or after half of a shorter life; azure-identity renews no sooner
MARGIN_S = 10.0  # a token this near its end may be over when it arrives
FIRST_PAUSE_S = 1.0  # after a failure; doubles
LONGEST_PAUSE_S = 15.0
WAIT_S = 30.0  # for a token, at most


class NoToken(Exception):
    """No valid token, and none to be had right now. The text is the service's, or ours, and holds no secret."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind  # the class of what was raised


class AccessTokens:
    """The tokens of one worker, by scope. Used on its loop."""

    def __init__(self, fetch: Fetch = access_token, clock: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._clock = clock
        self._kept: dict[str, _Renewal] = {}

    async def get(self, scope: str) -> str:
        """A valid token.

        Raises:
            NoToken: there is none.
        """
        return await self._of(scope).get()

    def warm(self, scope: str) -> None:
        """Begin to fetch the token, before the first request needs it."""
        self._of(scope).begin()

    def close(self) -> None:
        """Renew nothing any more."""
        for renewal in self._kept.values():
            renewal.close()

    def _of(self, scope: str) -> _Renewal:
        if scope not in self._kept:
            self._kept[scope] = _Renewal(scope, self._fetch, self._clock)
        return self._kept[scope]


class _Renewal:
    """One token and its successor: at most one is being fetched."""

    def __init__(self, scope: str, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._scope = scope
        self._fetch = fetch
        self._clock = clock
        self._token: AccessToken | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._failures = 0
        self._problem: NoToken | None = None

    async def get(self) -> str:
        if (token := self._valid()) is not None:
            return token.text
        if self._fetching is None and self._problem is not None and self._timer is not None:
            raise NoToken(self._problem.kind, str(self._problem))  # a moment ago, and not yet due again
        self.begin()
        assert self._fetching is not None
        await asyncio.wait([self._fetching], timeout=WAIT_S)  # which cancels nothing with its caller
        if (token := self._valid()) is not None:
            return token.text
        if self._problem is not None:
            raise NoToken(self._problem.kind, str(self._problem))
        raise NoToken("TimeoutError", f"no access token came within {WAIT_S:g} s")

    def begin(self) -> None:
        """Fetch a token, if none is being fetched."""
        if self._fetching is None:
            self._stop_timer()
            self._fetching = asyncio.get_running_loop().create_task(self._renew())

    def close(self) -> None:
        self._stop_timer()
        if self._fetching is not None:
            self._fetching.cancel()

    async def _renew(self) -> None:
        try:
            token = await asyncio.to_thread(self._fetch, self._scope)
            if token.expires_s - self._clock() <= MARGIN_S:
                raise ValueError("the service of tokens gave one that is over")
        except Exception as problem:  # whatever the identity library raises
            self._failed(problem)
        else:
            self._renewed(token)
        finally:
            self._fetching = None

    def _renewed(self, token: AccessToken) -> None:
        left_s = token.expires_s - self._clock()
        is_new = self._token is None or token.text != self._token.text
        self._token, self._problem, self._failures = token, None, 0
        self._again_after(max(left_s - AHEAD_S, left_s / 2) if is_new else min(LONGEST_PAUSE_S, left_s / 2))

    def _failed(self, problem: Exception) -> None:
        text = str(problem).strip() or type(problem).__name__
        valid = self._valid()
        left = f"the one in use is valid for {valid.expires_s - self._clock():.0f} s" if valid else "there is none"
        told = self._problem is not None and str(self._problem) == text
        level = logging.DEBUG if told else logging.WARNING
        _log.log(level, "no new access token (%s); %s: %s", type(problem).__name__, left, text)
        self._problem = NoToken(type(problem).__name__, text)
        self._again_after(min(FIRST_PAUSE_S * 2.0**self._failures, LONGEST_PAUSE_S))
        self._failures += 1

    def _again_after(self, pause_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(pause_s, self._due)

    def _due(self) -> None:
        self._timer = None
        self.begin()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _valid(self) -> AccessToken | None:
        token = self._token
        return token if token is not None and token.expires_s - self._clock() > MARGIN_S else None
