from __future__ import annotations

import ctypes
import threading

import pytest

from pfserve.errors import BootError
from pfserve.region.lock import LOCK_BYTES, RegionLock


@pytest.fixture
def lock() -> RegionLock:
    lock = RegionLock(memoryview(bytearray(LOCK_BYTES)))
    lock.initialise()
    return lock


def test_the_holder_is_known_while_it_holds(lock: RegionLock) -> None:
    assert lock.holder() == 0
    lock.acquire()
    assert lock.holder() == threading.get_native_id()
    lock.release()
    assert lock.holder() == 0
    with lock:
        assert lock.holder() == threading.get_native_id()
    assert lock.holder() == 0


def test_an_exception_inside_gives_the_lock_back(lock: RegionLock) -> None:
    with pytest.raises(KeyError), lock:
        raise KeyError
    assert lock.holder() == 0


def test_every_turn_is_counted(lock: RegionLock) -> None:
    before = lock.turns
    for _ in range(3):
        with lock:
            pass
    assert lock.turns == before + 3
    assert lock.recoveries == 0


def without(*names: str) -> type:
    """A C library that lacks some functions."""

    class Library:
        def __init__(self, _: object) -> None:
            self._real = ctypes.CDLL(None)

        def __getattr__(self, name: str) -> object:
            if name in names:
                raise AttributeError(f"undefined symbol: {name}")
            return getattr(self._real, name)

    return Library


def test_a_c_library_without_the_timed_wait_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "PyDLL", without("pthread_mutex_clocklock"))
    with pytest.raises(BootError, match=r"glibc 2.30 or newer.*pthread_mutex_clocklock"):
        RegionLock(memoryview(bytearray(LOCK_BYTES)))


def test_a_mutex_with_another_layout_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = RegionLock(memoryview(bytearray(LOCK_BYTES)))
    monkeypatch.setattr(RegionLock, "holder", lambda self: 0)  # what another layout would make of it
    with pytest.raises(BootError, match="needs glibc"):
        lock.initialise()


def test_a_c_library_that_fails_to_make_the_mutex_is_refused() -> None:
    lock = RegionLock(memoryview(bytearray(LOCK_BYTES)))
    lock._initialise = lambda attributes: 95
    with pytest.raises(BootError, match="error 95"):
        lock.initialise()
