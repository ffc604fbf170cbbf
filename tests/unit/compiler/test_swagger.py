from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Flows

FLOW = """inputs:
  question: {type: string, is_chat_input: true, description: what to ask}
  history: {type: list, default: [], is_chat_history: true}
  n: {type: int, default: 3}
  zero: {type: double, default: 0}
  flag: {type: bool}
  thing: {type: object, default: {a: 1}}
  password: {type: secret}
outputs:
  answer: {type: string, reference: '${inputs.question}', is_chat_output: true}
  score: {type: double, reference: '${inputs.n}', evaluation_only: true}
  rest: {type: list, reference: '${inputs.history}'}
"""


def document(flows: Flows, files: dict[str, str], **options: object) -> Any:
    flows.folder = flows.folder / "my.flow"
    return json.loads(flows.compile(files, **options).swagger)


def content(schema: object) -> dict[str, object]:
    return {"application/json": {"schema": schema}}


def test_info_names_the_folder_without_its_suffix(flows: Flows) -> None:
    assert document(flows, {"flow.dag.yaml": FLOW})["info"] == {
        "title": "Promptflow[my] API",
        "version": "1.0.0",
        "x-flow-name": "my",
        "x-chat-input": "question",
        "x-flow-type": "chat",
        "x-chat-history": "history",
        "x-chat-output": "answer",
    }


def test_inputs(flows: Flows) -> None:
    score = document(flows, {"flow.dag.yaml": FLOW})["paths"]["/score"]["post"]
    schema = score["requestBody"]["content"]["application/json"]["schema"]
    anything = {"type": "object", "additionalProperties": {}}
    assert score["summary"] == "run promptflow: my with an given input"
    assert score["requestBody"]["required"] is True
    assert schema["required"] == ["question", "history", "n", "zero", "flag", "thing", "password"]
    assert schema["properties"] == {
        "question": {"type": "string", "description": "what to ask"},
        "history": {"type": "array", "items": anything},
        "n": {"type": "integer", "default": 3},
        "zero": {"type": "number"},
        "flag": {"type": "boolean"},
        "thing": {"type": "object", "default": {"a": 1}, "additionalProperties": {}},
        "password": {"type": "string"},
    }


def test_outputs_without_those_for_evaluation(flows: Flows) -> None:
    response = document(flows, {"flow.dag.yaml": FLOW})["paths"]["/score"]["post"]["responses"]["200"]
    anything = {"type": "object", "additionalProperties": {}}
    properties = {"answer": {"type": "string"}, "rest": {"type": "array", "items": anything}}
    assert response["content"] == content({"type": "object", "properties": properties})


def test_outputs_that_are_not_included_are_left_out_but_stay_the_chat_output(flows: Flows) -> None:
    found = document(flows, {"flow.dag.yaml": FLOW}, included_outputs=("score", "rest"))
    response = found["paths"]["/score"]["post"]["responses"]["200"]
    assert list(response["content"]["application/json"]["schema"]["properties"]) == ["rest"]
    assert found["info"]["x-chat-output"] == "answer"


def test_a_flow_without_inputs_and_outputs(flows: Flows) -> None:
    score = document(flows, {"flow.dag.yaml": "nodes: []"})["paths"]["/score"]["post"]
    assert score["requestBody"] == {
        "description": "promptflow input data",
        "required": False,
        "content": {"application/json": {"schema": {"type": "object"}, "example": {}}},
    }
    assert score["responses"]["200"]["content"] == content({"type": "object"})


def test_the_first_sample_is_the_example(flows: Flows) -> None:
    found = document(flows, {"flow.dag.yaml": FLOW, "samples.json": '[{"question": "why"}, {}]'})
    assert found["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"]["example"] == {
        "question": "why"
    }


def test_samples_that_are_no_list_are_warned_of(flows: Flows) -> None:
    plan = flows.compile({"flow.dag.yaml": FLOW, "samples.json": "{}"})
    assert plan.warnings == ("samples.json: is not a JSON list with at least one sample, and is ignored",)
    assert flows.mistakes({"samples.json": "{"})[0].startswith("samples.json: invalid JSON: ")


def test_values_that_json_hardly_knows_do_no_harm(flows: Flows) -> None:
    text = "inputs:\n  d: {type: object, default: {1: 2024-02-01, 2: 123456789012345678901234567890}}\n"
    schema = document(flows, {"flow.dag.yaml": text})["paths"]["/score"]["post"]["requestBody"]["content"]
    default = schema["application/json"]["schema"]["properties"]["d"]["default"]
    assert default == {"1": "2024-02-01", "2": 123456789012345678901234567890}


def test_the_rest_of_the_document(flows: Flows) -> None:
    found = document(flows, {"flow.dag.yaml": FLOW})
    anything = {"type": "object", "additionalProperties": {}}
    assert found["openapi"] == "3.0.0"
    assert found["components"] == {"securitySchemes": {"bearerAuth": {"type": "http", "scheme": "bearer"}}}
    assert found["security"] == [{"bearerAuth": []}]
    assert found["paths"]["/feedback"] == {
        "post": {
            "summary": "collect promptflow feedback",
            "requestBody": {
                "description": "promptflow feedback data",
                "required": True,
                "content": content(anything),
            },
            "responses": {
                "200": {"description": "successful operation", "content": content(anything)},
                "400": {"description": "Invalid input"},
                "default": {"description": "unexpected error"},
            },
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
