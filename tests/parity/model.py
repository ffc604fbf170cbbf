"""The model of the suite: ``pfserve stub-llm`` behind a door that writes down what it is asked."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEPT = (
    "api-key",
    "authorization",
    "openai-organization",
    "content-type",
    "ocp-apim-subscription-key",
)  # row 8: further headers differ


CONNECTIONS = {  # name → class, values with the model's URL in them, the secret ones
    "azure": ("AzureOpenAI", {"api_base": "{url}", "api_key": "azure-key", "api_version": "2024-02-01"}, ["api_key"]),
    "openai": ("OpenAI", {"api_key": "openai-key", "base_url": "{url}/v1", "organization": "org"}, ["api_key"]),
    "serverless": ("Serverless", {"api_base": "{url}", "api_key": "serverless-key"}, ["api_key"]),
    "safety": (
        "AzureContentSafety",
        {"endpoint": "{url}", "api_key": "safe-key", "api_version": "2023-10-01"},
        ["api_key"],
    ),
    "safety-old": (
        "AzureContentSafety",
        {"endpoint": "{url}", "api_key": "safe-key", "api_version": "2023-04-30-preview"},
        ["api_key"],
    ),
    "custom": ("Custom", {"region": "north", "token": "hidden"}, ["token"]),
}


def service(path: str, asked: dict[str, Any]) -> tuple[int, object] | None:
    """What services that are no models of OpenAI's kind answer; None for what is none of them."""
    if path.startswith("/llama/"):
        return 200, {"output": f"said {len(json.dumps(asked))}"}
    if path.startswith("/standard/"):
        return 200, [{"0": f"said {len(json.dumps(asked))}"}]
    if not path.startswith("/contentsafety/"):
        return None
    text = asked["text"]
    if text == "refuse":
        return 400, {"error": {"code": "InvalidRequest", "message": "no such text"}}
    levels = dict.fromkeys(("Hate", "SelfHarm", "Sexual", "Violence"), 0)
    levels["Hate"] = int(text.partition(" ")[2]) if text.startswith("hate") else 0
    listed = [{"blocklistName": "b"}] if text == "listed" else []
    if "2023-10-01" not in path:
        found = {f"{name[0].lower()}{name[1:]}Result": {"severity": level} for name, level in levels.items()}
        return 200, {"blocklistsMatchResults": listed, **found}
    named = [{"category": name, "severity": level} for name, level in levels.items()]
    if text == "no category":
        named = named[1:]
    if text == "no severity":
        del named[0]["severity"]
    return 200, {"blocklistsMatch": listed, "categoriesAnalysis": named}


class Model:
    """``url`` is where it is asked; :meth:`taken` what it was asked since the last look."""

    def __init__(self, stub_port: int) -> None:
        self._asked: list[dict[str, object]] = []
        self._door = ThreadingHTTPServer(("127.0.0.1", 0), self._porter(stub_port))
        self.url = f"http://127.0.0.1:{self._door.server_port}"
        threading.Thread(target=self._door.serve_forever, daemon=True).start()

    def taken(self) -> list[dict[str, object]]:
        """Sorted, for nodes may ask at the same time."""
        asked, self._asked = self._asked, []
        return sorted(asked, key=lambda one: json.dumps(one, sort_keys=True))

    def connections(self) -> dict[str, dict[str, object]]:
        """The connections to it, by name, as promptflow's providers exchange them."""
        found: dict[str, dict[str, object]] = {}
        for name, (kind, values, secret) in CONNECTIONS.items():
            value = {key: text.format(url=self.url) for key, text in values.items()}
            found[name] = {"type": f"{kind}Connection", "module": "promptflow.connections", "value": value}
            found[name] |= {"name": name, "secret_keys": secret}
        return found

    def close(self) -> None:
        self._door.shutdown()
        self._door.server_close()

    def _porter(self, stub_port: int) -> type[BaseHTTPRequestHandler]:
        model = self

        class Porter(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """A connection, for promptflow's provider by HTTP."""
                known = model.connections().get(self.path.rpartition("/")[2])
                self.send_response(200 if known else 404)
                self.end_headers()
                self.wfile.write(json.dumps(known).encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name: self.headers[name] for name in KEPT if name in self.headers}
                model._asked.append({"path": self.path, "body": json.loads(body), **headers})
                if said := service(self.path, json.loads(body)):
                    status, answer = said
                    text = json.dumps(answer).encode()
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                    return
                stub = http.client.HTTPConnection("127.0.0.1", stub_port, timeout=20)
                with contextlib.closing(stub):
                    stub.request("POST", self.path, body, {"Content-Type": "application/json"})
                    response = stub.getresponse()
                    try:
                        said, missing = response.read(), 0
                    except http.client.IncompleteRead as cut:
                        said, missing = cut.partial, 1
                self.send_response(response.status)
                for name in ("content-type", "retry-after"):
                    if value := response.getheader(name):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(said) + missing))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        return Porter


@contextlib.contextmanager
def model() -> Iterator[Model]:
    """A model of its own: each side has one, because the stub counts the failures that are wished for."""
    command = [sys.executable, "-m", "pfserve", "stub-llm", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            found = re.search(r":(\d+)\n", process.stdout.readline())
            assert found, "the stub did not start"
            door = Model(int(found[1]))
            yield door
            door.close()
        finally:
            process.kill()
