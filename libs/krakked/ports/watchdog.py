"""The watchdog: ends this process at a set moment unless it is told a later one first.

It stands outside of the event loop, so that an engine whose loop hangs is gone before anybody else
may take its account.
"""

from __future__ import annotations

from typing import Protocol


class Watchdog(Protocol):
    """At most one moment is armed."""

    def arm(self, after_s: float) -> None:
        """End the process (exit code 72) after so many real seconds, instead of any moment before.

        What is armed in the past ends it at once.
        """
        ...

    def disarm(self) -> None:
        """Let it live."""
        ...
