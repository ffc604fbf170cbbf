"""How each system of the comparison is started."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from .server import Launch

PROMPTFLOW_VERSION = "1.18.5"
# What promptflow's own image installs besides the flow's requirements.
PROMPTFLOW_PACKAGES = (f"promptflow=={PROMPTFLOW_VERSION}", "promptflow-tools", "keyrings.alt", "gunicorn", "uvicorn")
APP = "promptflow.core._serving.app:create_app(engine='{engine}')"

PFSERVE = "pfserve"
FLASK = "promptflow Flask"
FASTAPI = "promptflow FastAPI"
HANDWRITTEN = "hand-written"
MOSEC = "Mosec"
LITSERVE = "LitServe"
DECODER = "bare aiohttp handler"
NULL = "null server"


def pfserve(flow: Path, workers: int, max_concurrent_requests: int = 64, *more: str) -> Launch:
    """Our server, by the interpreter that runs this."""
    options = ("--workers", str(workers), "--max-concurrent-requests", str(max_concurrent_requests), *more)
    argv = (sys.executable, "-m", "pfserve", "serve", str(flow), "--host", "127.0.0.1", "--port", "{port}", *options)
    return Launch(PFSERVE, argv)


def stub(latency_ms: int, answer_tokens: int = 16, tokens_per_s: float = 0.0) -> Launch:
    """Our stand-in for a model, as an upstream. Without a rate tokens come all at once."""
    command = (sys.executable, "-m", "pfserve", "stub-llm", "--host", "127.0.0.1", "--port", "{port}")
    rate = ("--tokens-per-s", str(tokens_per_s)) if tokens_per_s else ()
    told = ("--latency-ms", str(latency_ms), "--answer-tokens", str(answer_tokens), *rate)
    return Launch("stub-llm", (*command, *told))


def decoder() -> Launch:
    """The bare aiohttp handler that decodes a picture."""
    program = Path(__file__).parent / "peers" / "decoder.py"
    return Launch(DECODER, (sys.executable, str(program), "{port}"))


def null() -> Launch:
    """A server that does nothing."""
    program = Path(__file__).parent / "peers" / "null.py"
    return Launch(NULL, (sys.executable, str(program), "{port}"))


def handwritten(kind: str, flow: Path, workers: int) -> Launch:
    """The hand-written server: ``kind`` is async or sync."""
    (template,) = flow.glob("*.jinja2")
    return _handwritten(kind, str(template), workers)


def handwritten_computing(file: Path, function: str, output: str, workers: int) -> Launch:
    """The hand-written server around the function of a blocking node."""
    return _handwritten("compute", f"{file}:{function}:{output}", workers)


def _handwritten(kind: str, source: str, workers: int) -> Launch:
    program = Path(__file__).parent / "peers" / "handwritten.py"
    return Launch(HANDWRITTEN, (sys.executable, str(program), kind, source, "{port}", str(workers)))


def mosec(python: Path, flow: Path, workers: int) -> Launch:
    """Mosec with the work of the hand-written server. Its ``GET /`` answers before a worker is there."""
    program = Path(__file__).parent / "peers" / "mosec_echo.py"
    (template,) = flow.glob("*.jinja2")
    told = ("--address", "127.0.0.1", "--port", "{port}", "--log-level", "warning")
    return Launch(MOSEC, (str(python), str(program), str(template), str(workers), *told), probe=b'{"text": ""}')


def litserve(python: Path, flow: Path, workers: int) -> Launch:
    """LitServe with the work of the hand-written server."""
    program = Path(__file__).parent / "peers" / "litserve_echo.py"
    (template,) = flow.glob("*.jinja2")
    return Launch(LITSERVE, (str(python), str(program), str(template), "{port}", str(workers)))


def promptflow(python: Path, engine: str, flow: Path, workers: int, threads: int = 1) -> Launch:
    """The server of promptflow itself, with the command line of the image that it exports.

    ``flow`` should be a copy, with nothing else beside it: promptflow leaves files in the folder, and gunicorn and
    promptflow in the home directory, which is its parent here.
    """
    worker_class = () if engine == "flask" else ("--worker-class", "uvicorn.workers.UvicornWorker")
    per_worker = ("--threads", str(threads)) if engine == "flask" else ()
    argv = (str(python), "-m", "gunicorn", *worker_class, "-w", str(workers), *per_worker, "-b", "127.0.0.1:{port}")
    environment = {"PROMPTFLOW_PROJECT_PATH": str(flow), "HOME": str(flow.parent)}
    app = APP.replace("{engine}", engine)
    system = FLASK if engine == "flask" else FASTAPI
    return Launch(system, (*argv, "--timeout", "300", app), environment, folder=str(flow))


def promptflow_python(folder: Path) -> Path:
    """The interpreter of the virtual environment at ``folder``; made and filled from PyPI if it is not there."""
    python = folder / "bin" / "python"
    if not (folder / "bin" / "gunicorn").exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PROMPTFLOW_PACKAGES], check=True)
    return python
