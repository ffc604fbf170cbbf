"""The flow under test: one async and one sync node; each notes in which process a request runs before it does."""

from __future__ import annotations

from pathlib import Path

FLOW = """\
inputs:
  id: {type: string}
  how: {type: string}
  events: {type: int, default: 0}
  wait: {type: double, default: 0.002}
outputs:
  async: {type: string, reference: "${run_async.output}"}
  sync: {type: string, reference: "${run_sync.output}"}
nodes:
- name: run_async
  type: python
  source: {type: code, path: run_async.py}
  inputs: {id: "${inputs.id}", events: "${inputs.events}", wait: "${inputs.wait}"}
  activate: {when: "${inputs.how}", is: async}
- name: run_sync
  type: python
  source: {type: code, path: run_sync.py}
  inputs: {id: "${inputs.id}", events: "${inputs.events}", wait: "${inputs.wait}"}
  activate: {when: "${inputs.how}", is: sync}
"""

NODE = """\
import asyncio, os, time
from pathlib import Path
from promptflow.core import tool
from process.faults import steps

WATCH = steps.watch(Path(__file__).parent)

@tool
ASYNC def run(id: str, events: int, wait: float):
    WATCH.note("ran", id)
    AWAIT SLEEP(wait)
    answer = f"{id} {os.getpid()}"
    return stream(answer, events, wait) if events else answer

ASYNC def stream(answer: str, events: int, wait: float):
    for number in range(events):
        yield f"{answer} {number}"
        AWAIT SLEEP(wait)
"""

SYNC = NODE.replace("ASYNC ", "").replace("AWAIT ", "").replace("SLEEP", "time.sleep")


def write(folder: Path) -> None:
    """Write the flow."""
    folder.mkdir()
    (folder / "flow.dag.yaml").write_text(FLOW)
    on_loop = NODE.replace("ASYNC", "async").replace("AWAIT", "await").replace("SLEEP", "asyncio.sleep")
    (folder / "run_async.py").write_text(on_loop)
    (folder / "run_sync.py").write_text(SYNC)


def break_it(folder: Path) -> None:
    """Make it one that does not compile."""
    (folder / "run_sync.py").write_text("def (\n")


def mend(folder: Path) -> None:
    """Make it good again."""
    (folder / "run_sync.py").write_text(SYNC)
