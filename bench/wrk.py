"""The load generator of the comparison: wrk, run once and read."""

from __future__ import annotations

import re
import resource
import subprocess
import tempfile
import time

import msgspec

UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
SCRIPT = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[{body}]==]
"""  # no request() function: wrk then builds the request once, and runs no Lua while it measures


class Load(msgspec.Struct, frozen=True):
    """What to send, and how hard."""

    connections: int
    seconds: int
    body: str


class Reading(msgspec.Struct, frozen=True):
    """What one run measured. Only a run with ``failures == 0`` says anything."""

    requests_per_s: float
    p50_s: float
    p99_s: float
    failures: int  # socket errors, timeouts, and every status that is not 2xx or 3xx
    generator_cores: float = 0.0  # CPU seconds of wrk per second; near 1 it is the limit itself


def parse(text: str) -> Reading:
    """Read what ``wrk --latency`` prints. Raises ValueError if a figure is missing."""
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return Reading(
        requests_per_s=float(_find(r"Requests/sec:\s+([\d.]+)", text)),
        p50_s=_duration_s(_find(r"^\s+50%\s+(\S+)", text)),
        p99_s=_duration_s(_find(r"^\s+99%\s+(\S+)", text)),
        failures=sum(map(int, errors.groups() if errors else ())) + (int(refused[1]) if refused else 0),
    )


def run(address: str, load: Load) -> Reading:
    """Load ``address`` once. Raises RuntimeError with wrk's words if it cannot."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT.replace("{body}", load.body))
        script.flush()
        argv = ["wrk", "-t1", f"-c{load.connections}", f"-d{load.seconds}s", "--latency"]
        cpu_before_s, began_s = children_cpu_s(), time.monotonic()
        done = subprocess.run(
            [*argv, "-s", script.name, address + "/score"],
            capture_output=True,
            text=True,
            timeout=load.seconds + 30,
            check=False,
        )
        cores = (children_cpu_s() - cpu_before_s) / (time.monotonic() - began_s)
    if done.returncode != 0:
        raise RuntimeError(f"wrk failed on {address}: {done.stdout}{done.stderr}")
    return msgspec.structs.replace(parse(done.stdout), generator_cores=cores)


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise ValueError(f"wrk printed nothing like {pattern!r}:\n{text}")
    return found[1]


def _duration_s(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)([a-z]+)", text, re.ASCII).groups()  # type: ignore[union-attr]
    return float(number) * UNITS_S[unit]


def children_cpu_s() -> float:
    """The CPU time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
