"""The commands in this process: what they pass on, print and exit with."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

import pfserve.master
from pfserve import __version__
from pfserve.cli import main
from pfserve.config import SETTINGS
from pfserve.errors import CompileError, Diagnostic, PortError


@pytest.fixture
def run(monkeypatch):
    for setting in SETTINGS:
        for name in setting.variables:
            monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(main, arguments)


@pytest.fixture
def master(monkeypatch):
    """A master that notes its config and answers with ``outcome``, an exit code or an exception."""

    class Master:
        config = None
        outcome: int | Exception = 0

        def run(self, config):
            self.config = config
            if isinstance(self.outcome, Exception):
                raise self.outcome
            return self.outcome

    fake = Master()
    monkeypatch.setattr(pfserve.master, "run_master", fake.run)
    monkeypatch.setattr(sys, "platform", "linux")
    return fake


def test_serve_gives_the_master_what_was_asked(run, master, monkeypatch):
    monkeypatch.setenv("PFSERVE_PORT", "9")
    result = run("serve", "/", "--workers", "3", "--no-preload", "--access-log", "--env", "A=1", "--env", "B=2")
    assert (result.exit_code, result.output) == (0, "")
    config = master.config
    assert (config.flow, config.port, config.workers, config.preload, config.access_log) == ("/", 9, 3, False, True)
    assert config.environment == {"A": "1", "B": "2"}


@pytest.mark.parametrize(
    ("outcome", "exit_code", "text"),
    [
        (6, 6, ""),
        (PortError("127.0.0.1:80 is in use"), 5, "pfserve: error: 127.0.0.1:80 is in use\n"),
        (
            CompileError([Diagnostic("b", 2, "y"), Diagnostic("a", 0, "x")]),
            3,
            "pfserve: error: the flow does not compile\na: x\nb:2: y\n",
        ),
    ],
)
def test_serve_ends_with_the_masters_exit_code_and_one_text(run, master, outcome, exit_code, text):
    master.outcome = outcome
    result = run("serve", "/")
    assert (result.exit_code, result.stdout, result.stderr) == (exit_code, "", text)


def test_serve_refuses_a_bad_value_before_anything_starts(run, master):
    result = run("serve", "/", "--port", "http")
    assert result.exit_code == 2
    assert (
        result.stderr == "pfserve: error: port = 'http' (from flag --port): expected a whole number from 0 to 65535\n"
    )
    assert master.config is None


def test_serve_elsewhere_than_on_linux_says_so(run, master, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    result = run("serve", "/")
    assert (result.exit_code, result.stderr) == (
        2,
        "pfserve: error: serve needs Linux, this is darwin; run it in a container\n",
    )
    assert master.config is None


def test_show_config_prints_and_starts_nothing(run, master):
    result = run("serve", "/", "--show-config", "--workers", "999", "--env", "KEY=s3cret")
    assert result.exit_code == 0
    assert result.stdout.startswith("setting ")
    assert "flag --workers" in result.stdout
    assert "s3cret" not in result.output
    assert result.stderr.startswith("pfserve: warning: workers = 999")
    assert master.config is None


def test_every_option_says_its_variable_and_its_default(run):
    text = " ".join(run("serve", "--help").output.split())
    for setting in SETTINGS:
        if setting.flag:
            assert setting.flag in text
            variables = f"{', '.join(setting.variables)}; " if setting.variables else ""
            assert f"[{variables}default: " in text


@pytest.mark.parametrize("command", ["serve", "check", "explain", "invoke", "stub-llm"])
def test_every_command_has_help(run, command: str):
    assert run(command, "--help").exit_code == 0
    assert command in run("--help").output


def test_version(run):
    assert run("--version").output == f"pfserve {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["ftp://a"], "is no http or https URL"),
        (["a", "pair"], "expected KEY=VALUE, not 'pair'"),
        (["a", "b=c", "--data", "{}"], "give one of --request-file, --data and KEY=VALUE"),
        (["a", "--header", "x"], "expected a header as 'NAME: VALUE', not 'x'"),
        (["a", "--timeout-s", "0"], "--timeout-s"),
        (["a", "--request-file", "/no/such"], "No such file"),
        ([], "Missing argument 'URL'"),
    ],
)
def test_wrong_usage_of_invoke_is_2(run, arguments: list[str], text: str):
    result = run("invoke", *arguments)
    assert result.exit_code == 2
    assert text in result.stderr
