"""Faults on purpose: once, when armed by a person or a test, or with a probability from a seed.

What there is stands in :mod:`krakked.sim.fault_kinds`; this module decides what goes wrong next.
Every probability draws from a generator of its own, once for each request or frame that it may
strike. So what is drawn depends on the order of requests and frames alone, a run in lock step
meets the same faults every time, and one more kind in a mixture does not move the others.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.errors import BadInput
from krakked.domain.money import ZERO, BadAmount, parse_amount
from krakked.sim.exchange.core import PairMode
from krakked.sim.exchange.pairs import PAIRS, find
from krakked.sim.exchange.params import Params
from krakked.sim.exchange.rest import METHODS
from krakked.sim.exchange.ws_orders import METHODS as WS_METHODS
from krakked.sim.fault_kinds import KINDS, FaultKind, Strikes
from krakked.sim.public.requests import PRIVATE_CHANNELS, PUBLIC_CHANNELS
from krakked.sim.public.rest import METHODS as PUBLIC_METHODS

__all__ = ["Armed", "Asked", "FaultKind", "Faults", "Told", "check", "size_of", "ws_name"]

CHANNELS: Final = (*PUBLIC_CHANNELS, *PRIVATE_CHANNELS, "status", "heartbeat")
UNASKED: Final = ("status", "heartbeat")
"""Channels that are struck only when they are named."""
MEBIBYTES_MAX: Final = 64
SECONDS_MAX: Final = 86_400
SIZES_MAX: Final = 100
TEXT_MAX: Final = 500
_SHARE: Final = "%"


class Armed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A fault that happens to the next matching requests or frames, or to some of all of them.

    What is None has the default of its kind.
    """

    kind: FaultKind
    probability: Decimal | None = None
    """Of each that matches, without end; None: to the next ones, ``count`` times."""
    method: str | None = None
    """``AddOrder`` (also over the WebSocket), ``add_order`` (only there); None: any private one."""
    channel: str | None = None
    contains: str | None = None
    skip: int = 0
    count: int = 1
    seconds: Decimal | int | None = None
    status: int | None = None
    text: str | None = None
    ahead: int | None = None
    sizes: tuple[str, ...] | None = None
    pair: str | None = None
    mode: PairMode | None = None
    mebibytes: int | None = None

    def given(self, name: str) -> str:
        """A parameter as text: as it was given, or as its kind's row in the table has it."""
        found = getattr(self, name)
        if found is not None:
            return str(found)
        return next(p.default for p in KINDS[self.kind].parameters if p.name == name)

    def pieces(self) -> tuple[str, ...]:
        """Its sizes."""
        if self.sizes is not None:
            return self.sizes
        return tuple(size.strip() for size in self.given("sizes").split(","))


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request, as far as a fault cares."""

    names: tuple[str, ...]
    """``("AddOrder",)``; over the WebSocket ``("add_order", "AddOrder")``."""
    body: bytes
    is_public: bool = False
    params: Params = Params({})
    account: str | None = None
    api_key: str | None = None


class Told(msgspec.Struct, frozen=True):
    """A frame, as far as a fault cares."""

    channel: str
    frame: bytes


class Faults:
    """What goes wrong next."""

    def __init__(
        self,
        probabilities: Mapping[FaultKind, Decimal],
        seed: int,
        mixture: Sequence[Armed] = (),
    ) -> None:
        self.probabilities = dict(probabilities)
        self.mixture = [each for each in mixture if each.probability is not None]
        self.armed = [each for each in mixture if each.probability is None]
        self.happened: dict[FaultKind, int] = {}
        self._seed = seed
        self._generators: dict[str, random.Random] = {}

    def __repr__(self) -> str:
        chances = {kind.value: str(chance) for kind, chance in self.probabilities.items()}
        return (
            f"<Faults {chances}, mixture of {len(self.mixture)}, {len(self.armed)} armed, "
            f"{sum(self.happened.values())} happened>"
        )

    @property
    def is_quiet(self) -> bool:
        """Whether nothing at all can go wrong now."""
        return not (self.armed or self.probabilities or self.mixture)

    def arm(self, fault: Armed) -> None:
        """Let it happen: to the next ones, or with its probability to each."""
        (self.armed if fault.probability is None else self.mixture).append(fault)

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self.armed.clear()
        self.mixture.clear()
        self.probabilities = {}

    def reseed(self, seed: int) -> None:
        """Start drawing anew."""
        self._seed = seed
        self._generators.clear()

    def note(self, kind: FaultKind) -> None:
        """It happened."""
        self.happened[kind] = self.happened.get(kind, 0) + 1

    def may_strike(self, kind: FaultKind) -> bool:
        """Whether anything of this kind can go wrong now."""
        if kind in self.probabilities:
            return True
        return any(fault.kind is kind for fault in (*self.armed, *self.mixture))

    def draw(self, kind: FaultKind, event: Asked | Told) -> Armed | None:
        """The fault of this kind that strikes this request or frame, if one does."""
        if not self.may_strike(kind):
            return None
        found = self._take(kind, event) or self._by_chance(kind, event)
        if found is not None:
            self.note(kind)
        return found

    def _take(self, kind: FaultKind, event: Asked | Told) -> Armed | None:
        for index, fault in enumerate(self.armed):
            if fault.kind is not kind or not _matches(fault, event):
                continue
            if fault.skip > 0:
                self.armed[index] = msgspec.structs.replace(fault, skip=fault.skip - 1)
            elif fault.count > 1:
                self.armed[index] = msgspec.structs.replace(fault, count=fault.count - 1)
                return fault
            else:
                del self.armed[index]
                return fault
        return None

    def _by_chance(self, kind: FaultKind, event: Asked | Told) -> Armed | None:
        chance = self.probabilities.get(kind)
        if chance:
            fault = Armed(kind=kind)
            if _matches(fault, event) and self._strikes("", kind, chance):
                return fault
        for index, fault in enumerate(self.mixture):
            if fault.kind is not kind or not _matches(fault, event):
                continue
            if self._strikes(f"{index} ", kind, fault.probability or ZERO):
                return fault
        return None

    def _strikes(self, name: str, kind: FaultKind, chance: Decimal) -> bool:
        name += kind.value
        generator = self._generators.get(name)
        if generator is None:
            generator = random.Random(f"faults {self._seed} {name}")  # noqa: S311 - chance of a simulation
            self._generators[name] = generator
        return generator.random() < float(chance)


def _matches(fault: Armed, event: Asked | Told) -> bool:
    if isinstance(event, Told):
        return _matches_channel(fault, event) and _contains(fault, event.frame)
    return _matches_method(fault, event) and _contains(fault, event.body)


def _contains(fault: Armed, text: bytes) -> bool:
    return fault.contains is None or fault.contains.encode() in text


def _matches_channel(fault: Armed, told: Told) -> bool:
    if fault.channel is not None:
        return fault.channel == told.channel
    return told.channel in (KINDS[fault.kind].channels or CHANNELS[: -len(UNASKED)])


def _matches_method(fault: Armed, asked: Asked) -> bool:
    only = KINDS[fault.kind].methods
    if only and asked.names[-1] not in only:
        return False
    if fault.method is not None:
        return fault.method in asked.names
    return not asked.is_public


def check(fault: Armed) -> None:
    """Refuse what cannot be meant.

    Raises:
        BadInput: one clear line.
    """
    kind = KINDS[fault.kind]
    _check_fields(fault)
    if fault.probability is not None:
        check_chance(fault.probability)
        if (fault.skip, fault.count) != (0, 1):
            raise BadInput("skip and count are for an armed fault; leave probability out")
    if fault.count < 1 or fault.skip < 0:
        raise BadInput("count must be at least 1, and skip at least 0")
    if kind.strikes is Strikes.FRAME:
        _check_channel(fault)
    else:
        _check_method(fault)
    _check_values(fault)


def check_chance(chance: Decimal) -> None:
    """Refuse what is no probability.

    Raises:
        BadInput: one clear line.
    """
    if not (chance.is_finite() and 0 <= chance <= 1):
        raise BadInput("a probability must be from 0 to 1")


_COMMON: Final = ("kind", "probability", "method", "channel", "contains", "skip", "count")


def _check_fields(fault: Armed) -> None:
    known = [parameter.name for parameter in KINDS[fault.kind].parameters]
    for name in fault.__struct_fields__:
        if name not in _COMMON and name not in known and getattr(fault, name) is not None:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise BadInput(f"{fault.kind.value} has no parameter {name}; {has}")


def _check_method(fault: Armed) -> None:
    if fault.channel is not None:
        raise BadInput(f"{fault.kind.value} strikes requests; give method, not channel")
    if fault.method is None:
        return
    known = (*METHODS, *WS_METHODS, *PUBLIC_METHODS)
    if fault.method not in known:
        raise BadInput(f"no method {fault.method}{_meant(fault.method, known)}")
    only = KINDS[fault.kind].methods
    if only and fault.method not in (*only, *map(ws_name, only)):
        raise BadInput(f"{fault.kind.value} strikes {', '.join(only)}; not {fault.method}")


def _check_channel(fault: Armed) -> None:
    if fault.method is not None:
        raise BadInput(f"{fault.kind.value} strikes frames; give channel, not method")
    if fault.channel is not None and fault.channel not in CHANNELS:
        raise BadInput(f"no channel {fault.channel}{_meant(fault.channel, CHANNELS)}")
    if fault.kind is FaultKind.WRONG_CHECKSUM and fault.channel not in (None, "book"):
        raise BadInput(f"only book has a checksum; not {fault.channel}")


def _meant(name: str, known: Sequence[str]) -> str:
    nearest = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {nearest[0]}?" if nearest else f"; there is {', '.join(known)}"


def _check_values(fault: Armed) -> None:
    seconds = fault.seconds
    if seconds is not None:
        least = -SECONDS_MAX if fault.kind is FaultKind.CLOCK_OFFSET else 0
        if not (Decimal(seconds).is_finite() and least <= seconds <= SECONDS_MAX):
            raise BadInput(f"seconds must be from {least} to {SECONDS_MAX}")
    _check_range("status", fault.status, 500, 599)
    _check_range("mebibytes", fault.mebibytes, 1, MEBIBYTES_MAX)
    _check_range("ahead", fault.ahead, 0, 2**63)
    if fault.pair is not None and find(fault.pair) is None:
        raise BadInput(f"no pair {fault.pair}; there is {', '.join(PAIRS)}")
    if fault.sizes is not None and not 1 <= len(fault.sizes) <= SIZES_MAX:
        raise BadInput(f"sizes must be 1 to {SIZES_MAX} of them; leave them out for the usual ones")
    for size in fault.sizes or ():
        size_of(size, Decimal(1))
    if fault.text is not None:
        _check_text(fault.text)


def _check_text(text: str) -> None:
    if not (text.strip() and text.isprintable() and len(text) <= TEXT_MAX):
        raise BadInput(f"text must be 1 to {TEXT_MAX} printable characters; write what is said")


def _check_range(name: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise BadInput(f"{name} must be from {least} to {most}")


def size_of(text: str, whole: Decimal) -> Decimal:
    """``0.3`` as it is; ``30%`` of the whole.

    Raises:
        BadInput: not more than nothing.
    """
    try:
        size = parse_amount(text.removesuffix(_SHARE), what="a size")
    except BadAmount as error:
        raise BadInput(f"{error}; write it like 0.3 or 30%") from error
    if size <= 0:
        raise BadInput(f"size {text} must be more than nothing; write it like 0.3 or 30%")
    return whole * size / 100 if text.endswith(_SHARE) else size


def ws_name(method: str) -> str:
    """``AddOrder`` as WebSocket v2 calls it."""
    return _WS_NAMES.get(method, "")


_WS_NAMES: Final = {
    "AddOrder": "add_order",
    "AmendOrder": "amend_order",
    "EditOrder": "edit_order",
    "CancelOrder": "cancel_order",
    "CancelAll": "cancel_all",
    "CancelAllOrdersAfter": "cancel_all_orders_after",
    "AddOrderBatch": "batch_add",
    "CancelOrderBatch": "batch_cancel",
}
REST_NAMES: Final = {ws: method for method, ws in _WS_NAMES.items()}
"""What a trading request over the WebSocket is called over REST."""
