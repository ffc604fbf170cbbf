"""Fetching an image from an address that a client named, which may be a hostile one.

The check is made on the address of the very connection, when its socket is made: whatever a name resolves to, however
it is spelled and wherever a redirect leads, no other address is ever connected to. Time and size are bounded, and
nothing is decompressed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from pfserve.execution.addresses import is_public

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]

TIMEOUT_S = 10.0
LIMIT_BYTES = 20_000_000
REDIRECTS = 5

_REDIRECTING = (301, 302, 303, 307, 308)
_HEADERS = {"Accept": "image/*,*/*;q=0.8", "Accept-Encoding": "identity", "User-Agent": "pfserve"}
_SHOWN_BYTES = 500


class FetchProblem(Exception):
    """The image cannot be had. The text is empty or a sentence; it never tells what is at a forbidden address."""


class ImageFetcher:
    """Fetches images by GET, each over a connection of its own.

    ``allowed`` judges the address of a connection, ``resolver`` stands in for the system's.
    """

    def __init__(
        self,
        *,
        allowed: Callable[[str], bool] = is_public,
        resolver: AbstractResolver | None = None,
        timeout_s: float = TIMEOUT_S,
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        self._allowed = allowed
        self._resolver = resolver
        self._timeout_s = timeout_s
        self._limit_bytes = limit_bytes

    async def __call__(self, url: str) -> bytes:
        """The bytes at the address.

        Raises:
            FetchProblem: they cannot be had, or must not be.
        """
        try:
            async with asyncio.timeout(self._timeout_s), self._session() as session:
                return await self._follow(session, URL(url.strip()))
        except TimeoutError:
            raise FetchProblem(f"It took longer than {self._timeout_s:g} s.") from None
        except (aiohttp.ClientError, OSError, ValueError) as problem:  # ValueError: no URL after all
            raise FetchProblem from problem

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=self._resolver, use_dns_cache=False, force_close=True, socket_factory=self._socket
        )
        return aiohttp.ClientSession(
            connector=connector,
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )

    def _socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """The socket that is going to be connected to the address, and to no other."""
        family, kind, protocol, _, place = address
        if not self._allowed(str(place[0])):
            raise PermissionError("not an address of the public internet")
        return socket.socket(family, kind, protocol)

    async def _follow(self, session: aiohttp.ClientSession, url: URL) -> bytes:
        for _ in range(REDIRECTS + 1):
            if url.scheme not in ("http", "https"):
                raise FetchProblem
            async with session.get(url, allow_redirects=False) as response:
                target = response.headers.get("Location")
                if response.status not in _REDIRECTING or target is None:
                    return await self._body(response)
                url = url.join(URL(target))
        raise FetchProblem(f"It redirects more than {REDIRECTS} times.")

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        if response.status != 200:
            text = (await response.content.read(_SHOWN_BYTES)).decode("utf-8", "replace")
            raise FetchProblem(f"Error code: {response.status}. Error message: {text}.")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise FetchProblem("It is compressed, which was not asked for.")
        too_large = FetchProblem(f"It is larger than {self._limit_bytes} bytes.")
        if (response.content_length or 0) > self._limit_bytes:
            raise too_large
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._limit_bytes:
                raise too_large
        return bytes(body)
