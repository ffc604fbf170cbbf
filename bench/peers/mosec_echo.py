"""The echo flow as a user of Mosec writes it: the work of ``handwritten.py`` in its workers, with its defaults.

    python mosec_echo.py TEMPLATE WORKERS --address 127.0.0.1 --port PORT

What begins with dashes Mosec reads itself. Needs ``mosec`` and ``jinja2``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jinja2.sandbox import SandboxedEnvironment
from mosec import Server, Worker


class Echo(Worker):  # type: ignore[misc]  # Mosec need not be installed where this is checked
    """One process."""

    def __init__(self) -> None:
        super().__init__()
        environment = SandboxedEnvironment(trim_blocks=True, keep_trailing_newline=True)
        self._template = environment.from_string(Path(sys.argv[1]).read_text())

    def forward(self, data: dict[str, str]) -> dict[str, str]:
        """One request."""
        return {"answer": self._template.render(text=data["text"]).strip()}


def main() -> None:
    """Serve until SIGTERM."""
    server = Server()
    server.append_worker(Echo, num=int(sys.argv[2]), route="/score")
    server.run()


if __name__ == "__main__":
    main()
