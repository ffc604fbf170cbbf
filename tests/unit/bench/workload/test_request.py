from __future__ import annotations

import msgspec
import pytest

from bench.mistake import Mistake
from bench.workload import Target, Workload, requests

TARGET = Target("localhost", 8080, "/score")


def test_the_bytes_of_a_request():
    made = requests(Workload(TARGET, ('{"text": "ü"}',), headers=(("Authorization", "Bearer k"),)))
    assert (
        made(0)
        == (
            "POST /score HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: application/json\r\nAccept: */*\r\n"
            'Authorization: Bearer k\r\nContent-Length: 14\r\n\r\n{"text": "ü"}'
        ).encode()
    )


def test_bodies_come_in_turn_and_are_made_once():
    made = requests(Workload(TARGET, ("1", "2", "3")))
    assert [made(number)[-1:] for number in range(4)] == [b"1", b"2", b"3", b"1"]
    assert made(0) is made(3)


def test_places_are_filled_by_the_number():
    made = requests(Workload(TARGET, ("{{seq}}", "[{{seq}}]"), seed=1))
    assert made(10).endswith(b"Content-Length: 2\r\n\r\n10")
    assert made(11).endswith(b"Content-Length: 4\r\n\r\n[11]")


def test_own_headers_replace_ours_and_no_body_means_no_type():
    made = requests(Workload(TARGET, (), method="GET", headers=(("accept", "text/event-stream"),), closes=True))
    head = b"GET /score HTTP/1.1\r\nHost: localhost:8080\r\naccept: text/event-stream\r\nConnection: close\r\n\r\n"
    assert made(5) == head


def test_a_line_break_smuggles_nothing():
    with pytest.raises(Mistake, match="line break"):
        requests(Workload(TARGET, (), headers=(("A", "b\r\nC: d"),)))


@pytest.mark.parametrize(
    ("url", "target", "authority"),
    [
        ("http://localhost:8080", TARGET, "localhost:8080"),
        ("http://localhost:8080/", TARGET, "localhost:8080"),
        ("http://a.example/x?y=1", Target("a.example", 80, "/x?y=1"), "a.example"),
        ("https://a.example", Target("a.example", 443, "/score", tls=True), "a.example"),
        ("http://[::1]:8080", Target("::1", 8080, "/score"), "[::1]:8080"),
    ],
)
def test_addresses(url, target, authority):
    assert Target.parse(url, "/score") == target
    assert target.authority == authority


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://a", "http://", "http://a:port", "http://[::1", "http://me:pw@a"]
)
def test_what_is_no_address(url):
    with pytest.raises(Mistake):
        Target.parse(url, "/score")


def test_a_workload_survives_the_way_to_its_process():
    workload = Workload(TARGET, ("1",), headers=(("A", "b"),))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(workload), type=Workload) == workload
