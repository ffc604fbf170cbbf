"""The fault campaign as a program: ``python tests/process/fault_campaign.py [--long] [--seconds S] [--seed N]``.

A real server serves clients on kept and on new connections while a seeded random schedule kills and stops its
processes and reloads its flow. At the end nothing may be inside, exactly C requests must be admitted, and every failed
request must have run in a process that was killed. Exits with 1 and tells what was wrong otherwise.
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
from process.faults.client import Connection, Load, client
from process.faults.schedule import Faults
from process.faults.server import Server
from process.faults.verdict import judge, numbers_disagree, table

CAPACITY = 8
WORKERS = 2  # of one thread each: most requests that need a slot wait in the line, and many are handed over
KEEPERS, NEWCOMERS = 6, 4  # more clients than may be inside: some are refused
LONG_S = 600.0


async def campaign(duration_s: float, seed: int, folder: Path) -> tuple[str, list[str]]:
    """Run it; give the table and what was wrong."""
    began_s = time.monotonic()
    flow = folder / "flow"
    flows.write(flow)
    server = Server(flow, folder, CAPACITY)
    try:
        load = Load(await server.ready())
        faults = Faults(server, flow, random.Random(seed))
        clients = [
            asyncio.create_task(client(load, f"{'k' if number < KEEPERS else 'n'}{number}", keeps=number < KEEPERS,
                                       seed=seed * 100 + number))
            for number in range(KEEPERS + NEWCOMERS)
        ]  # fmt: skip
        await faults.run(duration_s)
        load.stopping = True
        await asyncio.gather(*clients)
        wrong = await _at_rest(server, load, faults)
        verdict = judge(load.requests, faults.events, flows.notes(flow), server.log)
        if await server.stop() != 0:
            wrong.append("it did not end with exit code 0")
        if left := server.left():
            wrong.append(f"processes are left: {left}")
        return table(load.requests, faults.events, verdict, began_s, seed), [*verdict.violations, *wrong]
    except BaseException:
        sys.stderr.write(server.log[-20_000:])
        raise
    finally:
        server.clear_up()


async def _at_rest(server: Server, load: Load, faults: Faults) -> list[str]:
    """What is wrong with the server once nobody asks it any more."""
    wrong = []
    if not await _becomes(server, "inside", 0):
        wrong.append(f"{(await server.status())['inside']} requests are inside, though nobody asks")
    if zombies := server.zombies():
        wrong.append(f"zombies: {zombies}")
    statuses, _ = await _fill(load.port, "async")
    if statuses != [200] * CAPACITY + [429]:
        wrong.append(f"of {CAPACITY + 1} requests at once: {statuses}")
    blocking, pids = await _fill(load.port, "sync")
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


async def _fill(port: int, how: str) -> tuple[list[int], set[str]]:
    """Fill the instance, then ask once more; give the statuses, sorted, and the processes that ran the requests."""
    pids = set()

    async def one(number: int, wait_s: float) -> int:
        connection = await Connection.open(port)
        try:
            body = json.dumps({"id": f"fill-{how}-{number}", "how": how, "wait": wait_s}).encode()
            status, answer, _ = await connection.ask("POST", "/score", body)
            if status == 200:
                pids.add(json.loads(answer)[how].split()[1])
            return status
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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds = LONG_S if given.long else given.seconds
        told, wrong = asyncio.run(campaign(seconds, given.seed, Path(folder)))
    print(told)
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
