from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfserve.stub import words
from pfserve.stub.dice import Dice


@given(st.text())
def test_tokens_joined_are_the_text(text: str):
    assert "".join(words.split(text)) == text


@pytest.mark.parametrize("length", [1, 2, 3, 5, 24, 200])
def test_a_text_has_the_length_asked_for(length: int):
    assert len(words.split(words.speak(Dice(0, b"x"), "what is the time, please tell me now", length))) == length


def test_a_text_without_a_length_has_one_of_its_own():
    lengths = {len(words.split(words.speak(Dice(0, b"%d" % n), "hi", 0))) for n in range(300)}
    assert (min(lengths), max(lengths)) == (16, 40)


def test_a_text_shows_what_was_heard():
    assert " heard: what is the time " in words.speak(Dice(0, b"x"), "what is the time", 24)


@pytest.mark.parametrize(
    ("text", "stop", "most", "kept", "reason"),
    [
        ("a b c", [], None, "a b c", "stop"),
        ("a b c", [], 3, "a b c", "stop"),
        ("a b c", [], 2, "a b", "length"),
        ("a b c", [], 0, "", "length"),
        ("a b c", ["c", "b"], None, "a ", "stop"),
        ("a b c", [" b"], 1, "a", "stop"),
        ("a b c", ["a"], None, "", "stop"),
        ("a b c", [""], None, "a b c", "stop"),
    ],
)
def test_an_answer_ends_at_a_stop_text_or_the_length(text: str, stop: list[str], most: int | None, kept: str, reason):
    tokens, why = words.cut(words.split(text), stop, most)
    assert ("".join(tokens), why) == (kept, reason)


def test_dice_repeat_themselves():
    def rolls(seed: int, subject: bytes) -> list[int]:
        dice = Dice(seed, subject)
        return [dice.below(1000) for _ in range(5)]

    assert rolls(0, b"a") == rolls(0, b"a")
    assert len({tuple(rolls(seed, subject)) for seed in (0, 1) for subject in (b"a", b"b")}) == 4


@pytest.mark.parametrize(("rate", "least", "most"), [(0.0, 0, 0), (0.1, 60, 140), (1.0, 1000, 1000)])
def test_chance_has_its_rate(rate: float, least: int, most: int):
    assert least <= sum(Dice(0, b"%d" % n).chance(rate) for n in range(1000)) <= most
