"""The dead-man switch: the venue cancels all our orders unless we go on asking it not to.

A refresh is the proof that the whole chain lives, so it is sent only while the guard is open, the
order loop has moved lately and the ledger can be written; a refresher that ran freely would hide a
hung engine. It is never disarmed on shutdown: that would disarm the successor.
"""

from __future__ import annotations

from collections.abc import Callable

from krakked.domain.errors import Ambiguous, Fenced, Permanent, Transient
from krakked.domain.events import EventName
from krakked.domain.times import NS_PER_SECOND, to_rfc3339
from krakked.trading.desk import Desk


class DeadMan:
    """Keeps the venue's timer running; knows when it will fire, by the venue's own word."""

    def __init__(self, desk: Desk, *, is_healthy: Callable[[], bool]) -> None:
        self._desk = desk
        self._is_healthy = is_healthy
        self.expires_at_ns: int | None = None
        self.last_refresh_ns: int | None = None

    async def run(self) -> None:
        """Refresh every period, until cancelled."""
        while True:
            await self._desk.clock.sleep(self._desk.rules.dead_man_refresh_s)
            await self.refresh()

    async def refresh(self) -> bool:
        """One refresh, if it is deserved; whether the venue's timer was moved."""
        timeout_s = self._desk.rules.dead_man_timeout_s
        if timeout_s is None or self._desk.guard.fenced_by is not None or not self._is_healthy():
            return False
        self._notice_fired()
        try:
            reply = await self._desk.exchange.refresh_dead_man(timeout_s)
        except Fenced as error:
            self._desk.guard.fenced_by = str(error)
            self._tell(EventName.DEAD_MAN_FAILED, reason=str(error))
            return False
        except (Transient, Ambiguous, Permanent) as error:
            # Moving the timer twice is harmless: the next period asks again.
            self._tell(EventName.DEAD_MAN_FAILED, reason=str(error))
            return False
        self.last_refresh_ns = self._desk.now_ns()
        self.expires_at_ns = reply.trigger_at_ns
        self._tell(
            EventName.DEAD_MAN_REFRESHED,
            expires_at=None if reply.trigger_at_ns is None else to_rfc3339(reply.trigger_at_ns),
            expires_at_s=(reply.trigger_at_ns or 0) // NS_PER_SECOND,
        )
        return True

    def _notice_fired(self) -> None:
        """The venue's moment has passed without us: it has cancelled what rested."""
        if self.expires_at_ns is not None and self._desk.now_ns() > self.expires_at_ns:
            self._tell(EventName.DEAD_MAN_FIRED, expired_at=to_rfc3339(self.expires_at_ns))
            self.expires_at_ns = None

    def _tell(self, name: EventName, **fields: object) -> None:
        self._desk.recorder.publish(self._desk.recorder.event(name, **fields))
