"""Values and how they are read: types, conversions, marks on user code, promptflow's errors as data."""

from pfserve.values.conversion import CONVERTIBLE_TYPES, ConversionError, convert_literal, converter
from pfserve.values.failure import exception_text, failure_of, template_failure
from pfserve.values.marks import TOOL_MARK, is_tool
from pfserve.values.multimedia import holds_image
from pfserve.values.types import TYPES, type_of_annotation

__all__ = [
    "CONVERTIBLE_TYPES",
    "ConversionError",
    "TOOL_MARK",
    "TYPES",
    "convert_literal",
    "converter",
    "exception_text",
    "failure_of",
    "holds_image",
    "is_tool",
    "template_failure",
    "type_of_annotation",
]
