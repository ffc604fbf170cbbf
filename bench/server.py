"""A system under test: one process tree that answers HTTP on a port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType

import msgspec

from . import proc

STOP_WITHIN_S = 15.0


class Launch(msgspec.Struct, frozen=True):
    """How to start a system. ``{port}`` in an argument stands for the port that it is given."""

    system: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = {}  # besides our own
    folder: str | None = None  # its working directory; None: ours
    probe: bytes = b""  # what it can score once it is ready, where its /health does not tell
    authority: str = ""  # PEM file of who signed its certificate; with one it is asked over TLS


class Server:
    """A launched system. Use as a context manager: leaving it leaves no process behind."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.port = free_port()
        self.started_s = 0.0

    @property
    def address(self) -> str:
        """Where it answers, as ``http://host:port`` or ``https://host:port``."""
        return f"{'https' if self.launch.authority else 'http'}://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The root of its tree."""
        return self._process.pid

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process; it is not ready yet. Raises RuntimeError if there is no such program."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed by stop)
        self.started_s = time.monotonic()
        argv = [part.replace("{port}", str(self.port)) for part in self.launch.argv]
        try:
            self._process = subprocess.Popen(
                argv,
                cwd=self.launch.folder,
                env={**os.environ, **self.launch.environment},
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
            )
        except OSError as problem:
            self._log.close()
            raise RuntimeError(f"{self.launch.system} cannot be started: {argv[0]}: {problem.strerror}") from problem

    def wait_ready(
        self, within_s: float = 30.0, every_s: float = 0.02, is_ready: Callable[[], bool] | None = None
    ) -> float:
        """Poll until it is ready, and give the seconds since the start. Raises RuntimeError.

        ``is_ready``: by default, whether /health, or the launch's probe, is answered 200.
        """
        is_ready = is_ready or self._healthy
        while time.monotonic() < self.started_s + within_s:
            if is_ready():
                return time.monotonic() - self.started_s
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.launch.system} ended with {self._process.returncode}:\n{self.log_tail()}")
            time.sleep(every_s)
        raise RuntimeError(f"{self.launch.system} was not ready within {within_s:g} s:\n{self.log_tail()}")

    def _healthy(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            probe = self.launch.probe
            return (self.ask("POST", "/score", probe) if probe else self.ask("GET", "/health"))[0] == 200
        return False

    def takes_connections(self) -> bool:
        """Whether anybody listens: of a server without /health."""
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        return False

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """One request on a connection of its own: the status and the body of the reply."""
        connection = self._connection()
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if not self.launch.authority:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        context = ssl.create_default_context(cafile=self.launch.authority)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)

    def cpu_s(self) -> float:
        """The CPU time of the whole tree so far."""
        return proc.cpu_s(self.pid)

    def pss_bytes(self) -> int:
        """The memory of the whole tree."""
        return proc.pss_bytes(self.pid)

    def log_tail(self, size_bytes: int = 4000) -> str:
        """The end of what it printed."""
        end = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, end - size_bytes))
        return self._log.read().decode(errors="replace")

    def stop(self) -> None:
        """End it gently, then for certain: the tree, and its process group in case someone left the tree."""
        family = proc.tree(self.pid)
        self._process.terminate()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_WITHIN_S)
        finally:  # Ctrl-C too: whoever does not want to wait
            self._kill(family)

    def _kill(self, family: Iterable[proc.Stat]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        for member in family:
            if proc.alive(member):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()


def leash() -> tuple[str, ...]:
    """What ends a server with us, be we killed. It goes before its command; nothing where there is no setpriv."""
    setpriv = shutil.which("setpriv")
    if not setpriv:
        return ()
    # Who died before it was tied to us is not heard of any more: then there is nothing to start.
    return (setpriv, "--pdeathsig", "TERM", "--", "sh", "-c", 'test "$PPID" = "$0" && exec "$@"', str(os.getpid()))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
