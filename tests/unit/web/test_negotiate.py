"""Content negotiation."""

import pytest

from pfserve.web.accept import Wanted, negotiate, unacceptable_message

JSON, EVENTS, NOTHING = Wanted.JSON, Wanted.EVENTS, Wanted.NOTHING


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", JSON),
        (" , ", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/*", JSON),
        ("APPLICATION/JSON", JSON),
        ("application/json;q=0.9", JSON),
        ("application/json ; charset=utf-8", JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        ("text/event-stream", EVENTS),
        ("TEXT/EVENT-STREAM;q=0.5", EVENTS),
        ("text/event-stream, application/json", JSON | EVENTS),
        ("text/event-stream,*/*", JSON | EVENTS),
        ("text/*", NOTHING),
        ("text/html", NOTHING),
        ("image/png", NOTHING),
        ("application/jsonx", NOTHING),
    ],
)
def test_what_an_accept_header_admits(accept: str, wanted: Wanted) -> None:
    assert negotiate(accept) == wanted


def test_the_message_names_what_was_asked_and_what_there_is() -> None:
    assert unacceptable_message("text/html;q=1, image/png") == (
        "Media type text/html,image/png in Accept header is not acceptable. Supported media type(s) - application/json"
    )
