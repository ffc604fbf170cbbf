"""The routes beside ``/score``: what they answer, and which methods each path takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from aiohttp import hdrs

from pfserve.errors import MethodNotAllowed, NotFound
from pfserve.telemetry.exposition import PROMETHEUS
from pfserve.web.heads import TEXT

if TYPE_CHECKING:
    from pfserve.plan import Plan
    from pfserve.web.exchange import Exchange
    from pfserve.web.needs import Admin, Vitals
    from pfserve.web.settings import Settings

Action = Callable[["Exchange"], None]
Routes = Mapping[str, Mapping[str, Action]]  # path → method → what answers

_PREFLIGHT_METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


class Answers:
    """Answers that need no task: they are given as soon as the head of the request is there."""

    def __init__(self, plan: Plan, vitals: Vitals, settings: Settings) -> None:
        self._vitals = vitals
        self._swagger = plan.swagger
        self._cors = bool(settings.cors)
        self._healthy = _json({"status": "Healthy", "version": settings.version})
        self._draining = _json({"status": "Draining", "version": settings.version})
        self._version = _json(
            {
                "status": "Healthy",
                "build_info": settings.build_info,
                "version": build_number(settings.build_info, settings.version),
            }
        )
        self._front = (
            f"pfserve {settings.version} serves the flow {plan.flow_name!r}.\n\n"
            "POST /score\nPOST /feedback\nGET /health\nGET /livez\nGET /readyz\nGET /version\nGET /swagger.json\n"
        ).encode(errors="backslashreplace")

    def health(self, exchange: Exchange) -> None:
        """The health answer of promptflow; 503 while draining."""
        if self._vitals.draining:
            exchange.reply(503, self._draining)
        else:
            exchange.reply(200, self._healthy)

    def livez(self, exchange: Exchange) -> None:
        """Whether the instance should be left running."""
        live = self._vitals.live()
        exchange.reply(200 if live else 503, _json({"status": "live" if live else "dead"}))

    def readyz(self, exchange: Exchange) -> None:
        """Whether requests should be sent here."""
        ready = self._vitals.ready()
        exchange.reply(200 if ready else 503, _json({"status": "ready" if ready else "not ready"}))

    def version(self, exchange: Exchange) -> None:
        """The version answer of promptflow."""
        exchange.reply(200, self._version)

    def swagger(self, exchange: Exchange) -> None:
        """The OpenAPI document of the flow."""
        exchange.reply(200, self._swagger)

    def front(self, exchange: Exchange) -> None:
        """A page for people who try the address."""
        exchange.reply(200, self._front, TEXT)

    def options(self, exchange: Exchange, methods: Mapping[str, Action]) -> None:
        """``OPTIONS``, of which CORS preflights are the usual kind."""
        extra = f"Allow: {', '.join(allowed(methods))}\r\n"
        if self._cors and "Access-Control-Request-Method" in exchange.headers:
            extra += f"Access-Control-Allow-Methods: {_PREFLIGHT_METHODS}\r\n"
            headers = exchange.headers.get("Access-Control-Request-Headers", "")
            if headers and headers.isascii() and headers.isprintable():
                extra += f"Access-Control-Allow-Headers: {headers}\r\n"
        exchange.reply(200, b"", "", extra)


def table(answers: Answers, score: Action, feedback: Action, admin: Admin | None = None) -> Routes:
    """Every path that this server knows; those of the admin port only with ``admin``."""
    pages: Routes = {
        "/score": {hdrs.METH_POST: score},
        "/feedback": {hdrs.METH_POST: feedback},
        "/health": _get(answers.health),
        "/livez": _get(answers.livez),
        "/readyz": _get(answers.readyz),
        "/version": _get(answers.version),
        "/swagger.json": _get(answers.swagger),
        "/": _get(answers.front),
    }
    return pages if admin is None else {**pages, **_admin_pages(admin)}


def _admin_pages(admin: Admin) -> Routes:
    return {
        "/metrics": _get(lambda exchange: exchange.reply(200, admin.metrics(), PROMETHEUS)),
        "/status": _get(lambda exchange: exchange.reply(200, admin.status())),
    }


def find(routes: Routes, exchange: Exchange, options: Callable[[Exchange, Mapping[str, Action]], None]) -> Action:
    """What answers the request.

    Raises:
        NotFound, MethodNotAllowed: nothing does.
    """
    methods = routes.get(exchange.message.path) or routes.get(exchange.message.url.path)
    if methods is None:
        if exchange.method == hdrs.METH_OPTIONS and exchange.message.path == "*":
            return lambda exchange: options(exchange, {hdrs.METH_GET: lambda _: None, hdrs.METH_POST: lambda _: None})
        raise NotFound(_unsupported(exchange))
    action = methods.get(exchange.method)
    if action is not None:
        return action
    if exchange.method == hdrs.METH_OPTIONS:
        return lambda exchange: options(exchange, methods)
    raise MethodNotAllowed(_unsupported(exchange), headers={"Allow": ", ".join(allowed(methods))})


def allowed(methods: Mapping[str, Action]) -> list[str]:
    """The value of an ``Allow`` header."""
    return sorted({*methods, hdrs.METH_OPTIONS})


def _get(action: Action) -> Mapping[str, Action]:
    return {hdrs.METH_GET: action, hdrs.METH_HEAD: action}


def _unsupported(exchange: Exchange) -> str:
    path = exchange.message.url.path.removeprefix("/")
    return (
        f"The requested api {path[:200]!r} with {exchange.method} is not supported by current app, "
        "if you entered the URL manually please check your spelling and try again."
    )


def build_number(build_info: str, version: str) -> str:
    """The ``build_number`` within BUILD_INFO, if that is JSON and has one; else ``version``."""
    try:
        info = json.loads(build_info)
    except ValueError:
        return version
    number = info.get("build_number") if isinstance(info, dict) else None
    return version if number is None else str(number)


def _json(value: Mapping[str, str]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
