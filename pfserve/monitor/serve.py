"""The admin port: an aiohttp application on one event loop. GET and HEAD only; no route changes anything."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable

import uvloop
from aiohttp import web

from pfserve import __version__
from pfserve.monitor.watch import Watch
from pfserve.telemetry.admin import Admin
from pfserve.telemetry.exposition import PROMETHEUS
from pfserve.telemetry.vitals import Vitals

_log = logging.getLogger("pfserve")

_JSON = "application/json"
_FRONT = f"pfserve {__version__}, admin port.\n\nGET /livez\nGET /readyz\nGET /metrics\nGET /status\n"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answer = tuple[int, str, bytes]  # status, content type, body


def serve_admin(post: Watch) -> int:
    """Serve until the master is gone."""
    uvloop.run(_serve(post))
    return 0


async def _serve(post: Watch) -> None:
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # a stack for every scanner that speaks no HTTP
    loop = asyncio.get_running_loop()
    loop.add_reader(post.channel.fileno(), _end_with_the_master, post)
    vitals = Vitals(post.region, post.config.stuck_after_s)
    admin = Admin(post.config, post.region, vitals, __version__)
    runner = web.AppRunner(application(vitals, admin), access_log=None, handle_signals=False)
    await runner.setup()
    for listener in post.listeners:
        await web.SockSite(runner, listener).start()
    await asyncio.Event().wait()


def _end_with_the_master(post: Watch) -> None:
    post.channel.receive()
    if post.channel.closed:
        os._exit(0)


def application(vitals: Vitals, admin: Admin) -> web.Application:
    """The routes. ``add_get`` takes HEAD too; aiohttp answers 404, and 405 with ``Allow``, by itself."""
    app = web.Application(middlewares=[_in_words], client_max_size=1)
    pages: dict[str, Callable[[], Answer]] = {
        "/": lambda: (200, "text/plain", _FRONT.encode()),
        "/livez": lambda: _verdict(vitals.live(), "live", "dead"),
        "/readyz": lambda: _verdict(vitals.ready(), "ready", "not ready"),
        "/metrics": lambda: (200, PROMETHEUS, admin.metrics()),
        "/status": lambda: (200, _JSON, admin.status()),
    }
    for path, answer in pages.items():
        app.router.add_get(path, _page(answer))
    return app


def _page(answer: Callable[[], Answer]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def page(_request: web.Request) -> web.Response:
        status, content_type, body = answer()
        headers = {"Content-Type": content_type, "x-ms-server-version": f"pfserve/{__version__}"}
        return web.Response(status=status, body=body, headers=headers)

    return page


def _verdict(good: bool, yes: str, no: str) -> Answer:
    return 200 if good else 503, _JSON, b'{"status":"%s"}' % (yes if good else no).encode()


@web.middleware
async def _in_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as JSON with a message, as on the main port."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as problem:
        allowed = ", ".join(sorted(problem.allowed_methods))
        return _error(problem, "MethodNotAllowed", f"{request.path} on the admin port takes {allowed} only.")
    except web.HTTPNotFound as problem:
        return _error(problem, "NotFound", "The admin port has /livez, /readyz, /metrics and /status.")
    except Exception:
        _log.exception("a page of the admin port failed by a bug: %s", request.path)
        raise


def _error(problem: web.HTTPException, code: str, message: str) -> web.Response:
    allow = {"Allow": problem.headers["Allow"]} if "Allow" in problem.headers else {}
    return web.json_response({"error": {"code": code, "message": message}}, status=problem.status, headers=allow)
