"""The fault campaign: ``python tests/process/fault_campaign.py [--long] [--seconds S] [--seed N] [--tls]``.

A real server serves clients of its port and of its Unix socket, on kept and on new connections, with answers and event
streams, while a seeded random schedule kills and stops its processes and reloads its flow. At the end nothing may be
inside, exactly C requests must be admitted, and every request that failed must be proven to be lost with a process
that was killed. Exits with 1 and tells what was wrong otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import json

from process.faults import flow as flows
from process.faults.client import Load, client
from process.faults.connection import Address, Connection
from process.faults.schedule import Faults
from process.faults.server import Certificates, Server
from process.faults.steps import Notes
from process.faults.verdict import judge, numbers_disagree, table, unseen

CAPACITY = 8
WORKERS = 2  # of one thread each: most requests that need a slot wait in the line, and many are handed over
KEEPERS, NEWCOMERS = 6, 4  # more clients than may be inside: some are refused
LONG_S = 600.0


async def campaign(duration_s: float, seed: int, folder: Path, *, tls: bool) -> tuple[str, list[str]]:
    """Run it; give the table and what was wrong."""
    began_s = time.monotonic()
    flow = folder / "flow"
    flows.write(flow)
    server = Server(flow, folder, CAPACITY, Certificates(folder) if tls else None)
    try:
        load, addresses = Load(), await server.ready()
        faults = Faults(server, flow, random.Random(seed))
        clients = [
            asyncio.create_task(client(load, f"{'k' if number < KEEPERS else 'n'}{number}",
                                       addresses[number % len(addresses)], keeps=number < KEEPERS,
                                       seed=seed * 100 + number))
            for number in range(KEEPERS + NEWCOMERS)
        ]  # fmt: skip
        await faults.run(duration_s)
        load.stopping = True
        await asyncio.gather(*clients)
        wrong = await _at_rest(server, addresses[0], load, faults)
        verdict = judge(load.requests, faults.events, Notes.read(flow), server.log)
        if await server.stop() != 0:
            wrong.append("it did not end with exit code 0")
        if left := server.left():
            wrong.append(f"processes are left: {left}")
        told = table(load.requests, faults.events, verdict, began_s, seed)
        return told, [*verdict.violations, *unseen(load.requests, verdict), *wrong]
    except BaseException:
        sys.stderr.write(server.log[-20_000:])
        raise
    finally:
        server.clear_up()


async def _at_rest(server: Server, address: Address, load: Load, faults: Faults) -> list[str]:
    """What is wrong with the server once nobody asks it any more."""
    wrong = []
    if not await _becomes(server, "inside", 0):
        wrong.append(f"{(await server.status())['inside']} requests are inside, though nobody asks")
    zombies = server.zombies()
    await asyncio.sleep(1.0)  # who has just ended is reaped meanwhile
    if left := sorted(set(zombies).intersection(server.zombies())):
        wrong.append(f"zombies: {left}")
    statuses, _ = await _fill(address, "async")
    if statuses != [200] * CAPACITY + [429]:
        wrong.append(f"of {CAPACITY + 1} requests at once: {statuses}")
    blocking, pids = await _fill(address, "sync")
    if blocking != [200] * CAPACITY + [429] or len(pids) != WORKERS:
        wrong.append(f"{blocking} for requests that need a slot; slots were usable in {pids}")
    statuses += blocking
    status = await server.status()
    status["refused"]["full"] -= statuses.count(429)
    return wrong + numbers_disagree(status, load.requests, faults.events, late=statuses.count(200))


async def _becomes(server: Server, name: str, value: object) -> bool:
    for _ in range(100):
        if (await server.status())[name] == value:
            return True
        await asyncio.sleep(0.1)
    return False


async def _fill(address: Address, how: str) -> tuple[list[int], set[str]]:
    """Fill the instance, then ask once more; give the statuses, sorted, and the processes that ran the requests."""
    pids = set()

    async def one(number: int, wait_s: float) -> int:
        connection = Connection(address)
        await connection.open()
        try:
            body = json.dumps({"id": f"fill-{how}-{number}", "how": how, "wait": wait_s}).encode()
            answer = await connection.ask("POST", "/score", body, "Content-Type: application/json")
            if answer.status == 200:
                pids.add(json.loads(answer.body)[how].split()[1])
            return answer.status
        finally:
            connection.close()

    holders = [asyncio.create_task(one(number, 2.0)) for number in range(CAPACITY)]
    await asyncio.sleep(1.0)
    return sorted([await one(CAPACITY, 0.0), *await asyncio.gather(*holders)]), pids


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help=f"{LONG_S:g} s")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tls", action="store_true", help="serve HTTPS on the port")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds = LONG_S if given.long else given.seconds
        told, wrong = asyncio.run(campaign(seconds, given.seed, Path(folder), tls=given.tls))
    print(told)
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
