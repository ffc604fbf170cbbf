"""What a competent engineer writes by hand instead of serving a flow: the ceiling that pfserve is measured against.

    python handwritten.py async|sync|compute SOURCE PORT WORKERS

* ``async``: read, decode, render the flow's template, await an async echo, reply.
* ``sync``: the same with a blocking echo, rendered and called on one thread per worker: one hop.
* ``compute``: decode, call the function of the flow's node on one thread per worker, reply.

SOURCE is the flow's template, or for ``compute`` FILE:FUNCTION:OUTPUT.

The parent accepts and deals connections out in turn. That is no strawman: workers that share one listener, or have one
each (SO_REUSEPORT), get an uneven share of a few long-lived connections, and then one of two cores idles.
"""

from __future__ import annotations

import asyncio
import gc
import os
import runpy
import signal
import socket
import sys
import types
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import orjson
import uvloop
from aiohttp import web
from jinja2.sandbox import SandboxedEnvironment

Answer = Callable[[bytes], Awaitable[bytes]]
HEADERS = {"Content-Type": "application/json"}


async def echo(text: str) -> str:
    """The flow's node, async."""
    return text.strip()


def blocking_echo(text: str) -> str:
    """The flow's node, sync."""
    return text.strip()


def answering(kind: str, source: str) -> Answer:
    """The work of one request: from the bytes of the body to the bytes of the reply."""
    return computing(*source.rsplit(":", 2)) if kind == "compute" else echoing(kind, Path(source))


def computing(file: str, function: str, output: str) -> Answer:
    """The work of one request of a flow with one blocking node."""
    sys.modules["promptflow.core"] = types.SimpleNamespace(tool=lambda node: node)  # type: ignore[assignment]
    node = runpy.run_path(file)[function]
    pool = ThreadPoolExecutor(1)

    async def answer(body: bytes) -> bytes:
        inputs = orjson.loads(body)
        return orjson.dumps({output: await asyncio.get_running_loop().run_in_executor(pool, lambda: node(**inputs))})

    return answer


def echoing(kind: str, template_path: Path) -> Answer:
    """The work of one request of an echo flow."""
    environment = SandboxedEnvironment(trim_blocks=True, keep_trailing_newline=True)
    template = environment.from_string(template_path.read_text())
    pool = ThreadPoolExecutor(1)

    async def answer_async(body: bytes) -> bytes:
        answer = await echo(template.render(text=orjson.loads(body)["text"]))
        return orjson.dumps({"answer": answer})

    def render_and_echo(text: str) -> str:
        return blocking_echo(template.render(text=text))

    async def answer_sync(body: bytes) -> bytes:
        text = orjson.loads(body)["text"]
        answer = await asyncio.get_running_loop().run_in_executor(pool, render_and_echo, text)
        return orjson.dumps({"answer": answer})

    return {"async": answer_async, "sync": answer_sync}[kind]


async def serve(answer: Answer, channel: socket.socket) -> None:
    """Serve the connections that come over ``channel`` until the parent is gone."""
    loop = asyncio.get_running_loop()

    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path == "/health":
            return web.Response(body=b'{"status":"Healthy"}', headers=HEADERS)
        return web.Response(body=await answer(await request.read()), headers=HEADERS)

    server = web.Server(respond, access_log=None)
    adopted: set[asyncio.Task[object]] = set()
    orphaned = asyncio.Event()

    def adopt() -> None:
        _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        if not descriptors:
            orphaned.set()
            return
        connection = socket.socket(fileno=descriptors[0])
        connection.setblocking(False)
        task = loop.create_task(loop.connect_accepted_socket(server, connection))
        adopted.add(task)
        task.add_done_callback(adopted.discard)

    loop.add_reader(channel, adopt)
    await orphaned.wait()


def deal(listener: socket.socket, channels: list[socket.socket]) -> None:
    """Give the accepted connections to the workers in turn, for ever."""
    for channel in cycle(channels):
        connection, _ = listener.accept()
        with connection:
            socket.send_fds(channel, [b"c"], [connection.fileno()])


def main(kind: str, source: str, port: str, workers: str) -> None:
    """Bind, fork the workers, deal until SIGTERM."""
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=2048)
    answer = answering(kind, source)
    gc.collect()
    gc.freeze()
    channels: list[socket.socket] = []
    for _ in range(int(workers)):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            for other in (listener, ours, *channels):
                other.close()
            uvloop.run(serve(answer, theirs))
            os._exit(0)
        theirs.close()
        channels.append(ours)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    deal(listener, channels)


if __name__ == "__main__":
    main(*sys.argv[1:])
