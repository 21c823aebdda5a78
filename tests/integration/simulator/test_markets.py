"""From options to a market: which files, which pairs, which instant."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from krakked.domain.errors import BadInput
from krakked.domain.ids import PairName
from krakked.domain.times import DAY_S, NS_PER_SECOND
from krakked.simulator import SimulatorOptions, opening_ns
from krakked.simulator.covering import Covered
from krakked.simulator.markets import RecordedMarket, build_market, chosen_files, unused_files
from krakked.simulator.store import StateStore

START_S = 1_704_067_200
NOW_NS = 1_900_000_000 * NS_PER_SECOND
XBTUSD, ETHUSD = PairName("XBTUSD"), PairName("ETHUSD")


def rows(minutes: int, count: int, first_s: int = START_S) -> str:
    starts = (first_s + index * minutes * 60 for index in range(count))
    return "".join(f"{start_s},100.0,110.0,90.0,105.0,8,40\n" for start_s in starts)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "XBTUSD_60.csv").write_text(rows(60, 48))
    (tmp_path / "ETHUSD_60.csv.gz").write_bytes(gzip.compress(rows(60, 24).encode()))
    (tmp_path / "README.md").write_text("not candles")
    return tmp_path


def replay(folder: Path, **changes: Any) -> SimulatorOptions:
    return SimulatorOptions(market="replay", candles=folder, speed=None, **changes)


def test_all_known_pairs_of_the_folder_are_replayed(folder: Path) -> None:
    (folder / "ACAEUR_60.csv").write_text(rows(60, 24))  # the simulator has no rules for it
    market, pairs = build_market(replay(folder), START_S * NS_PER_SECOND)
    assert tuple(pairs) == market.pairs == (ETHUSD, XBTUSD)


def test_the_shortest_candles_of_a_pair_are_taken(folder: Path) -> None:
    (folder / "XBTUSD_5.csv").write_text(rows(5, 20))
    (folder / "XBTUSD_1440.csv").write_text(rows(1440, 3))
    (folder / "XBTUSD_7.csv").write_text("of a length that the venue does not have")
    lengths = {file.pair: file.timeframe.minutes for file in chosen_files(replay(folder))}
    assert lengths == {ETHUSD: 60, XBTUSD: 5}


@pytest.mark.parametrize(
    "name", ["DOGEUSD_60.csv", "dogeusd_60.csv", "DOGE-USD_60.csv", "XXDGZUSD_60.csv"]
)
def test_a_file_under_another_spelling_of_its_pair_is_replayed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(rows(60, 24))
    options = replay(tmp_path)
    _, pairs = build_market(options, START_S * NS_PER_SECOND)
    assert list(pairs) == ["XDGUSD"]
    assert unused_files(options, pairs) == []


def test_a_market_of_files_knows_how_far_they_reach_beyond_the_range(folder: Path) -> None:
    market, _ = build_market(replay(folder, to_s=START_S + 7200), START_S * NS_PER_SECOND)
    assert isinstance(market, RecordedMarket)
    assert market.files == {
        ETHUSD: Covered(START_S, START_S + 24 * 3600),
        XBTUSD: Covered(START_S, START_S + 48 * 3600),
    }


def test_two_files_of_the_same_candles_are_refused(folder: Path) -> None:
    (folder / "BTCUSD_60.csv").write_text(rows(60, 24))
    with pytest.raises(BadInput) as refused:
        chosen_files(replay(folder))
    said = str(refused.value).replace(f"{folder}/", "")
    assert said == (
        "BTCUSD_60.csv and XBTUSD_60.csv both hold 60-minute candles of XBTUSD; remove one"
    )


def test_every_file_that_is_not_replayed_is_named_with_its_reason(folder: Path) -> None:
    (folder / "ACAEUR_60.csv").write_text(rows(60, 24))
    (folder / "XBTUSD_1440.csv").write_text(rows(1440, 3))
    (folder / "SOLUSD_60.csv").write_text(rows(60, 24))
    (folder / "ADAUSD_60.csv").write_text(rows(60, 1, START_S + 86_400))
    (folder / "XBTUSD_7.csv").write_text("of a length that the venue does not have")
    (folder / "notes.csv").write_text("not candles")
    pairs = (XBTUSD, ETHUSD, PairName("ADAUSD"))
    options = replay(folder, pairs=pairs, to_s=START_S + 86_400)
    _, played = build_market(options, START_S * NS_PER_SECOND)
    known = "XBTUSD, ETHUSD, SOLUSD, XDGUSD, ADAUSD, ETHXBT, XBTUSDT"
    assert [line.removeprefix(f"{folder}: ") for line in unused_files(options, played)] == [
        f"not replayed: ACAEUR_60.csv: no such pair here; known are {known}",
        "not replayed: ADAUSD_60.csv: no candle in the range, and none before it",
        "not replayed: SOLUSD_60.csv: not among the pairs that were asked for",
        "not replayed: XBTUSD_1440.csv: shorter candles of the pair are there",
        "not replayed: XBTUSD_7.csv, notes.csv: not named <PAIR>_<minutes>.csv, or of a length "
        "that is not kept",
    ]


def test_a_whole_download_is_named_in_few_words(folder: Path) -> None:
    for number in range(30):
        (folder / f"FOO{number:02}EUR_60.csv").write_text(rows(60, 1))
    (line,) = unused_files(replay(folder), (XBTUSD, ETHUSD))
    assert "FOO00EUR_60.csv, FOO01EUR_60.csv, " in line
    assert "FOO11EUR_60.csv and 18 more: no such pair here" in line


def test_only_the_wanted_pairs_are_replayed(folder: Path) -> None:
    _, pairs = build_market(replay(folder, pairs=(ETHUSD,)), START_S * NS_PER_SECOND)
    assert list(pairs) == [ETHUSD]


def test_a_wanted_pair_without_a_file_is_named(folder: Path) -> None:
    wanted = (XBTUSD, PairName("SOLUSD"))
    with pytest.raises(BadInput, match=r"no file of SOLUSD; add it, or leave it out"):
        chosen_files(replay(folder, pairs=wanted))


def test_a_folder_of_strangers_is_refused_with_the_pairs_that_are_known(tmp_path: Path) -> None:
    (tmp_path / "ACAEUR_60.csv").write_text(rows(60, 24))
    with pytest.raises(BadInput, match=r"no file of a known pair; known are XBTUSD, ETHUSD"):
        chosen_files(replay(tmp_path))


@pytest.mark.parametrize("pairs", [(), (XBTUSD,)])
def test_a_file_of_a_known_pair_that_has_the_wrong_length_is_refused_for_its_length(
    tmp_path: Path, pairs: tuple[PairName, ...]
) -> None:
    (tmp_path / "ACAEUR_60.csv").write_text(rows(60, 24))
    (tmp_path / "ACAEUR_7.csv").write_text(rows(7, 24))
    (tmp_path / "XBTUSD_7.csv").write_text(rows(7, 24))
    with pytest.raises(BadInput) as refused:
        chosen_files(replay(tmp_path, pairs=pairs))
    assert str(refused.value) == (
        f"--candles {tmp_path}: XBTUSD_7.csv: 7 minutes is no length that krakked keeps; take 1, "
        "5, 15, 60, 240 or 1440"
    )


def test_a_damaged_file_is_named(folder: Path) -> None:
    whole = (folder / "ETHUSD_60.csv.gz").read_bytes()
    (folder / "ETHUSD_60.csv.gz").write_bytes(whole[:40])
    with pytest.raises(BadInput, match=r"ETHUSD_60\.csv\.gz"):
        build_market(replay(folder), START_S * NS_PER_SECOND)


def test_a_bad_row_outside_of_the_range_is_found_too(folder: Path) -> None:
    with (folder / "XBTUSD_60.csv").open("a") as file:
        file.write("rubbish\n")
    with pytest.raises(BadInput, match=r"XBTUSD_60\.csv:49: "):
        build_market(replay(folder, to_s=START_S + 7200), START_S * NS_PER_SECOND)


def test_rows_without_trades_are_hours_without_trades(folder: Path) -> None:
    quiet = f"{START_S},1,1,1,1,0,0\n" + rows(60, 2, START_S + 3600)
    (folder / "XBTUSD_60.csv").write_text(quiet)
    options = replay(folder, pairs=(XBTUSD,))
    market, _ = build_market(options, START_S * NS_PER_SECOND)
    first_ns = market.prints_before(XBTUSD, 0, NOW_NS)[0].at_ns
    assert first_ns == (START_S + 3600) * NS_PER_SECOND


def test_rows_of_a_program_that_counts_no_trades_keep_their_shape(folder: Path) -> None:
    uncounted = rows(60, 48).replace(",40\n", ",0\n")
    (folder / "XBTUSD_60.csv").write_text(uncounted)
    market, _ = build_market(replay(folder, pairs=(XBTUSD,)), START_S * NS_PER_SECOND)
    (candle, *_) = market.candles_between(XBTUSD, 60, START_S, START_S + 48 * 3600)
    assert [candle.open, candle.high, candle.low, candle.close, candle.volume] == [
        Decimal(text) for text in ("100", "110", "90", "105", "8")
    ]
    prints = market.prints_before(XBTUSD, 0, (START_S + 3600) * NS_PER_SECOND)
    assert [item.price for item in prints] == [100, 90, 110, 105]


def test_a_replay_opens_where_it_is_told_or_with_the_first_candle(folder: Path) -> None:
    (folder / "ETHUSD_60.csv.gz").write_bytes(gzip.compress(rows(60, 9, START_S - 7200).encode()))
    assert opening_ns(replay(folder), otherwise_ns=NOW_NS) == (START_S - 7200) * NS_PER_SECOND
    told = replay(folder, from_s=START_S + 3600)
    assert opening_ns(told, otherwise_ns=NOW_NS) == (START_S + 3600) * NS_PER_SECOND


def test_an_invented_market_opens_now_or_where_it_is_told() -> None:
    assert opening_ns(SimulatorOptions(), otherwise_ns=NOW_NS) == NOW_NS
    told = SimulatorOptions(from_s=START_S, speed=60)
    assert opening_ns(told, otherwise_ns=NOW_NS) == START_S * NS_PER_SECOND


@pytest.mark.parametrize(
    ("speed", "stored_ns", "opens_ns"),
    [
        (60.0, NOW_NS - 5, NOW_NS - 5),
        (None, NOW_NS + 5, NOW_NS + 5),
        (1.0, NOW_NS - 5, NOW_NS),  # real time has gone on meanwhile
        (1.0, NOW_NS + 5, NOW_NS + 5),  # time never runs backwards
    ],
)
def test_a_stored_world_opens_where_it_stopped(
    tmp_path: Path, speed: float | None, stored_ns: int, opens_ns: int
) -> None:
    store = StateStore(tmp_path / "state")
    store.save([], stored_ns)
    store.close()
    options = SimulatorOptions(state=tmp_path / "state", speed=speed, from_s=START_S)
    assert opening_ns(options, otherwise_ns=NOW_NS) == opens_ns


def test_a_state_file_that_is_not_there_yet_says_nothing(tmp_path: Path) -> None:
    options = SimulatorOptions(state=tmp_path / "state")
    assert opening_ns(options, otherwise_ns=NOW_NS) == NOW_NS
    assert not (tmp_path / "state").exists()


def test_given_prices_are_where_an_invented_market_begins(stage: Any) -> None:
    options = stage.options(prices={XBTUSD: Decimal(20_000)}, pairs=(XBTUSD, ETHUSD))

    async def scene(client: Any) -> Any:
        return await client.admin("/prices")

    prices = stage.play(scene, options)
    assert prices["XBTUSD"]["bid"] == "19998.0"
    assert prices["ETHUSD"]["bid"] == "2999.70"
    assert set(prices) == {"XBTUSD", "ETHUSD", "status"}


def test_a_replay_that_starts_in_the_middle_of_a_day_has_720_whole_days_before_it(
    tmp_path: Path,
) -> None:
    first_s = START_S - 800 * DAY_S
    (tmp_path / "XBTUSD_240.csv").write_text(rows(240, 801 * 6, first_s))
    opening_s = START_S + DAY_S // 2
    market, _ = build_market(replay(tmp_path, from_s=opening_s), opening_s * NS_PER_SECOND)
    past = market.candles_before(XBTUSD, 1440, opening_s * NS_PER_SECOND, 721)
    assert [day.start_s for day in past] == [START_S - back * DAY_S for back in range(720, -1, -1)]
    assert {day.trades for day in past[:-1]} == {6 * 40}
    assert past[-1].trades == 3 * 40
