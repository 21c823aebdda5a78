"""The submit guard: the last word before the wire, asked right before each order is sent.

Risk approved the step when the plan was made; the guard looks again at what may have changed
since: the kill switch, a halt, the plan's age, a newer owner, a stopping engine, a dead-man that is
not armed, clocks that are too far apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from krakked.domain.orders import LegKind, Order
from krakked.trading.account import Account
from krakked.trading.vetoes import Veto, VetoReason

NS_PER_MS = 1_000_000
BEHIND = "the ledger was behind the account: `krakked acknowledge` after a look"


class Owned(Protocol):
    """What the lease says (``owner.Authority``)."""

    @property
    def epoch(self) -> int: ...
    @property
    def veto_reason(self) -> VetoReason: ...
    def refusal_of_order(self) -> str | None: ...
    def refusal(self) -> str | None: ...


class Guard:
    """Whether an order may be sent now; every reason to say no is a short text."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.authority: Owned | None = None
        """Whether the account is ours; None: nobody else can have it."""
        self.on_fenced: Callable[[str], None] | None = None
        """Hears the venue's word that a newer owner exists."""
        self.on_veto: Callable[[VetoReason], None] | None = None
        """Hears of each order that was held back right before the wire."""
        self.needs_acknowledgement = False
        """The ledger was behind the account: a person must look before anything adds risk."""
        self.was_behind = False
        """An owner with another ledger has traded before us: orders of its may be found."""
        self._fenced_by: str | None = None
        self.is_stopping = False
        self.is_ready = False
        """True once the books agree with the venue after a start."""
        self.venue_status = "online"
        """The venue's own word on itself."""
        self.dead_man_until_ns: int | None = None
        """When the venue's dead-man fires, 0 if it is not armed; None: none guards our orders."""
        self.clock_offset_ns = 0
        """The venue's clock less ours, as it was last measured."""
        self.clock_offset_max_ns: int | None = None
        """Further apart, an order's deadline is not what the timing contract counts with."""

    @property
    def epoch(self) -> int:
        """In which an order is sent; 0 where ownership is not contended."""
        return 0 if self.authority is None else self.authority.epoch

    @property
    def fenced_by(self) -> str | None:
        """Why nothing is sent until a person says so: a newer owner exists, or a person's wish."""
        return self._fenced_by

    @fenced_by.setter
    def fenced_by(self, words: str | None) -> None:
        """The venue said it, in these words."""
        self._fenced_by = words
        if words is not None and self.on_fenced is not None:
            self.on_fenced(words)

    def keep_fenced(self, words: str | None) -> None:
        """As the owner's state has it; None: it may go on."""
        self._fenced_by = words

    def refusal_to_prove(self) -> str | None:
        """Why the venue must not hear that we live, or None."""
        if self._fenced_by is not None:
            return f"fenced: {self._fenced_by}"
        return None if self.authority is None else self.authority.refusal()

    def refusal(self, order: Order, *, plan_expires_at_ns: int, now_ns: int) -> str | None:
        """Why this order must not be sent, in words, or None."""
        veto = self.veto(order, plan_expires_at_ns=plan_expires_at_ns, now_ns=now_ns)
        return None if veto is None else veto.words

    def veto(self, order: Order, *, plan_expires_at_ns: int, now_ns: int) -> Veto | None:
        """Why this order must not be sent, or None."""
        general = self._refusal_of_all()
        if general is not None:
            return general
        if now_ns >= plan_expires_at_ns:
            return Veto(VetoReason.PLAN_EXPIRED, "the plan expired")
        if order.request.kind is not LegKind.ENTRY:
            return None
        return self._refusal_of_entry(order, now_ns)

    def held_back(self, veto: Veto) -> None:
        """An order that was on its way to the wire was not sent."""
        if self.on_veto is not None:
            self.on_veto(veto.reason)

    @property
    def is_clock_trusted(self) -> bool:
        """Whether our clock and the venue's are as near as orders with deadlines need."""
        most_ns = self.clock_offset_max_ns
        return most_ns is None or abs(self.clock_offset_ns) <= most_ns

    def is_dead_man_trusted(self, now_ns: int) -> bool:
        """Whether the venue would cancel what rests if we died now; true where none is wanted."""
        return self.dead_man_until_ns is None or now_ns < self.dead_man_until_ns

    def _refusal_of_all(self) -> Veto | None:
        if self.fenced_by is not None:
            return Veto(VetoReason.FENCED, f"fenced: {self.fenced_by}")
        if self.is_stopping:
            return Veto(VetoReason.STOPPING, "the engine is stopping")
        if not self.is_ready:
            return Veto(VetoReason.STARTING, "the engine is starting")
        if self.venue_status not in ("online", "post_only"):
            return Veto(VetoReason.VENUE_STATUS, f"the venue is in {self.venue_status}")
        if not self.is_clock_trusted:
            late_ms = -self.clock_offset_ns // NS_PER_MS
            return Veto(VetoReason.CLOCK, f"this clock is {late_ms:+d} ms from the venue's")
        return self._refusal_of_lease()

    def _refusal_of_lease(self) -> Veto | None:
        words = None if self.authority is None else self.authority.refusal_of_order()
        if self.authority is None or words is None:
            return None
        return Veto(self.authority.veto_reason, words)

    def _refusal_of_entry(self, order: Order, now_ns: int) -> Veto | None:
        if self._account.kill_switch.active:
            return Veto(VetoReason.KILL_SWITCH, "the kill switch is on")
        if self._account.halted:
            return Veto(VetoReason.HALTED, self._account.halt_in_words)
        if order.request.pair in self._account.unknown_pairs():
            words = f"{order.request.pair} has an order in an unknown state"
            return Veto(VetoReason.UNKNOWN_ORDER, words)
        if self.needs_acknowledgement:
            return Veto(VetoReason.UNACKNOWLEDGED, BEHIND)
        if not self.is_dead_man_trusted(now_ns):
            return Veto(VetoReason.DEAD_MAN, "the dead-man switch is not armed")
        return None
