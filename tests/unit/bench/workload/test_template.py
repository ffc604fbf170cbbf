from __future__ import annotations

import re
import uuid

import pytest

from bench.workload.template import Template

EVERYTHING = (
    "{{seq}} {{ uuid }} {{random.int 3 5}} {{random.float 0 1}} {{random.words 3}} {{random.choice red green}} {{mine}}"
)


def test_every_place_is_filled():
    seq, name, whole, number, *words, colour, mine = Template(EVERYTHING).render(7, 1).split()
    assert (seq, mine) == ("7", "{{mine}}")
    assert uuid.UUID(name).version == 4
    assert 3 <= int(whole) <= 5
    assert 0 <= float(number) <= 1
    assert len(words) == 3
    assert colour in ("red", "green")


def test_number_and_seed_decide_everything():
    rendered = {Template(EVERYTHING).render(number, seed) for number in (1, 2) for seed in (1, 2) for _ in range(3)}
    assert len(rendered) == 4


def test_both_ends_of_a_range_come():
    drawn = {Template("{{random.int 3 5}}").render(number, 1) for number in range(100)}
    assert drawn == {"3", "4", "5"}


@pytest.mark.parametrize(("text", "is_constant"), [("{}", True), ("{{mine}}", True), ("{{seq}}", False)])
def test_what_is_constant(text, is_constant):
    assert Template(text).is_constant is is_constant


def test_a_place_may_be_repeated():
    assert re.fullmatch(r"(\d) 5 \d", Template("{{random.int 1 9}} {{seq}} {{random.int 1 9}}").render(5, 0))
