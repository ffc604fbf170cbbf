"""The stub model: a deterministic stand-in for OpenAI and Azure OpenAI, for tests, benchmarks and first steps.

Chat, completion and embedding calls, whole or streamed, with latency, quotas and failures as asked for.
Nothing here knows the server that calls it; what it answers is made by pure functions, and :mod:`.server` sends it.
"""

from pfserve.stub.connections import stub_connection
from pfserve.stub.latency import parse_latency
from pfserve.stub.run import open_listener, run_stub, url_of
from pfserve.stub.settings import StubSettings

__all__ = ["StubSettings", "open_listener", "parse_latency", "run_stub", "stub_connection", "url_of"]
