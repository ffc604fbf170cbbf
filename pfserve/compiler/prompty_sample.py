"""The sample of a prompty: values for its inputs, in the file or in one of their own (contract 4.2)."""

from __future__ import annotations

import json
from pathlib import Path

from pfserve.values.core_errors import InvalidSampleError

_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "bool"),  # before int, which it is too
    (int, "int"),
    (float, "double"),
    (str, "string"),
    (list, "list"),
)


def load_sample(sample: object, folder: Path) -> dict[str, object]:
    """The values by the names of their inputs. Relative files begin at ``folder``.

    Raises:
        InvalidSampleError: it is neither a mapping nor the path of a JSON file that holds one.
    """
    if not sample:
        return {}
    if isinstance(sample, str) and sample.endswith(".json"):
        name = sample.removeprefix("file:")
        try:
            sample = json.loads((folder / name).read_bytes())
        except FileNotFoundError:
            raise InvalidSampleError(f"Cannot find sample file {name}.") from None
        except (OSError, ValueError, RecursionError) as problem:
            raise InvalidSampleError(f"the sample file {name} cannot be read: {problem}") from None
    if not isinstance(sample, dict):
        raise InvalidSampleError("Only dict and json file are supported as sample in prompty.")
    return {str(name): value for name, value in sample.items()}


def type_of_value(value: object) -> str:
    """The type of an input that has the value."""
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "object")
