"""The server under test, and what can be seen of it from outside: /proc, its log, admin port and control socket."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import trustme

from process.faults.connection import Address, Broken, Connection
from process.faults.kernel import children, state

MARK = "PFSERVE_FAULT_CAMPAIGN"
_ROOT = Path(__file__).parents[3]
_PATH = os.pathsep.join(map(str, (_ROOT, _ROOT / "tests")))  # the flow under test uses our steps
_PROGRAM = [sys.executable, "-c", "from pfserve.cli import main; main()"]


class Server:
    """A running server with two workers. ``mark`` is in the environment of every process below it.

    It serves a port, with TLS where there are ``certificates``, and a Unix socket.
    """

    def __init__(self, flow: Path, folder: Path, capacity: int, certificates: Certificates | None = None) -> None:
        self.mark = f"{os.getpid()}-{time.monotonic_ns()}"
        self.pidfile = folder / "pid"
        self._log = folder / "log"
        self._environment = {**os.environ, "PYTHONPATH": _PATH, MARK: self.mark, "XDG_RUNTIME_DIR": str(folder)}
        self._certificates = certificates
        self._socket = str(folder / "socket")
        self.admin = Address(_free_port())
        flags = certificates.flags() if certificates else ()
        command = [
            *_PROGRAM, "serve", str(flow), "--port=0", f"--uds={self._socket}", f"--admin-port={self.admin.place}",
            "--workers=2", "--threads=1",
            f"--max-concurrent-requests={capacity}", "--stuck-after-s=3", f"--pidfile={self.pidfile}", *flags,
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment, cwd=folder)
        self.master = self.process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    async def ready(self) -> list[Address]:
        """Wait until it serves; give its port and its Unix socket."""
        while not (found := re.search(r"serving on https?://127\.0\.0\.1:(\d+)", self.log)):
            assert self.process.poll() is None, self.log
            await asyncio.sleep(0.05)
        trust = self._certificates.trust() if self._certificates else None
        return [Address(int(found[1]), trust), Address(self._socket)]

    def leader(self) -> int:
        """The leader that serves: the one with workers, the youngest of several; 0 for none."""
        leaders = [pid for pid in children(self.master) if children(pid)]
        return leaders[-1] if leaders else 0

    async def status(self) -> dict[str, Any]:
        """The admin port's document. Asked again while the monitor is being replaced."""
        deadline_s = time.monotonic() + 20
        while True:
            connection = Connection(self.admin)
            try:
                async with asyncio.timeout(5):
                    await connection.open()
                    document: dict[str, Any] = json.loads((await connection.ask("GET", "/status")).body)
                    return document
            except (OSError, Broken, TimeoutError):
                if time.monotonic() > deadline_s:
                    raise
                await asyncio.sleep(0.02)
            finally:
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
        return [pid for parent in family for pid in children(parent) if state(pid) == "Z"]

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
        return f"{MARK}={self.mark}".encode() in variables and state(pid) != "Z"


class Certificates:
    """A certificate for this machine, of an authority of our own."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._file = folder / "certificate.pem"
        issued = self._authority.issue_cert("127.0.0.1")
        self._file.write_bytes(issued.private_key_pem.bytes() + issued.cert_chain_pems[0].bytes())

    def flags(self) -> tuple[str, ...]:
        """Those with which a server uses it."""
        return (f"--tls-cert={self._file}",)

    def trust(self) -> ssl.SSLContext:
        """With which clients believe it."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
