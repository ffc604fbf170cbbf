"""``pfserve stub-llm`` as a process: over the wire, in time, and when things are asked to go wrong."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme

CHAT = "/v1/chat/completions"
HI = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Stub:
    def __init__(self, process: subprocess.Popen[str], port: int, context: ssl.SSLContext | None = None) -> None:
        self.process = process
        self.port = port
        self._context = context

    def connect(self) -> http.client.HTTPConnection:
        if self._context is not None:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=self._context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ask(self, body: object = HI, path: str = CHAT, method: str = "POST", **headers: str) -> Answer:
        connection = self.connect()
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        with contextlib.closing(connection):
            connection.request(method, path, sent, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


@contextlib.contextmanager
def stub(*options: str, context: ssl.SSLContext | None = None) -> Iterator[Stub]:
    command = [sys.executable, "-m", "pfserve", "stub-llm", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            found = re.fullmatch(r"stub-llm serving on (https?)://127\.0\.0\.1:(\d+)\n", line)
            assert found and found[1] == ("https" if context else "http"), line
            yield Stub(process, int(found[2]), context)
        finally:
            process.kill()
            assert process.stderr.read() == ""


@pytest.fixture(scope="module")
def plain() -> Iterator[Stub]:
    with stub() as started:
        yield started


def test_health(plain: Stub):
    assert plain.ask(path="/health", method="GET").json == {"status": "ok"}


def test_openai_and_azure_give_the_same_answer_again_and_again(plain: Stub):
    azure = plain.ask(path="/openai/deployments/m/chat/completions?api-version=2024-02-01", api_key="any")
    assert azure.status == 200
    assert plain.ask(Authorization="Bearer any").body == plain.ask().body == azure.body


def test_a_stream_arrives_whole(plain: Stub):
    answer = plain.ask({**HI, "stream": True, "stream_options": {"include_usage": True}})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert b'"usage":{' in answer.body


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ({"body": b"{"}, 400, "not JSON"),
        ({"body": {}}, 400, "messages"),
        ({"path": "/v1/nothing"}, 404, "Invalid URL (POST /v1/nothing)"),
        ({"method": "GET"}, 404, "Invalid URL (GET /v1/chat/completions)"),
    ],
)
def test_what_cannot_be_answered_is_told_as_openai_tells_it(plain: Stub, asked: Any, status: int, told: str):
    answer = plain.ask(**asked)
    assert answer.status == status
    assert told in answer.json["error"]["message"]
    assert set(answer.json["error"]) == {"message", "type", "param", "code"}


def test_a_large_body_is_taken(plain: Stub):
    url = "data:image/png;base64," + "A" * 5_000_000
    parts = [{"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": url}}]
    assert plain.ask({"model": "m", "messages": [{"role": "user", "content": parts}]}).status == 200


def test_many_at_once_over_few_connections(plain: Stub):
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda _: plain.ask(), range(200)))
    assert {answer.body for answer in answers} == {plain.ask().body}


def test_a_seed_makes_another_model(plain: Stub):
    with stub("--seed", "7", "--answer-tokens", "5") as other:
        assert other.ask().json["usage"]["completion_tokens"] == 5
        assert other.ask().json["id"] != plain.ask().json["id"]


def test_a_key_and_a_deployment_may_be_needed():
    with stub("--api-key", "right", "--deployment", "here") as locked:
        assert [locked.ask(), locked.ask(api_key="wrong")] == [locked.ask()] * 2
        assert locked.ask().json["error"]["code"] == "invalid_api_key"
        assert locked.ask().status == 401
        here = "/openai/deployments/here/chat/completions"
        assert locked.ask(path=here, api_key="right").status == 200
        assert locked.ask(path=here, Authorization="Bearer right").status == 200
        assert locked.ask(path=here.replace("here", "there"), api_key="right").status == 404


def test_quotas_refuse_with_the_time_to_wait():
    with stub("--rpm", "2") as busy:
        statuses = [busy.ask().status for _ in range(3)]
        refused = busy.ask()
        assert statuses == [200, 200, 429]
        assert refused.json["error"]["type"] == "requests"
        assert 0 < int(refused.headers["retry-after"]) <= 30
        assert 0 < int(refused.headers["retry-after-ms"]) <= 30_000
        assert refused.headers["x-ratelimit-limit-requests"] == "2"


def test_failures_come_by_chance_that_repeats_itself():
    def statuses() -> list[int]:
        with stub("--failure-rate", "0.5", "--failure-status", "503") as failing:
            return [failing.ask().status for _ in range(20)]

    first = statuses()
    assert set(first) == {200, 503}
    assert statuses() == first


def test_a_prompt_may_ask_for_its_failure(plain: Stub):
    def ask(text: str) -> int:
        return plain.ask({"model": "m", "messages": [{"role": "user", "content": text}]}).status

    assert [ask("fail [[stub:429x2]]") for _ in range(4)] == [429, 429, 200, 429]
    assert [ask("fail [[stub:401]]") for _ in range(2)] == [401, 401]
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        ask("fail [[stub:cut]]")


@pytest.mark.parametrize("stream", [False, True])
def test_answers_break_off_half_way(stream: bool):
    with stub("--cut-rate", "1") as cutting, pytest.raises((http.client.IncompleteRead, ConnectionError)) as broken:
        cutting.ask({**HI, "stream": stream})
    if isinstance(broken.value, http.client.IncompleteRead):
        assert broken.value.partial
        assert b"[DONE]" not in broken.value.partial


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_takes_its_time(stream: bool):
    with stub("--latency-ms", "200", "--tokens-per-s", "100", "--answer-tokens", "20") as slow:
        began_s = time.monotonic()
        answer = slow.ask({**HI, "stream": stream})
        assert time.monotonic() - began_s >= 0.2 + 19 / 100
        assert answer.status == 200


@pytest.mark.parametrize("stream", [False, True])
def test_a_drawn_latency_is_waited_for(tmp_path: Path, stream: bool):
    (tmp_path / "ms.txt").write_text("300\n")
    with stub("--latency-dist", f"file:{tmp_path / 'ms.txt'}") as slow:
        began_s = time.monotonic()
        assert slow.ask({**HI, "stream": stream}).status == 200
        assert time.monotonic() - began_s >= 0.3


def test_an_unknown_distribution_is_exit_2_and_one_line():
    command = [sys.executable, "-m", "pfserve", "stub-llm", "--port", "0", "--latency-dist", "uniform:1,2"]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.decode() == (
        "pfserve: error: --latency-dist = 'uniform:1,2' (from command line): "
        "write constant, lognormal:MEDIAN_MS,SIGMA or file:PATH\n"
    )


@pytest.mark.parametrize("one_file", [False, True])
def test_https_counts_its_handshakes_and_calls(tmp_path: Path, one_file: bool):
    authority, context = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(context)
    issued = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes((issued.private_key_pem.bytes() if one_file else b"") + issued.cert_chain_pems[0].bytes())
    issued.private_key_pem.write_to_path(key)
    options = (f"--tls-cert={cert}",) if one_file else (f"--tls-cert={cert}", f"--tls-key={key}")
    with stub(*options, context=context) as secret:
        assert [secret.ask().status for _ in range(3)] == [200] * 3
        with contextlib.closing(secret.connect()) as kept:
            for _ in range(5):
                kept.request("POST", CHAT, json.dumps(HI))
                assert kept.getresponse().read()
            with pytest.raises((OSError, http.client.HTTPException)):
                Stub(secret.process, secret.port).ask()  # no TLS: it is none
            kept.request("GET", "/stats")
            assert json.loads(kept.getresponse().read()) == {"calls": 8, "tls_handshakes": 4}


def test_without_tls_there_are_no_handshakes():
    with stub() as started:
        started.ask()
        assert started.ask(path="/stats", method="GET").json == {"calls": 1, "tls_handshakes": 0}


def test_a_key_alone_is_exit_2_and_one_line():
    command = [sys.executable, "-m", "pfserve", "stub-llm", "--port", "0", "--tls-key", "key.pem"]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert done.returncode == 2
    told = (
        "pfserve: error: tls_key = 'key.pem' (from command line): a key without a certificate; --tls-cert gives that\n"
    )
    assert done.stderr.decode() == told


def test_a_stream_whose_client_left_is_given_up():
    with stub("--tokens-per-s", "1", "--answer-tokens", "1000") as slow:
        connection = http.client.HTTPConnection("127.0.0.1", slow.port, timeout=20)
        connection.request("POST", CHAT, json.dumps({**HI, "stream": True}))
        assert connection.getresponse().read1(10)
        connection.close()
        slow.process.send_signal(signal.SIGTERM)
        assert slow.process.wait(10) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(number: signal.Signals):
    with stub() as started:
        started.ask()
        started.process.send_signal(number)
        assert started.process.wait(10) == 0


def test_a_port_in_use_is_5_and_one_line(plain: Stub):
    command = [sys.executable, "-m", "pfserve", "stub-llm", "--port", str(plain.port)]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert done.returncode == 5
    assert done.stderr.decode() == f"pfserve: error: 127.0.0.1:{plain.port} cannot be used: Address already in use\n"
