from __future__ import annotations

from types import SimpleNamespace

import msgspec

from bench import worked
from bench.recorder import Header


def test_what_is_written_names_no_path_of_the_machine(monkeypatch):
    monkeypatch.setattr(msgspec.structs, "replace", lambda told, **new: SimpleNamespace(**{**vars(told), **new}))
    assert Header.__struct_fields__.index("system") >= 0  # the field that holds paths
    header = SimpleNamespace(system=("/some/where/python", "-m", "pfserve"), target="http://127.0.0.1:3/score")
    told = worked.anonymous(SimpleNamespace(header=header))
    assert told.header.system == ("python", "-m", "pfserve")
    assert told.header.target == "/score"
