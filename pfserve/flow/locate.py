"""Which file is the flow: the rules for folders, names and suffixes (contract section 0)."""

from __future__ import annotations

from pathlib import Path

from pfserve.errors import CompileError, Diagnostic

_FLOW_FILES = ("flow.dag.yaml", "flow.dag.yml", "flow.flex.yaml", "flow.flex.yml")
_SUFFIXES = (".yaml", ".yml", ".prompty")


def locate_flow(path: Path) -> Path:
    """The absolute path of the flow file that ``path``, a folder or a file, means.

    Raises:
        CompileError: there is no such path, or the folder holds no flow file or several.
    """
    path = path.absolute()
    if path.is_dir():
        return _in_folder(path)
    if not path.is_file():
        raise _mistake(path, "there is no such file or folder")
    if path.suffix not in _SUFFIXES:
        raise _mistake(path, f"a flow file ends in {', '.join(_SUFFIXES)}, not in {path.suffix!r}")
    return path


def flow_name(path: Path) -> str:
    """The flow's name for clients: the last part of its folder's path without the final suffix."""
    return path.resolve().parent.stem


def shown(path: Path) -> str:
    """``path`` as people like to read it: relative when it lies below the current directory."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


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
    raise _mistake(folder, problem + (" and there are more than 1 prompty file." if prompty else ""))


def _mistake(path: Path, message: str) -> CompileError:
    return CompileError([Diagnostic(shown(path), 0, message)])
