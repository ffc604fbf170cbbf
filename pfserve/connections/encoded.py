"""``PROMPTFLOW_ENCODED_CONNECTIONS``: every connection in one variable, base64 of gzip of JSON."""

from __future__ import annotations

import base64
import gzip
import json
import zlib

from pfserve.connections.form import Form, from_execution_form
from pfserve.errors import ConfigError


def read_encoded(variable: str, text: str) -> dict[str, Form]:
    """The connections by name.

    Raises:
        ConfigError: the text is not what it should be.
    """
    found = _decoded(text)
    if not isinstance(found, dict):
        problem = "expected base64 of gzip of a JSON object of connections by name"
        raise ConfigError("connections", "…", f"environment {variable}", problem)
    return {name: from_execution_form(form, f"variable {variable}") for name, form in found.items()}


def _decoded(text: str) -> object:
    """What the text holds; None if it cannot be read. The libraries' errors quote it, so none may get out."""
    try:
        return json.loads(gzip.decompress(base64.b64decode(text, validate=False)))
    except (ValueError, OSError, EOFError, zlib.error, RecursionError):
        return None
