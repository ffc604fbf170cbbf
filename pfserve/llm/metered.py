"""The client as all kinds of calls use it: by the name of an API, and with a tally of each call."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pfserve.llm.bodies import Body
from pfserve.llm.client import NODE_LIMITS, Answer, Client, Limits, Pieces
from pfserve.llm.endpoint import Endpoint
from pfserve.llm.metering import Meter

_PATHS = {"chat": "chat/completions", "completion": "completions", "embeddings": "embeddings"}


class MeteredClient:
    """Sends bodies to the APIs of endpoints, and tells what each call cost."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._meter = Meter()

    def warm(self, scope: str) -> None:
        """Begin to fetch an access token that calls will need."""
        self._client.access.warm(scope)

    async def access_token(self, scope: str) -> str:
        """A valid access token. Raises :class:`NoToken`."""
        return await self._client.access.get(scope)

    async def close(self) -> None:
        """Close the connections."""
        self._meter.close()
        await self._client.close()

    async def fetch(self, method: str, url: str, headers: Mapping[str, str], data: bytes | None) -> Answer:
        """As :meth:`Client.fetch`; services that are no models have no tokens to count."""
        return await self._client.fetch(method, url, headers, data)

    async def pause(self, delay_s: float) -> None:
        """As :meth:`Client.pause`."""
        await self._client.pause(delay_s)

    async def answer(self, endpoint: Endpoint, api: str, body: Body, limits: Limits = NODE_LIMITS) -> object:
        """As :meth:`Client.answer`."""
        tally = self._meter.tally(api, body)
        answer = await self._client.answer(endpoint, _PATHS[api], body, limits)
        tally.close(answer)
        return answer

    async def stream(
        self,
        endpoint: Endpoint,
        api: str,
        body: Body,
        read: Callable[[object], object | None],
        limits: Limits = NODE_LIMITS,
    ) -> Pieces:
        """As :meth:`Client.stream`."""
        tally = self._meter.tally(api, body)
        return await self._client.stream(endpoint, _PATHS[api], body, tally.reading(read), tally.close, limits=limits)
