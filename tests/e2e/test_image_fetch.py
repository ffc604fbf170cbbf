"""Fetching images from hostile addresses: real sockets, a server that misbehaves, names that resolve to anything."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop
from aiohttp.abc import AbstractResolver, ResolveResult

from pfserve.execution.addresses import is_public
from pfserve.execution.fetch import FetchProblem, ImageFetcher

PNG = b"\x89PNG\r\n\x1a\n"
PUBLIC = "93.184.216.34"
HERE = "127.0.0.1"

Main = Callable[[], Awaitable[object]]


@pytest.fixture(params=["asyncio", "uvloop"])
def on_loop(request: pytest.FixtureRequest) -> Callable[[Main], object]:
    def run(main: Main) -> object:
        async def bounded() -> object:
            async with asyncio.timeout(30):
                return await main()

        return {"asyncio": asyncio.run, "uvloop": uvloop.run}[request.param](bounded())

    return run


class Names(AbstractResolver):
    """Gives each name its addresses; a name with several answers gives the next one each time it is asked."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answers = self.answers.get(host.partition(".")[0], [[HERE]])
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(
                hostname=host, host=address, port=port, proto=0, flags=0,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
            )
            for address in addresses
        ]  # fmt: skip

    async def close(self) -> None:
        pass


class Site:
    """A web site on 127.0.0.1: ``pages`` maps a path to the bytes of the whole answer."""

    def __init__(self) -> None:
        self.port = 0
        self.heads: list[str] = []
        self.pages: dict[str, bytes] = {}
        self.drip: bytes = b""
        self._answering: list[asyncio.Task[None]] = []

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._answer, HERE, 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            try:
                yield
            finally:
                await asyncio.gather(*self._answering)  # every client has hung up
                self._answering.clear()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._answering.append(task)
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            writer.write(self.pages[head.split()[1]].replace(b"PORT", str(self.port).encode()))
            await writer.drain()
            while self.drip and not writer.is_closing():
                writer.write(self.drip)
                await writer.drain()
                await asyncio.sleep(0.01)

    def url(self, path: str = "/", host: str = HERE) -> str:
        return f"http://{host}:{self.port}{path}"


def page(body: bytes = PNG, status: str = "200 OK", **headers: str) -> bytes:
    lines = {"Content-Length": str(len(body)), "Connection": "close"} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    head = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in lines.items() if value), "", ""]
    return "\r\n".join(head).encode() + body


def anywhere(_: str) -> bool:
    return True


def fetching(on_loop: Callable[[Main], object], site: Site, url: str, **options: object) -> bytes:
    """Fetch from the site; ``PORT`` in the URL is its port."""

    async def main() -> object:
        async with site.open():
            return await ImageFetcher(**options)(url.replace("PORT", str(site.port)))  # type: ignore[arg-type]

    return on_loop(main)  # type: ignore[return-value]


def problem(on_loop: Callable[[Main], object], site: Site, url: str, **options: object) -> str:
    with pytest.raises(FetchProblem) as caught:
        fetching(on_loop, site, url, **options)
    return str(caught.value)


@pytest.fixture
def site() -> Site:
    site = Site()
    site.pages = {"/": page(), "/there": page(b"there")}
    return site


def test_an_image(on_loop: Callable[[Main], object], site: Site) -> None:
    assert fetching(on_loop, site, "http://127.0.0.1:PORT/", allowed=anywhere) == PNG
    [head] = site.heads
    assert "Accept-Encoding: identity\r\n" in head
    assert "Cookie" not in head


def test_an_image_by_name(on_loop: Callable[[Main], object], site: Site) -> None:
    names = Names(good=[[HERE]])
    assert fetching(on_loop, site, " http://good.test:PORT/", allowed=anywhere, resolver=names) == PNG
    assert names.asked == ["good.test"]


LOCAL = [
    "http://127.0.0.1:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://2130706433:PORT/",
    "http://017700000001:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0x7f.0.0.1:PORT/",
    "http://0x7f000001:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST.:PORT/",
    "http://１２７.０.０.１:PORT/",  # noqa: RUF001 - digits of full width, which a URL library may take for digits
    "http://①②⑦.⓪.⓪.①:PORT/",
    "http://127。0。0。1:PORT/",
    "http://user@127.0.0.1:PORT/",
    "http://good.test@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT\\@good.test/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:PORT/",
    "http://[::1]:PORT/",
    "http://[::]:PORT/",
    "http://[::1%25lo]:PORT/",
]


@pytest.mark.parametrize("url", LOCAL)
def test_no_spelling_leads_here(on_loop: Callable[[Main], object], site: Site, url: str) -> None:
    assert problem(on_loop, site, url) == ""
    assert not site.heads


@pytest.mark.parametrize(
    "url", ["file:///etc/hostname", "ftp://good.test/", "gopher://127.0.0.1/", "http://", "x", "http://[::1/"]
)
def test_no_other_scheme_and_no_nonsense(on_loop: Callable[[Main], object], site: Site, url: str) -> None:
    assert problem(on_loop, site, url, allowed=anywhere, resolver=Names(good=[[HERE]])) == ""
    assert not site.heads


@pytest.mark.parametrize("addresses", [[HERE], ["10.0.0.1"], ["::1"], ["169.254.169.254", "::ffff:127.0.0.1"]])
def test_names_that_lead_inside(on_loop: Callable[[Main], object], site: Site, addresses: list[str]) -> None:
    assert problem(on_loop, site, "http://evil.test:PORT/", resolver=Names(evil=[addresses])) == ""
    assert not site.heads


def test_a_name_that_does_not_resolve(on_loop: Callable[[Main], object], site: Site) -> None:
    assert problem(on_loop, site, "http://nohost.invalid/") == ""


class Connections:
    """Judges as the real rule does, but lets the first connection through as if it were a public one."""

    def __init__(self) -> None:
        self.judged: list[str] = []

    def __call__(self, address: str) -> bool:
        self.judged.append(address)
        return len(self.judged) == 1 or is_public(address)


def test_a_name_that_changes_its_answer(on_loop: Callable[[Main], object], site: Site) -> None:
    """Every connection is judged by the address it goes to: an earlier good answer is worth nothing."""
    site.pages["/"] = page(b"", "302 Found", Location="http://evil.test:PORT/there")
    judge, names = Connections(), Names(evil=[[HERE], ["127.0.0.2"]])
    assert problem(on_loop, site, "http://evil.test:PORT/", allowed=judge, resolver=names) == ""
    assert judge.judged == [HERE, "127.0.0.2"]
    assert len(site.heads) == 1


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:PORT/there",
        "//localhost:PORT/there",
        "/there",
        "http://10.0.0.1/",
        "http://2130706433:PORT/there",
    ],
)
def test_redirects_are_judged(on_loop: Callable[[Main], object], site: Site, target: str) -> None:
    site.pages["/"] = page(b"", "302 Found", Location=target)
    assert problem(on_loop, site, "http://good.test:PORT/", allowed=Connections(), resolver=Names(good=[[HERE]])) == ""
    assert len(site.heads) == 1


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://good.test/", "data:image/png;base64,AAAA"])
def test_redirects_stay_with_http(on_loop: Callable[[Main], object], site: Site, target: str) -> None:
    site.pages["/"] = page(b"", "301 Moved", Location=target)
    assert problem(on_loop, site, "http://127.0.0.1:PORT/", allowed=anywhere) == ""


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_followed(on_loop: Callable[[Main], object], site: Site, status: str) -> None:
    site.pages["/"] = page(b"", status, Location="/there")
    assert fetching(on_loop, site, "http://127.0.0.1:PORT/", allowed=anywhere) == b"there"


def test_a_password_is_not_passed_on(on_loop: Callable[[Main], object], site: Site) -> None:
    site.pages["/"] = page(b"", "302 Found", Location="http://other.test:PORT/there")
    names = Names(good=[[HERE]], other=[[HERE]])
    assert fetching(on_loop, site, "http://me:secret@good.test:PORT/", allowed=anywhere, resolver=names) == b"there"
    assert ["Authorization" in head for head in site.heads] == [True, False]


def test_redirects_end(on_loop: Callable[[Main], object], site: Site) -> None:
    site.pages["/"] = page(b"", "302 Found", Location="/")
    assert problem(on_loop, site, "http://127.0.0.1:PORT/", allowed=anywhere) == "It redirects more than 5 times."
    assert len(site.heads) == 6


def test_other_statuses(on_loop: Callable[[Main], object], site: Site) -> None:
    site.pages = {"/404": page(b"some text", "404 Not Found"), "/204": page(b"", "204 No Content")}
    site.pages["/302"] = page(b"nowhere", "302 Found")
    site.pages["/500"] = page(b"x" * 5000, "500 Oops")
    url = "http://127.0.0.1:PORT"
    assert problem(on_loop, site, url + "/404", allowed=anywhere) == "Error code: 404. Error message: some text."
    assert problem(on_loop, site, url + "/204", allowed=anywhere) == "Error code: 204. Error message: ."
    assert problem(on_loop, site, url + "/302", allowed=anywhere) == "Error code: 302. Error message: nowhere."
    assert len(problem(on_loop, site, url + "/500", allowed=anywhere)) < 600


def test_large_bodies(on_loop: Callable[[Main], object], site: Site) -> None:
    site.pages = {
        "/fits": page(b"x" * 1000),
        "/announced": page(Content_Length="1001"),
        "/endless": page(Content_Length=""),
    }
    site.drip = b"x" * 100
    bounds = {"allowed": anywhere, "limit_bytes": 1000}
    for path in ("/announced", "/endless"):
        assert problem(on_loop, site, "http://127.0.0.1:PORT" + path, **bounds) == "It is larger than 1000 bytes."
    site.drip = b""
    assert len(fetching(on_loop, site, "http://127.0.0.1:PORT/fits", **bounds)) == 1000


def test_slow_bodies(on_loop: Callable[[Main], object], site: Site) -> None:
    site.pages["/"] = page(Content_Length="1000000")
    site.drip = b"x"
    assert (
        problem(on_loop, site, "http://127.0.0.1:PORT/", allowed=anywhere, timeout_s=0.2)
        == "It took longer than 0.2 s."
    )


def test_slow_heads(on_loop: Callable[[Main], object], site: Site) -> None:
    site.pages["/"] = b"HTTP/1.1 200 OK\r\n"
    site.drip = b"a: b\r\n"
    assert (
        problem(on_loop, site, "http://127.0.0.1:PORT/", allowed=anywhere, timeout_s=0.2)
        == "It took longer than 0.2 s."
    )


def test_compressed_bodies(on_loop: Callable[[Main], object], site: Site) -> None:
    site.pages["/"] = page(gzip.compress(bytes(10_000_000)), Content_Encoding="gzip")
    refused = "It is compressed, which was not asked for."
    assert problem(on_loop, site, "http://127.0.0.1:PORT/", allowed=anywhere) == refused


@pytest.mark.parametrize("answer", [b"", b"rubbish\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"])
def test_what_is_no_answer(on_loop: Callable[[Main], object], site: Site, answer: bytes) -> None:
    site.pages["/"] = answer
    assert problem(on_loop, site, "http://127.0.0.1:PORT/", allowed=anywhere) == ""
