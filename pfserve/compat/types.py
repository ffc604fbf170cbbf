"""Texts with a meaning, for annotations of tool parameters. The compiler knows them by their class names."""

from __future__ import annotations


class Secret(str):
    """A text that must not be shown."""

    secret_name: str

    def set_secret_name(self, name: str) -> None:
        """Remember under which name the secret is kept."""
        self.secret_name = name


class PromptTemplate(str):
    """The source of a prompt's template."""


class FilePath(str):
    """A path to a file of the flow."""
