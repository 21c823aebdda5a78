"""What faults do to the venue as a whole, and how what they began ends.

One row per kind that acts upon the exchange: before a request is handled (:data:`BEFORE`), after
it was (:data:`AFTER`), or at once (:data:`NOW`). Which connection or answer is struck is the
business of :mod:`request_faults` and :mod:`socket_faults`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName
from krakked.domain.money import ZERO, BadAmount, parse_amount
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.core import PairMode, SystemStatus
from krakked.sim.fault_kinds import FaultKind
from krakked.simulator.faults import Armed, Asked, size_of
from krakked.simulator.standing import SYSTEM, Standing
from krakked.simulator.venue import Venue

Before: TypeAlias = Callable[[Venue, Armed, Asked, int], None]
After: TypeAlias = Callable[[Venue, Armed, Sequence[str], int], None]
Now: TypeAlias = Callable[[Venue, Armed, int], None]


def seconds_ns(fault: Armed) -> int:
    """Its seconds."""
    return int(Decimal(fault.given("seconds")) * NS_PER_SECOND)


def set_system(
    venue: Venue, status: SystemStatus, now_ns: int, until_ns: int | None = None
) -> None:
    """Change what the whole venue allows, and tell everybody; it may end by itself."""
    venue.standings.set(SYSTEM, status.value, until_ns)
    venue.exchange.set_system_status(status, now_ns)
    venue.deliver(venue.hub.announce_system_status(now_ns))
    if until_ns is not None:
        venue.later.add(until_ns, lambda at_ns: _end_system(venue, at_ns))


def _end_system(venue: Venue, at_ns: int) -> None:
    if venue.standings.ends(SYSTEM, at_ns):
        set_system(venue, SystemStatus.ONLINE, at_ns)


def set_pair(
    venue: Venue, pair: PairName, status: PairMode, now_ns: int, until_ns: int | None = None
) -> None:
    """Change what a pair allows, and tell who listens; it may end by itself."""
    venue.standings.set(pair, status.value, until_ns)
    venue.exchange.set_pair_status(pair, status)
    venue.deliver(venue.hub.announce_pair_status(pair, now_ns))
    if until_ns is not None:
        venue.later.add(until_ns, lambda at_ns: _end_pair(venue, pair, at_ns))


def set_minimums(
    venue: Venue, pair: PairName, order_min: Decimal | None, cost_min: Decimal | None, now_ns: int
) -> None:
    """Change the smallest order of a pair, and tell who listens; None: as it was."""
    tape = venue.hub.data.tapes[pair]
    size = tape.pair.order_min if order_min is None else order_min
    worth = tape.pair.cost_min if cost_min is None else cost_min
    tape.pair = msgspec.structs.replace(tape.pair, order_min=size, cost_min=worth)
    venue.exchange.set_pair_minimums(pair, size, worth)
    venue.deliver(venue.hub.announce_pair_status(pair, now_ns))


def _end_pair(venue: Venue, pair: PairName, at_ns: int) -> None:
    if venue.standings.ends(pair, at_ns):
        set_pair(venue, pair, PairMode.ONLINE, at_ns)


def resume(venue: Venue, found: Mapping[str, Standing], now_ns: int) -> None:
    """What had been set when the last process stopped; what was to end meanwhile ends at once.

    Raises:
        ValueError: there is no such status.
    """
    for name, standing in found.items():
        if name == SYSTEM:
            set_system(venue, SystemStatus(standing.status), now_ns, standing.until_ns)
        elif name in venue.hub.data.tapes:
            status = PairMode(standing.status)
            set_pair(venue, PairName(name), status, now_ns, standing.until_ns)


def pair_named(venue: Venue, name: str) -> PairName:
    """The pair that a person means.

    Raises:
        BadInput: there is none.
    """
    tape = venue.hub.data.by_rest_name(name)
    if tape is None:
        raise BadInput(f"no pair {name}; there is {', '.join(venue.hub.data.tapes)}")
    return tape.pair.altname


def maintain(venue: Venue, fault: Armed, now_ns: int) -> None:
    """Go into maintenance, and come back."""
    set_system(venue, SystemStatus.MAINTENANCE, now_ns, now_ns + seconds_ns(fault))


def _change_pairs(venue: Venue, fault: Armed, pairs: Sequence[PairName], now_ns: int) -> None:
    status = PairMode.CANCEL_ONLY if fault.mode is None else fault.mode
    until_ns = now_ns + seconds_ns(fault)
    for pair in pairs:
        set_pair(venue, pair, status, now_ns, until_ns)


def _pair_of_request(venue: Venue, fault: Armed, asked: Asked, now_ns: int) -> None:
    name = fault.pair or asked.params.raw("pair") or asked.params.raw("symbol")
    pair = venue.exchange.mischief(now_ns).pair_of(name)
    _change_pairs(venue, fault, () if pair is None else (pair,), now_ns)


def _pairs_now(venue: Venue, fault: Armed, now_ns: int) -> None:
    pairs = tuple(venue.hub.data.tapes)
    named = pairs if fault.pair is None else (pair_named(venue, fault.pair),)
    _change_pairs(venue, fault, named, now_ns)


def _skew(venue: Venue, fault: Armed, _now_ns: int) -> None:
    venue.exchange.clock_offset_ns = seconds_ns(fault)


def _rate_limit(venue: Venue, _fault: Armed, asked: Asked, now_ns: int) -> None:
    venue.exchange.mischief(now_ns).fill_rest_counter(asked.api_key)


def _engine_rate_limit(venue: Venue, _fault: Armed, asked: Asked, now_ns: int) -> None:
    if asked.account is not None:
        venue.exchange.mischief(now_ns).fill_engine_counters(asked.account)


def _engine_rate_limits(venue: Venue, _fault: Armed, now_ns: int) -> None:
    for name in venue.exchange.account_names():
        venue.exchange.mischief(now_ns).fill_engine_counters(name)


def _foreign_nonce(venue: Venue, fault: Armed, asked: Asked, now_ns: int) -> None:
    nonce = str(asked.params.raw("nonce"))
    if nonce.isascii() and nonce.isdigit():
        higher = int(nonce) + int(fault.given("ahead"))
        venue.exchange.mischief(now_ns).use_nonce(asked.api_key, higher)


def _thin_book(venue: Venue, fault: Armed, asked: Asked, now_ns: int) -> None:
    params = asked.params
    volume = _amount(params.raw("volume") or params.raw("order_qty"))
    sizes = [size_of(piece, volume) for piece in fault.pieces()]
    is_buy = "buy" in (params.raw("type"), params.raw("side"))
    pair = str(params.raw("pair") or params.raw("symbol"))
    venue.exchange.mischief(now_ns).thin_book(pair, is_buy, sizes)


def _fill_race(venue: Venue, fault: Armed, asked: Asked, now_ns: int) -> None:
    if asked.account is None:
        return
    mischief = venue.exchange.mischief(now_ns)
    if asked.names[-1] == "CancelAll":
        meant = mischief.resting(asked.account)
    else:
        meant = mischief.named_orders(asked.account, asked.params)
    for order_id in meant:
        volume = mischief.volume(order_id) or ZERO
        for piece in fault.pieces():
            mischief.fill(order_id, size_of(piece, volume))


def _hide(venue: Venue, fault: Armed, order_ids: Sequence[str], now_ns: int) -> None:
    for order_id in order_ids:
        venue.exchange.hide_order(order_id, now_ns + seconds_ns(fault))


def _fill_in_pieces(venue: Venue, fault: Armed, order_ids: Sequence[str], now_ns: int) -> None:
    for order_id in order_ids:
        volume = venue.exchange.mischief(now_ns).volume(order_id)
        if volume is None:
            continue
        for turn, piece in enumerate(fault.pieces(), 1):
            act = _filling(venue, order_id, size_of(piece, volume))
            venue.later.add(now_ns + turn * seconds_ns(fault), act)


def _filling(venue: Venue, order_id: str, quantity_base: Decimal) -> Callable[[int], None]:
    return lambda at_ns: venue.exchange.mischief(at_ns).fill(order_id, quantity_base)


def _fill_now(venue: Venue, fault: Armed, now_ns: int) -> None:
    resting = venue.exchange.mischief(now_ns).resting()
    _fill_in_pieces(venue, fault, resting, now_ns)


def _expire(venue: Venue, _fault: Armed, _order_ids: Sequence[str], _now_ns: int) -> None:
    venue.exchange.expire_tokens()


def _amount(value: object) -> Decimal:
    try:
        return parse_amount(str(value), what="volume")
    except BadAmount:
        return ZERO


LIMITS: Final = (FaultKind.RATE_LIMIT, FaultKind.ENGINE_RATE_LIMIT)
"""They are nothing to an account without limits, and do not happen to it."""
BEFORE: Final[Mapping[FaultKind, Before]] = {
    FaultKind.RATE_LIMIT: _rate_limit,
    FaultKind.ENGINE_RATE_LIMIT: _engine_rate_limit,
    FaultKind.FOREIGN_NONCE: _foreign_nonce,
    FaultKind.THIN_BOOK: _thin_book,
    FaultKind.FILL_RACE: _fill_race,
    FaultKind.MAINTENANCE: lambda venue, fault, _asked, now_ns: maintain(venue, fault, now_ns),
    FaultKind.PAIR_STATUS: _pair_of_request,
    FaultKind.CLOCK_OFFSET: lambda venue, fault, _asked, now_ns: _skew(venue, fault, now_ns),
}
AFTER: Final[Mapping[FaultKind, After]] = {
    FaultKind.TOKEN_EXPIRY: _expire,
    FaultKind.LATE_VISIBILITY: _hide,
    FaultKind.PARTIAL_FILL: _fill_in_pieces,
}
NOW: Final[Mapping[FaultKind, Now]] = {
    FaultKind.RATE_LIMIT: lambda venue, _fault, now_ns: venue.exchange.mischief(
        now_ns
    ).fill_rest_counters(),
    FaultKind.ENGINE_RATE_LIMIT: _engine_rate_limits,
    FaultKind.MAINTENANCE: maintain,
    FaultKind.PAIR_STATUS: _pairs_now,
    FaultKind.CLOCK_OFFSET: _skew,
    FaultKind.TOKEN_EXPIRY: lambda venue, fault, now_ns: _expire(venue, fault, (), now_ns),
    FaultKind.PARTIAL_FILL: _fill_now,
    FaultKind.WS_DROP: lambda venue, _fault, _now_ns: venue.drop_all(),
    FaultKind.WS_HALF_OPEN: lambda venue, _fault, _now_ns: venue.deafen_all(),
    FaultKind.WS_STALL: lambda venue, fault, now_ns: venue.stall_all(now_ns + seconds_ns(fault)),
}
