"""Counting tokens for user code: exact, by the tokenisers of tiktoken that are in its cache (contract 10.4 row 43)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from pfserve.values.promptflow_errors import UserErrorException

_USUAL = "cl100k_base"  # by which promptflow counts for every model
_loading = threading.Lock()  # tiktoken is told where it may read while a tokeniser is loaded, one at a time


def text_tokens(text: str, model: str) -> int:
    """The tokens of a text.

    Raises:
        UserErrorException: no tokeniser for it is in the cache.
    """
    from pfserve.llm.counting import count_text

    return count_text(text, _counted_as(model)).tokens


def message_tokens(messages: Iterable[Mapping[str, object]], model: str) -> int:
    """The tokens of a chat's messages, with what the service puts around them. Raises as :func:`text_tokens`."""
    from pfserve.llm.counting import count_messages

    return count_messages(messages, _counted_as(model)).tokens


def _counted_as(model: str) -> str:
    """A model by whose tokeniser is counted: the usual one, else the model's own; it is in memory then."""
    from pfserve.llm.encodings import encoding_name, loaded, preload

    with _loading:
        for name, counted_as in ((_USUAL, "gpt-4"), (encoding_name(model), model)):
            if loaded(name) is not None or not preload([name]):
                return counted_as
    raise UserErrorException(
        f"The tokens cannot be counted: tiktoken's cache holds no tokeniser {_USUAL}, and nothing is fetched while "
        "serving. 'pfserve fetch-encodings' fills the cache when the image is built (TIKTOKEN_CACHE_DIR says where)."
    )
