"""What the candle files of a replay lack of the range that was asked for."""

from __future__ import annotations

import pytest

from krakked.domain.ids import PairName
from krakked.simulator.covering import Covered, Uncovered, in_lines, uncovered

XBTUSD, ETHUSD = PairName("XBTUSD"), PairName("ETHUSD")
JANUARY_S, FEBRUARY_S = 1_704_067_200, 1_706_745_600


@pytest.mark.parametrize(
    ("from_s", "to_s", "begin_s", "end_s"),
    [
        (JANUARY_S, FEBRUARY_S, None, None),
        (JANUARY_S - 1, FEBRUARY_S, JANUARY_S, None),
        (JANUARY_S, FEBRUARY_S + 1, None, FEBRUARY_S),
        (FEBRUARY_S, FEBRUARY_S + 1, None, FEBRUARY_S),
        (None, None, None, None),
    ],
)
def test_file_lacks_what_lies_beyond_its_first_or_last_candle(
    from_s: int | None, to_s: int | None, begin_s: int | None, end_s: int | None
) -> None:
    lacking = uncovered({XBTUSD: Covered(JANUARY_S, FEBRUARY_S)}, from_s, to_s)
    told = [(one.candles_begin_s, one.candles_end_s) for one in lacking]
    assert told == ([] if begin_s is end_s is None else [(begin_s, end_s)])


def test_pairs_that_lack_the_same_share_a_line() -> None:
    early = [Uncovered(pair=pair, candles_end_s=FEBRUARY_S) for pair in (ETHUSD, XBTUSD)]
    assert in_lines(early) == ["ETHUSD XBTUSD: candles end 2024-02-01 00:00, before --to"]
    late = Uncovered(pair=ETHUSD, candles_begin_s=JANUARY_S, candles_end_s=FEBRUARY_S)
    assert in_lines([late, early[1]]) == [
        "ETHUSD: candles begin 2024-01-01 00:00, after --from; "
        "candles end 2024-02-01 00:00, before --to",
        "XBTUSD: candles end 2024-02-01 00:00, before --to",
    ]
