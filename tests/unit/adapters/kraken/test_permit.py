"""The last question before the socket: asked after the wait and the signing, for changes alone."""

from __future__ import annotations

from typing import Any

import pytest

from krakked.adapters.kraken.network import AiohttpNetwork, Bounds
from krakked.adapters.kraken.transport import Call, RestSettings, Transport
from krakked.domain.errors import Transient

READ = Call(method="BalanceEx")
WRITE = Call(method="AddOrder", form={"pair": "XBTUSD"})


def test_call_that_is_not_permitted_never_leaves_and_is_no_doubt(kit: Any) -> None:
    venue = kit.FakeVenue()
    venue.answer("BalanceEx", {})
    asked: list[str] = []

    def permit(call: Call) -> str:
        asked.append(call.method)
        return "the authority of the lease has run out"

    async def main() -> None:
        async with venue.serve() as url:
            transport = Transport(
                RestSettings(url=url),
                kit.clock(),
                network=AiohttpNetwork(Bounds()),
                trade=kit.credentials("TRADE-KEY"),
                query=kit.credentials("QUERY-KEY"),
            )
            transport.permit = permit
            try:
                with pytest.raises(Transient, match="not sent: the authority of the lease"):
                    await transport.private(WRITE)
                await transport.private(READ)
            finally:
                await transport.close()

    kit.run(main())
    assert asked == ["AddOrder"]
    assert [request.method for request in venue.requests] == ["BalanceEx"]


def test_permit_is_asked_when_limits_and_turn_were_waited_for(kit: Any) -> None:
    """Authority that ended while an order stood in line counts."""
    venue = kit.FakeVenue()
    venue.answer("AddOrder", {"txid": ["O1"]})
    is_owner = [True]

    async def main() -> None:
        async with venue.serve() as url:
            transport = Transport(
                RestSettings(url=url),
                kit.clock(),
                network=AiohttpNetwork(Bounds()),
                trade=kit.credentials("TRADE-KEY"),
            )
            transport.permit = lambda _: None if is_owner[0] else "not the owner"
            waits = transport.limits.before_private

            async def waiting(key_role: str, method: str) -> None:
                await waits(key_role, method)
                is_owner[0] = False

            transport.limits.before_private = waiting  # type: ignore[assignment, method-assign]  # a long wait
            try:
                with pytest.raises(Transient, match="not the owner"):
                    await transport.private(WRITE)
            finally:
                await transport.close()

    kit.run(main())
    assert venue.requests == []
