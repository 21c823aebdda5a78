"""The venue's pairs and assets under all their spellings, with the rules recorded from it.

Sources: recorded AssetPairs of 2026 where there is one; ADAUSD's minimum is of 2021 and its
cost decimals are modelled (no record), and so is what margin accounts may count of an asset.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from krakked.domain.ids import Asset, PairName


class VenueAsset(msgspec.Struct, frozen=True, kw_only=True):
    """One asset at the venue."""

    id: str
    """REST id, key of balances: ``XXBT``."""
    altname: Asset
    """``XBT``: canonical in krakked."""
    symbol: str
    """WebSocket v2 code: ``BTC``."""
    decimals: int
    display_decimals: int
    collateral_value: Decimal | None = None
    """What a margin account may count of it; the venue leaves it out where that is nothing."""
    margin_rate: Decimal | None = None
    wallet: str = "main"
    """Which wallet of the spot account it lies in; ``flex`` and others earn, and do not trade."""


class VenuePair(msgspec.Struct, frozen=True, kw_only=True):
    """One pair at the venue."""

    id: str
    """``XXBTZUSD``: key of REST answers, ``pair`` of TradesHistory."""
    altname: PairName
    """``XBTUSD``: canonical in krakked, ``descr.pair`` of orders."""
    wsname: str
    """``XBT/USD``: listed in AssetPairs, refused everywhere else since 2026-09."""
    symbol: str
    """``BTC/USD``: WebSocket v2, and accepted by REST."""
    base: VenueAsset
    quote: VenueAsset
    pair_decimals: int
    lot_decimals: int
    cost_decimals: int
    order_min: Decimal
    cost_min: Decimal
    tick_size: Decimal
    leverage: tuple[int, ...] = ()
    position_limits: tuple[int, int] = (0, 0)
    """Long and short, in base; of pairs with leverage."""


WALLETS: Final = {
    ".F": "flex",
    ".S": "bonded",
    ".M": "opt-in",
    ".B": "yield",
    ".T": "tokenized",
    ".HOLD": "hold",
}
"""Suffixes of balances that are there and cannot be traded, and what their wallets are called."""


def variants(asset: VenueAsset) -> list[VenueAsset]:
    """The asset in each of its other wallets: ``XBT.F`` beside ``XXBT``."""
    return [
        msgspec.structs.replace(
            asset,
            id=f"{asset.altname}{suffix}",
            altname=Asset(f"{asset.altname}{suffix}"),
            wallet=wallet,
        )
        for suffix, wallet in WALLETS.items()
    ]


def _asset(
    id: str,
    names: tuple[str, str],
    decimals: tuple[int, int],
    collateral: str | None = None,
    margin_rate: str | None = None,
) -> VenueAsset:
    return VenueAsset(
        id=id,
        altname=Asset(names[0]),
        symbol=names[1],
        decimals=decimals[0],
        display_decimals=decimals[1],
        collateral_value=None if collateral is None else Decimal(collateral),
        margin_rate=None if margin_rate is None else Decimal(margin_rate),
    )


ASSETS: Final = {
    asset.altname: asset
    for asset in (
        _asset("XXBT", ("XBT", "BTC"), (10, 5), "1.0", "0.01"),
        _asset("XETH", ("ETH", "ETH"), (10, 5), "1.0", "0.02"),
        _asset("SOL", ("SOL", "SOL"), (8, 5), "0.9", "0.02"),
        _asset("XXDG", ("XDG", "DOGE"), (8, 2), "0.8", "0.02"),
        _asset("ADA", ("ADA", "ADA"), (8, 6)),
        _asset("USDT", ("USDT", "USDT"), (8, 4), "0.95", "0.015"),
        _asset("ZUSD", ("USD", "USD"), (4, 2), "1.0", "0.015"),
        _asset("ZEUR", ("EUR", "EUR"), (4, 2), "1.0", "0.015"),
    )
}


POSITION_LIMITS: Final = {
    "XBTUSD": (250, 200),
    "ETHUSD": (6_000, 4_000),
    "SOLUSD": (60_000, 40_000),
    "XDGUSD": (15_000_000, 10_000_000),
    "ETHXBT": (3_000, 2_000),
}
"""Of XBTUSD as documented, the others modelled."""


def _pair(
    id: str,
    altname: str,
    assets: tuple[str, str],
    decimals: tuple[int, int, int],
    minimum: tuple[str, str],
    leverage: int = 0,
) -> VenuePair:
    base_asset, quote_asset = (ASSETS[Asset(name)] for name in assets)
    pair_decimals, lot_decimals, cost_decimals = decimals
    return VenuePair(
        id=id,
        altname=PairName(altname),
        wsname=f"{base_asset.altname}/{quote_asset.altname}",
        symbol=f"{base_asset.symbol}/{quote_asset.symbol}",
        base=base_asset,
        quote=quote_asset,
        pair_decimals=pair_decimals,
        lot_decimals=lot_decimals,
        cost_decimals=cost_decimals,
        order_min=Decimal(minimum[0]),
        cost_min=Decimal(minimum[1]),
        tick_size=Decimal(1).scaleb(-pair_decimals),
        leverage=tuple(range(2, leverage + 1)),
        position_limits=POSITION_LIMITS.get(altname, (0, 0)),
    )


PAIRS: Final = {
    pair.altname: pair
    for pair in (
        _pair("XXBTZUSD", "XBTUSD", ("XBT", "USD"), (1, 8, 5), ("0.00005", "0.5"), 10),
        _pair("XETHZUSD", "ETHUSD", ("ETH", "USD"), (2, 8, 5), ("0.001", "0.5"), 10),
        _pair("SOLUSD", "SOLUSD", ("SOL", "USD"), (2, 8, 5), ("0.06", "0.5"), 10),
        _pair("XDGUSD", "XDGUSD", ("XDG", "USD"), (7, 8, 9), ("50", "0.5"), 10),
        _pair("ADAUSD", "ADAUSD", ("ADA", "USD"), (6, 8, 8), ("2.5", "0.5")),
        _pair("XETHXXBT", "ETHXBT", ("ETH", "XBT"), (6, 8, 10), ("0.001", "0.00002"), 5),
        _pair("XBTUSDT", "XBTUSDT", ("XBT", "USDT"), (1, 8, 5), ("0.00005", "0.5")),
    )
}


def find(name: str) -> VenuePair | None:
    """The pair a client means by id, altname or v2 symbol; not by wsname, which is refused."""
    return _BY_NAME.get(name)


_BY_NAME: Final = {
    spelling: pair for pair in PAIRS.values() for spelling in (pair.id, pair.altname, pair.symbol)
}
