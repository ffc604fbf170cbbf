from __future__ import annotations

import msgspec
import pytest

from bench import worked
from bench.report import html, markdown, trials
from bench.report_command import json
from records import sample, told_by


@pytest.fixture
def summary(tmp_path):
    """Of a trial of a server that was started here."""
    found = told_by(tmp_path / "a.pftrial", [sample(1000 + number) for number in range(100)])
    argv = ("/home/somebody/venv/bin/python", "-m", "pfserve", "serve", "/tmp/somewhere/flow", "--port", "8080")
    return msgspec.structs.replace(found, header=msgspec.structs.replace(found.header, system=argv))


def test_of_a_path_only_its_name_is_kept_and_of_the_target_its_path(summary):
    told = worked.anonymous(summary)
    assert told.header.system == ("python", "-m", "pfserve", "serve", "flow", "--port", "8080")
    assert told.header.target == "/score"


def test_nothing_else_is_changed(summary):
    told = worked.anonymous(summary)
    header = msgspec.structs.replace(told.header, system=summary.header.system, target=summary.header.target)
    assert msgspec.structs.replace(told, header=header) == summary


def test_what_is_written_names_no_path_of_the_machine(summary):
    pytest.importorskip("matplotlib")
    told = worked.anonymous(summary)
    document = trials.document([("calm", told)])
    for page in (html.page(document), markdown.page(document), json(told)):
        assert "serve" in page
        assert not [word for word in ("somebody", "somewhere", "127.0.0.1") if word in page]
