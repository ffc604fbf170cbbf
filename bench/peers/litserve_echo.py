"""The echo flow as a user of LitServe writes it: the work of ``handwritten.py`` in its workers, with its defaults.

    python litserve_echo.py TEMPLATE PORT WORKERS

Needs ``litserve`` and ``jinja2``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jinja2.sandbox import SandboxedEnvironment
from litserve import LitAPI, LitServer


class Echo(LitAPI):  # type: ignore[misc]  # LitServe need not be installed where this is checked
    """One process."""

    def setup(self, device: str) -> None:
        """Before the first request."""
        environment = SandboxedEnvironment(trim_blocks=True, keep_trailing_newline=True)
        self._template = environment.from_string(Path(sys.argv[1]).read_text())

    def predict(self, request: dict[str, str]) -> dict[str, str]:
        """One request."""
        return {"answer": self._template.render(text=request["text"]).strip()}


def main(port: str, workers: str) -> None:
    """Serve until SIGTERM."""
    server = LitServer(Echo(api_path="/score"), accelerator="cpu", devices=1, workers_per_device=int(workers))
    server.run(host="127.0.0.1", port=int(port), log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main(*sys.argv[2:])
