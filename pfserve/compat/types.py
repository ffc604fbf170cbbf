"""The names of ``promptflow.contracts.types``. The compiler knows annotations by the names of their classes."""

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


class AttrDict(dict[str, object]):
    """A dict whose keys are attributes too."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # Python's own questions, such as copy's
            raise AttributeError(name)
        value = self[name]
        return AttrDict(value) if isinstance(value, dict) else value
