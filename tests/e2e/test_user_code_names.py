"""The names of ``promptflow`` at work in a served flow: models asked by user code, and contexts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving import Server, serving, write_flow

SYNC = """
from promptflow.connections import AzureOpenAIConnection
from promptflow.core import tool
from promptflow.tools.aoai import chat
from promptflow.tools.exception import ChatAPIInvalidRole
from promptflow.tracing._operation_context import OperationContext


def ask(connection, text, **more):
    return chat(connection, "user:\\n{{ text }}", "dep", text=text, **more)


@tool
def work(text: str, connection: AzureOpenAIConnection) -> str:
    if text == "stream":
        pieces = list(ask(connection, "say a few words", stream=True))
        return f"{len(pieces) > 1} {''.join(pieces)}"
    if text == "caught":
        try:
            chat(connection, "no role", "dep")
        except ChatAPIInvalidRole as problem:
            return type(problem).__mro__[2].__name__
    if text == "uncaught":
        chat(connection, "no role", "dep")
    if text == "context":
        return OperationContext.get_instance().root_run_id
    return ask(connection, text)
"""

ASYNC = SYNC.replace("def work(", "async def work(")
WIRING = "{text: '${inputs.text}', connection: any}"


@pytest.fixture(scope="module", params=[SYNC, ASYNC], ids=["sync", "async"])
def server(request, tmp_path_factory) -> Iterator[Server]:
    flow = write_flow(tmp_path_factory.mktemp("names") / "flow", request.param, wiring=WIRING)
    with serving(flow, "--workers", "1", "--threads", "4", "--stub-llm") as started:
        yield started


def answer(server: Server, text: str, **headers: str) -> object:
    reply = server.score({"text": text}, headers=headers)
    assert reply.status == 200, reply.body
    return reply.json["answer"]


def test_user_code_asks_a_model(server: Server):
    first = answer(server, "hello")
    assert isinstance(first, str)
    assert first
    assert answer(server, "hello") == first  # the stub gives equal questions equal answers


def test_questions_at_the_same_time_get_their_own_answers(server: Server):
    texts = [f"question {number}" for number in range(8)]
    alone = [answer(server, text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: answer(server, text), texts)) == alone


def test_a_stream_comes_in_pieces(server: Server):
    several, _, text = str(answer(server, "stream")).partition(" ")
    assert several == "True"
    assert text == answer(server, "say a few words")


def test_errors_can_be_caught_by_class(server: Server):
    assert answer(server, "caught") == "UserErrorException"


def test_an_error_that_is_not_caught_is_the_users(server: Server):
    reply = server.score({"text": "uncaught"})
    code, message = reply.error
    assert (reply.status, code) == (400, "UserError")
    assert message.startswith("The Chat API requires a specific format for prompt definition")


def test_each_request_has_its_own_context(server: Server):
    ids = [f"id-{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda one: answer(server, "context", **{"x-request-id": one}), ids))
    assert seen == ids
