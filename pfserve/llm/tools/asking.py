"""What every built-in tool is handed besides its inputs: the worker's models and client, and its prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from pfserve.values.chat import Message, escape_variables, join_lists, parse_messages
from pfserve.values.image_parts import Part

if TYPE_CHECKING:
    from pfserve.llm.models import Models

_NO_IMAGES: Mapping[str, Part] = {}


class Asking(NamedTuple):
    """The first argument of a tool. ``escaped`` names the inputs that strangers wrote."""

    models: Models
    template: Callable[..., str] | None
    escaped: tuple[str, ...]
    connection: object | None  # that the author names elsewhere than among the inputs

    def prompt(self, variables: Mapping[str, object]) -> str:
        """The prompt with the variables filled in. Raises ``errors.UserError``."""
        assert self.template is not None, "only tools with a prompt ask for it"
        return self.template(**variables)

    def messages(
        self, variables: Mapping[str, object], *, joins_lists: bool, images: Mapping[str, Part] = _NO_IMAGES
    ) -> list[Message]:
        """The messages of the prompt; ``images`` are the parts that stand for the texts of images.

        Raises:
            UserError: the template fails, or gives no messages.
        """
        values = dict(variables)
        escapes = escape_variables(values, self.escaped)
        if joins_lists:
            values = {name: join_lists(value) for name, value in values.items()}
        return parse_messages(self.prompt(values), escapes, images=images)
