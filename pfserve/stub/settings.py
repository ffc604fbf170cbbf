"""How the stub is asked to behave."""

from __future__ import annotations

import msgspec

from pfserve.stub.latency import Constant, Latency


class StubSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The behaviour of one stub. The defaults answer everything at once."""

    seed: int = 0  # another seed, other answers
    latency: Latency = Constant()  # until the first token
    tokens_per_s: float = 0.0  # of each answer, after the first token; 0: all at once
    answer_tokens: int = 0  # length of a text answer; 0: 16 to 40, by the request
    requests_per_minute: int = 0  # 0: no limit
    tokens_per_minute: int = 0  # prompt and answer together; 0: no limit
    failure_rate: float = 0.0  # share of the requests that are answered with failure_status
    failure_status: int = 500
    cut_rate: float = 0.0  # share of the answers whose connection breaks off half-way
    api_key: str = ""  # "": any key, and none
    deployments: tuple[str, ...] = ()  # the deployments or models that exist; none: all
