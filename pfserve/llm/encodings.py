"""The tokenisers of models: which one is a model's, and those that this process has in memory.

Serving never fetches one: the leader loads what lies in tiktoken's cache, and its workers share the pages. Who loads
them while no other thread runs is :func:`preload`; everybody else only looks. tiktoken is imported when it is needed.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tiktoken

CHAT_ENCODING = "cl100k_base"
COMPLETION_ENCODING = "p50k_base"


def encoding_name(model: str, api: str = "chat") -> str:
    """The tokeniser of a model; for one that nobody knows, such as a deployment's own name, promptflow's choice."""
    import tiktoken

    try:
        return tiktoken.encoding_name_for_model(model)
    except KeyError:
        return COMPLETION_ENCODING if api == "completion" else CHAT_ENCODING


def loaded(name: str) -> tiktoken.Encoding | None:
    """The tokeniser, if this process has it in memory. Never loads or fetches."""
    registry = sys.modules.get("tiktoken.registry")
    return registry.ENCODINGS.get(name) if registry is not None else None


def preload(names: Iterable[str]) -> tuple[str, ...]:
    """Load these tokenisers from tiktoken's cache; give those that are not there, and why in brackets if it is odd.

    Nothing is fetched. Not to be called while another thread uses tiktoken.
    """
    import tiktoken

    missing = []
    with _nothing_fetched():
        for name in dict.fromkeys(names):
            try:
                tiktoken.get_encoding(name)
            except _NotCached:
                missing.append(name)
            except Exception as problem:  # a plugin or a file of the cache that is broken must not stop the server
                missing.append(f"{name} ({type(problem).__name__}: {problem})")
    return tuple(missing)


def fetch(name: str) -> None:
    """Load a tokeniser, over the internet if it is not in the cache, and leave it there.

    Raises:
        ValueError: tiktoken knows none of that name, or what it got is not what it expects.
        OSError: it cannot be had.
    """
    import tiktoken

    tiktoken.get_encoding(name)


class _NotCached(Exception):
    """tiktoken would have to fetch a file."""


@contextlib.contextmanager
def _nothing_fetched() -> Iterator[None]:
    from tiktoken import load

    read = load.read_file

    def read_local(path: str) -> bytes:
        if "://" in path:
            raise _NotCached(path)
        return read(path)

    load.read_file = read_local  # type: ignore[assignment]
    try:
        yield
    finally:
        load.read_file = read
