import asyncio
from functools import partial
from typing import Any, cast

import pytest

from edge.call_events import EndReason
from edge.trunks.destination import Chain, Destination, DestinationError, Line

pytestmark = pytest.mark.unit

LINE = cast(Line, None)


class Ringing:
    """A destination that rings until it is told to end, then fails as a cancelled INVITE does."""

    uses_agent = False

    def __init__(self) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: list[EndReason] = []

    async def prepare(self, line: Line) -> None:
        await self.over
        raise DestinationError("487 Request Terminated", 487, EndReason.NOT_REACHED)

    async def end(self, reason: EndReason) -> None:
        self.ended.append(reason)
        if not self.over.done():
            self.over.set_result(None)


def chain_of(*links: Any) -> Chain:
    return Chain(tuple(partial(cast, Destination, each) for each in links))


async def test_nobody_else_is_rung_for_a_caller_who_is_gone() -> None:
    """A cancel ends the link that rings; the on_failure link behind it is never asked."""
    first, second = Ringing(), Ringing()
    chain = chain_of(first, second)
    preparing = asyncio.create_task(chain.prepare(LINE))
    await asyncio.sleep(0)
    await chain.end(EndReason.CALLER_CANCELLED)
    with pytest.raises(DestinationError, match="487"):
        await asyncio.wait_for(preparing, 1)
    assert first.ended == [EndReason.CALLER_CANCELLED]
    assert second.ended == []


async def test_a_chain_that_ended_before_it_began_asks_nobody() -> None:
    """The end may overtake the work that was to get the destination ready."""
    chain = chain_of(Ringing())
    await chain.end(EndReason.CALLER_CANCELLED)
    with pytest.raises(DestinationError):
        await asyncio.wait_for(chain.prepare(LINE), 1)


async def test_a_link_that_fails_by_itself_is_followed_by_the_next() -> None:
    """While the caller waits, the plan's next link is asked."""
    first, second = Ringing(), Ringing()
    chain = chain_of(first, second)
    preparing = asyncio.create_task(chain.prepare(LINE))
    await asyncio.sleep(0)
    first.over.set_result(None)
    for _ in range(3):
        await asyncio.sleep(0)
    assert cast(object, chain.current) is second
    await chain.end(EndReason.CALLER_CANCELLED)
    with pytest.raises(DestinationError):
        await asyncio.wait_for(preparing, 1)
    assert first.ended == [EndReason.NOT_REACHED]
