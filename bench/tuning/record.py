"""What a tuning was asked, what every trial gave, what came of it: one JSON file, written after every trial."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from ..mistake import Mistake
from ..tuner import Facts, Goal, Score, Space, Verdict
from ..tuner.goal import Seen

NAME = "tuning.json"


class Question(msgspec.Struct, frozen=True):
    """What makes trials comparable. One that differs is another tuning."""

    flow: str
    goal: Goal
    space: Space
    most_trials: int
    serve_args: Sequence[str]
    bodies_sha256: str  # "": as the flow's /swagger.json says
    load_s: float
    seed: int


class LoadRecord(msgspec.Struct, frozen=True):
    """One load of a trial."""

    seen: Seen
    missed: Sequence[str]  # why the goal was not reached
    file: str  # the record; "": no load at this rate could be believed


class TrialRecord(msgspec.Struct, frozen=True):
    """One trial of a setting: loads at several rates."""

    score: Score
    why: str
    loads: Sequence[LoadRecord]
    cores: float  # that the server used under the last load
    lasted_s: float


class Tuning(msgspec.Struct, frozen=True):
    """Everything."""

    question: Question
    machine: Mapping[str, str]
    facts: Facts
    trials: Sequence[TrialRecord] = ()
    verdict: Verdict | None = None  # None: it goes on
    flow_files: Mapping[str, str] = {}  # SHA-256 by path, as every trial must have found them

    def save(self, folder: Path) -> None:
        """Replace the file in ``folder``: a crash, of the machine too, leaves the old one or the new one whole."""
        draft = folder / f".{NAME}"
        with draft.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(self)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, folder / NAME)
        entry = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(entry)  # the rename
        finally:
            os.close(entry)


def read(path: Path) -> Tuning:
    """The tuning in a file, or in a folder. Raises Mistake."""
    file = path / NAME if path.is_dir() else path
    try:
        return msgspec.json.decode(file.read_bytes(), type=Tuning)
    except (OSError, msgspec.DecodeError) as problem:
        raise Mistake(f"{file}: {problem}") from problem
