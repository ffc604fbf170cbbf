"""A thread that hangs does not keep the process from exiting."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PROGRAM = """
import asyncio, sys, threading
sys.path.insert(0, sys.argv[1])
from pfserve.execution import ThreadLane

async def main():
    lane = ThreadLane(2, asyncio.get_running_loop())
    lane.start()
    started = threading.Event()

    def hang():
        started.set()
        threading.Event().wait()

    task = asyncio.create_task(lane.run(hang))
    await asyncio.to_thread(started.wait)
    task.cancel()
    await asyncio.wait([task])
    assert lane.stuck == 1
    assert await lane.run(lambda: "served") == "served"
    lane.close()

asyncio.run(main())
print("ended")
"""


def test_the_process_exits_although_a_thread_hangs():
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(ROOT)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stdout.strip(), ended.stderr) == (0, "ended", "")
