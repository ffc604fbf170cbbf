"""The example with a Microsoft Agent Framework workflow: requests that run side by side get their own answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving import serving

pytest.importorskip("agent_framework_openai")

EXAMPLE = Path(__file__).parents[2] / "examples" / "agent-framework"
REQUESTS = 200


def test_200_requests_at_a_time_each_get_their_own_answer() -> None:
    with serving(EXAMPLE, "--stub-llm", "--workers", "2", "--max-concurrent-requests", str(REQUESTS)) as server:

        def ask(number: int) -> tuple[int, object]:
            answer = server.score({"question": f"What is number {number:04d}?"}, timeout_s=120)
            return answer.status, answer.json

        with ThreadPoolExecutor(REQUESTS) as clients:
            answers = list(clients.map(ask, range(REQUESTS)))
    assert [status for status, _ in answers] == [200] * REQUESTS
    for number, (_, outputs) in enumerate(answers):
        assert isinstance(outputs, dict)
        assert f"heard: What is number {number:04d}?" in outputs["draft"]
        assert outputs["draft"].split("?")[0] in outputs["answer"]


def test_a_model_that_cannot_be_reached_is_the_flow_s_error(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "{name: open_ai_connection, type: open_ai, api_key: sk-canary, base_url: 'http://127.0.0.1:9/v1'}"
    )
    with serving(EXAMPLE, "--connections", str(tmp_path / "c.yaml"), "--workers", "1") as server:
        answer = server.score({"question": "?"}, timeout_s=60)
        assert answer.status == 400
        code, message = answer.error
        assert (code, "Connection error" in message) == ("UserError", True), message
        assert server.score({}).error[1] == "Required input fields ['question'] are missing in request data {}"
        assert "sk-canary" not in server.log
