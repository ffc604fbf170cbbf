from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from pfserve.worker.mailbox import Kind, Letter, Mailbox, stream_pair

LOOK = Letter(Kind.LOOK, 1, 2, 3)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with contextlib.closing(Mailbox()) as made:
        yield made


def test_letters_come_in_order_and_whole(mailbox: Mailbox) -> None:
    grant = Letter(Kind.GRANT, 7, 2**40, 2**41, 2**47, 2**62)
    assert mailbox.take() is None
    assert mailbox.put(LOOK) and mailbox.put(grant)
    assert mailbox.take() == (LOOK, None) and mailbox.take() == (grant, None)
    assert mailbox.take() is None


def test_a_stream_comes_along(mailbox: Mailbox) -> None:
    ours, theirs = stream_pair()
    assert mailbox.put(Letter(Kind.STREAM, 1, 2, 3), theirs)
    theirs.close()
    letter, stream = mailbox.take() or (None, None)
    assert letter is not None and letter.kind is Kind.STREAM and stream is not None
    with ours, stream:
        ours.send(b"hello")
        assert stream.recv(9) == b"hello"
        assert not stream.getblocking() and not stream.get_inheritable()


def test_a_full_mailbox_takes_nothing_and_does_not_block(mailbox: Mailbox) -> None:
    sent = 0
    while mailbox.put(LOOK):
        sent += 1
    assert sent >= 200
    mailbox.take()
    assert mailbox.put(LOOK)


def test_emptied_it_ends_the_streams_that_waited(mailbox: Mailbox) -> None:
    ours, theirs = stream_pair()
    mailbox.put(LOOK)
    mailbox.put(Letter(Kind.STREAM, 1, 2, 3), theirs)
    theirs.close()
    mailbox.empty()
    with ours:
        assert ours.recv(1) == b"" and mailbox.take() is None
