"""The worker's one HTTP client: pooled connections, attempts until there is an answer, errors in promptflow's words."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import NamedTuple, TypeAlias
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from yarl import URL

from pfserve.llm.access import AccessTokens, NoToken
from pfserve.llm.answers import decode
from pfserve.llm.bodies import Body
from pfserve.llm.endpoint import Endpoint
from pfserve.llm.events import EventReader
from pfserve.llm.problems import (
    Problem,
    failed,
    failed_by,
    http_problem,
    stream_failed,
    transport_problem,
    unexpected,
)
from pfserve.llm.retries import NODE_RETRIES, Retries
from pfserve.llm.tap import Handler, StreamBody
from pfserve.values.ambient import DEADLINE_S

Sleep: TypeAlias = Callable[[float], Awaitable[None]]
Clock: TypeAlias = Callable[[], float]
Answer: TypeAlias = tuple[int, bytes]  # status, body
Pieces: TypeAlias = AsyncGenerator[object, None]

_CONNECT_S = 5.0  # the OpenAI library's
_SILENCE_S = 600.0  # the OpenAI library's; the request's own deadline usually comes first
_KEEP_ALIVE_S = 60.0  # below the idle limits of the large services, above a flow's pauses
_LINGER_S = 0.25
_LARGEST_BYTES = 64 << 20  # of an answer of a service that is no model
_TRANSPORT = (aiohttp.ClientError, OSError)  # OSError has TimeoutError and ConnectionError in it
_USUAL = aiohttp.ClientTimeout(total=None, connect=_CONNECT_S, sock_read=_SILENCE_S)


class Limits(NamedTuple):
    """How often a call is tried again, and how long its connection may be silent; None for the usual time."""

    retries: int
    silence_s: float | None = None


NODE_LIMITS = Limits(NODE_RETRIES)


class Client:
    """Sends bodies to endpoints. Made anywhere; used on one event loop, where the first call opens it."""

    def __init__(
        self, sleep: Sleep = asyncio.sleep, clock: Clock = time.monotonic, access: AccessTokens | None = None
    ) -> None:
        self.access = access or AccessTokens()
        self._sleep = sleep
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[tuple[str, str | None], str | None] = {}

    async def close(self) -> None:
        """Close every connection. Calls that are under way fail."""
        self.access.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def answer(self, endpoint: Endpoint, path: str, body: Body, limits: Limits = NODE_LIMITS) -> object:
        """The decoded JSON of the answer.

        Raises:
            ModelError: there is none.
        """
        response = await self._send(endpoint, path, body, limits)
        try:
            return decode(await response.read())
        except _TRANSPORT as problem:
            raise failed(transport_problem(problem)) from problem
        except ValueError as problem:
            raise unexpected(problem, endpoint.secrets) from problem
        finally:
            response.release()

    async def fetch(self, method: str, url: str, headers: Mapping[str, str], data: bytes | None) -> Answer:
        """One request to a service that is no model, and its whole answer, whatever it is. Nothing is tried again.

        Raises:
            ConnectionError, TimeoutError: there is no answer; the text names no more than the host.
            ValueError: the answer is larger than any such service gives.
        """
        where = URL(url, encoded=False)
        try:
            async with self._opened().request(
                method, where, data=data, headers=headers, proxy=self._proxy(where), allow_redirects=False
            ) as response:
                body = await response.content.read(_LARGEST_BYTES + 1)
                while len(body) <= _LARGEST_BYTES and not response.content.at_eof():
                    body += await response.content.readany()
        except TimeoutError:
            raise TimeoutError(f"{where.host} did not answer in time") from None
        except _TRANSPORT as problem:
            raise ConnectionError(f"{where.host}: {type(problem).__name__}") from problem
        if len(body) > _LARGEST_BYTES:
            raise ValueError(f"the answer of {where.host} is larger than {_LARGEST_BYTES} bytes")
        return response.status, body

    async def pause(self, delay_s: float) -> None:
        """Wait before another try."""
        await self._sleep(delay_s)

    async def stream(
        self,
        endpoint: Endpoint,
        path: str,
        body: Body,
        piece: Callable[[object], object | None],
        ended: Callable[[], None],
        *,
        limits: Limits = NODE_LIMITS,
    ) -> Pieces:
        """What the events of the answer add, as ``piece`` reads it. Closing the generator ends the model's work.

        ``ended`` is called when the stream is over, however that came.

        Raises:
            ModelError: there is no answer. While it is iterated: the stream was cut, or says that the model failed.
        """
        return self._pieces(await self._send(endpoint, path, body, limits), endpoint, piece, ended)

    async def _pieces(
        self,
        response: aiohttp.ClientResponse,
        endpoint: Endpoint,
        piece: Callable[[object], object | None],
        ended: Callable[[], None],
    ) -> Pieces:
        events, body = EventReader(), StreamBody(response, takes=DEADLINE_S.get() is not None)
        cut: BaseException | None = None
        try:
            while cut is None and not events.done:
                try:
                    received = await body.readany()
                except _TRANSPORT as problem:
                    cut, received = problem, _arrived(response.content)
                if not received and cut is None:
                    return
                for data in events.feed(received):
                    text = piece(_event(data, endpoint))
                    if text is not None:
                        yield text
            if events.done:
                await _finished(body)
        finally:
            body.close()
            response.close()
            ended()
        if cut is not None and not events.done:
            raise failed(transport_problem(cut)) from cut

    async def _send(self, endpoint: Endpoint, path: str, body: Body, limits: Limits) -> aiohttp.ClientResponse:
        """The first answer that is one, after as many attempts as it takes and the deadline allows."""
        try:
            data = orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
            url = endpoint.url(path, body["model"])
        except (TypeError, ValueError) as problem:
            raise unexpected(problem) from problem
        retries = Retries(DEADLINE_S.get(), limits.retries)
        while True:
            outcome = await self._attempt(endpoint, url, data, limits.silence_s)
            if isinstance(outcome, aiohttp.ClientResponse):
                return outcome
            wait_s = retries.wait_s(outcome, self._clock())
            if wait_s is None:
                raise failed(outcome)
            await self._sleep(wait_s)

    async def _attempt(
        self, endpoint: Endpoint, url: URL, data: bytes, silence_s: float | None
    ) -> aiohttp.ClientResponse | Problem:
        headers = await self._with_token(endpoint) if endpoint.scope else endpoint.headers
        timeout = _USUAL if silence_s is None else aiohttp.ClientTimeout(connect=silence_s, sock_read=silence_s)
        try:
            response = await self._opened().post(
                url, data=data, headers=headers, proxy=self._proxy(url), timeout=timeout, allow_redirects=False
            )
            if response.status < 300:
                return response
            async with response:
                retry_after = response.headers.get("Retry-After")
                return http_problem(response.status, retry_after, await response.read(), endpoint.secrets)
        except _TRANSPORT as problem:
            return transport_problem(problem)
        except ValueError as problem:  # a header that cannot be sent
            raise unexpected(problem, endpoint.secrets) from problem

    async def _with_token(self, endpoint: Endpoint) -> dict[str, str]:
        try:
            return {**endpoint.headers, "Authorization": f"Bearer {await self.access.get(endpoint.scope)}"}
        except NoToken as problem:
            raise failed_by(problem.kind, str(problem)) from problem

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No limit of connections: how many calls there are at once is decided at the gate. A limit here would be
            # a second line, behind it, that nobody sees.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S)
            # Aiohttp has no public way to name the class of its connections.
            connector._factory = functools.partial(Handler, asyncio.get_running_loop())  # type: ignore[assignment]
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True
            )
        return self._session

    def _proxy(self, url: URL) -> str | None:
        """The proxy that the environment names for an address; aiohttp would ask for it on a thread, each time."""
        key = (url.scheme, url.host)
        if key not in self._proxies:
            bypassed = bool(proxy_bypass(url.host or ""))
            proxies = getproxies()
            self._proxies[key] = None if bypassed else proxies.get(url.scheme) or proxies.get("all")
        return self._proxies[key]


def _arrived(content: aiohttp.StreamReader) -> bytes:
    """What came before a connection was cut. Aiohttp raises first, and has no public way to it afterwards."""
    return content._read_nowait(-1)


async def _finished(body: StreamBody) -> None:
    """Wait a moment for the end of the answer behind ``[DONE]``: a connection that has seen it is used again."""
    with contextlib.suppress(*_TRANSPORT):
        async with asyncio.timeout(_LINGER_S):
            while await body.readany():
                pass


def _event(data: bytes, endpoint: Endpoint) -> object:
    """The JSON of an event.

    Raises:
        ModelError: it is none, or it says that the model failed.
    """
    try:
        event = decode(data)
    except ValueError as problem:
        raise unexpected(problem, endpoint.secrets) from problem
    if isinstance(event, dict) and event.get("error"):
        raise stream_failed(event["error"], endpoint.secrets)
    return event
