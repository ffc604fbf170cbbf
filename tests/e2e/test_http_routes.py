"""Every route but ``/score``, wrong ones, CORS, and what all replies have in common."""

from __future__ import annotations

import html
from urllib.parse import unquote

import pytest

from e2e.http_rig import Rig, get, plan, post, serving

SENTENCE = (
    "The requested api {} with {} is not supported by current app, "
    "if you entered the URL manually please check your spelling and try again."
)


@pytest.fixture(scope="module")
def rig():
    with serving(plan("text"), build_info='{"build_number":"42"}') as server:
        yield server


@pytest.mark.parametrize(
    ("request_bytes", "content_type", "body"),
    [
        (get("/health"), "application/json", b'{"status":"Healthy","version":"9.9.9"}'),
        (
            get("/version"),
            "application/json",
            b'{"status":"Healthy","build_info":"{\\"build_number\\":\\"42\\"}","version":"42"}',
        ),
        (get("/livez"), "application/json", b'{"status":"live"}'),
        (get("/readyz"), "application/json", b'{"status":"ready"}'),
        (get("/swagger.json"), "application/json", b'{"openapi":"3.0.0"}'),
        (get("/health?verbose=1"), "application/json", b'{"status":"Healthy","version":"9.9.9"}'),
        (get("/he%61lth"), "application/json", b'{"status":"Healthy","version":"9.9.9"}'),
        (post("", path="/feedback"), "application/json", b'{"status": "Feedback received."}'),
        (post("{not json", path="/feedback?flatten=true"), "application/json", b'{"status": "Feedback received."}'),
    ],
)
def test_routes(rig: Rig, request_bytes: bytes, content_type: str, body: bytes) -> None:
    answer = rig.ask(request_bytes)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, content_type, body)


def test_the_front_page_names_the_routes(rig: Rig) -> None:
    answer = rig.ask(get("/"))
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert b"POST /score" in answer.body


@pytest.mark.parametrize("path", ["/health", "/version", "/livez", "/readyz", "/swagger.json", "/"])
def test_head_is_get_without_the_body(rig: Rig, path: str) -> None:
    with rig.connect() as wire:
        wire.send(get(path))
        full = wire.answer()
        wire.send(get(path, method="HEAD") + get("/livez"))
        head = wire.answer(head_only=True)
        assert (head.status, head.headers["content-length"]) == (200, full.headers["content-length"])
        assert wire.answer().body == b'{"status":"live"}', "the HEAD reply had a body"


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/score", 405, "OPTIONS, POST"),
        ("PUT", "/score", 405, "OPTIONS, POST"),
        ("HEAD", "/score", 405, "OPTIONS, POST"),
        ("DELETE", "/health", 405, "GET, HEAD, OPTIONS"),
        ("POST", "/swagger.json", 405, "GET, HEAD, OPTIONS"),
        ("PURGE", "/feedback", 405, "OPTIONS, POST"),
        ("GET", "/no/such/page", 404, None),
        ("POST", "/score/", 404, None),
        ("OPTIONS", "/nope", 404, None),
        ("GET", "/<b>x</b>", 404, None),
        ("GET", "/%3Cb%3E&amp;", 404, None),
        ("GET", "/static/it's", 404, None),
        ("GET", "/../etc/passwd", 404, None),
    ],
)
def test_wrong_methods_and_paths(rig: Rig, method: str, path: str, status: int, allow: str | None) -> None:
    with rig.connect() as wire:
        wire.send(get(path, method=method))
        answer = wire.answer(head_only=method == "HEAD")
        assert (answer.status, answer.headers.get("allow")) == (status, allow)
        if status == 404:
            shown = html.escape(repr(unquote(path[1:])), quote=False)
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert answer.body.decode() == SENTENCE.format(shown, method)
            assert b"<" not in answer.body, "the path must not be markup"
        else:
            assert answer.headers["content-type"] == "application/json"
            if method != "HEAD":
                assert answer.code == "MethodNotAllowed"
                assert answer.message == SENTENCE.format(repr(path[1:]), method)
        wire.send(get("/livez"))
        assert wire.answer().status == 200


def test_connect_is_no_proxy(rig: Rig) -> None:
    with rig.connect() as wire:
        wire.send(b"CONNECT example.com:443 HTTP/1.1\r\nHost: rig\r\n\r\n")
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (405, "close")
        assert wire.at_end()


def test_health_while_draining_and_while_ill() -> None:
    with serving() as rig:
        rig.vitals.draining = True
        rig.vitals.alive = rig.vitals.is_ready = False
        health, livez, readyz = rig.ask(get("/health")), rig.ask(get("/livez")), rig.ask(get("/readyz"))
        assert (health.status, health.json) == (503, {"status": "Draining", "version": "9.9.9"})
        assert (livez.status, livez.json) == (503, {"status": "dead"})
        assert (readyz.status, readyz.json) == (503, {"status": "not ready"})
        assert rig.ask(post("x")).status == 200, "requests are served until the worker refuses"


def test_health_does_not_pass_the_gate() -> None:
    with serving(capacity=0) as rig:
        assert rig.ask(get("/health")).status == 200
        assert rig.gate.looks == 0


# -- What all replies have in common ---------------------------------------------------------------

KINDS = [get("/health"), get("/nope"), get("/score"), post("x"), post("x", "Accept: a/b"), post("x", path="/feedback")]


@pytest.mark.parametrize("request_bytes", [*KINDS, b"garbage\r\n\r\n"])
def test_every_reply_has_an_id_a_version_and_a_date(rig: Rig, request_bytes: bytes) -> None:
    headers = rig.ask(request_bytes).headers
    assert len(headers["x-request-id"]) == 36
    assert headers["x-ms-server-version"] == "pfserve/9.9.9"
    assert headers["date"].endswith(" GMT")
    assert headers["access-control-allow-origin"] == "*"


def test_the_date_is_that_of_the_last_tick(rig: Rig) -> None:
    rig.call(lambda: rig.service.heads.refresh(0.0))
    assert rig.ask(get("/health")).headers["date"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    rig.call(rig.service.tick)
    assert "1970" not in rig.ask(get("/health")).headers["date"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["x-request-id: mine", "x-ms-client-request-id: theirs"], "mine"),
        (["X-Ms-Client-Request-Id: theirs"], "theirs"),
        (["x-request-id: two words"], "two words"),
        (["x-request-id: " + "y" * 129], None),
        (["x-request-id: \xfc"], None),
        (["x-request-id:"], None),
    ],
)
def test_the_callers_request_id(rig: Rig, lines: list[str], expected: str | None) -> None:
    for request_bytes in (get("/health", *lines), post("x", *lines), get("/nope", *lines)):
        own = rig.ask(request_bytes).headers["x-request-id"]
        assert own == expected if expected else len(own) == 36


ORIGIN = "Origin: https://app.example"


def test_cors_as_promptflow(rig: Rig) -> None:
    for kind in (get("/health", ORIGIN), post("x", ORIGIN), get("/nope", ORIGIN)):
        headers = rig.ask(kind).headers
        assert (headers["access-control-allow-origin"], headers["vary"]) == ("https://app.example", "Origin")


def test_a_preflight(rig: Rig) -> None:
    answer = rig.ask(
        get(
            "/score",
            ORIGIN,
            "Access-Control-Request-Method: POST",
            "Access-Control-Request-Headers: authorization, x-y",
            method="OPTIONS",
        )
    )
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["access-control-allow-methods"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
    assert answer.headers["access-control-allow-headers"] == "authorization, x-y"
    assert answer.headers["allow"] == "OPTIONS, POST"


@pytest.mark.parametrize("path", ["/score", "*"])
def test_plain_options(rig: Rig, path: str) -> None:
    answer = rig.ask(get(path, method="OPTIONS"))
    assert (answer.status, answer.body) == (200, b"")
    assert "POST" in answer.headers["allow"]
    assert "access-control-allow-methods" not in answer.headers


def test_no_cors() -> None:
    with serving(cors="") as rig:
        preflight = get("/score", ORIGIN, "Access-Control-Request-Method: POST", method="OPTIONS")
        for request_bytes in (get("/health", ORIGIN), post("x"), preflight):
            answer = rig.ask(request_bytes)
            assert answer.status == 200
            assert not [name for name in answer.headers if name.startswith("access-control")]


def test_cors_for_one_origin() -> None:
    with serving(cors="https://one.example") as rig:
        for request_bytes in (get("/health", ORIGIN), get("/health")):
            assert rig.ask(request_bytes).headers["access-control-allow-origin"] == "https://one.example"
