"""Tells of each answered call of a model what it cost: from ``usage`` where the answer has it, else counted.

Counting takes its time, so it is done on one thread, after the answer has gone on to whoever waits for it. Whom to tell
says the context variable ``MODEL_CALLS``; where nobody wants to know, nothing is done.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from pfserve.llm.counting import Count, count_messages, count_text
from pfserve.llm.encodings import encoding_name, loaded
from pfserve.values.ambient import MODEL_CALLS
from pfserve.values.model_call import ModelCall, Record

_log = logging.getLogger("pfserve")

_MOST_WAITING = 256  # texts that wait to be counted; more than that are dropped, and said so

Body = Mapping[str, object]


class Tally:
    """What one call has brought so far. Reads along with a stream, or is closed with the whole answer."""

    __slots__ = ("_answer", "_meter", "_texts", "api", "body", "started_s", "streamed", "usage")

    def __init__(self, meter: Meter, api: str, body: Body) -> None:
        self._meter = meter
        self._answer: str = ""
        self._texts: list[str] = []
        self.api = api
        self.body = body
        self.started_s = meter.clock()
        self.streamed = False
        self.usage: Mapping[str, object] | None = None

    @property
    def model(self) -> str:
        """The model as the answer names it, else as the request does."""
        return self._answer or str(self.body.get("model"))

    @property
    def text(self) -> str:
        """What the stream has brought."""
        return "".join(self._texts)

    def reading(self, read: Callable[[object], object | None]) -> Callable[[object], object | None]:
        """``read`` of an event of a stream, noted. What a stream's events add is text."""
        self.streamed = True
        texts = self._texts

        def noted(event: object) -> object | None:
            text = read(event)
            if text and isinstance(text, str):
                texts.append(text)
            if isinstance(event, dict) and (not self._answer or event.get("usage")):
                self._look(event)
            return text

        return noted

    def close(self, answer: object = None) -> None:
        """The call is over: with a whole ``answer``, or with what a stream has brought."""
        if isinstance(answer, dict):
            self._look(answer)
            if self.usage is None:
                self._texts += _texts_of(answer)
        self._meter.take(self)

    def _look(self, told: Mapping[str, object]) -> None:
        if not self._answer and isinstance(model := told.get("model"), str):
            self._answer = model
        if isinstance(usage := told.get("usage"), dict):
            self.usage = usage


class Meter:
    """Makes a :class:`Tally` of each call and tells what came of it. Used on one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._pool: ThreadPoolExecutor | None = None
        self._places = threading.BoundedSemaphore(_MOST_WAITING)  # of the texts that wait to be counted
        self._warned: set[str] = set()

    def tally(self, api: str, body: Body) -> Tally:
        """The tally of a call that is about to be made."""
        return Tally(self, api, body)

    def take(self, tally: Tally) -> None:
        """Tell of a call that is over. One without ``usage`` is told later, when its texts are counted."""
        record = MODEL_CALLS.get()
        if record is None:
            return
        told = _told(tally.usage)
        duration_s = self.clock() - tally.started_s
        if told is not None:
            record(_call(tally, *told, estimated=False, duration_s=duration_s))
        elif self._places.acquire(blocking=False):
            counting = asyncio.get_running_loop().run_in_executor(self._thread(), self._count, tally, duration_s)
            counting.add_done_callback(functools.partial(self._counted, record))
        else:
            self._warn("", "too many texts wait for their tokens to be counted; some model calls are not counted")

    def close(self) -> None:
        """Drop what is not counted yet."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def _thread(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="pfserve-count")
        return self._pool

    def _count(self, tally: Tally, duration_s: float) -> ModelCall:
        """Runs on the thread."""
        name = encoding_name(tally.model, tally.api)
        if loaded(name) is None:
            self._warn(
                name,
                f"the tokeniser {name} of model {tally.model!r} is not in tiktoken's cache: its token counts are "
                "estimates; 'pfserve fetch-encodings' fills the cache when the image is built",
            )
        sent, came = _prompt(tally), count_text(tally.text, tally.model, tally.api)
        estimated = sent.estimated or came.estimated
        return _call(tally, sent.tokens, came.tokens, estimated=estimated, duration_s=duration_s)

    def _counted(self, record: Record, counting: asyncio.Future[ModelCall]) -> None:
        self._places.release()
        if counting.cancelled():
            return
        if problem := counting.exception():
            kind = type(problem).__name__  # not its text, which may quote the body
            self._warn(kind, f"the tokens of a model call could not be counted: {kind}")
        else:
            record(counting.result())

    def _warn(self, key: str, text: str) -> None:
        """Once per key and process."""
        if key not in self._warned:
            self._warned.add(key)
            _log.warning("%s", text)


def _texts_of(answer: Mapping[str, object]) -> list[str]:
    """The texts of all choices."""
    texts: list[str] = []
    choices = answer.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        message = choice.get("message") if isinstance(choice, dict) else None
        text = message.get("content") if isinstance(message, dict) else None
        texts += [one for one in (text, isinstance(choice, dict) and choice.get("text")) if isinstance(one, str)]
    return texts


def _call(tally: Tally, prompt: int, completion: int, *, estimated: bool, duration_s: float) -> ModelCall:
    return ModelCall(tally.api, tally.model, prompt, completion, estimated, tally.streamed, duration_s)


def _prompt(tally: Tally) -> Count:
    messages, prompt = tally.body.get("messages"), tally.body.get("prompt", tally.body.get("input"))
    if isinstance(messages, list):
        return count_messages(messages, tally.model)
    total = Count(0, estimated=False)
    for text in prompt if isinstance(prompt, list) else [prompt]:
        total += count_text(str(text), tally.model, tally.api)
    return total


def _told(usage: Mapping[str, object] | None) -> tuple[int, int] | None:
    """Prompt and completion tokens as the service counts them; embeddings have no completion."""
    if usage is None or not isinstance(prompt := usage.get("prompt_tokens"), int):
        return None
    completion = usage.get("completion_tokens", 0)
    return prompt, completion if isinstance(completion, int) else 0
