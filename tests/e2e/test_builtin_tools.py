"""Every built-in tool in a served flow, over sockets, against a local service that speaks the documented REST."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from azure_stub import Azure, azure
from pfserve.llm.tools import TOOLS
from pfserve.values.builtin_tools import BUILTIN_TOOLS
from services_stub import DOCUMENT, KEY, VECTOR, Services, services
from serving import Server, serving
from stub_model import stub_model

pytest.importorskip("azure.identity")
faiss = pytest.importorskip("faiss")
np = pytest.importorskip("numpy")
trustme = pytest.importorskip("trustme")

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
HEARD = "heard: hi"
ACCEPTED = dict.fromkeys(("Hate", "SelfHarm", "Sexual", "Violence"), "Accept")
PLAIN = {"@search.score": 0.75, "id": "1", "title": "t"}
FOUND = {"text": "a page", "metadata": PLAIN, "score": 0.75}
QDRANT_POINT = {"id": 7, "version": 0, "score": 0.75, "payload": {"content": "a page", "n": 1}, "vector": VECTOR}
WEAVIATE_PAGE = {"content": "a page", "_additional": {"certainty": 0.75, "distance": 0.5, "vector": VECTOR}}
ML_INDEX = {
    "embeddings": {"kind": "open_ai", "deployment": "ada", "connection": {"id": "/x/connections/azure"}},
    "index": {"kind": "acs", "index": "pages", "connection": {"id": "/x/connections/search"}},
}
RANK = "@promptflow_vectordb.reranker_score"
TO_RANK = [[{"text": "hi there", "score": 0.25}, {"text": "nothing of the kind", "score": 0.75}],
           [{"text": "and more", "score": 0.5}]]  # fmt: skip
FOLDER_INDEX = {"text": "text 1", "metadata": {"n": 1}, "score": 0.0}


class Case(NamedTuple):
    """A node's inputs beside ``text``, and its answer; a text where the answer only has to hold that."""

    inputs: dict[str, object]
    answer: object
    text: str = ""  # the input that gets the text


def _store(connection: str, **more: object) -> dict[str, object]:
    return {"connection": connection, "vector": VECTOR, "top_k": 2, "text_field": "content", **more}


CASES: dict[str, list[Case]] = {
    "promptflow.tools.llm.llm": [
        Case({"connection": "azure", "deployment_name": "m"}, HEARD, "text"),
        Case({"connection": "open", "model": "m"}, HEARD, "text"),
        Case({"connection": "serverless", "model": "m"}, HEARD, "text"),
        Case({"connection": "open", "model": "m", "api": "completion"}, "hi", "text"),
    ],
    "promptflow.tools.llm_vision.llm_vision": [
        Case({"connection": "open", "model": "m", "picture": PNG}, HEARD, "text"),
        Case({"connection": "azure", "deployment_name": "m", "picture": PNG}, HEARD, "text"),
    ],
    "promptflow.tools.aoai_gpt4v.AzureOpenAI.chat": [
        Case({"connection": "azure", "deployment_name": "m", "picture": PNG}, HEARD, "text")
    ],
    "promptflow.tools.openai_gpt4v.OpenAI.chat": [
        Case({"connection": "open", "picture": PNG}, HEARD, "text"),
    ],
    "promptflow.tools.open_model_llm.OpenModelLLM.call": [
        Case(
            {"endpoint_name": "connection/llama", "api": "chat", "deployment_name": "blue"},
            "blue heard: hi",
            "text",
        ),
    ],
    "promptflow.tools.embedding.embedding": [
        Case({"connection": "azure", "deployment_name": "m"}, list, "input"),
        Case({"connection": "open"}, list, "input"),
        Case({"connection": "serverless"}, list, "input"),
    ],
    "promptflow.tools.serpapi.SerpAPI.search": [
        Case(
            {"connection": "serp", "engine": engine},
            {"search_parameters": {"engine": engine}, "organic_results": [{"title": "hi"}]},
            "query",
        )
        for engine in ("google", "bing")
    ],
    "promptflow.tools.azure_content_safety.analyze_text": [
        Case({"connection": "safety"}, {"suggested_action": "Accept", "action_by_category": ACCEPTED}, "text"),
    ],
    "promptflow_vectordb.tool.faiss_index_lookup.FaissIndexLookup.search": [
        Case({"path": "index", "vector": [1, 0], "top_k": 1}, [FOLDER_INDEX]),
    ],
    "promptflow_vectordb.tool.vector_db_lookup.VectorDBLookup.search": [
        Case(_store("search", index_name="pages"), [FOUND]),
        Case(_store("search by token", index_name="pages"), [FOUND]),
        Case(
            _store("qdrant", collection_name="pages"),
            [{"text": "a page", "vector": VECTOR, "score": 0.75, "original_entity": QDRANT_POINT,
              "metadata": QDRANT_POINT["payload"]}],
        ),
        Case(
            _store("qdrant", collection_name="pages",
                   search_filters={"filter": {"must": [{"key": "n", "match": {"value": 2}}]}}),
            [],
        ),
        Case(
            _store("weaviate", class_name="Page"),
            [{"text": "a page", "vector": VECTOR, "score": 0.75, "original_entity": WEAVIATE_PAGE, "metadata": None}],
        ),
    ],
    "promptflow_vectordb.tool.vector_index_lookup.VectorIndexLookup.search": [
        Case({"path": "described"}, [FOUND], "query"),
        Case({"path": "index", "query": [1, 0], "top_k": 1}, [FOLDER_INDEX]),
    ],
    "promptflow_vectordb.tool.common_index_lookup.search": [
        Case(
            {"mlindex_content": json.dumps(ML_INDEX), "top_k": 2, "query_type": "Hybrid (vector + keyword)"},
            [{"text": "a page", "metadata": PLAIN, "additional_fields": PLAIN, "score": 0.75}],
            "queries",
        ),
    ],
    "promptflow_vectordb.tool.rerank.rerank": [
        Case(
            {"ranker_parameters": json.dumps({"ranker_type": kind, **more}), "result_groups": TO_RANK, "top_k": 1},
            [{"text": text, "score": number, "additional_fields": {RANK: score}}],
            "query",
        )
        for kind, more, text, number, score in (
            ("BM25", {}, "hi there", 0.25, pytest.approx(0.5755781676236515)),
            ("Scaled Score Fusion", {"ssf_rank_constant": 1}, "and more", 0.5, 0.5),
            ("Serverless Deployment", {"connection_id": "/x/connections/ranker"}, "nothing of the kind", 0.75, 1.0),
        )
    ],
}  # fmt: skip


def _nodes() -> Iterator[tuple[str, str, Case]]:
    for tool, cases in CASES.items():
        for number, case in enumerate(cases):
            yield f"{tool.rpartition('.')[0].replace('.', '_')}_{number}", tool, case


def _node(name: str, tool: str, case: Case) -> dict[str, object]:
    prompts = BUILTIN_TOOLS[tool].prompt
    source = {"type": "package_with_prompt" if prompts else "package", "tool": tool}
    text = {case.text: "${inputs.text}"} if case.text else {}
    return {
        "name": name,
        "type": "custom_llm" if prompts else "python",
        "source": source | ({"path": _template(case)} if prompts else {}),
        "inputs": {**text, **case.inputs},
        "activate": {"when": "${inputs.which}", "is": name},
    }


def _template(case: Case) -> str:
    if "picture" in case.inputs:
        return "see.jinja2"
    return "say.jinja2" if case.inputs.get("api") == "completion" else "ask.jinja2"


def _write(folder: Path) -> None:
    nodes = [_node(*one) for one in _nodes()]
    (folder / "flow.dag.yaml").write_text(json.dumps({
        "inputs": {"which": {"type": "string"}, "text": {"type": "string"}},
        "outputs": {one["name"]: {"type": "string", "reference": f"${{{one['name']}.output}}"} for one in nodes},
        "nodes": nodes,
    }))  # fmt: skip
    (folder / "ask.jinja2").write_text("user:\n{{ text }}\n")
    (folder / "say.jinja2").write_text("{{ text }}")
    (folder / "see.jinja2").write_text("user:\n{{ text }}\n![image]({{ picture }})\n")
    (folder / "described").mkdir()
    (folder / "described/MLIndex").write_text(json.dumps(ML_INDEX))
    index = faiss.IndexFlatL2(2)
    index.add(np.array([[0, 0], [1, 0]], dtype=np.float32))
    (folder / "index/docstore").mkdir(parents=True)
    faiss.write_index(index, str(folder / "index/index.faiss"))
    (folder / "index/MLIndex").write_text(json.dumps({"index": {"kind": "faiss"}}))
    (folder / "index/index_to_doc_id.json").write_text(json.dumps({"0": "d0", "1": "d1"}))
    lines = [{"document_id": f"d{place}", "data": f"text {place}", "metadata": {"n": place}} for place in (0, 1)]
    (folder / "index/docstore/docs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _connections(model: str, service: str) -> list[dict[str, object]]:
    llama = {"endpoint_url": f"{service}/llama/score", "model_family": "LLAMA"}
    return [
        {"name": "azure", "type": "azure_open_ai", "api_base": model, "api_key": KEY},
        {"name": "open", "type": "open_ai", "base_url": f"{model}/v1", "api_key": KEY},
        {"name": "serverless", "type": "serverless", "api_base": f"{model}/v1", "api_key": KEY},
        {"name": "ranker", "type": "serverless", "api_base": service, "api_key": KEY},
        {"name": "llama", "type": "custom", "configs": llama, "secrets": {"endpoint_api_key": KEY}},
        {"name": "serp", "type": "serp", "api_key": KEY},
        {"name": "safety", "type": "azure_content_safety", "endpoint": service, "api_key": KEY},
        {"name": "search", "type": "cognitive_search", "api_base": service, "api_key": KEY},
        {"name": "search by token", "type": "cognitive_search", "api_base": service, "auth_mode": "meid_token"},
        {"name": "qdrant", "type": "qdrant", "api_base": service, "api_key": KEY},
        {"name": "weaviate", "type": "weaviate", "api_base": service, "api_key": KEY},
    ]


class Rig(NamedTuple):
    server: Server
    service: Services
    cloud: Azure


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One server for all tools: each node runs only if the input ``which`` names it."""
    root = tmp_path_factory.mktemp("tools")
    folder = root / "flow"
    folder.mkdir()
    _write(folder)
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("serpapi.com").configure_cert(context)
    authority.cert_pem.write_to_path(str(root / "ca.pem"))
    with ExitStack() as stack:
        model = stack.enter_context(stub_model(root / "model.log"))
        service = stack.enter_context(services(context))
        cloud = stack.enter_context(azure())
        (root / "connections.json").write_text(json.dumps(_connections(model, service.url)))
        service.tokens = cloud.issued
        environment = {
            "HTTPS_PROXY": service.url,
            "NO_PROXY": "127.0.0.1",
            "SSL_CERT_FILE": str(root / "ca.pem"),
            "IDENTITY_ENDPOINT": f"{cloud.url}/msi/token",
            "IDENTITY_HEADER": "h",
        }
        options = ("--workers", "1", "--connections", str(root / "connections.json"))
        yield Rig(stack.enter_context(serving(folder, *options, environment=environment)), service, cloud)


def test_every_tool_has_a_stub() -> None:
    assert CASES.keys() == BUILTIN_TOOLS.keys() == TOOLS.keys()


@pytest.mark.parametrize("name", BUILTIN_TOOLS)
def test_a_tool_answers_in_a_served_flow(rig: Rig, name: str) -> None:
    for node, tool, case in _nodes():
        if tool == name:
            answer = rig.server.score({"which": node, "text": "hi"}, timeout_s=30)
            document: Any = answer.json
            assert answer.status == 200, document
            _is(document[node], case.answer)


def _is(given: object, expected: object) -> None:
    if isinstance(expected, type):
        assert isinstance(given, expected)
        assert given
    elif isinstance(expected, str):
        assert expected in str(given)
    else:
        assert given == expected


def test_serpapi_is_asked_at_its_own_address_over_tls(rig: Rig) -> None:
    rig.service.asked.clear()
    node = next(node for node, tool, _ in _nodes() if "serpapi" in tool)
    assert rig.server.score({"which": node, "text": "cats & dogs"}).status == 200
    asked = rig.service.asked[-1]
    assert asked[:2] == (
        "GET", f"/search?q=cats+%26+dogs&engine=google&num=10&api_key={KEY}&source=python"
    )  # fmt: skip


def test_a_search_by_token_asks_for_one_for_the_search(rig: Rig) -> None:
    node = next(node for node, _, case in _nodes() if case.inputs.get("connection") == "search by token")
    for _ in range(3):
        assert rig.server.score({"which": node, "text": "x"}, timeout_s=30).status == 200
    resources = [path for _, path, _ in rig.cloud.asked]
    assert len(resources) == 1, "one token for all requests"
    assert (
        "resource=https%3A%2F%2Fsearch.azure.com" in resources[0] or "resource=https://search.azure.com" in resources[0]
    )


def test_no_secret_is_in_the_log(rig: Rig) -> None:
    assert KEY not in rig.server.log
    assert not [token for token in rig.cloud.issued if token in rig.server.log]
    assert DOCUMENT["content"] not in rig.server.log


def test_check_names_the_package_that_a_tool_lacks(tmp_path: Path) -> None:
    folder, blocked = tmp_path / "flow", tmp_path / "blocked"
    folder.mkdir()
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text("import sys\nsys.modules['faiss'] = None\n")
    tool = "promptflow_vectordb.tool.faiss_index_lookup.FaissIndexLookup.search"
    node = {"name": "n", "type": "python", "source": {"type": "package", "tool": tool}}
    (folder / "flow.dag.yaml").write_text(json.dumps({"nodes": [{**node, "inputs": {"path": "x", "vector": [1]}}]}))
    command = [sys.executable, "-m", "pfserve", "check", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(blocked)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    told = f"node 'n': {tool} needs the module faiss, which is not installed: pip install 'pfserve[lookup]'"
    assert told in done.stdout
