"""The dead-man switch: the venue cancels all our orders unless we go on asking it not to.

A refresh is the proof that the whole chain lives, so it is sent only while the account is ours, no
newer owner is known, the order loop has moved lately and the last transaction of the ledger
succeeded; a refresher that ran freely would hide a hung engine. One that is withheld is tried again
as soon as one that failed. It is never disarmed on shutdown: that would disarm the successor.

A refresh that fails is tried again long before the venue's moment. When that moment has passed all
the same, the venue has cancelled what rested: it is told at once, so that the books are compared,
and until the switch is armed again the guard lets nothing through that adds risk.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from krakked.domain.errors import Ambiguous, Fenced, Permanent, Transient
from krakked.domain.events import EventName
from krakked.domain.times import NS_PER_SECOND, to_rfc3339
from krakked.ports.exchange import DeadManReply
from krakked.trading.desk import Desk

RETRIES_PER_PERIOD = 5
"""A failed refresh is repeated so often before the next one would be due anyway."""


class DeadMan:
    """Keeps the venue's timer running; knows when it will fire, by the venue's own word."""

    def __init__(
        self,
        desk: Desk,
        *,
        is_healthy: Callable[[], bool],
        on_fired: Callable[[], Awaitable[None]],
    ) -> None:
        self._desk = desk
        self._is_healthy = is_healthy
        self._on_fired = on_fired
        self.expires_at_ns: int | None = None
        self.last_refresh_ns: int | None = None
        self.failures = 0
        """Refreshes in a row that failed."""
        self.is_withheld = False
        """The last one was not sent, for something that it would prove is not so."""

    async def run(self) -> None:
        """Refresh every period, sooner after a failure, until cancelled."""
        while True:
            await self._desk.clock.sleep(self._pause_s())
            await self.refresh()

    def _pause_s(self) -> float:
        period_s = self._desk.rules.dead_man_refresh_s
        is_missing = self.failures or self.is_withheld
        return period_s / RETRIES_PER_PERIOD if is_missing else period_s

    async def refresh(self) -> bool:
        """One refresh, if it is deserved; whether the venue's timer was moved."""
        timeout_s = self._desk.rules.dead_man_timeout_s
        if timeout_s is None:
            return False
        await self._notice_fired()
        self.is_withheld = self.refusal() is not None
        if self.is_withheld:
            return False
        try:
            reply = await self._desk.exchange.refresh_dead_man(timeout_s)
        except Fenced as error:
            self._desk.guard.fenced_by = str(error)
            self._note_failure(error)
            return False
        except (Transient, Ambiguous, Permanent) as error:
            # Moving the timer twice is harmless: it is asked again.
            self._note_failure(error)
            return False
        if self._fired_before(reply):
            await self._tell_fired()
        self._note_refresh(reply)
        return True

    def refusal(self) -> str | None:
        """What a refresh would prove and is not so, in the order in which it is asked.

        Asked before a refresh is made, and again right before it is written to the socket: it may
        have had to wait for its turn.
        """
        desk = self._desk
        refusal = desk.guard.refusal_to_prove()
        if refusal is not None:
            return refusal
        if not self._is_healthy():
            return "the order loop stands still"
        patience_ns = int(desk.rules.liveness_s * NS_PER_SECOND)
        if not desk.recorder.is_alive(desk.now_ns(), patience_ns):
            return "the last transaction of the ledger has not succeeded"
        return None

    def _note_refresh(self, reply: DeadManReply) -> None:
        self.failures = 0
        self.last_refresh_ns = self._desk.now_ns()
        self.expires_at_ns = reply.trigger_at_ns
        self._desk.guard.dead_man_until_ns = reply.trigger_at_ns or 0
        self._tell(
            EventName.DEAD_MAN_REFRESHED,
            expires_at=None if reply.trigger_at_ns is None else to_rfc3339(reply.trigger_at_ns),
            expires_at_s=(reply.trigger_at_ns or 0) // NS_PER_SECOND,
        )

    def _note_failure(self, error: Exception) -> None:
        self.failures += 1
        if self.expires_at_ns is None:
            self._desk.guard.dead_man_until_ns = 0
        self._tell(EventName.DEAD_MAN_FAILED, reason=str(error), failures=self.failures)

    async def _notice_fired(self) -> None:
        """The venue's moment has passed without us: it has cancelled what rested."""
        if self.expires_at_ns is not None and self._desk.now_ns() > self.expires_at_ns:
            await self._tell_fired()

    def _fired_before(self, reply: DeadManReply) -> bool:
        """By the venue's own clock, where ours was too slow to notice."""
        if self.expires_at_ns is None or reply.now_ns is None:
            return False
        return reply.now_ns > self.expires_at_ns

    async def _tell_fired(self) -> None:
        assert self.expires_at_ns is not None
        expired_at = to_rfc3339(self.expires_at_ns)
        self.expires_at_ns = None
        self._desk.guard.dead_man_until_ns = 0
        self._tell(EventName.DEAD_MAN_FIRED, expired_at=expired_at)
        await self._on_fired()

    def _tell(self, name: EventName, **fields: object) -> None:
        self._desk.recorder.publish(self._desk.recorder.event(name, **fields))
