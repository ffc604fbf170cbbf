"""What of a worker's descriptors is for connections."""

from __future__ import annotations

import socket

from pfserve.worker.descriptors import RESERVED_DESCRIPTORS, connection_limit, descriptors_left


def test_connection_limit_leaves_descriptors_for_the_flow() -> None:
    assert connection_limit(10_000, 1_048_576, private_streams=0) == 10_000
    assert connection_limit(10_000, 1_024, private_streams=0) == 1_024 - RESERVED_DESCRIPTORS
    assert connection_limit(10_000, 10, private_streams=0) == 1


def test_connection_limit_leaves_descriptors_for_requests_of_other_workers() -> None:
    assert connection_limit(10_000, 1_048_576, private_streams=2_000) == 10_000
    assert connection_limit(10_000, 1_024, private_streams=56) == 1_024 - RESERVED_DESCRIPTORS - 56
    assert connection_limit(10_000, 1_024, private_streams=2_000) == (1_024 - RESERVED_DESCRIPTORS) // 2


def test_descriptors_that_are_open_are_not_left() -> None:
    left = descriptors_left()
    with socket.socket(), socket.socket():
        assert descriptors_left() == left - 2
