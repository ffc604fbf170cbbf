"""A server that does nothing: the same answer to whatever comes in one piece. What a load costs then is its client's.

python null.py PORT
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

BODY = b'{"answer":"hello"}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    b"x-request-id: 0123456789abcdef0123456789abcdef\r\nx-ms-server-version: null\r\n\r\n%s" % (len(BODY), BODY)
)


class Null(asyncio.Protocol):
    """Answers without reading."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """A request, whatever it says."""
        self._transport.write(ANSWER)


async def serve(port: int) -> None:
    """Until killed."""
    server = await asyncio.get_running_loop().create_server(Null, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
