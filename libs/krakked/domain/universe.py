"""The universe: which of the venue's pairs are traded, and why the others are not.

It is chosen once, at the start, from what the venue lists and from the turnover of the last 24
hours. From then on ``risk.min_liquidity_24h_usd`` looks at every purchase, with the turnover of
that moment. A pair that is left out while something of ours is held or rests there stays watched:
an exit must never be lost.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from krakked.domain.ids import Asset, PairName
from krakked.domain.money import to_text
from krakked.domain.pairs import Pair, PairStatus


class Objection(enum.Enum):
    """What speaks against a pair."""

    UNLISTED = "not listed by the venue"
    QUOTE = "quoted in another asset"
    EXCLUDED = "excluded by name"
    NOT_INCLUDED = "not included by name"
    NOT_COUNTED = "not counted in the portfolio"
    STATUS = "not online"
    TURNOVER = "turnover too small"

    @property
    def is_of_the_moment(self) -> bool:
        """Whether it may be gone tomorrow; risk looks at it again with every purchase."""
        return self in (Objection.STATUS, Objection.TURNOVER)


class UniverseRules(msgspec.Struct, frozen=True, kw_only=True):
    """``universe.*``, and what else decides."""

    quote: Asset
    include: frozenset[PairName] = frozenset()
    """Only these; empty: all."""
    exclude: frozenset[PairName] = frozenset()
    named: frozenset[PairName] = frozenset()
    """Named by a person somewhere: they stay though their turnover is small."""
    turnover_min: Decimal = Decimal(0)
    uncounted: frozenset[Asset] = frozenset()
    """Assets that equity does not see: trading them would look like losing money."""
    held: frozenset[PairName] = frozenset()
    """Pairs with a position or a live order of ours."""


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """One pair, and what speaks against it."""

    pair: PairName
    why: Objection
    reason: str


class Universe(msgspec.Struct, frozen=True, kw_only=True):
    """The answer; every listed pair of the quote asset is in ``pairs`` or in ``left_out``."""

    pairs: tuple[PairName, ...]
    """To watch and trade, in order."""
    left_out: tuple[Remark, ...] = ()
    kept: tuple[Remark, ...] = ()
    """Of ``pairs``, those that something speaks against."""

    @property
    def exits_only(self) -> frozenset[PairName]:
        """Watched only for what is held there: a person chose not to trade them."""
        return frozenset(kept.pair for kept in self.kept if not kept.why.is_of_the_moment)


def choose_universe(
    rules: UniverseRules,
    listed: Mapping[PairName, Pair],
    turnovers: Mapping[PairName, Decimal],
) -> Universe:
    """Sort every listed pair; ``turnovers`` are of 24 hours, in the base currency."""
    remarks = {name: _objection(rules, listed[name], turnovers.get(name)) for name in listed}
    spoken = [remark for _, remark in sorted(remarks.items()) if remark is not None]
    kept = tuple(remark for remark in spoken if _stays(rules, remark))
    staying = {remark.pair for remark in kept}
    gone = [remark for remark in spoken if remark.pair not in staying]
    unlisted = sorted((rules.include | rules.exclude) - listed.keys())
    return Universe(
        pairs=tuple(sorted(n for n, remark in remarks.items() if remark is None or n in staying)),
        left_out=(
            *map(_unlisted, unlisted),
            *(remark for remark in gone if _matters(rules, remark)),
        ),
        kept=kept,
    )


def _matters(rules: UniverseRules, remark: Remark) -> bool:
    """Pairs of other quote assets were never meant, unless somebody named them."""
    return remark.why is not Objection.QUOTE or remark.pair in rules.named


def _unlisted(name: PairName) -> Remark:
    return Remark(pair=name, why=Objection.UNLISTED, reason="the venue does not list it")


def _stays(rules: UniverseRules, remark: Remark) -> bool:
    is_named_and_thin = remark.why is Objection.TURNOVER and remark.pair in rules.named
    return is_named_and_thin or remark.pair in rules.held


def _objection(rules: UniverseRules, pair: Pair, turnover: Decimal | None) -> Remark | None:
    """The first thing that speaks against it: a person's choice before the market's state."""
    found = _chosen_against(rules, pair) or _not_now(rules, pair, turnover)
    return None if found is None else Remark(pair=pair.name, why=found[0], reason=found[1])


def _chosen_against(rules: UniverseRules, pair: Pair) -> tuple[Objection, str] | None:
    if pair.quote != rules.quote:
        return Objection.QUOTE, f"quoted in {pair.quote}, universe.quote is {rules.quote}"
    if pair.name in rules.exclude:
        return Objection.EXCLUDED, "named in universe.exclude_pairs"
    if rules.include and pair.name not in rules.include:
        return Objection.NOT_INCLUDED, "not named in universe.include_pairs"
    if pair.base in rules.uncounted:
        return Objection.NOT_COUNTED, f"{pair.base} does not count (portfolio.*_assets)"
    return None


def _not_now(
    rules: UniverseRules, pair: Pair, turnover: Decimal | None
) -> tuple[Objection, str] | None:
    if pair.status is not PairStatus.ONLINE:
        return Objection.STATUS, f"the venue has it in {pair.status.value}"
    if not rules.turnover_min:
        return None
    least = f"universe.min_24h_volume_usd ({to_text(rules.turnover_min)})"
    if turnover is None:
        return Objection.TURNOVER, f"the venue tells no turnover, {least} asks for one"
    if turnover < rules.turnover_min:
        said = f"turned over {turnover:.0f} in 24 hours, less than {least}"
        return Objection.TURNOVER, said
    return None
