"""The flow under test: one async and one sync node; each notes in which process a request runs before it does."""

from __future__ import annotations

from pathlib import Path

FLOW = """\
inputs:
  id: {type: string}
  how: {type: string}
  wait: {type: double, default: 0.002}
outputs:
  async: {type: string, reference: "${run_async.output}"}
  sync: {type: string, reference: "${run_sync.output}"}
nodes:
- name: run_async
  type: python
  source: {type: code, path: run_async.py}
  inputs: {id: "${inputs.id}", wait: "${inputs.wait}"}
  activate: {when: "${inputs.how}", is: async}
- name: run_sync
  type: python
  source: {type: code, path: run_sync.py}
  inputs: {id: "${inputs.id}", wait: "${inputs.wait}"}
  activate: {when: "${inputs.how}", is: sync}
"""

NODE = """\
import asyncio, os, time
from pathlib import Path
from promptflow.core import tool

NOTES = os.open(Path(__file__).parent / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@tool
%sdef run(id: str, wait: float) -> str:
    os.write(NOTES, f"{id} {os.getpid()}\\n".encode())
    %s(wait)
    return f"{id} {os.getpid()}"
"""


def write(folder: Path) -> None:
    """Write the flow."""
    folder.mkdir()
    (folder / "flow.dag.yaml").write_text(FLOW)
    (folder / "run_async.py").write_text(NODE % ("async ", "await asyncio.sleep"))
    (folder / "run_sync.py").write_text(NODE % ("", "time.sleep"))


def break_it(folder: Path) -> None:
    """Make it one that does not compile."""
    (folder / "run_sync.py").write_text("def (\n")


def mend(folder: Path) -> None:
    """Make it good again."""
    (folder / "run_sync.py").write_text(NODE % ("", "time.sleep"))


def notes(folder: Path) -> dict[str, int]:
    """In which process each request was run; a request that ran twice is an error."""
    found: dict[str, int] = {}
    for line in (folder / "notes").read_text().splitlines():
        id_, pid = line.split()
        if found.setdefault(id_, int(pid)) != int(pid):
            raise AssertionError(f"request {id_} ran in process {found[id_]} and in {pid}")
    return found
