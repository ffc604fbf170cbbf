"""Calling models: what the steps of a plan and the tools of user code share."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from pfserve.errors import RequestError, UserError
from pfserve.llm.access import NoToken
from pfserve.llm.answers import chat_piece, chat_value, completion_piece, completion_value, embedding_value
from pfserve.llm.bodies import chat_body, completion_body, may_call
from pfserve.llm.client import Answer, Client
from pfserve.llm.endpoint import Endpoint, endpoint_of
from pfserve.llm.metered import MeteredClient
from pfserve.llm.problems import unexpected
from pfserve.llm.prompty import Prompty
from pfserve.llm.tools import TOOLS, Asking
from pfserve.plan import GIVEN_PROMPT, LlmCall, PromptyCall, ToolCall
from pfserve.values.chat import PromptResult, escape_variables, join_lists, parse_messages
from pfserve.values.llm_parameters import AZURE, provider_of
from pfserve.values.promptflow_errors import PromptflowException

Ask: TypeAlias = Callable[..., Coroutine[Any, Any, object]]

SERVED_PROMPTY = "_traced_sync.<locals>.wrapped"  # what promptflow calls the function that it makes of a prompty
_NO_FUNCTIONS_IN_STREAM = "Function calling has not been supported by stream mode yet."


class Models:
    """The models that a worker talks to. Made before or on its loop, used on the loop only."""

    def __init__(self, client: Client | None = None) -> None:
        self._client = MeteredClient(client or Client())
        self._scopes: set[str] = set()  # of the access tokens that bound calls need

    def start(self) -> None:
        """Begin to fetch the access tokens that bound calls will need. On the loop."""
        for scope in self._scopes:
            self._client.warm(scope)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def prompty(self, call: PromptyCall) -> Prompty:
        """A prompty that is asked by this worker's client."""
        return Prompty(call, self._client)

    def tool(
        self,
        identity: str,
        template: Callable[..., str] | None = None,
        escaped: tuple[str, ...] = (),
        connection: object | None = None,
    ) -> Ask:
        """A built-in tool as an async function of its inputs, by keyword.

        Raises:
            KeyError: there is none of that id.
        """
        ask, of_models = TOOLS[identity]
        asking = Asking(self, template, escaped, connection)

        async def step(**arguments: object) -> object:
            if not of_models:
                return await ask(asking, **arguments)
            with _told():
                return await ask(asking, **arguments)

        return step

    async def fetch(self, method: str, url: str, headers: Mapping[str, str], data: bytes | None = None) -> Answer:
        """One request over the pooled connections; raises as :meth:`Client.fetch`."""
        return await self._client.fetch(method, url, headers, data)

    async def pause(self, delay_s: float) -> None:
        """Wait before another try."""
        await self._client.pause(delay_s)

    async def access_token(self, scope: str) -> str:
        """A valid token of Microsoft Entra ID.

        Raises:
            UserError: there is none.
        """
        try:
            return await self._client.access_token(scope)
        except NoToken as problem:
            raise UserError(f"No access token for {scope.removesuffix('/.default')}: {problem}") from problem

    def _tool_step(self, call: ToolCall) -> Ask:
        if provider_of(call.connection) and (scope := endpoint_of(call.connection).scope):
            self._scopes.add(scope)
        return self.tool(call.tool, call.template, call.escaped, call.connection)

    def bind(self, call: LlmCall | PromptyCall | ToolCall) -> Ask:
        """The call as an async function of its arguments, by keyword.

        It gives a text (or None), the message as a dict if tools or functions were given, or an async generator of
        texts if ``stream`` was; that of a prompty what :meth:`Prompty.ask` does. It raises ``errors.UserError``.
        """
        if isinstance(call, ToolCall):
            return self._tool_step(call)
        return self._prompty_step(call) if isinstance(call, PromptyCall) else self._node_step(call)

    def _prompty_step(self, call: PromptyCall) -> Ask:
        ask = self.prompty(call).ask
        if call.connection is not None and (scope := endpoint_of(call.connection).scope):
            self._scopes.add(scope)

        async def step(**values: object) -> object:
            try:
                return await ask(values)
            except PromptflowException as problem:
                told = f"({type(problem).__name__}) {problem}"
                raise UserError(f"Execution failure in '{SERVED_PROMPTY}': {told}") from problem

        return step

    def _node_step(self, call: LlmCall) -> Ask:
        endpoint = endpoint_of(call.connection)
        if endpoint.scope:
            self._scopes.add(endpoint.scope)
        ask = self._chat_step if call.api == "chat" else self._completion_step

        async def step(**arguments: object) -> object:
            parameters, variables = _split(call, arguments)
            return await ask(endpoint, call, parameters, variables)

        return step

    async def chat(self, connection: object, messages: list[dict[str, object]], **parameters: object) -> object:
        """Ask for the next message of a chat; parameters and result are those of an LLM node.

        Raises:
            UserError: the model could not be asked, or did not answer.
        """
        return await self._chat(endpoint_of(connection), messages, parameters)

    async def completion(self, connection: object, prompt: str, **parameters: object) -> object:
        """Ask for the completion of a text; otherwise as :meth:`chat`."""
        return await self._completion(endpoint_of(connection), prompt, parameters)

    async def embedding(self, connection: object, text: object, model: str) -> list[float]:
        """Ask for the vector of a text (a list of texts gives the first one's), as floats."""
        with _told():
            encoding = "float" if isinstance(text, list) else "base64"  # a list is what serverless models get
            body: dict[str, object] = {"input": text, "model": model, "encoding_format": encoding}
            return embedding_value(await self._client.answer(endpoint_of(connection), "embeddings", body))

    async def _chat_step(
        self, endpoint: Endpoint, call: LlmCall, parameters: dict[str, object], variables: dict[str, object]
    ) -> object:
        given = variables.get(GIVEN_PROMPT)
        if type(given) is PromptResult:  # rendered already: what strangers wrote in it is no template
            return await self._chat(endpoint, parse_messages(given.escaped, given.escapes), parameters)
        escapes = escape_variables(variables, call.escaped)
        if endpoint.provider == AZURE:
            variables = {name: join_lists(value) for name, value in variables.items()}
        return await self._chat(endpoint, parse_messages(call.template(**variables), escapes), parameters)

    async def _completion_step(
        self, endpoint: Endpoint, call: LlmCall, parameters: dict[str, object], variables: dict[str, object]
    ) -> object:
        given = variables.get(GIVEN_PROMPT)
        prompt = str(given) if type(given) is PromptResult else call.template(**variables)
        return await self._completion(endpoint, prompt, parameters)

    async def _chat(
        self, endpoint: Endpoint, messages: list[dict[str, object]], parameters: dict[str, object]
    ) -> object:
        with _told():
            body = chat_body(endpoint.provider, messages, parameters)
            if body["stream"]:
                if "functions" in body:
                    raise UserError(_NO_FUNCTIONS_IN_STREAM)
                return await self._client.stream(endpoint, "chat", body, chat_piece)
            answer = await self._client.answer(endpoint, "chat", body)
            return chat_value(answer, whole=may_call(parameters))

    async def _completion(self, endpoint: Endpoint, prompt: str, parameters: dict[str, object]) -> object:
        with _told():
            body = completion_body(endpoint.provider, prompt, parameters)
            if body["stream"]:
                return await self._client.stream(endpoint, "completion", body, completion_piece)
            return completion_value(await self._client.answer(endpoint, "completion", body))


def _split(call: LlmCall, arguments: dict[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """The arguments that are the API's, and those that are the template's."""
    parameters: dict[str, object] = {}
    variables: dict[str, object] = {}
    for name, value in arguments.items():
        (parameters if name in call.parameters else variables)[name] = value
    return parameters, variables


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong around a call, told as promptflow tells it."""
    try:
        yield
    except RequestError:
        raise
    except Exception as problem:  # parameters that are not of their type, an answer that is none
        raise unexpected(problem) from problem
