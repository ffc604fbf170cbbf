"""The stub as an HTTP server: which request means what, when its answer goes out, and how it breaks off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from ssl import SSLContext

import msgspec
from aiohttp import web

from pfserve.stub import wire
from pfserve.stub.answer import Answer, answer_chat, answer_completion
from pfserve.stub.asked import Chat, Completion, Embedding, decode
from pfserve.stub.bucket import Quota
from pfserve.stub.dice import Dice
from pfserve.stub.embed import DIMENSIONS, embed, packed
from pfserve.stub.refusal import Refusal, deliberate, malformed, unauthorized, unknown_model, unknown_route
from pfserve.stub.settings import StubSettings
from pfserve.stub.wish import Granted
from pfserve.stub.words import prompt_tokens

_JSON = {"Content-Type": "application/json"}
_EVENTS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
_DEFAULT_MODEL = "stub"


class Target(msgspec.Struct, frozen=True):
    """What a path asks for."""

    api: str  # "chat" | "completion" | "embedding"
    deployment: str | None  # of Azure's form of the path


class Reply(msgspec.Struct, frozen=True):
    """What will be sent. A whole body is one step; a stream has many, the first after the latency."""

    is_stream: bool
    steps: Iterator[bytes]
    tokens: int  # of the longest choice: what a whole body takes to generate
    cost: int  # tokens counted against the quota


_APIS = {"chat/completions": "chat", "completions": "completion", "embeddings": "embedding"}


def find_target(path: str) -> Target | None:
    """The meaning of a path, OpenAI's (with or without /v1) or Azure's; None: there is no such API."""
    inner = path.strip("/")
    deployment = None
    if inner.startswith("openai/deployments/"):
        deployment, _, inner = inner.removeprefix("openai/deployments/").partition("/")
    api = _APIS.get(inner.removeprefix("openai/").removeprefix("v1/") if deployment is None else inner)
    return Target(api, deployment) if api else None


def prepare(target: Target, body: bytes, settings: StubSettings) -> Reply:
    """The reply to a request, before time and chance.

    Raises:
        Refusal: the body is malformed, or the model unknown.
    """
    if target.api == "chat":
        chat = decode(Chat, body)
        model = _model(target, chat.model, settings)
        answer = answer_chat(chat, model, settings.seed, settings.answer_tokens)
        return _reply(answer, chat, wire.chat_body, wire.chat_steps)
    if target.api == "completion":
        completion = decode(Completion, body)
        model = _model(target, completion.model, settings)
        answer = answer_completion(completion, model, settings.seed, settings.answer_tokens)
        return _reply(answer, completion, wire.completion_body, wire.completion_steps)
    return _prepare_embedding(target, decode(Embedding, body), settings)


def _reply(
    answer: Answer,
    asked: Chat | Completion,
    whole: Callable[[Answer], bytes],
    steps: Callable[[Answer, bool], Iterator[bytes]],
) -> Reply:
    tokens = max(len(choice.tokens) for choice in answer.choices)
    cost = answer.prompt_tokens + answer.completion_tokens
    if not asked.stream:
        return Reply(False, iter((whole(answer),)), tokens, cost)
    with_usage = asked.stream_options is not None and bool(asked.stream_options.include_usage)
    return Reply(True, steps(answer, with_usage), tokens, cost)


def _prepare_embedding(target: Target, asked: Embedding, settings: StubSettings) -> Reply:
    model = _model(target, asked.model, settings)
    texts = asked.texts()
    vectors = [embed(text, asked.dimensions or DIMENSIONS, settings.seed) for text in texts]
    tokens = sum(map(prompt_tokens, texts))
    shown = [packed(vector) for vector in vectors] if asked.encoding_format == "base64" else vectors
    return Reply(False, iter((wire.embedding_body(shown, model, tokens),)), 0, tokens)


def _model(target: Target, model: str | None, settings: StubSettings) -> str:
    if target.deployment is None and not model:
        raise malformed("You must provide a model parameter.")
    name = target.deployment or model or _DEFAULT_MODEL
    if settings.deployments and name not in settings.deployments:
        raise unknown_model(name, azure=target.deployment is not None)
    return name


class StubServer:
    """One stub: settings, quota, wishes, and the count of requests that chance depends on."""

    def __init__(self, settings: StubSettings, tls: SSLContext | None = None) -> None:
        self._settings = settings
        self._tls = tls
        self._quota = Quota(settings.requests_per_minute, settings.tokens_per_minute, time.monotonic())
        self._granted = Granted()
        self._seen = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            return await self._answer(request)
        except Refusal as refusal:
            return web.Response(status=refusal.status, body=refusal.body(), headers=_JSON | refusal.headers)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        began_s = time.monotonic()
        if request.path == "/health":
            return web.Response(body=b'{"status":"ok"}', headers=_JSON)
        if request.path == "/stats":
            return web.Response(body=self._stats(), headers=_JSON)
        target = find_target(request.path)
        if target is None or request.method != "POST":
            raise unknown_route(request.method, request.path)
        self._authenticate(request)
        body = await request.content.read()
        self._seen += 1
        chance = Dice(self._settings.seed, b"request %d" % self._seen)
        reply = prepare(target, body, self._settings)
        headers = self._quota.charge(reply.cost, began_s)
        wish = self._granted.grant(body)
        if wish is not None and wish.status:
            raise deliberate(wish.status)
        if chance.chance(self._settings.failure_rate):
            raise deliberate(self._settings.failure_status)
        is_cut = wish is not None or chance.chance(self._settings.cut_rate)
        first_s = began_s + self._settings.latency.draw(Dice(self._settings.seed, b"latency %d" % self._seen))
        if reply.is_stream:
            return await self._stream(request, reply, first_s, headers, is_cut=is_cut)
        return await self._whole(request, reply, first_s, headers, is_cut=is_cut)

    def _stats(self) -> bytes:
        """What came so far. OpenSSL itself counts the handshakes that succeeded, resumed ones among them."""
        handshakes = self._tls.session_stats()["accept_good"] if self._tls else 0
        return msgspec.json.encode({"calls": self._seen, "tls_handshakes": handshakes})

    def _authenticate(self, request: web.BaseRequest) -> None:
        if not (wanted := self._settings.api_key):
            return
        given = request.headers.get("api-key") or request.headers.get("Authorization", "").removeprefix("Bearer ")
        if given != wanted:
            raise unauthorized()

    async def _whole(
        self, request: web.BaseRequest, reply: Reply, first_s: float, headers: dict[str, str], *, is_cut: bool
    ) -> web.StreamResponse:
        await _sleep_until(self._due_s(first_s, max(0, reply.tokens - 1)))
        body = next(reply.steps)
        if not is_cut:
            return web.Response(body=body, headers=_JSON | headers)
        response = web.StreamResponse(headers=_JSON | headers | {"Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        return _broken_off(request, response)

    async def _stream(
        self, request: web.BaseRequest, reply: Reply, first_s: float, headers: dict[str, str], *, is_cut: bool
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=_EVENTS | headers)
        await _sleep_until(first_s)
        await response.prepare(request)
        for beat, step in enumerate(reply.steps):
            if is_cut and beat > reply.tokens // 2:
                return _broken_off(request, response)
            await _sleep_until(self._due_s(first_s, min(beat, reply.tokens - 1)))
            await response.write(step)
        await response.write_eof()
        return response

    def _due_s(self, first_s: float, beat: int) -> float:
        """When the token of a beat is generated; the first one's time is ``first_s``."""
        rate = self._settings.tokens_per_s
        return first_s + (beat / rate if rate else 0.0)


async def _sleep_until(due_s: float) -> None:
    wait_s = due_s - time.monotonic()
    if wait_s > 0:
        await asyncio.sleep(wait_s)


def _broken_off(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    """End the connection in the middle; what was written before still goes out."""
    if request.transport is not None:
        request.transport.close()
    return response
