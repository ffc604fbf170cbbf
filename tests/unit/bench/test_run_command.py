"""What the options come to, and which of them contradict each other."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import launches, run_command, systems
from bench.cli import main
from bench.mistake import Mistake
from bench.schedule import Closed, Open, Segment, Shape, Spacing, Span, Think, Thinking, Trace

URL = "http://127.0.0.1:8080"
PEERS = Path(launches.__file__).parent / "peers"


@pytest.fixture
def trial(monkeypatch):
    """Runs the command as far as to the trial that it asks for."""

    def invoke(*args):
        asked = []

        def run(trial, say):
            asked.append(trial)
            raise RuntimeError("enough")

        monkeypatch.setattr(run_command, "run", run)
        result = CliRunner().invoke(main, ["run", *args])
        assert (result.exit_code, result.output) == (2, "Error: enough\n")
        return asked[0]

    return invoke


def test_an_open_load(trial):
    asked = trial(URL, "--rate", "200", "--arrivals", "poisson", "--warm-up", "5s", "--seed", "3")
    assert asked.load == Open(Shape((Segment(30, 200, 200),)), Spacing.POISSON)
    assert (asked.span, asked.seed, asked.bodies) == (Span(5, 30), 3, None)


def test_steps_have_their_own_length(trial):
    asked = trial(URL, "--rate", "100x10s,1000x2s")
    assert asked.span == Span(0, 12)


def test_a_count(trial):
    asked = trial(URL, "--rate", "10", "--count", "7")
    assert asked.span == Span(0, None, 7)
    assert asked.load.shape.lasts_s == 1e9


def test_a_closed_load_has_a_connection_for_every_user(trial):
    asked = trial(URL, "--users", "2000", "--think", "exp:1s", "--duration", "1m")
    assert asked.load == Closed(2000, Think(1, Thinking.EXPONENTIAL))
    assert (asked.span, asked.connections) == (Span(0, 60), 2000)


def test_a_trace_lasts_as_long_as_it_does(trial, tmp_path):
    (tmp_path / "t.jsonl").write_text("5\n7\n")
    asked = trial(URL, "--trace", str(tmp_path / "t.jsonl"), "--speed", "2")
    assert (asked.load, asked.span) == (Trace((0, 1)), Span(0, None))


def test_headers_key_and_stream(trial):
    asked = trial(URL, "--users", "1", "--header", "X-A: b:c", "--key", "k", "--stream", "--data", "{}")
    assert asked.headers == (("X-A", "b:c"), ("Authorization", "Bearer k"), ("Accept", "text/event-stream"))
    assert asked.bodies == ("{}",)


def test_get_has_no_body(trial):
    asked = trial(URL, "--users", "1", "--method", "get", "--path", "/health")
    assert (asked.method, asked.bodies, asked.path) == ("GET", (), "/health")


ECHO = "@tool\nasync def echo(text): ...\n"


@pytest.fixture
def flow(tmp_path):
    (tmp_path / "say.jinja2").write_text("{{text}}")
    (tmp_path / "echo.py").write_text(ECHO)
    return tmp_path


@pytest.mark.parametrize(("tool", "kind"), [(ECHO, "async"), (ECHO.replace("async ", ""), "sync")])
def test_the_hand_written_server_does_as_the_flow(trial, flow, tool, kind):
    (flow / "echo.py").write_text(tool)
    asked = trial("--serve", str(flow), "--system", "handwritten", "--users", "1", "--data", "{}", "--workers", "3")
    program, *told = asked.launch.argv[1:]
    assert program.endswith("handwritten.py")
    assert told == [kind, str(flow / "say.jinja2"), "{port}", "3"]


@pytest.mark.parametrize("system", ["mosec", "litserve"])
def test_a_peer_is_started_by_the_interpreter_that_has_it(trial, flow, system):
    python = flow / "python"
    python.write_text("#!/bin/sh\n")  # misses nothing
    python.chmod(0o755)
    asked = trial("--serve", str(flow), "--system", system, "--users", "1", "--peer-python", str(python))
    assert asked.launch.argv[:2] == (str(python), str(PEERS / f"{system}_echo.py"))


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("#!/bin/sh\necho $3 $4\n", "python has no mosec, jinja2: give one that has it by --peer-python"),
        ("#!/bin/sh\nexit 3\n", "returned non-zero exit status 3"),
        ("#!/does/not/exist\n", "No such file"),
    ],
)
def test_a_peer_that_is_not_installed_is_said_to_be(flow, python, said):
    (flow / "python").write_text(python)
    (flow / "python").chmod(0o755)
    args = ("run", "--serve", str(flow), "--system", "mosec", "--users", "1", "--peer-python", str(flow / "python"))
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())


def test_a_peer_serves_no_other_flow(tmp_path):
    result = CliRunner().invoke(main, ["run", "--serve", str(tmp_path), "--system", "litserve", "--users", "1"])
    assert result.exit_code == 2
    assert "serves only a flow like examples/async-echo" in result.output


def test_a_server_of_our_own(trial, tmp_path):
    asked = trial("--serve", str(tmp_path), "--users", "1", "--threads", "4", "--serve-arg=--no-preload")
    assert asked.launch.argv[-4:] == ("--server-timing", "--threads", "4", "--no-preload")
    assert asked.has_health


def test_any_command(trial):
    asked = trial("--command", "python 'my server.py' {port}", "--users", "1", "--data", "{}")
    assert asked.launch.argv == ("python", "my server.py", "{port}")
    assert not asked.has_health


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "say what to load: a URL, or --serve FLOW, or --command"),
        ([URL, "--command", "x {port}", "--users", "1"], "say what to load"),
        ([URL], "say how requests come: one of --rate, --trace, --users"),
        ([URL, "--rate", "1", "--users", "1"], "say how requests come"),
        ([URL, "--rate", "1", "--duration", "1s", "--count", "5"], "--duration and --count exclude each other"),
        ([URL, "--rate", "1x5s", "--duration", "1s"], "has its own lengths: leave out --duration"),
        ([URL, "--rate", "fast"], "'fast' is no rate"),
        ([URL, "--users", "1", "--think", "long"], "'long' is no length of time"),
        ([URL, "--users", "1", "--header", "nonsense"], "write 'NAME: VALUE'"),
        ([URL, "--users", "1", "--payload", "x.jsonl", "--data", "{}"], "--payload and --data exclude each other"),
        ([URL, "--users", "1", "--data", "{{random.int}}"], "cannot be filled in"),
        ([URL, "--users", "1", "--duration", "long"], "'long' is no length of time"),
        ([URL, "--users", "1", "--generators", "5", "--connections", "4"], "each of 5 generators at least one"),
        ([URL, "--users", "4", "--generators", "5"], "--users must give each of 5 generators at least one"),
        ([URL, "--trace", "nothing.csv"], "nothing.csv"),
        ([URL, "--trace", "nothing.csv", "--speed", "nan"], "--speed nan: that is no speed"),
        ([URL, "--trace", "nothing.csv", "--speed", "inf"], "--speed inf: that is no speed"),
        (["localhost:1", "--users", "1"], "is no address"),
        ([URL, "--users", "1", "--connections", "99999999"], "ulimit -n"),
        (["--command", "server", "--users", "1"], "--command must hold {port}"),
        ([URL, "--users", "1", "--header", "A B: c"], "'A B' is no name of a header"),
        ([URL, "--users", "1", "--header", "X: a\nb"], "the header X holds a line break"),
        ([URL, "--users", "1", "--key", "secret\r\n"], "the header Authorization holds a line break"),
        ([URL, "--users", "1", "--method", "G T"], "--method 'G T' is no method"),
        ([URL, "--users", "1", "--path", "score"], "'score' is no path"),
        ([f"{URL}/a b", "--users", "1"], "'/a b' is no path"),
        ([URL, "--users", "1", "--duration", "0s"], "'0s' is no time at all"),
        ([URL, "--users", "1", "--timeout", "0ms"], "'0ms' is no time at all"),
        ([URL, "--rate", "0"], "that is no request at all"),
        ([URL, "--rate", "-5"], "'-5' is no rate"),
        ([URL, "--rate", "10..500", "--count", "5"], "--rate 10..500 --count 5: over what time?"),
        (["--command", "'server {port}", "--users", "1"], "No closing quotation"),
        (["http://a..b", "--users", "1"], "'a..b' is no name of a host"),
        ([f"http://{'a' * 80}.example", "--users", "1"], "is no name of a host"),
        (["http://me:secret@a.example", "--users", "1"], "is not sent: give it by --key or --header"),
        (["http://no.such.host.invalid", "--users", "1"], "no.such.host.invalid: "),
    ],
)
def test_mistakes_are_told_in_a_sentence(args, said):
    result = CliRunner().invoke(main, ["run", *args])
    assert result.exit_code == 2
    assert said in result.stderr
    assert "secret" not in result.stderr


@pytest.mark.parametrize("system", ["command", "promptflow"])
def test_a_program_that_is_not_there_is_told(flow, system):
    """It was a traceback."""
    command = ["--command", "/no/such/program {port}"]
    peer = ["--serve", str(flow), "--system", "promptflow-flask", "--promptflow-python", "/no/such/program"]
    asked = command if system == "command" else peer
    result = CliRunner().invoke(main, ["run", *asked, "--users", "1", "--data", "{}"])
    assert result.exit_code == 2
    assert "/no/such/program: " in result.stderr


def test_promptflow_that_cannot_be_installed_is_told(flow, monkeypatch):
    def promptflow_python(folder):
        raise subprocess.CalledProcessError(1, ["python", "-m", "pip"])

    monkeypatch.setattr(systems, "promptflow_python", promptflow_python)
    asked = ["--serve", str(flow), "--system", "promptflow-fastapi", "--users", "1", "--data", "{}"]
    result = CliRunner().invoke(main, ["run", *asked])
    assert result.exit_code == 2
    assert "give an interpreter that has it by --promptflow-python" in " ".join(result.stderr.split())


def test_report_of_what_is_no_record(tmp_path):
    (tmp_path / "a").write_text("no")
    result = CliRunner().invoke(main, ["report", str(tmp_path / "a")])
    assert result.exit_code == 2
    assert "this is no record of pfserve-bench" in result.stderr


def test_a_mistake_of_the_target_is_one_too(monkeypatch):
    def run(trial, say):
        raise Mistake("nobody answers")

    monkeypatch.setattr(run_command, "run", run)
    result = CliRunner().invoke(main, ["run", URL, "--users", "1"])
    assert (result.exit_code, "nobody answers" in result.stderr) == (2, True)
