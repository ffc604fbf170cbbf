"""Recorded requests, masks, and what counts as a difference."""

from __future__ import annotations

import json

import pytest

from pfserve.cli.parity.compare import Answer, compare, read_mask
from pfserve.cli.parity.recorded import BadRecording, read_requests
from pfserve.cli.parity.run import Outcome, Summary, report_json, report_text
from pfserve.cli.parity.send import server_at


def requests_of(*lines, extra=None):
    return list(read_requests(lines, extra or {}))


# -- Recordings -------------------------------------------------------------------------------------


def test_what_a_line_leaves_out_is_the_usual():
    one, two, three = requests_of('{"json": {"a": "é"}}', "", "# a comment", '{"path": "/health"}', '{"body": "é{"}')
    assert (one.line, one.method, one.path, json.loads(one.body)) == (1, "POST", "/score", {"a": "é"})
    assert one.headers == {"Content-Type": "application/json"}
    assert (two.line, two.method, two.path, two.body, two.headers) == (4, "GET", "/health", None, {})
    assert three.body == "é{".encode()


def test_headers_of_the_recording_and_of_the_command():
    line = json.dumps(
        {"body_base64": "AAE=", "method": "put", "headers": {"content-type": "x/y", "HOST": "h", "A": "1", "b": "2"}}
    )
    [one] = requests_of(line, extra={"B": "3"})
    assert (one.method, one.body) == ("PUT", b"\x00\x01")
    assert one.headers == {"content-type": "x/y", "A": "1", "B": "3"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 1 is no JSON"),
        ("[]", "line 1 is no JSON object"),
        ('{"jsn": 1, "x": 2}', "line 1: unknown jsn, x; known are name, method, path"),
        ('{"json": 1, "body": ""}', "line 1: give one of json, body, body_base64"),
        ('{"body_base64": "%"}', "line 1: 'body_base64' is no base64"),
        ('{"path": "score"}', "line 1: 'path' is no path such as /score"),
        ('{"path": "/a b"}', "line 1: 'path' is no path such as /score"),
        ('{"method": 1}', "line 1: 'method' is no text"),
        ('{"headers": {"a": 1}}', "line 1: 'headers' is no object of texts"),
    ],
)
def test_a_line_that_is_no_request(line, told):
    with pytest.raises(BadRecording) as problem:
        requests_of(line)
    assert str(problem.value).startswith(told)


@pytest.mark.parametrize("url", ["", "ftp://h", "http://", "http://h/?q", "http://[h"])
def test_a_url_that_is_no_server(url):
    with pytest.raises(ValueError, match=r"is no http or https URL|Invalid IPv6"):
        server_at(url, None)


def test_a_server_behind_a_path():
    server = server_at("https://h:1/base/", "k")
    assert (server.secure, server.host, server.port, server.prefix) == (True, "h", 1, "/base")
    assert server.headers == {"Authorization": "Bearer k"}


# -- Differences ------------------------------------------------------------------------------------


def told(a, b, *masks):
    return [str(one) for one in compare(a, b, [read_mask(mask) for mask in masks])]


def as_json(value, status=200):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Answer(status, "application/json", body)


def events(*data, kind=""):
    head = f"event: {kind}\n" if kind else ""
    return Answer(200, "text/event-stream", "".join(f"{head}data: {json.dumps(one)}\n\n" for one in data).encode())


@pytest.mark.parametrize(
    ("a", "b", "differences"),
    [
        ({"a": 1, "b": [1]}, {"b": [1.0], "a": 1}, []),
        ({"a": True}, {"a": 1}, ["$.a: true | 1"]),
        ({"a": None}, {}, ["$.a: null | absent"]),
        ({}, {"a b": {"c": 1}}, ['$["a b"]: absent | {"c": 1}']),
        ({"a": [1, {"x": 2}, 3]}, {"a": [1, {"x": 4}]}, ["$.a[1].x: 2 | 4", "$.a[2]: 3 | absent"]),
        ({"a": {}}, {"a": []}, ["$.a: {} | []"]),
        ("x" * 120, "y", [f'$: "{"x" * 99}… (122 characters) | "y"']),
        (b"{no json", b"{no jso", ['$: "{no json" | "{no jso"']),
    ],
)
def test_json_by_path(a, b, differences):
    assert told(as_json(a), as_json(b)) == differences


def test_status_and_content_type():
    assert told(as_json({}), as_json({}, 400)) == ["status: 200 | 400"]
    assert told(as_json({}), Answer(200, "text/html", b"{}")) == [
        "content type: application/json | text/html",
        '$: {} | "{}"',
    ]
    assert told(Answer(200, "text/html", b"a"), Answer(200, "text/html", b"b")) == ['$: "a" | "b"']


def test_an_answer_that_never_came():
    lost = Answer(failure="no answer: refused")
    assert told(lost, as_json({})) == ["answer: no answer: refused | status 200"]
    assert told(lost, lost) == []


@pytest.mark.parametrize(
    ("a", "b", "differences"),
    [
        (events({"t": "ab"}, {"t": "c"}), events({"t": "a"}, {"t": "bc"}), []),  # cut elsewhere
        (events({"n": 1}, {"t": "ab"}), events({"n": 1, "t": "ab"}), []),
        (events({"t": "ab"}), events({"t": "ab"}, {"t": "c"}), ['$.t: "ab" | "abc"']),
        (events({"t": "a"}), Answer(200, "text/event-stream", b'data: {"t": "a"}\r\n\r\n: ping\r\n\r\n'), []),
        (
            events({"t": "a"}),
            Answer(200, "text/event-stream", events({"t": "a"}).body + events("x", kind="error").body),
            ['$["(other events)"]: absent | [["error", "x"]]'],
        ),
        (events({"n": 1}, {"n": 2}), events({"n": 1}), ["$.n: [1, 2] | 1"]),
    ],
)
def test_streams_by_what_they_add_up_to(a, b, differences):
    assert told(a, b) == differences


@pytest.mark.parametrize(
    ("mask", "left"),
    [
        ("id", ["$.items[0].at: 1 | 2", "$.items[1].at: 1 | 2", "$.deep.id: 1 | 2"]),
        ("$.items", ["$.id: 1 | 2", "$.deep.id: 1 | 2"]),
        ("items[*].at", ["$.id: 1 | 2", "$.deep.id: 1 | 2"]),
        ("items[1]", ["$.id: 1 | 2", "$.items[0].at: 1 | 2", "$.deep.id: 1 | 2"]),
        ("*.id", ["$.id: 1 | 2", "$.items[0].at: 1 | 2", "$.items[1].at: 1 | 2"]),
        ("['deep'][\"id\"]", ["$.id: 1 | 2", "$.items[0].at: 1 | 2", "$.items[1].at: 1 | 2"]),
        ("$", []),
    ],
)
def test_masks(mask, left):
    a, b = ({"id": n, "items": [{"at": n}, {"at": n}], "deep": {"id": n}} for n in (1, 2))
    assert told(as_json(a), as_json(b), mask) == left


@pytest.mark.parametrize("mask", ["a..b", "a[", "a]", "[x]"])
def test_a_mask_that_is_no_path(mask):
    with pytest.raises(ValueError, match="is no path such as"):
        read_mask(mask)


# -- Reports ----------------------------------------------------------------------------------------


def test_reports_and_sums():
    [request] = requests_of('{"name": "n", "json": {}}')
    a, b = as_json({str(n): n for n in range(12)}), as_json({}, 400)
    outcome = Outcome(request, a, b, tuple(compare(a, b)))
    lines = []
    summary = Summary(report_text, lines.append)
    summary.take(outcome)
    summary.take(Outcome(request, a, a, ()))
    summary.take(Outcome(request, a, Answer(failure="no"), tuple(compare(a, Answer(failure="no")))))
    assert lines[0].splitlines()[:3] == ["1: POST /score (n)", "  status: 200 | 400", "  $.0: 0 | absent"]
    assert lines[0].splitlines()[-1] == "  and 3 more"
    assert summary.text() == (
        "3 requests: 1 alike, 2 differ (answer 1, body 1, status 1); A median 0 ms, B median 0 ms"
    )
    assert summary.facts()["by_kind"] == {"status": 1, "body": 1, "answer": 1}
    assert json.loads(report_json(outcome))["differences"][0] == {"place": "status", "a": "200", "b": "400"}
