"""A local stand-in for the services that built-in tools ask, other than OpenAI's: each by its documented REST.

A wrong path, method, version or key gets what the service would say, so a request that is answered was a good one.
SerpApi has one address for all, so its requests come as those of a client behind a proxy: over TLS, in a tunnel.
"""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "service-canary"
DOCUMENT = {"id": "1", "content": "a page", "title": "t"}
VECTOR = [0.5, 0.25]

Reply = tuple[int, object]
_DENIED: Reply = (401, {"error": {"message": "Access denied due to invalid subscription key."}})


class Services:
    """What the server was asked: ``(method, path with query, body)``. ``tokens`` are those that open the search."""

    def __init__(self, model_key: str) -> None:
        self._model_key = model_key
        self.asked: list[tuple[str, str, Any]] = []
        self.tokens: list[str] = []
        self.took: list[str] = []  # tokens that opened the model
        self.url = ""

    def answer(self, method: str, path: str, headers: Any, body: Any) -> Reply:
        self.asked.append((method, path, body))
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match method, parts.path.strip("/").split("/"):
            case "POST", ["contentsafety", "text:analyze"]:
                return _judged(headers, query, body)
            case "POST", ["indexes", "pages", "docs", "search"]:
                return _searched(headers, query, body, self.tokens)
            case "POST", ["collections", "pages", "points", "search"]:
                return _of_qdrant(headers, body)
            case "POST", ["v1", "graphql"]:
                return _of_weaviate(headers, body)
            case "POST", ["v1", "rerank"]:
                return _ranked(headers, body)
            case "POST", ["llama", "score"] if headers["Authorization"] == f"Bearer {self._model_key}":
                return _of_llama(headers, body)
            case "POST", ["openai", "deployments", _, "chat", "completions"]:
                return self._said(headers["Authorization"].removeprefix("Bearer "))
            case "POST", [_, "v1", "chat", "completions"] if headers["Authorization"] == f"Bearer {self._model_key}":
                said = f"serverless heard: {body['messages'][-1]['content']}"
                return 200, {"choices": [{"message": {"role": "assistant", "content": said}}]}
        return 404, {"error": {"message": f"no such thing: {method} {parts.path}"}}

    def _said(self, token: str) -> Reply:
        """Azure OpenAI's answer to who has a token that is valid now."""
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        if claims["aud"] != "https://cognitiveservices.azure.com" or claims["exp"] <= time.time():
            return 401, {
                "error": {"code": "401", "message": "Unauthorized. Access token is missing, invalid or expired."}
            }
        self.took.append(token)
        return 200, {"choices": [{"message": {"role": "assistant", "content": "said"}}]}


def _judged(headers: Any, query: dict[str, str], body: Any) -> Reply:
    if headers["Ocp-Apim-Subscription-Key"] != KEY:
        return _DENIED
    if query != {"api-version": "2023-10-01"} or not isinstance(body["text"], str):
        return 400, {"error": {"code": "InvalidRequestBody", "message": "The request body is invalid."}}
    severity = 6 if "fight" in body["text"] else 0
    levels = {"Hate": 0, "SelfHarm": 0, "Sexual": 0, "Violence": severity}
    return 200, {"categoriesAnalysis": [{"category": name, "severity": level} for name, level in levels.items()]}


def _searched(headers: Any, query: dict[str, str], body: Any, tokens: list[str]) -> Reply:
    if headers["api-key"] != KEY and headers["Authorization"] not in [f"Bearer {one}" for one in tokens]:
        return 403, {"error": {"code": "", "message": "Forbidden"}}
    [asked] = body["vectorQueries"]
    if query != {"api-version": "2023-11-01"} or asked["kind"] != "vector" or asked["fields"] != "contentVector":
        return 400, {"error": {"code": "", "message": f"The request is invalid: {query} {asked}"}}
    found = {"@search.score": 0.75, **DOCUMENT, "contentVector": asked["vector"]}
    return 200, {"@odata.context": "…", "value": [found][: asked["k"]]}


def _of_qdrant(headers: Any, body: Any) -> Reply:
    if headers["api-key"] != KEY:
        return 403, {"status": {"error": "Forbidden"}, "time": 0.0}
    point = {"id": 7, "version": 0, "score": 0.75, "payload": {"content": "a page", "n": 1}, "vector": VECTOR}
    wanted = body.get("filter", {}).get("must", [{"match": {"value": 1}}])[0]["match"]["value"]
    found = [point] if body["with_payload"] and body["with_vector"] and wanted == 1 else []
    return 200, {"result": found[: body["limit"]], "status": "ok", "time": 0.001}


def _of_weaviate(headers: Any, body: Any) -> Reply:
    if headers["Authorization"] != f"Bearer {KEY}":
        return 401, {"error": [{"message": "invalid api key"}]}
    found = "Page(nearVector: {vector: [0.5, 0.25]} limit: 2) { content _additional { certainty distance vector } }"
    if " ".join(body["query"].split()) != f"{{ Get {{ {found} }} }}":
        return 200, {"errors": [{"message": f"Syntax Error GraphQL request: {body['query']}"}]}
    additional = {"certainty": 0.75, "distance": 0.5, "vector": VECTOR}
    return 200, {"data": {"Get": {"Page": [{"content": "a page", "_additional": additional}]}}}


def _ranked(headers: Any, body: Any) -> Reply:
    """As Cohere's models rank: the longest text first."""
    if headers["Authorization"] != f"Bearer {KEY}":
        return 401, {"message": "invalid api token"}
    places = sorted(range(len(body["documents"])), key=lambda place: -len(body["documents"][place]))
    scores = [{"index": place, "relevance_score": 1 / (rank + 1)} for rank, place in enumerate(places)]
    return 200, {"id": "r", "results": scores[: body["top_n"]]}


def _of_llama(headers: Any, body: Any) -> Reply:
    [said] = body["input_data"]["input_string"]
    return 200, {"output": f"{headers['azureml-model-deployment']} heard: {said['content']}"}


def _of_serpapi(path: str) -> Reply:
    """What serpapi.com answers to ``GET /search``."""
    query = parse_qs(urlsplit(path).query)
    if query.get("api_key") != [KEY]:
        return 401, {"error": f"Invalid API key {query.get('api_key')}. Your API key should be here: …"}
    if not path.startswith("/search?") or "q" not in query:
        return 400, {"error": "Missing query `q` parameter."}
    return 200, {"search_parameters": {"engine": query["engine"][0]}, "organic_results": [{"title": query["q"][0]}]}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def say(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _handler(services: Services, serpapi: ssl.SSLContext) -> type[_Handler]:
    class Searcher(_Handler):
        def do_GET(self) -> None:
            services.asked.append(("GET", self.path, None))
            self.say(*_of_serpapi(self.path))

    class Handler(_Handler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.say(*services.answer("POST", self.path, self.headers, body))

        def do_CONNECT(self) -> None:
            services.asked.append(("CONNECT", self.path, None))
            self.close_connection = True
            if self.path != "serpapi.com:443":
                self.say(403, {})
                return
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError), serpapi.wrap_socket(self.connection, server_side=True) as inner:
                Searcher(inner, self.client_address, self.server)

    return Handler


@contextlib.contextmanager
def services(serpapi: ssl.SSLContext, model_key: str = KEY) -> Iterator[Services]:
    """The running stand-in; ``serpapi`` holds a certificate for ``serpapi.com``."""
    held = Services(model_key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(held, serpapi))
    server.daemon_threads = True
    held.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
