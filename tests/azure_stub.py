"""A local stand-in for the parts of Azure that pfserve talks to: managed identity, Entra ID, the resource manager.

It speaks the documented REST, and remembers what it was asked. One server, on a free loopback port.
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
from urllib.parse import parse_qs, urlsplit

KEY = "sk-azure-canary"
WORKSPACE = "azureml://subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


def payload(category: str = "AzureOpenAI", **more: object) -> dict[str, object]:
    """The answer of listsecrets for one connection."""
    properties = {
        "category": category,
        "authType": "ApiKey",
        "target": "http://target",
        "credentials": {"key": KEY},
        "metadata": {"ApiType": "azure", "ApiVersion": "2024-06-01"},
    }
    return {"name": "ignored", "properties": properties | more}


def jwt(audience: str, lifetime_s: float, number: int) -> str:
    """A token as Entra ID issues them, signed by nobody."""
    parts = ({"alg": "none"}, {"aud": audience, "exp": int(time.time() + lifetime_s), "n": number})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".x"


class Azure:
    """What the server holds, and what it has been asked: ``(method, path with query, headers)``."""

    def __init__(self) -> None:
        self.connections: dict[str, object] = {}
        self.endpoints: dict[str, dict[str, object]] = {}  # by path behind the workspace, such as onlineEndpoints/x
        self.statuses: dict[str, list[int]] = {}  # by connection: what to answer first
        self.status = 0  # of listsecrets, for all connections; 0: as usual
        self.token_statuses: list[int] = []  # of the token endpoints, to come
        self.retry_after_s = 0  # what refusals of the token endpoints say
        self.token_requests = 0
        self.audience = ""  # in place of the one asked for
        self.lifetime_s = 3600.0
        self.delay_s = 0.0
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.forms: list[dict[str, list[str]]] = []
        self.issued: list[str] = []
        self.busy = self.busiest = 0
        self.url = ""
        self.lock = threading.Lock()

    def environment(self, **more: str) -> dict[str, str]:
        """The variables of a container with a managed identity that is told this workspace."""
        return {
            "IDENTITY_ENDPOINT": f"{self.url}/msi/token",
            "IDENTITY_HEADER": "header-secret",
            "PFSERVE_ARM_ENDPOINT": self.url,
            "PROMPTFLOW_CONNECTION_PROVIDER": WORKSPACE,
            **more,
        }

    def listed(self) -> list[str]:
        """The connections that were asked for, in order."""
        paths = [urlsplit(path).path.split("/") for method, path, _ in self.asked if method == "POST"]
        return [parts[-2] for parts in paths if parts[-1] == "listsecrets"]

    def token(self, audience: str) -> dict[str, object]:
        text = jwt(self.audience or audience, self.lifetime_s, len(self.issued))
        self.issued.append(text)
        return {
            "access_token": text,
            "expires_on": str(int(time.time() + self.lifetime_s)),
            "expires_in": int(self.lifetime_s),
            "token_type": "Bearer",
            "resource": audience,
        }


def _handler(azure: Azure) -> type[http.server.BaseHTTPRequestHandler]:  # noqa: C901 - one page of routes
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def _answer(self, body: bytes) -> None:
            with azure.lock:
                azure.asked.append((self.command, self.path, dict(self.headers.items())))
                azure.busy += 1
                azure.busiest = max(azure.busy, azure.busiest)
            if azure.delay_s:
                time.sleep(azure.delay_s)
            with azure.lock:
                status, answer = self._decide(body)
                azure.busy -= 1
            data = json.dumps(answer).encode() if not isinstance(answer, bytes) else answer
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            if status == 429 and azure.retry_after_s:
                self.send_header("Retry-After", str(azure.retry_after_s))
            self.end_headers()
            self.wfile.write(data)

        def _decide(self, body: bytes) -> tuple[int, object]:
            parts = urlsplit(self.path)
            if parts.path == "/msi/token":
                return self._token(parse_qs(parts.query)["resource"][0])
            if parts.path.endswith("/oauth2/v2.0/token"):
                form = parse_qs(body.decode())
                azure.forms.append(form)
                return self._token(form["scope"][0].removesuffix("/.default"))
            if "/.well-known/openid-configuration" in parts.path:
                base = f"{azure.url}/{parts.path.split('/')[1]}"
                return 200, {
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                    "issuer": f"{base}/v2.0",
                }
            if "Endpoints/" in parts.path:
                return self._endpoint(parts.path.partition("/workspaces/w/")[2], parse_qs(parts.query))
            if parts.path.endswith("/listsecrets"):
                return self._connection(parts.path.split("/")[-2])
            if parts.path.startswith("/connections/"):
                return self._connection(parts.path.split("/")[-1])
            return 404, {"error": "no such thing"}

        def _endpoint(self, path: str, query: dict[str, list[str]]) -> tuple[int, object]:
            version = "2023-08-01-preview" if path.startswith("serverless") else "2023-10-01"
            waiting = azure.statuses.get(path)
            if waiting:
                return waiting.pop(0), {"error": {"code": "x", "message": KEY}}
            if self.headers["Authorization"] not in [f"Bearer {one}" for one in azure.issued]:
                return 401, {"error": {"code": "InvalidAuthenticationToken"}}
            named, _, action = path.partition("/listKeys")
            is_asked_well = query == {"api-version": [version]} and self.command == ("POST" if named != path else "GET")
            if named not in azure.endpoints or not is_asked_well or action:
                return 404, {"error": {"code": "ResourceNotFound"}}
            keys = {"primaryKey": KEY, "secondaryKey": "other"}
            return 200, keys if named != path else {"name": named, "properties": azure.endpoints[named]}

        def _token(self, audience: str) -> tuple[int, object]:
            azure.token_requests += 1
            status = azure.token_statuses.pop(0) if azure.token_statuses else 200
            return (200, azure.token(audience)) if status == 200 else (status, {"error": "busy"})

        def _connection(self, name: str) -> tuple[int, object]:
            name = name.replace("%20", " ")
            waiting = azure.statuses.get(name)
            status = waiting.pop(0) if waiting else azure.status
            if status:
                return status, {"error": {"code": "x", "message": KEY}}
            found = azure.connections.get(name)
            return (200, found) if found is not None else (404, {"error": {}})

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextlib.contextmanager
def azure(context: ssl.SSLContext | None = None) -> Iterator[Azure]:
    """A running stub; with a ``context`` it speaks TLS, as Entra ID has to."""
    held = Azure()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(held))
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    port = server.server_address[1]
    held.url = f"https://localhost:{port}" if context else f"http://127.0.0.1:{port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
