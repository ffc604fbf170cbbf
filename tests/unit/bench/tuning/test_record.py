from __future__ import annotations

import errno
import os

import pytest

from bench.mistake import Mistake
from bench.tuning import read
from tunings import tuning, verdict


def test_it_comes_back_as_it_was(tmp_path):
    before = tuning(verdict())
    before.save(tmp_path)
    after = read(tmp_path)
    assert (after.verdict, after.facts, after.question.goal.limits) == (
        before.verdict,
        before.facts,
        list(before.question.goal.limits),
    )
    assert after.trials[0].score == before.trials[0].score
    assert [path.name for path in tmp_path.iterdir()] == ["tuning.json"]


def test_what_is_none(tmp_path):
    with pytest.raises(Mistake, match=r"tuning\.json"):
        read(tmp_path)
    (tmp_path / "tuning.json").write_text("{}")
    with pytest.raises(Mistake, match="missing required field"):
        read(tmp_path)


def test_a_full_disk_leaves_the_state_before(tmp_path, monkeypatch):
    tuning(None).save(tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        tuning(verdict()).save(tmp_path)
    assert read(tmp_path).verdict is None
