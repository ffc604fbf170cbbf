"""The commands as processes: exit codes, streams, and user code that behaves badly."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

FLOW = """
inputs: {text: {type: string}}
outputs: {answer: {type: string, reference: "${node.output}"}}
nodes:
- {name: node, type: python, source: {type: code, path: node.py}, inputs: {text: "${inputs.text}"}}
"""
NODE = """
from promptflow.core import tool

@tool
def node(text: str) -> str:
    return text
"""


def pfserve(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "pfserve", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)


@pytest.fixture
def flow(tmp_path: Path):
    """Write a flow of one python node whose file starts with ``prelude``."""

    def write(prelude: str = "", yaml: str = FLOW) -> Path:
        (tmp_path / "flow.dag.yaml").write_text(yaml)
        (tmp_path / "node.py").write_text(prelude + NODE)
        return tmp_path

    return write


# -- serve -----------------------------------------------------------------------------------------


def test_a_configuration_error_is_2_and_one_line():
    done = pfserve("serve", "/", "--workers", "many")
    assert done.returncode == 2
    assert (
        done.stderr
        == b"pfserve: error: workers = 'many' (from flag --workers): expected a whole number from 1 to 1024\n"
    )
    assert done.stdout == b""


def test_the_table_survives_a_reader_that_leaves():
    command = f"{sys.executable} -m pfserve serve / --show-config | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert done.stdout.startswith(b"setting ")
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


def test_the_command_line_brings_no_server_and_no_client():
    heavy = {"aiohttp", "asyncio", "jinja2", "multiprocessing", "ssl", "uvloop", "yaml"}
    program = f"import sys, pfserve.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=True)
    assert done.stdout == b"[]\n"


# -- check and explain -----------------------------------------------------------------------------


def test_a_good_flow_is_0(flow):
    done = pfserve("check", flow())
    assert (done.returncode, done.stdout) == (0, b"no mistakes, no warnings\n"), done.stderr


def test_every_mistake_is_told_with_its_line(flow):
    folder = flow(yaml=FLOW.replace("${inputs.text}", "${inputs.nothing}").replace("${node.output}", "${none.output}"))
    done = pfserve("check", folder, "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (3, False)
    assert sorted(mistake["line"] for mistake in report["mistakes"]) == [3, 5]
    lines = pfserve("check", folder).stdout.decode().splitlines()
    assert lines[:2] == [f"{one['file']}:{one['line']}: {one['message']}" for one in report["mistakes"]]
    assert lines[2] == "2 mistakes, no warnings"


def test_what_user_code_prints_does_not_mix_with_the_report(flow):
    done = pfserve("check", flow("print('from python')\nimport os\nos.write(1, b'from below')\n"), "--json")
    assert json.loads(done.stdout)["ok"] is True
    assert b"from python" in done.stderr
    assert b"from below" in done.stderr


@pytest.mark.parametrize(
    ("prelude", "text"),
    [
        ("import sys; sys.exit(0)\n", "sys.exit"),
        ("import os; os._exit(0)\n", "ended its process (exit status 0)"),
        ("import os; os.kill(os.getpid(), 9)\n", "ended its process (signal 9)"),
        ("1 / 0\n", "division by zero"),
        ("raise KeyboardInterrupt\n", "KeyboardInterrupt"),
    ],
)
def test_user_code_that_ends_or_raises_is_a_mistake(flow, prelude: str, text: str):
    done = pfserve("check", flow(prelude))
    assert done.returncode == 3
    assert text in done.stdout.decode()
    assert b"Traceback" not in done.stderr


def test_user_code_that_hangs_is_a_mistake(flow, monkeypatch):
    monkeypatch.setenv("PFSERVE_BOOT_TIMEOUT_S", "1")
    done = pfserve("check", flow("import time; time.sleep(600)\n"))
    assert done.returncode == 3
    assert b"importing the flow is not done after 1 s" in done.stdout


@pytest.mark.parametrize(
    "prelude",
    ["import os; os.fork()\n", "import atexit; atexit.register(print, 'late')\n", "import os; os.close(1)\n"],
)
def test_what_user_code_leaves_behind_does_not_spoil_the_report(flow, prelude: str):
    done = pfserve("check", flow(prelude))
    assert (done.returncode, done.stdout) == (0, b"no mistakes, no warnings\n"), done.stderr


def test_a_thread_that_user_code_leaves_is_a_warning_and_holds_nothing_up(flow):
    done = pfserve("check", flow("import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()\n"))
    assert done.returncode == 0, done.stderr
    assert b"every worker imports the flow for itself, after what its import left: thread" in done.stdout
    assert done.stdout.endswith(b"no mistakes, 1 warning\n")


def test_explain_prints_the_plan(flow):
    done = pfserve("explain", flow())
    assert done.returncode == 0
    assert "text <- inputs.text" in done.stdout.decode()
    assert done.stderr == b""


def test_explain_has_other_forms(flow):
    assert json.loads(pfserve("explain", flow(), "--format", "json").stdout)["steps"][0]["name"] == "node"
    assert pfserve("explain", flow(), "--format", "mermaid").stdout.startswith(b"flowchart TD\n")
    assert pfserve("explain", flow(), "--format", "svg").returncode == 2


def test_check_tells_warnings_beside_mistakes(flow):
    done = pfserve("check", flow(yaml=FLOW.replace("type: string}", "type: strin, defalt: x}", 1)))
    assert done.returncode == 3
    told = done.stdout.decode().splitlines()
    assert [line.partition(": ")[2] for line in told[:2]] == [
        "input 'text' has the unknown type 'strin'; did you mean 'string'?",
        "input 'text' has the unknown key 'defalt', which is ignored; did you mean 'default'? (warning)",
    ]
    assert told[2] == "1 mistake, 1 warning"


def test_explain_of_a_flow_that_does_not_compile_is_3(flow):
    done = pfserve("explain", flow("import nothing_of_this_name\n"))
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.startswith(b"pfserve: error: the flow does not compile\n")
    assert b"nothing_of_this_name" in done.stderr


# -- invoke ----------------------------------------------------------------------------------------


class _Peer(BaseHTTPRequestHandler):
    """Echoes what it got, or misbehaves as the path says."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/drop":
            self.close_connection = True
        elif self.path == "/garbage":
            self.wfile.write(b"garbage\r\n\r\n")
            self.close_connection = True
        elif self.path == "/silent":
            self.server.released.wait(30)
            self.close_connection = True
        elif self.path in ("/stream", "/cut"):
            self.stream(whole=self.path == "/stream")
        elif self.path == "/full":
            self.answer(429, b'{"error": {"code": "TooManyRequests"}}', ("Retry-After", "3"))
        else:
            facts = {"path": self.path, "body": json.loads(body), "headers": dict(self.headers)}
            self.answer(200, json.dumps(facts).encode())

    def answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def stream(self, *, whole: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b'10\r\ndata: {"a": 1}\n\n\r\n')
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def peer():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Peer)
    server.released = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_answer_is_printed_pretty(peer: str):
    done = pfserve("invoke", peer, "text=hi", "n=1", "--key", "k", "--header", "X-A: b")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b'{\n  "path": "/score",\n')
    seen = json.loads(done.stdout)
    assert seen["body"] == {"text": "hi", "n": 1}
    assert seen["headers"]["Authorization"] == "Bearer k"
    assert seen["headers"]["X-A"] == "b"


def test_the_body_may_come_from_a_file_or_from_stdin(peer: str, tmp_path: Path):
    file = tmp_path / "request.json"
    file.write_text('{"from": "file"}')
    assert json.loads(pfserve("invoke", peer, "--request-file", file).stdout)["body"] == {"from": "file"}
    done = pfserve("invoke", peer, "--request-file", "-", stdin=b'{"from": "stdin"}')
    assert json.loads(done.stdout)["body"] == {"from": "stdin"}


def test_a_refusal_is_told_with_its_retry_after(peer: str):
    done = pfserve("invoke", f"http://{peer}/full")
    assert (done.returncode, done.stderr) == (1, b"429 Too Many Requests (Retry-After: 3)\n")
    assert json.loads(done.stdout) == {"error": {"code": "TooManyRequests"}}


def test_a_stream_is_printed_as_data(peer: str):
    done = pfserve("invoke", f"{peer}/stream", "--stream")
    assert (done.returncode, done.stdout, done.stderr) == (0, b'{"a": 1}\n', b"")


@pytest.mark.parametrize(
    ("path", "printed", "text"),
    [
        ("/cut", b'{"a": 1}\n', "the answer broke off"),
        ("/drop", b"", "the server closed the connection without an answer"),
        ("/garbage", b"", "not an HTTP answer (BadStatusLine)"),
        ("/silent", b"", "no answer within 0.3 s"),
    ],
)
def test_no_whole_answer_is_1_and_one_line(peer: str, path: str, printed: bytes, text: str):
    done = pfserve("invoke", f"{peer}{path}", "--stream", "--timeout-s", "0.3" if path == "/silent" else "30")
    assert (done.returncode, done.stdout) == (1, printed)
    assert done.stderr.decode() == f"pfserve: error: {peer}: {text}\n"


def test_nobody_there_is_1_and_one_line():
    done = pfserve("invoke", "127.0.0.1:1")
    assert (done.returncode, done.stderr) == (1, b"pfserve: error: 127.0.0.1:1: Connection refused\n")
