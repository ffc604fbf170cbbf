"""Names of promptflow's private modules that flow code was seen to import."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, ParamSpec, TypeVar

import yaml

from pfserve.values.promptflow_errors import UserErrorException

P = ParamSpec("P")
R = TypeVar("R")

_EXECUTION = "execution"  # the parent of all: what it gets goes where the flow's prints go

logger = logging.getLogger(_EXECUTION)
flow_logger = logging.getLogger(f"{_EXECUTION}.flow")


def get_logger(name: str) -> logging.Logger:
    """A logger whose records appear in the server's log."""
    return logging.getLogger(f"{_EXECUTION}.{name}")


def load_yaml(source: str | os.PathLike[str] | IO[str] | None) -> object:
    """The content of a YAML file, by path or open; without one an empty dict.

    Raises:
        UserErrorException: there is no such file, or no YAML in it.
    """
    if source is None:
        return {}
    try:
        return load_yaml_string(Path(source).read_text("utf-8") if isinstance(source, str | os.PathLike) else source)
    except OSError as problem:
        raise UserErrorException(f"No such file or directory: {source}") from problem
    except yaml.YAMLError as problem:
        raise UserErrorException(f"{source} is not valid YAML: {problem}") from problem


def load_yaml_string(yaml_string: str | IO[str]) -> object:
    """What a YAML text says."""
    return yaml.safe_load(yaml_string) or {}


def dump_yaml(data: object, stream: IO[str] | None = None) -> str | None:
    """A value as YAML: to the stream, or as the result without one."""
    text: str | None = yaml.safe_dump(data, stream, sort_keys=False, allow_unicode=True)
    return text


def async_run_allowing_running_loop(async_func: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
    """Wait for an async function, also where a loop runs already: then on another thread, while that loop stands."""

    async def run() -> R:
        return await async_func(*args, **kwargs)

    if asyncio._get_running_loop() is None:
        return asyncio.run(run())
    with ThreadPoolExecutor(1) as pool:
        context = contextvars.copy_context()
        return pool.submit(lambda: context.run(lambda: asyncio.run(run()))).result()


def register_class(provider_cls: type[R]) -> type[R]:
    """Give back the class: tools are found where they are."""
    return provider_cls
