"""Values and how they are read: types, conversions, marks on user code, promptflow's errors as data."""

from pfserve.values.bare import BARE_NAME, Bare
from pfserve.values.conversion import CONVERTIBLE_TYPES, ConversionError, convert_literal, converter
from pfserve.values.failure import exception_text, failure_of, template_failure
from pfserve.values.image_input import Hole, ImageProblem, Pending, image_failure, images_reader, prompty_images_reader
from pfserve.values.marks import DETAILS_MARK, TOOL_MARK, is_tool, streaming_parameter
from pfserve.values.multimedia import MESSAGE_FORMATS, Image, PFBytes, Text, image_as_dict
from pfserve.values.types import (
    TYPES,
    annotation_members,
    choices_of_annotation,
    connection_classes,
    is_strong_connection,
    strong_connection_class,
    type_of_annotation,
)

__all__ = [
    "BARE_NAME",
    "Bare",
    "CONVERTIBLE_TYPES",
    "ConversionError",
    "DETAILS_MARK",
    "Hole",
    "Image",
    "ImageProblem",
    "MESSAGE_FORMATS",
    "PFBytes",
    "Pending",
    "Text",
    "TOOL_MARK",
    "TYPES",
    "annotation_members",
    "choices_of_annotation",
    "connection_classes",
    "convert_literal",
    "converter",
    "exception_text",
    "failure_of",
    "image_as_dict",
    "image_failure",
    "images_reader",
    "is_strong_connection",
    "is_tool",
    "prompty_images_reader",
    "streaming_parameter",
    "strong_connection_class",
    "template_failure",
    "type_of_annotation",
]
