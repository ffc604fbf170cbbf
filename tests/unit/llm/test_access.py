"""Access tokens: one fetch at a time, renewed ahead, the old one used meanwhile, failures bounded and told."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from pfserve.llm import access
from pfserve.llm.access import AccessTokens, NoToken
from pfserve.values.identity import AccessToken, options


class Service:
    """Gives tokens when it is let to; its clock stands where the test puts it."""

    def __init__(self, *outcomes, held=False):
        self.now_s = 1000.0
        self.outcomes = list(outcomes)
        self.asked = 0
        self.gate = threading.Event()
        if not held:
            self.gate.set()

    def fetch(self, scope):
        self.asked += 1
        outcome = self.outcomes.pop(0) if self.outcomes else f"t{self.asked}"
        assert self.gate.wait(10)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome if isinstance(outcome, AccessToken) else AccessToken(f"{outcome} {scope}", self.now_s + 3600)


def run(service, body):
    """Run ``body(tokens, pauses)``; ``pauses`` collects when renewals are due, which the test brings about."""

    async def whole():
        loop = asyncio.get_running_loop()
        tokens = AccessTokens(service.fetch, clock=lambda: service.now_s)
        due = []
        later = loop.call_later

        def call_later(delay, callback, *args, **kwargs):
            if getattr(callback, "__name__", "") == "_due":
                due.append((delay, callback))
                return later(10_000, callback)
            return later(delay, callback, *args, **kwargs)

        loop.call_later = call_later
        try:
            return await asyncio.wait_for(body(tokens, due), 10)
        finally:
            tokens.close()

    return asyncio.run(whole())


async def settled(service, asked):
    while service.asked < asked:
        await asyncio.sleep(0.001)
    await asyncio.to_thread(lambda: None)
    await asyncio.sleep(0.01)


def test_many_requests_cause_one_fetch():
    service = Service(held=True)

    async def body(tokens, due):
        asking = [asyncio.create_task(tokens.get("s")) for _ in range(20)]
        await asyncio.sleep(0.01)
        asking[0].cancel()  # one client leaves: the others still get theirs
        service.gate.set()
        return await asyncio.gather(*asking[1:])

    assert set(run(service, body)) == {"t1 s"}
    assert service.asked == 1


def test_it_is_renewed_ahead_and_nobody_waits_for_it():
    service = Service()

    async def body(tokens, due):
        assert await tokens.get("s") == "t1 s"
        [(delay, renew)] = due
        assert delay == 3600 - access.AHEAD_S
        service.gate.clear()
        service.now_s += delay
        renew()
        await asyncio.sleep(0.01)
        assert [await tokens.get("s") for _ in range(3)] == ["t1 s"] * 3  # while the new one is on its way
        service.gate.set()
        while await tokens.get("s") == "t1 s":
            await asyncio.sleep(0.001)
        assert await tokens.get("s") == "t2 s"
        assert due[-1][0] == 3600 - access.AHEAD_S

    run(service, body)
    assert service.asked == 2


def test_a_short_life_is_renewed_after_its_half():
    service = Service(AccessToken("short", 1100.0))

    async def body(tokens, due):
        await tokens.get("s")
        return [delay for delay, _ in due]

    assert run(service, body) == [50.0]


def test_the_same_token_again_is_asked_for_again_soon():
    service = Service(AccessToken("same", 1400.0), AccessToken("same", 1400.0))

    async def body(tokens, due):
        await tokens.get("s")
        due[0][1]()
        await settled(service, 2)
        return [delay for delay, _ in due]

    assert run(service, body) == [200.0, access.LONGEST_PAUSE_S]


def test_failures_while_there_is_a_valid_token_hurt_nobody(caplog):
    service = Service("t1", *[ConnectionError("busy")] * 6)

    async def body(tokens, due):
        await tokens.get("s")
        for count in range(2, 8):
            due[-1][1]()
            await settled(service, count)
            assert await tokens.get("s") == "t1 s"
        return [delay for delay, _ in due[1:]]

    with caplog.at_level(logging.WARNING, "pfserve"):
        assert run(service, body) == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    [record] = caplog.records  # the same trouble is told once
    assert "no new access token (ConnectionError); the one in use is valid for 3600 s: busy" in record.getMessage()
    assert "t1 s" not in caplog.text


def test_without_a_valid_token_requests_fail_at_once_until_the_next_try_is_due():
    service = Service(ConnectionError("busy"), ConnectionError("still busy"), "new")

    async def body(tokens, due):
        for _ in range(3):
            with pytest.raises(NoToken, match=r"^busy$") as problem:
                await tokens.get("s")
            assert problem.value.kind == "ConnectionError"
        assert service.asked == 1
        due[-1][1]()
        await settled(service, 2)
        with pytest.raises(NoToken, match="still busy"):
            await tokens.get("s")
        due[-1][1]()
        assert await tokens.get("s") == "new s"

    run(service, body)
    assert service.asked == 3


def test_a_token_that_is_over_is_none():
    service = Service(AccessToken("old", 1005.0))

    async def body(tokens, due):
        with pytest.raises(NoToken, match="gave one that is over"):
            await tokens.get("s")

    run(service, body)


def test_a_token_whose_renewal_never_came_is_not_used_to_its_last_second():
    service = Service("t1")

    async def body(tokens, due):
        await tokens.get("s")
        service.now_s += 3600 - access.MARGIN_S
        assert await tokens.get("s") == "t2 s"

    run(service, body)


def test_a_service_that_hangs_is_not_waited_for_without_end(monkeypatch):
    monkeypatch.setattr(access, "WAIT_S", 0.01)
    service = Service(held=True)

    async def body(tokens, due):
        try:
            with pytest.raises(NoToken, match=r"no access token came within 0.01 s"):
                await tokens.get("s")
        finally:
            service.gate.set()

    run(service, body)


def test_warming_fetches_before_anybody_asks():
    service = Service()

    async def body(tokens, due):
        tokens.warm("s")
        tokens.warm("s")
        await settled(service, 1)
        assert await tokens.get("s") == "t1 s"

    run(service, body)
    assert service.asked == 1


def test_a_token_shows_itself_nowhere():
    assert "secret" not in repr(AccessToken("secret", 5.0))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", {}),
        ("login.microsoftonline.us", {}),
        ("https://login.microsoftonline.com/", {}),
        ("https://login.own.cloud:8443", {"disable_instance_discovery": True}),
        ("login.own.cloud", {"disable_instance_discovery": True}),
    ],
)
def test_a_cloud_of_one_s_own_is_not_looked_up_in_the_public_one(host, expected):
    assert options({"AZURE_AUTHORITY_HOST": host}) == expected
