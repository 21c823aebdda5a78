"""A seed's recipe: what the world is like, what goes wrong in it by chance, and what at which time.

Each knob is drawn by a generator of its own, and most of them are off in most worlds ("swarm"):
a fault that is always on hides what only its absence lets happen. A recipe without some of its
ingredients is a recipe too, which is how a failing one is shrunk.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from decimal import Decimal
from random import Random
from typing import Final

import msgspec

from krakked.sim.exchange.limits import Tier
from krakked.sim.fault_kinds import FaultKind
from krakked.worlds.network import Weather


class What(enum.Enum):
    """What befalls a machine, its line, or the venue, at an instant."""

    KILL = "kill"
    """The process dies between two steps; its volume keeps what was committed."""
    POWER_LOSS = "power loss"
    """So does the machine: what was not flushed is lost, and the end of the log is torn."""
    KILL_AT_STEP = "kill at step"
    """It dies a number of steps later, wherever that is."""
    KILL_BEFORE_COMMIT = "kill before commit"
    KILL_AFTER_COMMIT = "kill after commit"
    TERMINATE = "terminate"
    """SIGTERM."""
    PAUSE = "pause"
    """Nothing runs for a while; clocks go on (SIGSTOP)."""
    FREEZE = "freeze"
    """Nothing runs, and the machine's clocks stand still as well (a suspended VM)."""
    CLOCK_STEP = "clock step"
    CUT = "cut"
    """The line to the venue, both ways."""
    CUT_OUT = "cut out"
    CUT_IN = "cut in"
    SLOW_DISK = "slow disk"
    FULL_DISK = "full disk"
    LOSE_VOLUME = "lose volume"
    """The process dies and its volume is gone."""
    DROP_SOCKETS = "drop sockets"
    MAINTENANCE = "maintenance"
    RATE_LIMIT = "rate limit"
    LEASE_DOWN = "lease down"
    """Nobody reaches it."""
    LEASE_CUT = "lease cut"
    """One machine does not."""
    LEASE_SLOW = "lease slow"
    LEASE_LOSSY = "lease lossy"
    """Half of its answers are lost, the calls being done."""
    LEASE_DELETED = "lease deleted"
    LEASE_STOLEN = "lease stolen"
    LEASE_FENCED = "lease fenced"
    COMMAND = "command"
    """A person commands something, once, twice, or twice at once."""
    CASH_FLOW = "cash flow"
    """Money or coins come into the account, or leave it."""
    HAND_ORDER = "hand order"
    """Its owner rests an order of his own just inside the best price, and takes it back later."""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """One of them."""

    at_s: float
    what: What
    machine: int = 0
    seconds: float = 0.0
    """How long it lasts, or how far a clock steps."""
    number: int = 0
    """Of steps or commits from there; or which command."""


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """How the engines of the world trade."""

    order_type: str = "limit"
    time_in_force: str = "GTC"
    post_only: bool = False
    order_ttl_s: int = 900
    max_concurrent_orders: int = 10
    slippage_bps: int = 50
    on_shutdown: str = "keep"
    timings: str = "default"
    """Of the lease (``trading.timings.NAMED``)."""
    max_per_asset_pct: int = 5
    max_open_positions: int = 10


PLAYS_S: Final = (270.0, 290.0, 330.0)
"""With the rest and the stop that follow, five to ten minutes of a world's time."""
DRIFT: Final = "clock:drift"
"""The ingredient's name."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a seed decides."""

    seed: int
    engines: int = 1
    play_s: float = 300.0
    """Faults happen that long; then all is mended, and the world must come to rest."""
    offset_s: int = 0
    """When within a minute it begins."""
    behaviour: Behaviour = Behaviour()
    tier: Tier = Tier.PRO
    is_attentive: bool = False
    """The person soon acknowledges what each new owner found; else only when it is over."""
    clock_offsets_s: tuple[float, ...] = ()
    clock_drifts_ppm: tuple[int, ...] = ()
    """By machine: how much too fast its clocks run; empty: none does."""
    weather: Weather = Weather()
    venue_faults: dict[FaultKind, Decimal] = {}
    happenings: tuple[Happening, ...] = ()

    @property
    def ingredients(self) -> tuple[str, ...]:
        """What may be left out, by name."""
        chances = [f"weather:{name}" for name in _chances(self.weather)]
        kinds = [f"fault:{kind.value}" for kind in self.venue_faults]
        drifts = [DRIFT] if any(self.clock_drifts_ppm) else []
        moments = [f"at:{number}" for number in range(len(self.happenings))]
        return (*moments, *chances, *kinds, *drifts)

    def without(self, names: Collection[str]) -> Recipe:
        """The same, but for these ingredients."""
        weather = {
            name: chance
            for name, chance in msgspec.structs.asdict(self.weather).items()
            if f"weather:{name}" not in names
        }
        return msgspec.structs.replace(
            self,
            clock_drifts_ppm=() if DRIFT in names else self.clock_drifts_ppm,
            weather=Weather(**weather),
            venue_faults={
                kind: chance
                for kind, chance in self.venue_faults.items()
                if f"fault:{kind.value}" not in names
            },
            happenings=tuple(
                happening
                for number, happening in enumerate(self.happenings)
                if f"at:{number}" not in names
            ),
        )


def _chances(weather: Weather) -> list[str]:
    plain = Weather()
    return [
        name
        for name, chance in msgspec.structs.asdict(weather).items()
        if chance != getattr(plain, name) and name != "stuck_max_s"
    ]


FAULT_CHANCES: Final[dict[FaultKind, float]] = {
    FaultKind.DELAY: 0.05,
    FaultKind.REQUEST_LOST: 0.05,
    FaultKind.SERVER_ERROR: 0.05,
    FaultKind.BUSY: 0.05,
    FaultKind.UNAVAILABLE: 0.05,
    FaultKind.THROTTLED: 0.02,
    FaultKind.RATE_LIMIT: 0.02,
    FaultKind.ENGINE_RATE_LIMIT: 0.25,
    FaultKind.THIN_BOOK: 0.3,
    FaultKind.FILL_RACE: 1.0,
    FaultKind.ANSWER_LOST: 0.08,
    FaultKind.SERVER_ERROR_AFTER: 0.05,
    FaultKind.BUSY_AFTER: 0.08,
    FaultKind.UNAVAILABLE_AFTER: 0.08,
    FaultKind.OTHER_SPELLING: 1.0,
    FaultKind.LATE_VISIBILITY: 0.2,
    FaultKind.PARTIAL_FILL: 0.3,
    FaultKind.ANSWER_DELAY: 0.05,
    FaultKind.WS_DROP: 0.08,
    FaultKind.WS_HALF_OPEN: 0.02,
    FaultKind.WS_STALL: 0.02,
    FaultKind.SEQUENCE_GAP: 0.1,
    FaultKind.DUPLICATE: 0.1,
    FaultKind.REORDER: 0.1,
    FaultKind.MALFORMED_FRAME: 0.02,
}
"""The most that a world has of each."""
KNOB_ON: Final = 0.25
"""How many worlds have a knob on."""
KNOB_OFTENER: Final = {FaultKind.FILL_RACE.value: 0.7, FaultKind.OTHER_SPELLING.value: 0.4}
"""Those that few calls give an occasion for."""
DRIFT_PPM: Final = (20, 20_000)
"""A clock that drifts gains or loses that much: from a cheap crystal's 20 ppm to two per cent."""
HAPPENS: Final = 0.16
"""How many worlds know a kind of happening."""
HAPPENS_OFTENER: Final = {
    What.PAUSE: 0.3, What.FREEZE: 0.3, What.TERMINATE: 0.3, What.COMMAND: 0.45,
    What.HAND_ORDER: 0.4, What.KILL_BEFORE_COMMIT: 0.25, What.KILL_AFTER_COMMIT: 0.25,
}  # fmt: skip
"""Those from which something rare follows only now and then."""
AT_BARS: Final = 0.3
"""So many of them happen around the end of a bar, when orders are on their way."""
AFTER_BAR_S: Final = (-1.0, 4.0)
BEFORE_BAR_S: Final = (-0.8, 0.0)
"""A hand order always lies there when engines decide: they may meet it."""
CANCELS: Final = 0.7
CANCELLING: Final = (0, 0, 2, 3, 5, 6, 5, 6)
"""That share of commands is one of these numbers of ``person.COMMANDS``: what rests goes, or
nothing is added."""
STEPS_MOST: Final = {
    What.KILL_AT_STEP: 400, What.KILL_BEFORE_COMMIT: 16, What.KILL_AFTER_COMMIT: 16,
}  # fmt: skip


def recipe_of(seed: int) -> Recipe:
    """The recipe of that seed; the same for ever."""
    engines = _rng(seed, "engines").choice((1, 1, 2, 2, 3))
    play_s = _rng(seed, "length").choice(PLAYS_S)
    offset_s = _rng(seed, "offset").randrange(60)
    return Recipe(
        seed=seed,
        engines=engines,
        play_s=play_s,
        offset_s=offset_s,
        behaviour=_behaviour(_rng(seed, "behaviour")),
        tier=_rng(seed, "tier").choice((Tier.PRO, Tier.PRO, Tier.INTERMEDIATE)),
        is_attentive=_rng(seed, "attentive").random() < 0.5,
        clock_offsets_s=tuple(
            round(_rng(seed, f"clock {number}").uniform(-0.4, 0.4), 3) for number in range(engines)
        ),
        clock_drifts_ppm=_drifts(seed, engines),
        weather=_weather(seed),
        venue_faults=_venue_faults(seed),
        happenings=_happenings(seed, engines, play_s, offset_s),
    )


def _rng(seed: int, what: str) -> Random:
    return Random(f"{seed}|{what}")  # noqa: S311 - a world, not a secret


def _behaviour(rng: Random) -> Behaviour:
    order_type = rng.choice(("limit", "limit", "market"))
    form = (
        rng.choice(("plain", "post_only", "post_only", "IOC")) if order_type == "limit" else "plain"
    )
    return Behaviour(
        order_type=order_type,
        time_in_force="IOC" if form == "IOC" else "GTC",
        post_only=form == "post_only",
        order_ttl_s=rng.choice((30, 120, 900)),
        max_concurrent_orders=rng.choice((2, 10)),
        slippage_bps=rng.choice((5, 50)),
        timings=rng.choice(("default", "quick")),
        on_shutdown=rng.choice(("keep", "cancel")),
        max_per_asset_pct=rng.choice((2, 5)),
        max_open_positions=rng.choice((3, 10)),
    )


def _drifts(seed: int, engines: int) -> tuple[int, ...]:
    """Small ones are as likely as large ones."""
    rng = _rng(seed, "knob clock drift")
    if rng.random() >= KNOB_ON:
        return ()
    least, most = DRIFT_PPM
    sizes = [round(least * (most / least) ** rng.random()) for _ in range(engines)]
    return tuple(size * rng.choice((-1, 1)) for size in sizes)


def _weather(seed: int) -> Weather:
    most = {
        "request_lost": 0.08,
        "answer_lost": 0.08,
        "order_answer_lost": 0.4,
        "answer_late": 0.06,
        "request_stuck": 0.04,
        "socket_drop": 0.01,
    }
    chances = {name: _knob(seed, name, chance) for name, chance in most.items()}
    return Weather(**chances, stuck_max_s=_rng(seed, "stuck").choice((5.0, 30.0, 90.0)))


def _knob(seed: int, name: str, most: float) -> float:
    rng = _rng(seed, f"knob {name}")
    is_on = rng.random() < KNOB_OFTENER.get(name, KNOB_ON)
    return round(rng.uniform(0.1, 1.0) * most, 4) if is_on else 0.0


def _venue_faults(seed: int) -> dict[FaultKind, Decimal]:
    chances = {kind: _knob(seed, kind.value, most) for kind, most in FAULT_CHANCES.items()}
    return {kind: Decimal(str(chance)) for kind, chance in chances.items() if chance}


SECONDS: Final[dict[What, tuple[float, float]]] = {
    What.PAUSE: (0.1, 120.0),
    What.FREEZE: (0.1, 120.0),
    What.CLOCK_STEP: (-3.0, 3.0),
    What.CUT: (1.0, 90.0),
    What.CUT_OUT: (1.0, 60.0),
    What.CUT_IN: (1.0, 60.0),
    What.SLOW_DISK: (0.01, 1.5),
    What.FULL_DISK: (5.0, 40.0),
    What.MAINTENANCE: (2.0, 60.0),
    What.LEASE_DOWN: (1.0, 90.0),
    What.LEASE_CUT: (1.0, 90.0),
    What.LEASE_SLOW: (1.0, 60.0),
    What.LEASE_LOSSY: (1.0, 60.0),
    What.LEASE_DELETED: (2.0, 60.0),
    What.LEASE_STOLEN: (2.0, 40.0),
    What.LEASE_FENCED: (2.0, 40.0),
    What.HAND_ORDER: (2.0, 60.0),
}
MOST_OF_A_KIND: Final = 3
COMMANDS_MOST: Final = 6
EARLIEST_S: Final = 2.0


def _happenings(seed: int, engines: int, play_s: float, offset_s: int) -> tuple[Happening, ...]:
    found: list[Happening] = []
    for what in What:
        if what is What.LOSE_VOLUME and engines == 1:
            continue
        rng = _rng(seed, f"happens {what.value}")
        if rng.random() >= HAPPENS_OFTENER.get(what, HAPPENS):
            continue
        most = COMMANDS_MOST if what in (What.COMMAND, What.HAND_ORDER) else MOST_OF_A_KIND
        times = rng.randint(1, most)
        near_s = BEFORE_BAR_S if what is What.HAND_ORDER else AFTER_BAR_S
        is_near = 1.0 if what is What.HAND_ORDER else AT_BARS
        moments = [_moment(rng, play_s, offset_s, is_near, near_s) for _ in range(times)]
        found += [_one(rng, what, engines, at_s) for at_s in moments]
    return tuple(sorted(found, key=lambda happening: (happening.at_s, happening.what.value)))


def _moment(
    rng: Random, play_s: float, offset_s: int, is_near: float, near_s: tuple[float, float]
) -> float:
    """Anywhere, or with the chance ``is_near`` so near to the end of a bar."""
    at_s = rng.uniform(EARLIEST_S, play_s)
    if rng.random() < is_near:
        end_s = 60.0 * round((at_s + offset_s) / 60.0) - offset_s
        at_s = end_s + rng.uniform(*near_s)
    return round(min(max(at_s, EARLIEST_S), play_s), 3)


def _number(rng: Random, what: What) -> int:
    if what is What.COMMAND and rng.random() < CANCELS:
        return rng.choice(CANCELLING)
    return rng.randrange(1, STEPS_MOST.get(what, 60))


def _one(rng: Random, what: What, engines: int, at_s: float) -> Happening:
    shortest, longest = SECONDS.get(what, (0.0, 0.0))
    # short ones are as likely as long ones
    share = rng.random() ** 3 if shortest > 0 else rng.random()
    return Happening(
        at_s=at_s,
        what=what,
        machine=rng.randrange(engines),
        seconds=round(shortest + share * (longest - shortest), 3),
        number=_number(rng, what),
    )
