"""What a start says when the venue cannot be reached: which address, who wrote it, what to look at.

The adapter knows the call that failed and why; people need the setting behind it. So its errors get
their address here, at the boundary of the stages, and nowhere below.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from krakked.adapters.kraken.errors import Unreachable
from krakked.adapters.kraken.websocket import KrakenFeed
from krakked.domain.errors import Transient
from krakked.engine.pair_names import SourceOf
from krakked.engine.venues import Addresses
from krakked.runtime.settings import Settings
from krakked.runtime.settings.problems import Problem

T = TypeVar("T")

REMEDY = "check the address, the network, and whether the venue is up"


class Contact:
    """The addresses of a run, as its configuration has them."""

    def __init__(self, addresses: Addresses, settings: Settings, source_of: SourceOf) -> None:
        self._addresses = addresses
        self._settings = settings
        self._source_of = source_of

    def __repr__(self) -> str:
        return f"<Contact {self._addresses.rest_url} {self._addresses.ws_url}>"

    async def told(self, work: Awaitable[T]) -> T:
        """The result of ``work``.

        Raises:
            Transient: the venue is not there; names address and setting.
        """
        try:
            return await work
        except Unreachable as error:
            raise self._error("rest_url", self._addresses.rest_url, str(error)) from error

    def of_streams(self, feed: KrakenFeed) -> Transient | None:
        """Why the streams do not stand, if one of them said so."""
        found = feed.problem()
        if found is None:
            return None
        is_private, reason = found
        if is_private and self._settings.venue.ws_auth_url is not None:
            return self._error("ws_auth_url", self._addresses.ws_auth_url, reason)
        return self._error("ws_url", self._addresses.ws_url, reason)

    def _error(self, setting: str, address: str, reason: str) -> Transient:
        path = ("venue", setting)
        what = f"{address} does not answer ({reason})"
        return Transient(str(Problem(path, what, REMEDY, source=self._source_of(path))))
