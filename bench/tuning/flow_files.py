"""Whether a flow is still the one whose trials are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

GONE = "gone"


def digests(flow: Path, serve_args: Sequence[str], out: Path) -> dict[str, str]:
    """The SHA-256 of every file that the server may read for it, by path.

    Those of its folder, of what it includes from elsewhere, and of what an argument of the server names. Not what
    lies in ``out``, hidden folders and bytecode.
    """
    found = [*_of_flow(flow), *(path for arg in serve_args if (path := Path(arg.rpartition("=")[2])).is_file())]
    return {str(path): _digest(path) for path in found if out.absolute() not in path.absolute().parents}


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The files that are not as they were. A new one counts once an old one refers to it."""
    return [path for path, digest in before.items() if now.get(path) != digest]


def lasting(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Without what changes by serving: some flows write beside themselves."""
    return {path: digest for path, digest in before.items() if after.get(path) == digest}


def _of_flow(flow: Path) -> Iterator[Path]:
    if flow.is_file() and flow.suffix not in {".yaml", ".yml"}:
        yield flow
        return
    folder = flow if flow.is_dir() else flow.parent
    yield from _under(folder)
    for name in _includes(folder):
        included = folder / name
        yield from _under(included) if included.is_dir() else [included]


def _under(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in parts):
            yield path


def _includes(folder: Path) -> list[str]:
    """What is wrong with the file the server tells better."""
    for name in ("flow.dag.yaml", "flow.flex.yaml"):
        try:
            told = YAML(typ="safe").load(folder / name)
        except (OSError, YAMLError):
            continue
        listed = told.get("additional_includes") if isinstance(told, dict) else None
        return [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    return []


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return GONE
