"""Taking in user code, with stand-ins for it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pfserve.errors import CompileError, Diagnostic
from pfserve.leader import intake
from pfserve.leader.intake import take_in, why_unshareable

PLAN: Any = object()


@pytest.fixture(autouse=True)
def _keep_the_signals_of_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "obey_channel_only", lambda: None)
    monkeypatch.setattr(intake, "write_stacks_on_demand", lambda: None)


def raising(problem: BaseException) -> Callable[[], Any]:
    def load() -> Any:
        raise problem

    return load


def test_it_gives_the_plan() -> None:
    assert take_in(lambda: PLAN, "flow") is PLAN


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (SystemExit(0), "flow: the flow's code called sys.exit(0) while it was imported"),
        (SystemExit("bye"), "flow: the flow's code called sys.exit('bye') while it was imported"),
        (KeyboardInterrupt(), "flow: the flow's code raised KeyboardInterrupt while it was imported"),
    ],
)
def test_code_that_wants_to_end_the_process_is_a_mistake_of_the_flow(problem: BaseException, text: str) -> None:
    with pytest.raises(CompileError) as raised:
        take_in(raising(problem), "flow")
    assert str(raised.value) == text
    assert raised.value.exit_code == 3


def test_the_compilers_own_diagnostics_pass() -> None:
    problem = CompileError([Diagnostic("flow.dag.yaml", 3, "no such node")])
    with pytest.raises(CompileError) as raised:
        take_in(raising(problem), "flow")
    assert raised.value is problem


@pytest.mark.parametrize("fails", [False, True])
def test_folder_handlers_and_mask_are_restored(fails: bool, tmp_path: Path) -> None:
    before = (Path.cwd(), signal.getsignal(signal.SIGUSR1), signal.pthread_sigmask(signal.SIG_BLOCK, []))

    def load() -> Any:
        os.chdir(tmp_path)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        if fails:
            raise CompileError([Diagnostic("act.py", 1, "no")])
        return PLAN

    try:
        take_in(load, "flow")
    except CompileError:
        assert fails
    assert before == (Path.cwd(), signal.getsignal(signal.SIGUSR1), signal.pthread_sigmask(signal.SIG_BLOCK, []))


@pytest.fixture
def ticker() -> Iterator[threading.Thread]:
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="ticker", daemon=True)
    thread.start()
    yield thread
    over.set()
    thread.join()


def test_a_thread_is_named(ticker: threading.Thread) -> None:
    assert "thread 'ticker' at threading.py:" in why_unshareable()


def test_a_thread_behind_the_back_of_threading_is_found_too() -> None:
    import _thread

    over, started = threading.Event(), threading.Event()

    def run() -> None:
        started.set()
        over.wait()

    _thread.start_new_thread(run, ())
    started.wait()
    assert "thread 'without a name' at " in why_unshareable()
    over.set()


def test_grpc_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc._cython.cygrpc", types.ModuleType("cygrpc"))
    assert "gRPC is loaded" in why_unshareable()


@pytest.mark.parametrize("timer", [signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF])
def test_no_timer_outlives_the_import(timer: int) -> None:
    """Their signals kill: nobody handles them any more."""

    def load() -> Any:
        signal.setitimer(timer, 600)
        return PLAN

    take_in(load, "flow")
    assert signal.getitimer(timer) == (0.0, 0.0)
