"""Every example is served with ``--stub-llm`` and answers the request that its second line shows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pfserve.flow import locate_flow
from serving import Answer, serving

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = {folder.name: locate_flow(folder) for folder in EXAMPLES.iterdir() if folder.is_dir()}
FOLDERS = sorted(FILES)

SHOWN: dict[str, Any] = {
    "async-echo": {"answer": "You said: hello. Thank you."},
    "sync-echo": {"answer": "You said: hello. Thank you."},
    "chat": {"answer": "Stub 26754ca7 heard: And what is dew? *"},
    "streaming-chat": {"words_asked": 5, "answer": "Stub d74a7e3d heard: Why is the sky blue? *"},
    "web-classification": {"category": "shop", "evidence": "name"},
    "conditional": {"answer": "84", "answered_by": "function"},
    "rag": {"answer": "Stub 3a55960d heard: How do I get salt off the *", "sources": ["care.txt"]},
    "image": {"size": {"width": 4, "height": 3}, "frame": {"data:image/png;base64": "iVBOR*"}},
    "cpu-bound": {"primes": 78498},
    "prompty": "Stub 26754ca7 heard: And what is dew? *",
    "flex-function": {"words": 6, "frequent": ["to", "be"]},
    "agent-framework": {
        "answer": "Stub 5c65e970 heard: Stub a0cda613 heard: Where is the harbour? *",
        "draft": "Stub a0cda613 heard: Where is the harbour? *",
    },
    "flex-class": {"output": "Lisbon: Stub c1dce844 heard: Where is the harbour? *"},
}
"""The answers; ``*`` stands for more text. The stub's name for itself depends on every word that it is sent.

These names are those that the stub gives itself when promptflow runs the same flows: both send the same messages.
"""


def shown_request(example: str) -> tuple[dict[str, str], str]:
    """Headers and body of the command in the second line of the flow."""
    _, second, *_ = FILES[example].read_text().removeprefix("---\n").splitlines()
    found = re.fullmatch(
        rf"# Try it: pfserve serve examples/{example}( --[a-z-]+( \d+)?)*, then curl (?:-N -H '(.*)' )?-d '(.*)' "
        r"http://127\.0\.0\.1:8080/score",
        second,
    )
    assert found, second
    name, _, value = (found[3] or "Accept: application/json").partition(": ")
    return {name: value}, found[4]


def merged(answer: Answer) -> Any:
    """The outputs, from one body or from the events of a stream."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return answer.json
    outputs: dict[str, Any] = {}
    for event in answer.body.decode().split("\n\n")[:-1]:
        for name, value in json.loads(event.removeprefix("data: ")).items():
            outputs[name] = outputs[name] + value if name in outputs else value
    return outputs


def fits(pattern: Any, value: Any) -> bool:
    if isinstance(pattern, dict):
        return pattern.keys() == value.keys() and all(fits(inner, value[name]) for name, inner in pattern.items())
    if not isinstance(pattern, str):
        return pattern == value
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), value, re.DOTALL))


NEEDED = {"agent-framework": "agent_framework_openai"}
"""What has to be installed for an example; ``tox -e agent-framework`` has it."""


@pytest.mark.parametrize("example", FOLDERS)
def test_an_example_answers_the_request_that_it_shows(example: str):
    pytest.importorskip(NEEDED.get(example, "pfserve"))
    headers, body = shown_request(example)
    with serving(EXAMPLES / example, "--stub-llm", "--workers", "1") as server:
        answer = server.ask(body=body, headers=headers)
        assert answer.status == 200, answer.body
        assert answer.headers["content-type"].partition(";")[0] == headers["Accept"]
        assert fits(SHOWN[example], merged(answer)), answer.body
        assert server.ask(body=body, headers=headers).body == answer.body


def test_the_model_answers_where_the_function_cannot():
    with serving(EXAMPLES / "conditional", "--stub-llm", "--workers", "1") as server:
        answer = server.score({"question": "Who are you?"}).json
    assert fits({"answer": "Stub fb32c700 heard: Who are you? *", "answered_by": "model"}, answer)


def test_a_prompty_streams_its_answer_to_who_asks_for_that():
    body = '{"question": "And what is dew?"}'
    with serving(EXAMPLES / "prompty" / "chat.prompty", "--stub-llm", "--workers", "1") as server:
        answer = server.ask(body=body, headers={"Accept": "text/event-stream"})
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert fits({"output": "Stub 33f56778 heard: And what is dew? *"}, merged(answer))
        assert b'data: {"output": ""}' not in answer.body


def test_a_check_needs_no_connection_either():
    command = [sys.executable, "-m", "pfserve", "check", str(EXAMPLES / "rag"), "--stub-llm"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert b"open_ai_connection (AzureOpenAI) from stub" in done.stdout


def test_the_readme_lists_them_all():
    listed = re.findall(r"^\| \[([a-z-]+)\]\(\1/([a-z.]+)\) \|", (EXAMPLES / "README.md").read_text(), re.M)
    assert dict(listed) == {example: file.name for example, file in FILES.items()}
