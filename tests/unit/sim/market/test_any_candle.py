"""The rule of a replay on candles that nobody has recorded yet."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from krakked.domain.ids import PairName
from krakked.domain.times import NS_PER_SECOND
from krakked.sim.exchange.pairs import PAIRS
from krakked.sim.market.candles import Candle, fold
from krakked.sim.market.model import candles_from_prints
from krakked.sim.market.replaying import ReplayMarket, expand, on_tick

START_S = 1_704_067_200
LENGTHS = st.sampled_from([1, 5, 15, 60, 240, 1440])
FOR_EVER_NS = 4_102_444_800 * NS_PER_SECOND
quick = settings(max_examples=200, deadline=None, derandomize=True)


@st.composite
def any_candle(draw: st.DrawFn, minutes: int, index: int = 0) -> Candle:
    """Prices with more decimals than the tick has, volumes down to the smallest unit."""
    prices = [Decimal(draw(st.integers(10_000, 9_000_000))).scaleb(-3) for _ in range(4)]
    first, last = prices[:2]
    return Candle(
        start_s=START_S + index * minutes * 60,
        minutes=minutes,
        open=first,
        high=max(prices),
        low=min(prices),
        close=last,
        volume=Decimal(draw(st.integers(4, 10**13))).scaleb(-8),
        trades=draw(st.integers(4, 10_000)),
    )


@quick
@given(st.data(), LENGTHS, st.sampled_from(sorted(PAIRS)))
def test_any_candle_of_four_trades_or_more_comes_out_as_it_went_in(
    data: st.DataObject, minutes: int, name: str
) -> None:
    pair = PAIRS[PairName(name)]
    candle = data.draw(any_candle(minutes))
    rounded = on_tick(candle, pair)
    items = expand(candle, pair)
    (found,) = candles_from_prints(items, minutes)
    assert (found.open, found.high, found.low, found.close) == (
        rounded.open,
        rounded.high,
        rounded.low,
        rounded.close,
    )
    assert found.volume == rounded.volume
    assert found.trades <= candle.trades
    instants = [item.at_ns for item in items]
    assert instants == sorted(set(instants))
    assert instants[0] == candle.start_s * NS_PER_SECOND
    assert candle.end_s - 1 <= instants[-1] / NS_PER_SECOND < candle.end_s
    assert all(item.quantity_base > 0 for item in items)
    assert all(item.price % pair.tick_size == 0 for item in items)


@quick
@given(st.data(), st.sampled_from([60, 240]), st.integers(0, 50), st.integers(-7200, 400_000))
def test_past_and_future_of_any_instant_make_up_the_whole(
    data: st.DataObject, longer: int, holes: int, offset_s: int
) -> None:
    name = PairName("XBTUSD")
    kept = [index for index in range(24) if (index * 7 + holes) % 5]
    candles = [data.draw(any_candle(60, index)) for index in kept]
    start_ns = (START_S + min(offset_s, kept[-1] * 3600)) * NS_PER_SECOND
    market = ReplayMarket(
        pairs=PAIRS, candles={name: candles}, start_ns=start_ns, end_ns=FOR_EVER_NS
    )
    past = market.prints_before(name, 0, start_ns)
    future = market.prints_before(name, start_ns, FOR_EVER_NS)
    assert past + future == [item for one in candles for item in expand(one, PAIRS[name])]
    rounded = [on_tick(one, PAIRS[name]) for one in candles]
    whole = market.candles_before(name, longer, FOR_EVER_NS, 10**6)
    assert whole == list(fold(rounded, longer))
