"""Load: clients on kept and on new connections, each request with an id of its own that the flow echoes."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, field

from process.faults.connection import Address, Answer, Broken, Connection

HANG_S = 20.0  # an answer that takes longer will never come: the flow's nodes take milliseconds
STREAMED = 0.3  # this share of the requests
MOST_EVENTS = 12  # of a stream
IMPATIENT = 0.03  # this share of them is given up after as many milliseconds as an answer may take


@dataclass
class Request:
    """One request and what became of it. Times are monotonic seconds."""

    id: str
    how: str  # "async" | "sync": the node that runs it
    events: int  # of the stream that it asks for; 0: for one answer
    over: str  # what kind of connection
    opened_s: float  # when its connection was made
    sent_s: float
    patience_s: float = HANG_S
    end: str = ""  # the client's, of its connection
    ended_s: float = 0.0
    pid: int = 0  # of the process that says that it ran it
    outcome: str = ""  # "answered" | "full" | "lost" | "cut" | "left" | "hung" | "wrong" | "refused" | a status
    told: str = ""


@dataclass
class Load:
    """All clients together."""

    requests: list[Request] = field(default_factory=list)
    stopping: bool = False


async def client(load: Load, name: str, address: Address, *, keeps: bool, seed: int) -> None:
    """Ask again and again until the load stops; ``keeps`` its connection for as long as the server does."""
    chance = random.Random(seed)
    connection: Connection | None = None
    number = 0
    while not load.stopping:
        await asyncio.sleep(chance.random() * 0.01)
        number += 1
        events = chance.randint(1, MOST_EVENTS) if chance.random() < STREAMED else 0
        how = chance.choice(("async", "sync"))
        request = Request(f"{name}-{number}", how, events, address.kind, 0.0, time.monotonic())
        if chance.random() < IMPATIENT:
            request.patience_s = chance.random() * 0.03
        load.requests.append(request)
        connection = connection or Connection(address)
        goes_on = await _ask(connection, request)
        if not (keeps and goes_on):
            connection.close()
            connection = None
    if connection is not None:
        connection.close()


async def _ask(connection: Connection, request: Request) -> bool:
    """Ask, and note what comes of it; whether the connection can be kept."""
    try:
        async with asyncio.timeout(request.patience_s):
            answer = await _answer(connection, request)
    except TimeoutError:
        _end(request, "hung" if request.patience_s == HANG_S else "left")
    except Broken as problem:
        judge_cut(request, problem)
    except OSError as problem:
        _end(request, "refused", str(problem))
    else:
        await asyncio.sleep(0)
        if connection.extra():
            _end(request, "wrong", f"a second answer: {connection.extra()[:200]!r}")
            return False
        judge_answer(request, answer)
        return not answer.closes
    return False


async def _answer(connection: Connection, request: Request) -> Answer:
    try:
        if not connection.end:
            await connection.open()
    finally:
        request.opened_s, request.end = connection.opened_s, connection.end
    body = json.dumps({"id": request.id, "how": request.how, "events": request.events}).encode()
    headers = ["Content-Type: application/json", f"x-request-id: {request.id}"]
    if request.events:
        headers.append("Accept: text/event-stream")
    return await connection.ask("POST", "/score", body, *headers)


def judge_answer(request: Request, answer: Answer) -> None:
    """Note what an answer is to its request."""
    if answer.status == 502 and b'"WorkerLost"' in answer.body:  # another worker ran it
        _end(request, "lost", "502")
    elif answer.status != 200:
        _end(request, "full" if answer.status == 429 else f"status {answer.status}", answer.body[:200].decode())
    elif answer.is_stream != bool(request.events):
        _end(request, "wrong", "a stream is no answer, and an answer no stream")
    elif answer.is_stream:
        numbers = _numbers(request, answer.body)
        _end(request, "answered" if numbers == list(range(request.events)) else "wrong", f"events {numbers}")
    else:
        id_, pid = json.loads(answer.body)[request.how].split()
        request.pid = int(pid)
        _end(request, "answered" if id_ == request.id else "wrong", f"answered with {id_}")


def judge_cut(request: Request, problem: Broken) -> None:
    """Note what has come of an answer whose connection ended."""
    numbers = _numbers(request, problem.received)
    is_begin = numbers == list(range(len(numbers))) and len(numbers) <= request.events
    outcome = "wrong" if not is_begin else "cut" if problem.received else "lost"
    _end(request, outcome, f"{problem}, after events {numbers}")


def _numbers(request: Request, stream: bytes) -> list[int]:
    """The numbers of the events that came whole; -1 for one that is another request's, or of another process."""
    documents = [json.loads(event.removeprefix(b"data: ")) for event in stream.split(b"\n\n")[:-1]]
    items = [document[request.how].split() for document in documents if document.get(request.how)]
    if items:
        request.pid = int(items[0][1])
    mine = [request.id, str(request.pid)]
    return [int(number) if told == mine else -1 for *told, number in items]


def _end(request: Request, outcome: str, told: str = "") -> None:
    request.ended_s = time.monotonic()
    request.outcome, request.told = outcome, told
