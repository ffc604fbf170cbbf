"""The least that takes a picture in JSON: a bare aiohttp handler that decodes it.

python decoder.py PORT
"""

from __future__ import annotations

import asyncio
import base64
import sys

import orjson
import uvloop
from aiohttp import web

HEADERS = {"Content-Type": "application/json"}


async def respond(request: web.BaseRequest) -> web.StreamResponse:
    """The last eight bytes of the picture, in hexadecimal digits."""
    if request.raw_path == "/health":
        return web.Response(body=b'{"status":"Healthy"}', headers=HEADERS)
    (encoded,) = orjson.loads(await request.content.read())["text"].values()
    return web.Response(body=orjson.dumps({"answer": base64.b64decode(encoded)[-8:].hex()}), headers=HEADERS)


async def serve(port: int) -> None:
    """Serve for ever."""
    server = web.Server(respond, access_log=None)
    await (await asyncio.get_running_loop().create_server(server, "127.0.0.1", port)).serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
