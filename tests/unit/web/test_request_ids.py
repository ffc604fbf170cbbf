"""Request ids."""

import re
from uuid import RFC_4122, UUID

import pytest
from multidict import CIMultiDict

from pfserve.web.ids import RequestIds


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Request-ID": "mine"}, "mine"),
        ({"x-ms-client-request-id": "theirs"}, "theirs"),
        ({"x-ms-client-request-id": "theirs", "x-request-id": "mine"}, "mine"),
        ({"x-request-id": "two words ~!"}, "two words ~!"),
        ({"x-request-id": "y" * 128}, "y" * 128),
        ({"x-request-id": "", "x-ms-client-request-id": "theirs"}, "theirs"),
    ],
)
def test_the_callers_id_is_kept(headers: dict[str, str], expected: str) -> None:
    assert RequestIds().of(CIMultiDict(headers)) == expected


@pytest.mark.parametrize("bad", ["", "y" * 129, "tab\there", "ümlaut", "\x7f", "\udcff"])
def test_a_bad_id_is_replaced(bad: str) -> None:
    new = RequestIds().of(CIMultiDict({"x-request-id": bad}))
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", new)
    assert (UUID(new).version, UUID(new).variant) == (4, RFC_4122)


def test_new_ids_differ_beyond_one_batch() -> None:
    ids = RequestIds()
    assert len({ids.new() for _ in range(1000)}) == 1000
