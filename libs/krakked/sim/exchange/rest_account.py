"""REST methods about the account itself: balances, fees, the key, tokens for private sessions."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Final

from krakked.domain.money import ZERO
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange import errors
from krakked.sim.exchange.calls import Call
from krakked.sim.exchange.core import Core, Market, altnames
from krakked.sim.exchange.errors import VenueError
from krakked.sim.exchange.fees import FeeTier, tier_index
from krakked.sim.exchange.keys import Permission
from krakked.sim.wire import text

USD_DECIMALS: Final = 4
PCT_DECIMALS: Final = 4


def balance(call: Call) -> object:
    """Balance: all of it, also what orders hold."""
    return {
        asset.id: text(call.account.balance(asset.altname), asset.decimals)
        for asset in call.core.assets.values()
        if asset.altname in call.account.balances
    }


def balance_extended(call: Call) -> object:
    """BalanceEx: what is free is balance − hold_trade."""
    account = call.account
    return {
        asset.id: {
            "balance": text(account.balance(asset.altname), asset.decimals),
            "hold_trade": text(account.held.get(asset.altname, ZERO), asset.decimals),
        }
        for asset in call.core.assets.values()
        if asset.altname in account.balances
    }


def trade_balance(call: Call) -> object:
    """TradeBalance: the worth of everything, by last prices; margin is never used.

    ``eb`` counts every wallet, ``tb`` and what follows from it only what can be traded.
    """
    core = call.core
    name = altnames(list(core.assets.values())).get(call.params.text("asset") or "ZUSD")
    if name is None:
        raise VenueError(errors.UNKNOWN_ASSET)
    unit_usd = core.worth_usd(name, Decimal(1))
    everything, tradable = (
        text(_worth_usd(call, only) / unit_usd if unit_usd else ZERO, USD_DECIMALS)
        for only in (None, "main")
    )
    nothing = text(ZERO, USD_DECIMALS)
    row = dict.fromkeys(("m", "n", "c", "v", "uv"), nothing)
    return {"eb": everything, "tb": tradable, **row, "e": tradable, "mf": tradable}


def _worth_usd(call: Call, wallet: str | None) -> Decimal:
    core, balances = call.core, call.account.balances
    return sum(
        (
            core.worth_usd(asset, amount)
            for asset, amount in balances.items()
            if wallet in (None, core.assets[asset].wallet)
        ),
        ZERO,
    )


def trade_volume(call: Call) -> object:
    """TradeVolume: thirty days in USD, and the rates that follow from it."""
    core, account = call.core, call.account
    volume = account.volume.total(core.now_ns)
    answer: dict[str, object] = {"currency": "ZUSD", "volume": text(volume, USD_DECIMALS)}
    markets = _markets(core, _pair_names(call))
    ladder = core.options.fee_ladder
    if not markets:
        return answer | {"fees": None, "fees_maker": None}
    for name, maker in (("fees", False), ("fees_maker", True)):
        row = _fee_row(ladder, tier_index(ladder, volume), maker=maker)
        answer[name] = {market.pair.id: row for market in markets}
    if call.params.flag("fee_schedule"):
        answer["schedules"] = {market.pair.id: _schedule(ladder) for market in markets}
    return answer


def _pair_names(call: Call) -> list[str]:
    """A comma list, a list of texts, or a list of ``{"asset": …, "aclass": …}``."""
    given = call.params.raw("pair")
    if not isinstance(given, list):
        return call.params.listed("pair")
    return [str(one.get("asset") if isinstance(one, dict) else one) for one in given]


def _schedule(ladder: tuple[FeeTier, ...]) -> list[dict[str, object]]:
    """All tiers. That there is such a field is documented, what stands in it is not."""
    return [
        {
            "volume": text(tier.volume_usd, USD_DECIMALS),
            "fee": text(tier.taker_pct, PCT_DECIMALS),
            "fee_maker": text(tier.maker_pct, PCT_DECIMALS),
        }
        for tier in ladder
    ]


def websockets_token(call: Call) -> object:
    """GetWebSocketsToken."""
    token = call.core.ids.token()
    return {"token": token, "expires": call.keys.issue_token(token, call.key, call.core.now_ns)}


def api_key_info(call: Call) -> object:
    """GetApiKeyInfo."""
    key = call.key
    return {
        "api_key_name": key.account,
        "api_key": key.key,
        "nonce": str(key.nonce),
        "nonce_window": str(key.nonce_window),
        "permissions": [each.value for each in Permission if each in key.permissions],
        "iban": _public_number(key.account),
        "valid_until": "0",
        "query_from": "0",
        "query_to": "0",
        "created_time": str(key.created_ns // NS_PER_SECOND),
        "modified_time": str(key.created_ns // NS_PER_SECOND),
        "ip_allowlist": [],
        "last_used": str(key.last_used_ns // NS_PER_SECOND),
    }


def _public_number(account: str) -> str:
    """The account's own, whichever key asks."""
    digits = hashlib.sha256(account.encode()).hexdigest()[:12].upper()
    return f"AA{digits[:2]} N84G {digits[2:6]} {digits[6:10]}"


def _markets(core: Core, names: list[str]) -> list[Market]:
    found = [core.market(name) for name in names]
    if None in found:
        raise VenueError(errors.UNKNOWN_PAIR)
    return [market for market in found if market is not None]


def _fee_row(ladder: tuple[FeeTier, ...], index: int, *, maker: bool) -> dict[str, object]:
    def pct(tier: FeeTier) -> str:
        return text(tier.maker_pct if maker else tier.taker_pct, PCT_DECIMALS)

    after = ladder[index + 1] if index + 1 < len(ladder) else None
    return {
        "fee": pct(ladder[index]),
        "minfee": pct(ladder[-1]),
        "maxfee": pct(ladder[0]),
        "nextfee": None if after is None else pct(after),
        "nextvolume": None if after is None else text(after.volume_usd, USD_DECIMALS),
        "tiervolume": text(ladder[index].volume_usd, USD_DECIMALS),
    }
