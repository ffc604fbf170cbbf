"""What authors write about a tool's inputs for the sake of editors of flows (contract 3.9): kept, never used."""

from __future__ import annotations

from collections.abc import Callable, Mapping


class DynamicList:
    """A list of choices that a function gives."""

    def __init__(
        self, function: str | Callable[..., object], input_mapping: Mapping[str, object] | None = None
    ) -> None:
        self.func_path = _path(function)
        self._input_mapping = dict(input_mapping or {})


class GeneratedBy:
    """An input that a function makes of others, and another function takes apart again."""

    def __init__(
        self,
        function: str | Callable[..., object],
        reverse_function: str | Callable[..., object],
        input_settings: Mapping[str, object] | None = None,
    ) -> None:
        self.func_path = _path(function)
        self.reverse_func_path = _path(reverse_function)
        self._input_settings = dict(input_settings or {})


class InputSetting:
    """How an editor shows an input."""

    def __init__(self, **kwargs: object) -> None:
        self.is_multi_select = kwargs.pop("is_multi_select", None)
        self.allow_manual_entry = kwargs.pop("allow_manual_entry", None)
        self.enabled_by = kwargs.pop("enabled_by", None)
        self.enabled_by_value = kwargs.pop("enabled_by_value", None)
        self.dynamic_list = kwargs.pop("dynamic_list", None)
        self.generated_by = kwargs.pop("generated_by", None)
        self._kwargs = kwargs


def _path(function: str | Callable[..., object]) -> str:
    if isinstance(function, str):
        return function
    module, name = getattr(function, "__module__", ""), getattr(function, "__name__", repr(function))
    return f"{module}.{name}"
