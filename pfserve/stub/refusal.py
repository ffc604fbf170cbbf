"""Answers that refuse: OpenAI's error body with a status and headers."""

from __future__ import annotations

import orjson


class Refusal(Exception):
    """A request that is answered with an error."""

    def __init__(
        self, status: int, message: str, *, kind: str, code: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.headers = headers or {}

    def body(self) -> bytes:
        """The JSON that OpenAI's clients expect of an error."""
        error = {"message": self.message, "type": self.kind, "param": None, "code": self.code}
        return orjson.dumps({"error": error})


def malformed(message: str) -> Refusal:
    """The request breaks the API's rules."""
    return Refusal(400, message, kind="invalid_request_error")


def unauthorized() -> Refusal:
    """No API key, or a wrong one."""
    return Refusal(401, "Incorrect API key provided.", kind="invalid_request_error", code="invalid_api_key")


def unknown_route(method: str, path: str) -> Refusal:
    """There is no such API."""
    return Refusal(404, f"Invalid URL ({method} {path})", kind="invalid_request_error")


def unknown_model(name: str, *, azure: bool) -> Refusal:
    """The deployment (Azure) or model does not exist."""
    noun, code = ("deployment", "DeploymentNotFound") if azure else ("model", "model_not_found")
    return Refusal(404, f"The {noun} {name!r} does not exist.", kind="invalid_request_error", code=code)


def deliberate(status: int) -> Refusal:
    """A failure that ``--failure-rate`` asked for."""
    message = f"The stub fails on purpose with {status}."
    if status == 429:
        headers = {"Retry-After": "1", "retry-after-ms": "1000"}
        return Refusal(status, message, kind="requests", code="rate_limit_exceeded", headers=headers)
    return Refusal(status, message, kind="server_error" if status >= 500 else "invalid_request_error")
