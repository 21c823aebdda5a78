"""What the adapter tells about itself: for metrics and logs, which listen and change nothing."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Hears of each call and of everything that could not be understood. Must be quick."""

    def on_request(self, endpoint: str, seconds: float, outcome: str) -> None:
        """One HTTP call ended: ``ok``, or the name of the error in small letters."""
        ...

    def on_malformed(self, source: str, problem: str) -> None:
        """A part of an answer or frame was not usable; nothing was taken from it."""
        ...

    def on_connection(self, stream: str, event: str, reason: str) -> None:
        """A stream (``public``, ``private``) was ``opened``, became ``ready`` or was ``lost``."""
        ...

    def on_subscription_refused(self, channel: str, symbol: str, reason: str) -> None:
        """The venue does not serve this symbol on this channel."""
        ...


class Silent:
    """Listens to nothing."""

    def on_request(self, endpoint: str, seconds: float, outcome: str) -> None:
        """See :class:`Observer`."""

    def on_malformed(self, source: str, problem: str) -> None:
        """See :class:`Observer`."""

    def on_connection(self, stream: str, event: str, reason: str) -> None:
        """See :class:`Observer`."""

    def on_subscription_refused(self, channel: str, symbol: str, reason: str) -> None:
        """See :class:`Observer`."""
