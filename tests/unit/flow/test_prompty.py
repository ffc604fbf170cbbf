"""The two parts of a prompty, and the lines on which its mistakes stand (contract 4.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfserve.errors import CompileError
from pfserve.flow import PromptySource, read_flow
from pfserve.flow.document import plain
from pfserve.flow.prompty import read_prompty

FRONT = "model:\n  api: chat\n"

PARTS = [
    # what is written, the front matter, the template and its first line
    ("---\na: 1\n---\nuser:\n{{x}}\n", {"a": 1}, "user:\n{{x}}\n", 4),
    ("\n\n-----\na: 1\n----  \nuser:\n", {"a": 1}, "user:\n", 6),
    ("---\na: 1\n---\nup\n---\ndown\n---\n", {"a": 1}, "up\n---\ndown\n---\n", 4),  # rulers belong to the template
    ("---\r\na: 1\r\n---\r\nx\r\ny", {"a": 1}, "x\ny", 4),
    ("\ufeff---\na: 1\n---\nx", {"a": 1}, "x", 4),
    ("---\na: x---y\nb: |\n  ---\n---\nx", {"a": "x---y", "b": "---\n"}, "x", 6),  # no lines of dashes alone
    ("---\n---\nx", {}, "x", 3),
    ("---\na: 1\n---", {"a": 1}, "", 3),
]


@pytest.mark.parametrize(("text", "front", "template", "line"), PARTS)
def test_the_front_matter_ends_at_the_first_line_of_dashes(text: str, front: object, template: str, line: int) -> None:
    parts = read_prompty(text.encode(), "x.prompty")
    assert (plain(parts.document), parts.template, parts.template_line) == (front, template, line)


BROKEN = [
    (b"", r"x\.prompty: Illegal formatting of prompty\. The prompt file is in markdown format"),
    (b"user:\nhi", r"x\.prompty: Illegal formatting of prompty\."),
    (b"---\na: 1\nuser:", r"x\.prompty: Illegal formatting of prompty\."),
    (b"--\na: 1\n--\n", r"x\.prompty: Illegal formatting"),
    (b"\n---\na: 1\nb: [\n---\nx", r"x\.prompty:[45]: invalid YAML: "),
    (b"---\na: 1\na: 2\n---\nx", r"x\.prompty:3: the key 'a' stands here again, first on line 2"),
    (b"---\n- a\n---\nx", r"x\.prompty:2: the front matter of a prompty is a mapping with 'model'"),
    (b"---\na: \xff\n---\nx", r"x\.prompty: is not UTF-8: invalid start byte at byte 7"),
]


@pytest.mark.parametrize(("content", "told"), BROKEN)
def test_what_has_not_got_two_parts(content: bytes, told: str) -> None:
    with pytest.raises(CompileError, match=rf"^{told}"):
        read_prompty(content, "x.prompty")


def test_a_folder_with_one_prompty_is_a_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "greet.v1"
    folder.mkdir()
    (folder / "hello.prompty").write_text(
        "words\n---\n" + FRONT + "inputs:\n  a: {type: string, is_chat_input: true}\n"
        "environment_variables: {V: [1]}\nwhatever: else\n---\nuser:\n{{a}}"
    )
    source = read_flow(folder)
    assert isinstance(source, PromptySource)
    assert (source.name, source.folder) == ("greet", folder)
    assert [(one.name, one.type, one.is_chat_input, one.span.line) for one in source.inputs] == [
        ("a", "string", True, 6)
    ]
    assert source.environment == {"V": "[1]"}
    assert (source.template.text, source.template.span.line) == ("user:\n{{a}}", 10)
    assert [str(one) for one in source.warnings] == [
        "greet.v1/hello.prompty:1: what stands above the first line of dashes is ignored"
    ]
