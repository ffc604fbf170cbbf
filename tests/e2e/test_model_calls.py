"""A served flow's model calls are counted, with the tokeniser's absence said once and nothing fetched."""

from __future__ import annotations

import re
from pathlib import Path

from eventually import eventually
from serving import serving

CHAT = Path(__file__).parents[2] / "examples" / "chat"


def test_an_answer_and_a_stream_are_counted(tmp_path: Path) -> None:
    environment = {
        "TIKTOKEN_CACHE_DIR": str(tmp_path),
        "PF_LOGGING_LEVEL": "DEBUG",
        "https_proxy": "http://127.0.0.1:9",
    }
    options = ("--stub-llm", "--workers", "1", "--expose-admin")
    with serving(CHAT, *options, environment=environment) as server:
        inputs = {"question": "What is new?", "chat_history": []}
        assert server.score(inputs).status == 200
        eventually(lambda: " completion tokens, " in server.log, within_s=5, why="the answer's usage should be counted")
        for _ in range(2):
            assert server.score(inputs, headers={"Accept": "text/event-stream"}).status == 200
        eventually(
            lambda: server.log.count("completion tokens (estimated), ") == 2,
            within_s=5,
            why="streams should be counted",
        )
        assert server.log.count("is not in tiktoken's cache: its token counts are estimates") == 1
        page = server.ask("GET", "/metrics").body.decode()
        assert 'pfserve_model_calls_total{tokens="counted"} 1\n' in page
        assert 'pfserve_model_calls_total{tokens="estimated"} 2\n' in page
        tokens = re.findall(r'^pfserve_model_tokens_total\{direction="(\w+)"\} ([1-9]\d*)$', page, re.MULTILINE)
        assert [direction for direction, _ in tokens] == ["prompt", "completion"]
