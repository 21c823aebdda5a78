"""What a person types for a pair or a strategy, made the one name that krakked uses.

People write ``xbtusd``, ``BTC/USD``, ``XBT-USD`` or ``XXBTZUSD`` and mean ``XBTUSD``. A name that
nobody knows is refused, with the nearest that somebody does: an order to sell "everything of FOO"
must not end with the answer that all is sold. What is known is the caller's: an engine knows the
venue's pairs and its strategies, a reader of the database what is on record there.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from typing import Final, TypeVar

from krakked.domain.errors import Refused
from krakked.domain.ids import Asset, PairName, StrategyId

T = TypeVar("T", bound=str)

_NAMED_MAX: Final = 8
"""More known names than this are not worth a line's length."""
_SEPARATORS: Final = str.maketrans("", "", "/-_ ")
_ELSEWHERE: Final = {"BTC": "XBT", "DOGE": "XDG"}
_ASSET_LETTERS_MIN: Final = 3
_ASSETS: Final = {
    **_ELSEWHERE,
    **{f"X{asset}": asset for asset in ("XBT", "XDG", "ETH", "LTC", "XRP", "XLM", "XMR", "ETC")},
    **{f"X{asset}": asset for asset in ("REP", "ZEC", "MLN")},
    **{f"Z{asset}": asset for asset in ("USD", "EUR", "GBP", "CAD", "JPY", "AUD")},
}
"""Other spellings of assets: what everybody else says, and the venue's long ids."""


def resolve_pair(text: str, known: Collection[PairName]) -> PairName:
    """The known pair that ``text`` means.

    Raises:
        Refused: none, or several.
    """
    return _resolve("pair", text, known, [name for name in known if _is_same_pair(name, text)])


def standard_pair(text: str) -> PairName:
    """The venue's altname for what anybody else calls a pair; unknown assets stay as they are.

    Where nobody can be asked what is known (names of files, pairs to invent) this tells that
    ``DOGEUSD``, ``doge/usd`` and ``XDGUSD`` are one pair.
    """
    bare = text.strip().upper()
    base, separator, quote = re.sub("[-_]", "/", bare).partition("/")
    if separator:
        return PairName(_asset(base) + _asset(quote.replace("/", "")))
    for at in range(_ASSET_LETTERS_MIN, len(bare) - _ASSET_LETTERS_MIN + 1):
        base, quote = bare[:at], bare[at:]
        is_long = base in _ASSETS and quote in _ASSETS
        if is_long or base in _ELSEWHERE or quote in _ELSEWHERE:
            return PairName(_asset(base) + _asset(quote))
    return PairName(bare)


def standard_asset(text: str) -> Asset:
    """The same for an asset, in whichever wallet: ``btc``, ``XXBT`` and ``XBT`` are one."""
    code, dot, wallet = text.strip().upper().partition(".")
    return Asset(_asset(code) + dot + wallet)


def resolve_strategy(text: str, known: Collection[StrategyId]) -> StrategyId:
    """The known strategy that ``text`` means.

    Raises:
        Refused: none, or several.
    """
    spelled = text.strip().casefold()
    return _resolve("strategy", text, known, [name for name in known if name.casefold() == spelled])


def _resolve(kind: str, text: str, known: Collection[T], meant: list[T]) -> T:
    for name in known:
        if name == text:
            return name
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise Refused(f"{kind} {text!r}: may be {' or '.join(sorted(meant))}; write one of them")
    raise Refused(f"{kind} {text!r} is not known{_hint(text, sorted(known))}")


def _hint(text: str, known: list[T]) -> str:
    if not known:
        return ": none is, so far"
    by_fold = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(text.strip().casefold(), by_fold, n=1)
    if near:
        return f"; did you mean {by_fold[near[0]]}?"
    more = ", …" if len(known) > _NAMED_MAX else ""
    return f"; known: {', '.join(known[:_NAMED_MAX])}{more}"


def _is_same_pair(name: PairName, text: str) -> bool:
    return not _spellings(name).isdisjoint(_spellings(text))


def _spellings(text: str) -> frozenset[str]:
    """In krakked's assets; without a separator, wherever the base may end."""
    return frozenset(_joined(text.strip().upper()))


def _joined(text: str) -> Iterator[str]:
    bare = text.translate(_SEPARATORS)
    yield bare
    base, separator, quote = text.partition("/")
    if separator:
        yield _asset(base) + _asset(quote)
        return
    for at in range(1, len(bare)):
        yield _asset(bare[:at]) + _asset(bare[at:])


def _asset(code: str) -> str:
    return _ASSETS.get(code, code)
