"""How ``import promptflow`` finds pfserve's modules: a finder that goes before the ones of the file system.

The names of the table are ours even where a promptflow is installed. Half of each would be two runtimes in one
process: two ``tool`` marks, two hierarchies of exceptions, and a second of import time for a runtime that is not used.
What the table lacks may come from an installed promptflow (``promptflow.tools`` is a distribution of its own), because
our packages search its folders too. What nobody has fails with an ``ImportError`` that says what there is.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from pfserve import __version__

_ROOT = "promptflow"

Table = Mapping[str, Mapping[str, object]]


class NamesFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and fills the modules of the table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module of the table; None for every other module.

        Raises:
            ModuleNotFoundError: a module of promptflow's that neither the table nor an installed promptflow has.
        """
        if fullname in self._table:
            return self._spec(fullname)
        if not fullname.startswith(_ROOT + ".") or importlib.machinery.PathFinder.find_spec(fullname, path):
            return None
        raise ModuleNotFoundError(
            f"{fullname} is not part of pfserve {__version__}, which has these modules of promptflow: "
            f"{', '.join(sorted(self._table))}{_remedy(fullname)}",
            name=fullname,
        )

    def _spec(self, fullname: str) -> importlib.machinery.ModuleSpec:
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=f"pfserve {__version__}", is_package=True)
        spec.submodule_search_locations = _installed_folders(fullname)
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Fill a module with its names."""
        names = self._table[module.__name__]
        module.__dict__.update(names)
        module.__dict__["__all__"] = [name for name in names if not name.startswith("__")]
        module.__dict__["__getattr__"] = self._missing(module.__name__)

    def _missing(self, module: str) -> Callable[[str], object]:
        """The module's answer to names that it does not have."""

        def missing(name: str) -> object:
            if name.startswith("__"):  # Python's own questions (__file__, __wrapped__): a plain no
                raise AttributeError(f"module {module!r} has no attribute {name!r}")
            try:
                return importlib.import_module(f"{module}.{name}")
            except ModuleNotFoundError as problem:
                if problem.name != f"{module}.{name}":
                    raise  # there is such a module, and it lacks something itself
            given = ", ".join(sorted(self._table[module])) or "none"
            raise ImportError(
                f"{module}.{name} is not part of pfserve {__version__}, which has these names of {module}: {given}",
                name=module,
            )

        return missing


def _remedy(module: str) -> str:
    """What else may have the module."""
    return ". Others: pip install promptflow-tools" if module.startswith(f"{_ROOT}.tools.") else ""


def _installed_folders(package: str) -> list[str]:
    """Where a promptflow that is really installed keeps the package."""
    folders = (Path(entry or ".", *package.split(".")) for entry in sys.path)
    return [str(folder) for folder in folders if folder.is_dir()]


def install(table: Table) -> None:
    """Put the finder before all others, once."""
    if not any(isinstance(finder, NamesFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, NamesFinder(table))
