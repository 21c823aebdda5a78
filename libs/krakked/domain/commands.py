"""Commands: the closed set of what a person may tell a running engine, imperative, typed.

The same set goes through the control socket today and other doors later. Doing one twice does
it once (``command_id`` is the key).
"""

from __future__ import annotations

import msgspec

from krakked.domain.ids import ClientOrderId, PairName, StrategyId


class _Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="command"):
    command_id: str
    principal: str
    reason: str = ""

    @property
    def why(self) -> str:
        """The reason that was given, else the command's name: a record says why in any case."""
        return self.reason or str(self.__struct_config__.tag)


class SetKillSwitch(_Command, frozen=True, kw_only=True, tag="kill_switch"):
    """Turn the kill switch on or off."""

    active: bool


class Halt(_Command, frozen=True, kw_only=True, tag="halt"):
    """Stop starting plans; optionally cancel what rests."""

    cancel: bool = False


class Resume(_Command, frozen=True, kw_only=True, tag="resume"):
    """Undo a halt."""


class Cancel(_Command, frozen=True, kw_only=True, tag="cancel"):
    """Cancel one order, by client or venue id."""

    order_id: str


class CancelAll(_Command, frozen=True, kw_only=True, tag="cancel_all"):
    """Cancel our open orders."""

    pair: PairName | None = None


class Flatten(_Command, frozen=True, kw_only=True, tag="flatten"):
    """Close positions: cancel what rests on them, then sell them."""

    pair: PairName | None = None
    strategy_id: StrategyId | None = None
    halt: bool = False
    """Make no new plans from before the first sale on, so that nothing is bought back."""


class Panic(_Command, frozen=True, kw_only=True, tag="panic"):
    """Kill switch on, cancel all, flatten all."""


class Shutdown(_Command, frozen=True, kw_only=True, tag="shutdown"):
    """Drain and stop."""


class Status(_Command, frozen=True, kw_only=True, tag="status"):
    """Say how the engine is."""


class Resolve(_Command, frozen=True, kw_only=True, tag="resolve"):
    """End an unknown order, or the wait of an execution for its order, by a person's word."""

    client_order_id: ClientOrderId
    """Of the order in doubt; or the venue's id of the execution that waits."""
    outcome: str
    """Of an order: ``absent`` or the venue's order id. Of an execution: ``manual`` or our order's
    id."""


class Unfence(_Command, frozen=True, kw_only=True, tag="unfence"):
    """Let a fenced engine go on, with the next epoch."""

    epoch: int = 0
    """The least that the new one must be: the venue may have seen more than we know."""


class Acknowledge(_Command, frozen=True, kw_only=True, tag="acknowledge"):
    """A person has looked at what the ledger did not know; risk may be added again."""


Command = (
    SetKillSwitch
    | Halt
    | Resume
    | Cancel
    | CancelAll
    | Flatten
    | Panic
    | Shutdown
    | Status
    | Resolve
    | Unfence
    | Acknowledge
)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a command."""

    command_id: str
    ok: bool
    message: str
    data: dict[str, object] = {}
