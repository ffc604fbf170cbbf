"""``promptflow.core.Prompty`` and ``AsyncPrompty``: prompties that user code loads and calls (contract 4.2, 8.2)."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import jinja2

from pfserve.compat.given import connections
from pfserve.compat.model_configuration import PromptyModelConfiguration, as_fields
from pfserve.compat.tools.asking import ask, ask_async
from pfserve.compat.tools.rendering import sandboxed
from pfserve.compat.tools.tokens import message_tokens, text_tokens
from pfserve.compiler.prompty_model import check_configuration, connection_of, model_name
from pfserve.compiler.prompty_references import ReferenceProblem, References
from pfserve.compiler.prompty_sample import load_sample, type_of_value
from pfserve.compiler.template import Render, compile_template, template_environment
from pfserve.connections import ConnectionProblem
from pfserve.errors import CompileError
from pfserve.flow.document import plain
from pfserve.flow.prompty import read_prompty
from pfserve.plan import PromptyCall
from pfserve.values import Pending, prompty_images_reader
from pfserve.values.chat import separate_images
from pfserve.values.core_errors import CoreError, JinjaTemplateError, MissingRequiredInputError
from pfserve.values.promptflow_errors import UserErrorException

if TYPE_CHECKING:
    from pfserve.llm import Models

_KEPT = 64  # prompties whose file is kept read, and templates that are kept compiled: a flow has a few

Values = dict[str, object]


class Prompty:
    """A prompty as a function of its inputs. Whatever the file says, ``model`` and further keywords override it.

    Calls wait for the model's answer; :class:`AsyncPrompty` awaits it. The connection is looked up by the first call.
    """

    def __init__(
        self, path: str | os.PathLike[str], model: Mapping[str, object] | None = None, **kwargs: object
    ) -> None:
        self._path = Path(path).resolve()
        references = References(self._path.parent)
        configs, self._template = _parts(self._path)
        try:
            data = _merged(_dict(references.within(configs)), _dict(references.within(kwargs)))
            data["model"] = _merged(_dict(data.get("model") or {}), _dict(references.within(dict(model or {}))))
        except ReferenceProblem as problem:
            raise UserErrorException(str(problem)) from None
        self._data = data
        self._model = PromptyModelConfiguration(**cast("dict[str, Any]", data["model"]))
        self._inputs: dict[str, dict[str, object]] = data.get("inputs") or {}  # type: ignore[assignment]
        self._outputs: dict[str, object] = data.get("outputs") or {}  # type: ignore[assignment]
        self._name = data.get("name", self._path.stem)
        self._call: PromptyCall | None = None
        self._configuration = as_fields(self._model.configuration)
        check_configuration(self._configuration)

    @classmethod
    def load(cls, source: str | os.PathLike[str], **kwargs: Any) -> Self:
        """The prompty of a file.

        Raises:
            UserErrorException: there is no such file, or it is no prompty.
        """
        path = Path(source)
        if not path.exists():
            raise UserErrorException(f"Source {path.absolute().as_posix()} does not exist")
        if path.suffix != ".prompty":
            raise UserErrorException("Source must be a file with .prompty extension.")
        return cls(path, **kwargs)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def code(self) -> Path:
        """The folder of the file."""
        return self._path.parent

    def __call__(self, *args: object, **kwargs: object) -> Any:
        """What the model answers: a text, parsed JSON, a message that calls tools, or a generator of texts.

        Raises:
            UserErrorException: of promptflow-core's class for what went wrong.
        """
        values = self._values(args, kwargs, "called")
        call = self._described(values)
        return ask(lambda models: _answer(models, call, values))

    def render(self, *args: object, **kwargs: object) -> str:
        """The messages, or the prompt of a completion, as text. Raises as a call."""
        return str(self._prompt(self._values(args, kwargs, "rendered")))

    def estimate_token_count(self, *args: object, **kwargs: object) -> int:
        """How many tokens the prompt has, and an answer of the greatest length that is allowed.

        Raises:
            UserErrorException: the tokeniser is not at hand, or ``max_tokens`` is no number of tokens.
        """
        prompt = self._prompt(self._values(args, kwargs, "rendered"))
        longest = self._model.parameters.get("max_tokens")
        if longest is not None and not isinstance(longest, int):
            raise UserErrorException("Max_token needs to be integer.")
        if longest is not None and longest <= 1:
            raise UserErrorException(f"{longest} is less than the minimum of max_tokens.")
        model = str(model_name(self._configuration))
        counted = text_tokens(prompt, model) if isinstance(prompt, str) else message_tokens(prompt, model)
        return counted + (longest or 0)

    # -- inputs

    def _values(self, args: tuple[object, ...], given: Values, what: str) -> Values:
        """The values of all inputs; those of the sample where nothing at all is given."""
        if args:
            raise UserErrorException(f"Prompty can only be {what} with keyword arguments.")
        sample = {} if given and self._inputs else load_sample(self._data.get("sample"), self.code)
        known = self._inputs or {name: {"type": type_of_value(value)} for name, value in sample.items()}
        values, missing = Values(), []
        for name, declared in known.items():
            if name in given:
                values[name] = prompty_images_reader(name, self.code)(given[name])
            elif not given and name in sample:
                values[name] = prompty_images_reader(name, self.code, anywhere=True)(sample[name])
            elif "default" in declared:
                values[name] = prompty_images_reader(name, self.code, anywhere=True)(declared["default"])
            else:
                missing.append(name)
        if missing:
            raise MissingRequiredInputError(f"Missing required inputs: {missing}")
        return values

    # -- the model

    def _described(self, values: Values) -> PromptyCall:
        """The call; made once, for the names of the inputs are always the same."""
        if self._call is None:
            try:
                connection = connection_of(self._configuration, connections(), f"model of {self._path.name}")
            except ConnectionProblem as problem:
                raise CoreError(str(problem)) from None
            self._call = PromptyCall(
                api="completion" if self._model.api == "completion" else "chat",
                model=model_name(self._configuration),
                connection=connection,
                problem=None,
                template=_compiled(self._template, frozenset(values), sandboxed()),
                parameters=self._model.parameters,
                whole=self._model.response == "all",
                outputs=tuple(self._outputs),
            )
        return self._call

    def _prompt(self, values: Values) -> str | list[dict[str, object]]:
        """What would be sent. Images by URL are fetched."""
        if any(isinstance(value, Pending) for value in values.values()):
            values = ask(lambda models: _complete(values))
        from pfserve.llm.prompty import as_core_tells, chat_messages

        template = _compiled(self._template, frozenset(values), sandboxed())
        with as_core_tells():
            return template(**values) if self._model.api == "completion" else chat_messages(template, values)


class AsyncPrompty(Prompty):
    """A prompty whose calls are awaited. What streams comes as an async generator."""

    async def __call__(self, *args: object, **kwargs: object) -> Any:
        """As a :class:`Prompty`'s."""
        values = self._values(args, kwargs, "called")
        if self._call is None and not connections().has(self._configuration.get("connection")):
            await asyncio.to_thread(self._described, values)  # a provider may have to be asked
        call = self._described(values)
        return await ask_async(lambda models: _answer(models, call, values))


async def _answer(models: Models, call: PromptyCall, values: Values) -> object:
    return await models.prompty(call).ask(await _complete(values))


async def _complete(values: Values) -> Values:
    """The values with the images that have to be fetched."""
    pending = [value for value in values.values() if isinstance(value, Pending)]
    if not pending:
        return values
    from pfserve.execution import ImageFetcher, fetch_images
    from pfserve.llm.prompty import as_core_tells

    with as_core_tells():
        await fetch_images(pending, ImageFetcher())
    return {name: value.value if isinstance(value, Pending) else value for name, value in values.items()}


# -- files


def _parts(path: Path) -> tuple[Values, str]:
    """The front matter and the template. Flows load their prompties for each request: a file is read once."""
    try:
        stat = path.stat()
        return _read(path, stat.st_mtime_ns, stat.st_size)
    except OSError as problem:
        raise UserErrorException(f"{path} cannot be read: {problem.strerror}") from None
    except CompileError as problem:
        told = [f"line {one.line}: {one.message}" if one.line else one.message for one in problem.diagnostics]
        raise UserErrorException("; ".join(told)) from None


@functools.lru_cache(maxsize=_KEPT)
def _read(path: Path, changed_ns: int, size: int) -> tuple[Values, str]:
    text = read_prompty(path.read_bytes(), str(path))
    return _dict(plain(text.document)), text.template


@functools.lru_cache(maxsize=_KEPT)
def _compiled(template: str, names: frozenset[str], sandbox: bool) -> Render:
    try:
        return compile_template(template_environment(sandbox), separate_images(template), names)
    except jinja2.TemplateSyntaxError as problem:
        told = f"Failed to render jinja template: {type(problem).__name__}: {problem.message} (line {problem.lineno})"
        raise JinjaTemplateError(f"{told}. Please modify your prompt to fix the issue.") from None


def _merged(origin: Values, over: Values) -> Values:
    """``origin`` with what ``over`` says otherwise, dict by dict."""
    merged = dict(origin)
    for name, value in over.items():
        beneath = origin.get(name)
        both = isinstance(value, dict) and isinstance(beneath, dict)
        merged[name] = _merged(_dict(beneath), _dict(value)) if both else value
    return merged


def _dict(value: object) -> Values:
    return cast("Values", value)
