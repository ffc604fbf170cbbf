"""What pfserve is compared with answers as pfserve does."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from bench import launches
from bench.server import Server

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("flow", ["async-echo", "sync-echo"])
@pytest.mark.parametrize("system", [launches.HANDWRITTEN, launches.MOSEC, launches.LITSERVE])
def test_a_peer_answers_as_the_flow(system, flow):
    if system != launches.HANDWRITTEN and importlib.util.find_spec(system) is None:
        pytest.skip(f"{system} is not installed")
    with Server(launches.echo(system, EXAMPLES / flow, 2, None)) as server:
        server.wait_ready(60)
        status, body = server.ask("POST", "/score", b'{"text": "hello"}')
    assert (status, json.loads(body)) == (200, {"answer": "You said: hello. Thank you."})
