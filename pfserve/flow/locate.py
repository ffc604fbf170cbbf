"""Which file is the flow: the rules for folders, names and suffixes (contract section 0)."""

from __future__ import annotations

from pathlib import Path

from pfserve.errors import CompileError, Diagnostic
from pfserve.flow.document import plain, read_document

_FLOW_FILES = ("flow.dag.yaml", "flow.dag.yml", "flow.flex.yaml", "flow.flex.yml")
_SUFFIXES = (".yaml", ".yml", ".prompty")


def locate_flow(path: Path) -> Path:
    """The absolute path of the flow file that ``path``, a folder or a file, means.

    Raises:
        CompileError: there is no such path, or the folder holds no flow file or several.
    """
    path = path.absolute()
    if path.is_dir():
        return _in_folder(_entry_of_model(path) or path)
    if not path.is_file():
        raise _mistake(path, "there is no such file or folder")
    if path.suffix.lower() not in _SUFFIXES:
        raise _mistake(path, f"a flow file ends in {', '.join(_SUFFIXES)}, not in {path.suffix!r}")
    return path


def flow_name(path: Path) -> str:
    """The flow's name for clients: the last part of its folder's path without the final suffix.

    ``path`` is what was given to :func:`locate_flow`. A model's folder gives its name as it is (contract section 0).
    """
    real = path.resolve()
    if path.is_dir():
        return real.name if _entry_of_model(path) else real.stem
    return real.parent.stem


def shown(path: Path) -> str:
    """``path`` as people like to read it: relative when it lies below the current directory."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _entry_of_model(folder: Path) -> Path | None:
    """The flow's folder, if ``folder`` is that of an MLflow model of a flow (contract 2.1)."""
    model = folder / "MLmodel"
    if not model.is_file():
        return None
    found = plain(read_document(model.read_bytes(), shown(model)))
    for name in ("flavors", "promptflow", "entry"):
        found = found.get(name) if isinstance(found, dict) else None
    return (folder / found).parent if isinstance(found, str) else None


def _in_folder(folder: Path) -> Path:
    found = [name for name in _FLOW_FILES if (folder / name).is_file()]
    if len(found) > 1:
        problem = f"Multiple files {', '.join(found)} exist in {folder}. "
        raise _mistake(folder, problem + "Please specify a file or remove the extra YAML file.")
    if found:
        return folder / found[0]
    prompty = sorted(folder.glob("*.prompty"))
    if len(prompty) == 1:
        return prompty[0]
    problem = f"Have found neither flow.dag.yaml nor flow.flex.yaml in {folder}"
    raise _mistake(folder, problem + (" and there are more than 1 prompty file." if prompty else _guess(folder)))


def _guess(folder: Path) -> str:
    """The end of a message to somebody who named the folder above the flow's, such as that of a docker export."""
    below = sorted({path.parent for name in _FLOW_FILES for path in folder.glob(f"*/{name}")})
    return f"; did you mean {shown(below[0])}?" if below else ""


def _mistake(path: Path, message: str) -> CompileError:
    return CompileError([Diagnostic(shown(path), 0, message)])
