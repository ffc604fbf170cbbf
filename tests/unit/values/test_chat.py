"""From a prompt's text to messages: what promptflow's tools were seen to give."""

from __future__ import annotations

import contextlib

import pytest

from pfserve.errors import UserError
from pfserve.values.chat import join_lists, parse_messages, separate_images

HI = [{"role": "user", "content": "hi"}]

PROMPTS = [
    ("user:\nhi", HI),
    ("\n\n user:\n hi \n", HI),
    ("#user:\nhi", HI),
    ("  #  user  :  \n hi \n", HI),
    ("#\nuser:\nhi", HI),
    ("user\n:\nhi", HI),
    ("user:\r\nhi\r\n", HI),
    ("user:\xa0\nhi", HI),
    ("", []),
    ("  \n", []),
    ("user:\n", [{"role": "user", "content": ""}]),
    ("System:\nA\nUSER:\nb", [{"role": "system", "content": "A"}, {"role": "user", "content": "b"}]),
    ("user:\ndeveloper:\nx", [{"role": "user", "content": "developer:\nx"}]),
    ("user:\nfoo user:\nbar", [{"role": "user", "content": "foo user:\nbar"}]),
    ("user:\n## user:\nbar", [{"role": "user", "content": "## user:\nbar"}]),
    ("user:\n# # user:\nbar", [{"role": "user", "content": "# # user:\nbar"}]),
    ("user:\nx #\nuser:\ny", [{"role": "user", "content": "x #"}, {"role": "user", "content": "y"}]),
    ("user:\nx\n#\nuser:\ny", [{"role": "user", "content": "x"}, {"role": "user", "content": "y"}]),
    ("user:\nsuperuser:\nx", [{"role": "user", "content": "superuser:\nx"}]),
    ("user:\nassistant:", [{"role": "user", "content": "assistant:"}]),
    ("user:\nu\u017fer:\nx", [{"role": "user", "content": "u\u017fer:\nx"}]),
    ("user:\nname:\nBob\ncontent:\nhello", [{"role": "user", "name": "Bob", "content": "hello"}]),
    ("user:\n## name:\nBob\n## content:\nh\nm", [{"role": "user", "name": "Bob", "content": "h\nm"}]),
    ("user:\nname:\nB c\ncontent:\nh", [{"role": "user", "content": "name:\nB c\ncontent:\nh"}]),
    ("user:\nname: Bob\ncontent: hi", [{"role": "user", "content": "name: Bob\ncontent: hi"}]),
    ("user:\nname:\nBob\n### content:\nx", [{"role": "user", "content": "name:\nBob\n### content:\nx"}]),
    ("function:\nname:\nget\ncontent:\n{}", [{"role": "function", "name": "get", "content": "{}"}]),
    ("tool:\ntool_call_id:\ni\ncontent:\nr", [{"role": "tool", "tool_call_id": "i", "content": "r"}]),
    ("tool:\n## tool_call_id:\ni\n## content:\nr", [{"role": "tool", "tool_call_id": "i", "content": "r"}]),
    ("assistant:\n## tool_calls:\n[{'id': 'a'}]\nmore", [{"role": "assistant", "tool_calls": [{"id": "a"}]}]),
    ("assistant:\ntext\ntool_calls:\n[1]", [{"role": "assistant", "tool_calls": [1]}]),
    ("assistant:\ntool_calls:\n[{'a': [1, 2]}]", [{"role": "assistant", "tool_calls": [{"a": [1, 2]}]}]),
    ("assistant:\ntool_calls:\n[{'a': x}]", [{"role": "assistant", "content": "tool_calls:\n[{'a': x}]"}]),
    ("assistant:\ntool_calls: [1]", [{"role": "assistant", "content": "tool_calls: [1]"}]),
    ("user:\ntool_calls:\n[1]", [{"role": "user", "content": "tool_calls:\n[1]"}]),
]


@pytest.mark.parametrize(("text", "messages"), PROMPTS)
def test_a_prompt_becomes_messages(text, messages):
    assert parse_messages(text) == messages


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello\nuser:\nx", "Current parsed role 'hello' does not meet the requirement."),
        ("user: x\n", "Current parsed role 'user: x' does not"),
        ("hello", "'system:\\n','user:\\n','assistant:\\n','function:\\n','tool:\\n'."),
        (
            "function:\nx",
            "Failed to parse function role prompt. Please make sure the prompt follows the format: 'name:\\n",
        ),
        ("tool:\nname:\nx\ncontent:\ny", "Failed to parse tool role prompt."),
    ],
)
def test_a_prompt_that_is_no_chat_is_refused(text, said):
    with pytest.raises(UserError) as caught:
        parse_messages(text)
    assert said in caught.value.message


def test_only_the_given_roles_count():
    assert parse_messages("user:\nhi\ntool:\nx", roles=("user",)) == [{"role": "user", "content": "hi\ntool:\nx"}]


def test_a_line_that_is_an_image_becomes_its_part():
    part = {"type": "image_url", "image_url": {"url": "data:x"}}
    messages = parse_messages("user:\n a \n  Image(12) \n\nb\nsystem:\nImage(12) c", images={"Image(12)": part})
    assert messages[0]["content"] == [{"type": "text", "text": "a "}, part, {"type": "text", "text": "b"}]
    assert messages[1]["content"] == "Image(12) c"


@pytest.mark.parametrize(
    "text",
    [
        "user:\n" * 30_000,
        "xuser:\n" * 30_000,
        "\n" * 200_000 + "x",
        "assistant:\n" + "tool_calls:\n[" * 15_000,
        "assistant:\n]" + "tool_calls:\n[" * 15_000,
        "user:\nname:\n" + "\n" * 200_000 + "x",
        "user:\n" + "name:\n" * 30_000,
        "user:\nname:\n" + "x" * 200_000,
    ],
    ids=["roles", "no roles", "blank", "calls", "calls after a bracket", "blank name", "names", "long name"],
)
def test_a_stranger_cannot_make_parsing_slow(text):
    with contextlib.suppress(UserError):
        parse_messages(text)  # a quadratic reading would take minutes


def test_lists_print_as_lines_at_any_depth():
    joined = join_lists({"a": [1, ["b", "c"]], "d": (1, [2])})
    assert str(joined["a"]) == "1\nb\nc"
    assert str(joined["d"]) == "(1, [2])"
    assert joined["a"] == [1, ["b", "c"]]


@pytest.mark.parametrize(
    ("template", "separated"),
    [
        ("a ![image]({{ x }}) b", "a \n{{ x }}\n b"),
        ("![image]({{x.y}})![image]({{z|f}})", "\n{{x.y}}\n\n{{z|f}}\n"),
        ("![ Image ]({{x}})", "![ Image ]({{x}})"),
        ("![image]( {{x}} )", "![image]( {{x}} )"),
    ],
)
def test_image_placeholders_get_lines_of_their_own(template, separated):
    assert separate_images(template) == separated
