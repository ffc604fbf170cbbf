from __future__ import annotations

import pytest

from pfserve.stub.wish import Granted, Wish, find_wish


@pytest.mark.parametrize(
    ("body", "wish"),
    [
        (b"please", None),
        (b"[[stub:503]]", Wish(503, 0)),
        (b"a [[stub:429x2]] b [[stub:500]]", Wish(429, 2)),
        (b"[[stub:cut]]", Wish(0, 0)),
        (b"[[stub:cutx1]]", Wish(0, 1)),
        (b"[[stub:200]]", None),
        (b"[[stub:4290]]", None),
        (b"[stub:500]", None),
    ],
)
def test_wishes(body: bytes, wish: Wish | None):
    assert find_wish(body) == wish


def test_a_counted_wish_comes_true_so_often_and_then_anew():
    granted = Granted()
    twice, other = b"[[stub:429x2]]", b"[[stub:429x1]]"
    assert [granted.grant(body) is not None for body in (twice, other, twice, other, twice, twice)] == [
        *(True, True, True, False),
        *(False, True),
    ]
