from __future__ import annotations

import json

import pytest

from bench.mistake import Mistake
from bench.workload import from_file


@pytest.fixture
def bodies(tmp_path):
    def read(name, text):
        (tmp_path / name).write_text(text)
        return from_file(tmp_path / name)

    return read


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", '{"n": "1"}\n\n{"n": "2"}\n'),
        ("a.csv", 'n\n1\n"2"\n'),
        ("samples.json", '[{"n": "1"}, {"n": "2"}]'),
    ],
)
def test_every_kind_of_file(bodies, name, text):
    assert list(map(json.loads, bodies(name, text))) == [{"n": "1"}, {"n": "2"}]


def test_a_csv_cell_may_hold_a_comma_a_quote_and_a_line(bodies):
    [body] = bodies("a.csv", 'text,n\n"a, ""b""\nc",2\n')
    assert json.loads(body) == {"text": 'a, "b"\nc', "n": "2"}


def test_one_document_is_one_body_byte_for_byte(bodies):
    assert bodies("a.json", '{"n":  1.50}') == ('{"n":  1.50}',)


def test_a_place_may_stand_for_a_number(bodies):
    assert bodies("a.jsonl", '{"n": {{seq}}}') == ('{"n": {{seq}}}',)


@pytest.mark.parametrize(
    "elements", [['{"n": {{seq}}}'], ['{"n":  [1, 2] }', '"{{uuid}}, ]"', "[[], {}]", "{{random.int 1 9}}"], []]
)
@pytest.mark.parametrize("between", [",", " ,\n "])
def test_elements_of_a_list_stay_as_they_were_written(tmp_path, elements, between):
    (tmp_path / "a.json").write_text(f" [ {between.join(elements)} ]\n")
    if elements:
        assert list(from_file(tmp_path / "a.json")) == elements
    else:
        with pytest.raises(Mistake, match="no request is in it"):
            from_file(tmp_path / "a.json")


def test_jinja_in_a_body_is_left_alone(bodies):
    assert bodies("a.jsonl", '{"n": "{{question}}"}') == ('{"n": "{{question}}"}',)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", "\n", "no request is in it"),
        ("a.csv", "n,m\n", "no request is in it"),
        ("a.csv", "", "no request is in it"),
        ("a.json", "[]", "no request is in it"),
        ("a.jsonl", "{}\n{n}\n", "line 2: no JSON"),
        ("a.json", "", "no request is in it"),
        ("a.csv", "n,m\n1,2\n3\n", "row 3 has 1 cells, the head has 2"),
        ("a.json", "{", "no JSON"),
        ("a.json", "[" * 100_000, "no JSON"),
        ("a.jsonl", '{"n": "{{random.int 5 1}}"}', "{{random.int 5 1}} cannot be filled in"),
        ("a.jsonl", '{"n": "{{random.dice}}"}', "cannot be filled in; there are seq, uuid"),
    ],
)
def test_what_is_no_payload_is_told(bodies, name, text, said):
    with pytest.raises(Mistake, match=f"--payload .*{name}: .*{said}"):
        bodies(name, text)


def test_no_file(tmp_path):
    with pytest.raises(Mistake, match=r"nothing\.jsonl"):
        from_file(tmp_path / "nothing.jsonl")
