from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bench import flows
from bench.peers import handwritten

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(autouse=True)
def restored_modules(monkeypatch):
    """It takes the place of promptflow's module, in its own process; here only for the test."""
    monkeypatch.setitem(handwritten.sys.modules, "promptflow.core", None)


def answer(source: str, body: object) -> object:
    return json.loads(asyncio.run(handwritten.answering("compute", source)(json.dumps(body).encode())))


def test_it_computes_what_the_node_of_the_example_computes():
    assert answer(f"{EXAMPLES / 'cpu-bound' / 'count.py'}:count:primes", {"below": 100}) == {"primes": 25}


def test_it_rewrites_documents_as_the_flow_does(tmp_path):
    flow = flows.rewriting(tmp_path / "flow", 2)
    assert answer(f"{flow / 'rewrite.py'}:pass_on:answer", {"text": "as it came"}) == {"answer": "as it came"}
