"""The server under test, and what can be seen of it from outside: /proc, its log, admin port and control socket."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from process.faults.client import Broken, Connection

MARK = "PFSERVE_FAULT_CAMPAIGN"
_ROOT = Path(__file__).parents[3]
_PROGRAM = [sys.executable, "-c", "from pfserve.cli import main; main()"]


class Server:
    """A running server with two workers. ``mark`` is in the environment of every process below it."""

    def __init__(self, flow: Path, folder: Path, capacity: int, flags: tuple[str, ...] = ()) -> None:
        self.mark = f"{os.getpid()}-{time.monotonic_ns()}"
        self.pidfile = folder / "pid"
        self._log = folder / "log"
        self._environment = {**os.environ, "PYTHONPATH": str(_ROOT), MARK: self.mark, "XDG_RUNTIME_DIR": str(folder)}
        self.admin_port = _free_port()
        command = [
            *_PROGRAM, "serve", str(flow), "--port=0", f"--admin-port={self.admin_port}", "--workers=2", "--threads=1",
            f"--max-concurrent-requests={capacity}", "--stuck-after-s=3", f"--pidfile={self.pidfile}", *flags,
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment, cwd=folder)
        self.master = self.process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    async def ready(self) -> int:
        """Wait until it serves; give the port."""
        while not (found := re.search(r"serving on http://127\.0\.0\.1:(\d+)", self.log)):
            assert self.process.poll() is None, self.log
            await asyncio.sleep(0.05)
        return int(found[1])

    def leader(self) -> int:
        """The leader that serves: the one with workers, the youngest of several; 0 for none."""
        leaders = [pid for pid in children(self.master) if children(pid)]
        return leaders[-1] if leaders else 0

    async def status(self) -> dict[str, Any]:
        """The admin port's document. Asked again while the monitor is being replaced."""
        deadline_s = time.monotonic() + 20
        while True:
            connection = None
            try:
                async with asyncio.timeout(5):
                    connection = await Connection.open(self.admin_port)
                    document: dict[str, Any] = json.loads((await connection.ask("GET", "/status"))[1])
                    return document
            except (OSError, Broken, TimeoutError):
                if time.monotonic() > deadline_s:
                    raise
                await asyncio.sleep(0.02)
            finally:
                if connection is not None:
                    connection.close()

    async def reload(self) -> int:
        """``pfserve reload``; gives its exit code."""
        command = [*_PROGRAM, "reload", f"--pidfile={self.pidfile}"]
        asked = await asyncio.create_subprocess_exec(
            *command, env={**self._environment, MARK: ""}, stderr=-3, stdout=-3
        )
        return await asked.wait()

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, 40)

    def left(self) -> list[int]:
        """The processes that still bear the mark."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._bears_mark(pid)]

    def zombies(self) -> list[int]:
        """Dead children that nobody has reaped, below the master."""
        family = [self.master, *children(self.master)]
        return [pid for parent in family for pid in children(parent) if _state(pid) == "Z"]

    def clear_up(self) -> None:
        """Kill whatever is left."""
        for pid in self.left():
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def _bears_mark(self, pid: int) -> bool:
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False
        return f"{MARK}={self.mark}".encode() in variables and _state(pid) != "Z"


def connected_ports(pid: int) -> frozenset[int]:
    """The client ends of the connections that a process has: the ports of their peers on this machine."""
    links = Path(f"/proc/{pid}/fd")
    try:
        held = {os.readlink(link) for link in links.iterdir()}
    except OSError:  # it has gone
        return frozenset()
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return frozenset(int(row[2].partition(":")[2], 16) for row in rows if f"socket:[{row[9]}]" in held)


def children(pid: int) -> list[int]:
    """The children of a process, in the order of their birth."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
