"""``Flow``, ``AsyncFlow`` and ``load_flow``: of other flows, user code may load prompties."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from pfserve.compat.absent import NotServed
from pfserve.compat.prompty import AsyncPrompty, Prompty
from pfserve.errors import CompileError
from pfserve.flow import locate_flow
from pfserve.values.promptflow_errors import UserErrorException

_INSTEAD = "Call the functions of the other flow directly, or its endpoint by HTTP."


class Flow:
    """``promptflow.core.Flow``: loads a prompty; a flow of another kind is not to be called from within one."""

    _prompty: ClassVar[type[Prompty]] = Prompty

    def __init__(self, *args: object, **kwargs: object) -> None:
        _refuse(type(self).__name__)

    @classmethod
    def load(cls, source: str | os.PathLike[str], **kwargs: Any) -> Prompty:
        """The prompty that ``source``, a file or a folder, means.

        Raises:
            UserErrorException: there is no flow, or one of another kind.
        """
        try:
            file = locate_flow(Path(source))
        except CompileError as problem:
            raise UserErrorException(str(problem)) from None
        return cls._prompty.load(file, **kwargs) if file.suffix == ".prompty" else _refuse(f"{cls.__name__}.load")


class AsyncFlow(Flow):
    """The same for prompties whose calls are awaited."""

    _prompty = AsyncPrompty


def load_flow(source: str | os.PathLike[str], **kwargs: Any) -> Prompty:
    """``promptflow.client.load_flow``: as :meth:`Flow.load`."""
    return Flow.load(source, **kwargs)


def _refuse(what: str) -> NoReturn:
    raise NotServed(f"{what} takes prompties only here. {_INSTEAD}")
