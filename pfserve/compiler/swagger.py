"""Last pass: the body of ``/swagger.json``, in promptflow's shape (contract 1.9)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import orjson

from pfserve.flow import FlowFile, InputSource, OutputSource

_SCHEMA_TYPES = {
    "int": "integer",
    "double": "number",
    "bool": "boolean",
    "string": "string",
    "list": "array",
    "object": "object",
    "image": "object",
    "secret": "string",
    "prompt_template": "string",
    "file_path": "string",
}
_ANYTHING: Mapping[str, object] = {"type": "object", "additionalProperties": {}}


def swagger(source: FlowFile, included: tuple[str, ...] | None) -> bytes:
    """The document as JSON."""
    document = {
        "openapi": "3.0.0",
        "info": _info(source),
        "components": {"securitySchemes": {"bearerAuth": {"type": "http", "scheme": "bearer"}}},
        "security": [{"bearerAuth": []}],
        "paths": {"/score": {"post": _score(source, included)}, "/feedback": _feedback()},
    }
    try:
        return orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS, default=str)
    except orjson.JSONEncodeError:  # a default or sample with a number beyond 64 bits or half a surrogate pair
        return json.dumps(document, default=str, skipkeys=True).encode()


def _info(source: FlowFile) -> dict[str, str]:
    info = {"title": f"Promptflow[{source.name}] API", "version": "1.0.0", "x-flow-name": source.name}
    chat_inputs = [entry.name for entry in source.inputs if entry.is_chat_input]
    histories = [entry.name for entry in source.inputs if entry.is_chat_history]
    chat_outputs = [output.name for output in source.outputs if output.is_chat_output]
    if chat_inputs:
        info |= {"x-chat-input": chat_inputs[-1], "x-flow-type": "chat"}
    if histories:
        info["x-chat-history"] = histories[-1]
    if chat_outputs:
        info["x-chat-output"] = chat_outputs[-1]
    return info


def _score(source: FlowFile, included: tuple[str, ...] | None) -> dict[str, object]:
    example = {} if source.sample is None else source.sample
    return {
        "summary": f"run promptflow: {source.name} with an given input",
        "requestBody": {
            "description": "promptflow input data",
            "required": bool(source.inputs),
            "content": {"application/json": {"schema": _input_schema(source.inputs), "example": example}},
        },
        "responses": _responses(_output_schema(source.outputs, included)),
    }


def _feedback() -> dict[str, object]:
    return {
        "post": {
            "summary": "collect promptflow feedback",
            "requestBody": {
                "description": "promptflow feedback data",
                "required": True,
                "content": {"application/json": {"schema": _ANYTHING}},
            },
            "responses": _responses(_ANYTHING),
        },
        "parameters": [
            {
                "name": "flatten",
                "in": "query",
                "description": "flatten the feedback data into traced data",
                "required": False,
                "schema": {"type": "boolean"},
            }
        ],
    }


def _responses(schema: Mapping[str, object]) -> dict[str, object]:
    return {
        "200": {"description": "successful operation", "content": {"application/json": {"schema": schema}}},
        "400": {"description": "Invalid input"},
        "default": {"description": "unexpected error"},
    }


def _input_schema(inputs: tuple[InputSource, ...]) -> dict[str, object]:
    schema: dict[str, object] = {"type": "object"}
    if inputs:
        schema["properties"] = {entry.name: _property(entry) for entry in inputs}
        schema["required"] = [entry.name for entry in inputs]
    return schema


def _output_schema(outputs: tuple[OutputSource, ...], included: Iterable[str] | None) -> dict[str, object]:
    schema: dict[str, object] = {"type": "object"}
    if outputs:
        kept = [output for output in outputs if not output.evaluation_only]
        kept = [output for output in kept if included is None or output.name in included]
        schema["properties"] = {output.name: _property(output) for output in kept}
    return schema


def _property(entry: InputSource | OutputSource) -> dict[str, object]:
    schema: dict[str, object] = {"type": _SCHEMA_TYPES[entry.type]}
    if entry.description:
        schema["description"] = entry.description
    if isinstance(entry, InputSource) and entry.default:
        schema["default"] = entry.default
    if entry.type == "object":
        schema["additionalProperties"] = {}
    if entry.type == "list":
        schema["items"] = _ANYTHING
    return schema
