"""Requests that arrive at the same instant begin a few at a time."""

import asyncio
from itertools import pairwise

from app.api.turns import Turns


def test_other_work_runs_between_requests_that_arrive_together() -> None:
    begun: list[int] = []
    seen: list[int] = []

    async def request(number: int, turns: Turns) -> None:
        await turns.wait()
        begun.append(number)

    async def probe() -> None:
        while len(begun) < 100:
            seen.append(len(begun))
            await asyncio.sleep(0)

    async def run() -> None:
        turns = Turns()
        await asyncio.gather(*(request(number, turns) for number in range(100)), probe())

    asyncio.run(run())
    assert begun == list(range(100)), "in the order of their arrival"
    steps = [after - before for before, after in pairwise(seen)]
    assert max(seen[0], *steps) <= 8


def test_a_cancelled_request_does_not_hold_up_the_others() -> None:
    begun: list[int] = []

    async def request(number: int, turns: Turns) -> None:
        await turns.wait()
        begun.append(number)

    async def run() -> None:
        turns = Turns()
        tasks = [asyncio.ensure_future(request(number, turns)) for number in range(40)]
        await asyncio.sleep(0)
        for task in tasks[8:20]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await turns.wait()  # and the next one begins, too

    asyncio.run(asyncio.wait_for(run(), 10))
    assert begun == [*range(8), *range(20, 40)]


def test_a_request_begins_at_once_if_no_others_do() -> None:
    async def run() -> list[bool]:
        turns, waited = Turns(), []
        for _ in range(20):
            task = asyncio.ensure_future(turns.wait())
            await asyncio.sleep(0)
            waited.append(not task.done())
            await asyncio.sleep(0)
        return waited

    assert not any(asyncio.run(run()))
