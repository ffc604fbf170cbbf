"""Why a connection did not come, or went."""

from __future__ import annotations

import errno
import ssl

import pytest

from bench.generator.answer import Answer
from bench.generator.crew import cause_of_failure
from bench.generator.shot import cause_of
from bench.sample import GENERATOR_CAUSES, Cause


@pytest.mark.parametrize(
    ("problem", "cause"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Cause.CONNECT_REFUSED),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Cause.RESET),
        (OSError(errno.EMFILE, "too many open files"), Cause.OUT_OF_FILES),
        (OSError(errno.ENFILE, "too many open files"), Cause.OUT_OF_FILES),
        (OSError(errno.EADDRNOTAVAIL, "no port"), Cause.OUT_OF_PORTS),
        (OSError(errno.EHOSTUNREACH, "no route"), Cause.UNREACHABLE),
        (TimeoutError(), Cause.UNREACHABLE),
        (ssl.SSLCertVerificationError("unknown authority"), Cause.TLS),
    ],
)
def test_why_no_connection_came(problem, cause):
    assert cause_of_failure(problem) is cause


def test_what_the_generator_lacked_is_not_the_servers_fault():
    assert {
        cause for cause in Cause if "generator" in cause.sentence or "machine" in cause.sentence
    } == GENERATOR_CAUSES


@pytest.mark.parametrize("problem", [None, ConnectionResetError(), BrokenPipeError(), OSError()])
@pytest.mark.parametrize("has_begun", [False, True])
def test_why_a_connection_went(problem, has_begun):
    answer = Answer()
    if has_begun:
        answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 0)
    expected = Cause.CUT if has_begun else Cause.CLOSED
    if isinstance(problem, ConnectionResetError | BrokenPipeError):
        expected = Cause.RESET
    assert cause_of(problem, answer) is expected


def test_every_cause_has_a_sentence():
    assert all(cause.sentence for cause in Cause if cause is not Cause.NONE)
