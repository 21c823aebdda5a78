"""The store as its port promises it: ordered, each bar once, never changed, over restarts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from krakked.adapters.parquet import partitions
from krakked.adapters.parquet import series as series_module
from krakked.adapters.parquet.bar_store import ParquetBarStore
from krakked.domain.bars import Bar, Bars, Gap, Timeframe, bars_from
from krakked.domain.errors import LedgerFailed
from krakked.domain.ids import PairName
from krakked.ports.bar_store import BarStore

Opened = Callable[..., ParquetBarStore]
Make = Callable[..., list[Bar]]

XBTUSD, ETHUSD = PairName("XBTUSD"), PairName("ETHUSD")
H1 = Timeframe.H1
HOUR_S = 3_600
FOREVER_S = 2**40


def records(bars: Bars) -> list[Bar]:
    return [bars.bar(index) for index in range(len(bars))]


def everything(store: BarStore, tick: Decimal, timeframe: Timeframe = H1) -> list[Bar]:
    return records(store.between(XBTUSD, timeframe, 0, FOREVER_S, tick))


# ---------------------------------------------------------------- appending and looking back


def test_new_store_knows_nothing(opened: Opened, root: Path, tick: Decimal) -> None:
    store = opened()
    assert store.newest_start_s(XBTUSD, H1) is None
    assert len(store.last(XBTUSD, H1, 10, tick)) == 0
    assert everything(store, tick) == []
    assert store.coverage() == []
    assert store.gaps(XBTUSD, H1) == []
    assert not root.exists()


def test_last_bars_are_the_newest_oldest_first(opened: Opened, bars: Make, tick: Decimal) -> None:
    store = opened()
    for bar in bars(range(10)):
        assert store.append(XBTUSD, H1, tick, [bar]) == 1
    last = store.last(XBTUSD, H1, 3, tick)
    assert records(last) == bars(range(7, 10))
    assert (last.pair, last.timeframe, last.tick_size) == (XBTUSD, H1, tick)
    assert len(store.last(XBTUSD, H1, 99, tick)) == 10


def test_bars_not_later_than_the_newest_are_dropped(
    opened: Opened, bars: Make, tick: Decimal
) -> None:
    store = opened()
    store.append(XBTUSD, H1, tick, bars([0, 1, 2]))
    changed = bars([1, 2, 3], ticks=50_000)
    assert store.append(XBTUSD, H1, tick, changed) == 1
    assert everything(store, tick) == [*bars([0, 1, 2]), changed[2]]
    assert store.append(XBTUSD, H1, tick, []) == 0


def test_disorder_within_one_append_is_dropped_too(
    opened: Opened, bars: Make, tick: Decimal
) -> None:
    store = opened()
    assert store.append(XBTUSD, H1, tick, bars([5, 4, 5, 7])) == 2
    assert everything(store, tick) == bars([5, 7])


def test_series_do_not_mix(opened: Opened, bars: Make, tick: Decimal) -> None:
    store = opened()
    store.append(XBTUSD, H1, tick, bars([0, 4]))
    store.append(ETHUSD, H1, tick, bars([1]))
    store.append(XBTUSD, Timeframe.H4, tick, bars([0], step_s=4 * HOUR_S))
    assert [len(store.last(p, t, 9, tick)) for p, t in ((XBTUSD, H1), (ETHUSD, H1))] == [2, 1]
    assert [
        (pair, timeframe.value, count) for pair, timeframe, _, _, count in store.coverage()
    ] == [
        ("ETHUSD", "1h", 1),
        ("XBTUSD", "1h", 2),
        ("XBTUSD", "4h", 1),
    ]


def test_bars_handed_out_never_change(opened: Opened, bars: Make, tick: Decimal) -> None:
    store = opened(keep=8)
    store.append(XBTUSD, H1, tick, bars(range(8)))
    views = [store.last(XBTUSD, H1, 5, tick)]
    copies = [records(views[0])]
    for bar in bars(range(8, 400)):
        store.append(XBTUSD, H1, tick, [bar])
        views.append(store.last(XBTUSD, H1, 5, tick))
        copies.append(records(views[-1]))
    assert [records(view) for view in views] == copies


def test_bars_handed_out_cannot_be_written(opened: Opened, bars: Make, tick: Decimal) -> None:
    store = opened()
    store.append(XBTUSD, H1, tick, bars([0]))
    with pytest.raises(ValueError, match="read-only"):
        store.last(XBTUSD, H1, 1, tick).close[0] = 1


def test_looking_back_beyond_memory_reads_the_files(
    opened: Opened, bars: Make, tick: Decimal
) -> None:
    store = opened(keep=16)
    for bar in bars(range(500)):
        store.append(XBTUSD, H1, tick, [bar])
    assert records(store.last(XBTUSD, H1, 300, tick)) == bars(range(200, 500))
    store.compact()
    assert records(store.last(XBTUSD, H1, 300, tick)) == bars(range(200, 500))
    assert records(store.last(XBTUSD, H1, 9_999, tick)) == bars(range(500))


@pytest.mark.parametrize("keep", [4, 2048])
@pytest.mark.parametrize("is_compacted", [True, False])
def test_between_takes_the_start_and_leaves_the_end(
    opened: Opened, bars: Make, tick: Decimal, keep: int, is_compacted: bool
) -> None:
    store = opened(keep=keep)
    store.append(XBTUSD, H1, tick, bars(range(2000)))
    if is_compacted:
        store.compact()
        store.append(XBTUSD, H1, tick, bars(range(2000, 2010)))
    first, last = bars([700])[0].start_s, bars([1990])[0].start_s
    assert records(store.between(XBTUSD, H1, first, last, tick)) == bars(range(700, 1990))
    assert records(store.between(XBTUSD, H1, first - 1, first + 1, tick)) == bars([700])
    assert records(store.between(XBTUSD, H1, first, first, tick)) == []


def test_malformed_bar_is_a_bug(opened: Opened, bars: Make, tick: Decimal) -> None:
    store = opened()
    upside_down = Bar(start_s=0, open=5, high=4, low=3, close=4, volume=1, trades=1)
    with pytest.raises(AssertionError, match="disagree"):
        store.append(XBTUSD, H1, tick, [upside_down])
    with pytest.raises(AssertionError, match="begins no bar"):
        store.append(XBTUSD, H1, tick, bars([1], step_s=60))


def test_pair_that_would_leave_the_folder_is_a_bug(opened: Opened, tick: Decimal) -> None:
    with pytest.raises(AssertionError, match="names no folder"):
        opened().last(PairName("../x"), H1, 1, tick)


# ---------------------------------------------------------------- restarts


def test_everything_is_there_after_closing_and_opening(
    opened: Opened, bars: Make, tick: Decimal
) -> None:
    store = opened()
    store.append(XBTUSD, H1, tick, bars(range(1000)))
    store.close()
    again = opened()
    assert everything(again, tick) == bars(range(1000))
    assert again.newest_start_s(XBTUSD, H1) == bars([999])[0].start_s
    assert again.append(XBTUSD, H1, tick, bars([999, 1000])) == 1
    again.close()
    assert everything(opened(), tick) == bars(range(1001))


def test_store_that_was_never_closed_loses_nothing(
    opened: Opened, bars: Make, tick: Decimal, root: Path
) -> None:
    script = """
import sys
from decimal import Decimal
from pathlib import Path
from krakked.adapters.parquet.bar_store import ParquetBarStore
from krakked.domain.bars import Bar, Timeframe
store = ParquetBarStore(Path(sys.argv[1]))
for line in sys.stdin:
    bar = Bar(**{k: int(v) for k, v in zip(Bar.__struct_fields__, line.split())})
    store.append("XBTUSD", Timeframe.H1, Decimal("0.1"), [bar])
    if bar.start_s % 360_000 == 0:
        store.compact()
import os
os._exit(9)
"""
    made = bars(range(300))
    lines = "\n".join(
        " ".join(str(getattr(bar, name)) for name in Bar.__struct_fields__) for bar in made
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(root)], input=lines, text=True, check=False
    )
    assert ran.returncode == 9
    assert everything(opened(), tick) == made


def test_tail_and_partition_that_both_have_a_bar_give_it_once(
    opened: Opened, bars: Make, tick: Decimal, root: Path
) -> None:
    store = opened()
    store.append(XBTUSD, H1, tick, bars(range(30)))
    tail = root / "XBTUSD" / "1h" / "tail.seg"
    content = tail.read_bytes()
    store.close()
    tail.write_bytes(content)
    again = opened()
    assert everything(again, tick) == bars(range(30))
    assert again.coverage() == [(XBTUSD, H1, bars([0])[0].start_s, bars([29])[0].start_s, 30)]
    again.append(XBTUSD, H1, tick, bars([30]))
    again.close()
    assert everything(opened(), tick) == bars(range(31))


def test_torn_end_of_the_tail_is_dropped_and_written_again(
    opened: Opened, bars: Make, tick: Decimal, root: Path
) -> None:
    store = opened()
    store.append(XBTUSD, H1, tick, bars(range(10)))
    tail = root / "XBTUSD" / "1h" / "tail.seg"
    content = tail.read_bytes()
    store.close()
    for path in tail.parent.iterdir():
        path.unlink()
    tail.write_bytes(content[:-13])
    again = opened()
    assert again.newest_start_s(XBTUSD, H1) == bars([8])[0].start_s
    assert again.append(XBTUSD, H1, tick, bars([9])) == 1
    assert everything(opened(), tick) == bars(range(10))


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("timeframe", "names"),
    [
        (Timeframe.M1, ["2019-01-01.parquet", "2019-01-02.parquet"]),
        (Timeframe.H1, ["2019-01.parquet", "2019-02.parquet", "2019-03.parquet"]),
        (Timeframe.D1, ["2019.parquet", "2020.parquet", "2021.parquet", "2022.parquet"]),
    ],
)
def test_partitions_are_days_of_minutes_months_of_hours_years_of_days(
    opened: Opened,
    bars: Make,
    tick: Decimal,
    root: Path,
    timeframe: Timeframe,
    names: list[str],
) -> None:
    store = opened()
    count = 1441 if timeframe is Timeframe.M1 else 1417 if timeframe is H1 else 1200
    made = bars(range(count), step_s=timeframe.seconds)
    store.append(XBTUSD, timeframe, tick, made)
    store.close()
    folder = root / "XBTUSD" / timeframe.value
    assert sorted(path.name for path in folder.iterdir()) == names
    assert everything(opened(), tick, timeframe) == made


def test_appending_touches_no_parquet_until_the_tail_is_too_long(
    opened: Opened, bars: Make, tick: Decimal, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_module, "TAIL_BARS_MAX", 50)
    store, made = opened(), bars(range(120))
    folder = root / "XBTUSD" / "1h"
    for bar in made[:50]:
        store.append(XBTUSD, H1, tick, [bar])
    assert [path.name for path in folder.iterdir()] == ["tail.seg"]
    for bar in made[50:]:
        store.append(XBTUSD, H1, tick, [bar])
    assert sorted(path.name for path in folder.iterdir()) == ["2019-01.parquet", "tail.seg"]
    assert everything(store, tick) == made
    assert everything(opened(), tick) == made


def test_importing_the_store_does_not_load_pyarrow() -> None:
    code = (
        "import sys; import krakked.adapters.parquet.bar_store; sys.exit('pyarrow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_second_writer_is_refused_and_readers_are_not(
    opened: Opened, bars: Make, tick: Decimal
) -> None:
    first, second = opened(), opened()
    first.append(XBTUSD, H1, tick, bars([0]))
    assert records(second.last(XBTUSD, H1, 1, tick)) == bars([0])
    with pytest.raises(LedgerFailed, match="in use by another krakked"):
        second.append(XBTUSD, H1, tick, bars([1]))
    first.close()
    assert second.append(XBTUSD, H1, tick, bars([1])) == 1


def test_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path, bars: Make) -> None:
    (tmp_path / "file").touch()
    store = ParquetBarStore(tmp_path / "file" / "bars")
    with pytest.raises(LedgerFailed, match="its folder cannot be written") as caught:
        store.append(XBTUSD, H1, Decimal(1), bars([0]))
    assert caught.value.exit_code == 73


def test_disk_that_fails_is_one_clear_line(
    opened: Opened, bars: Make, tick: Decimal, root: Path
) -> None:
    in_the_way = root / "XBTUSD" / "1h" / "tail.seg"
    in_the_way.mkdir(parents=True)
    store = opened()
    with pytest.raises(
        LedgerFailed, match="free some space, make it writable, or set market_data"
    ) as caught:
        store.insert(XBTUSD, H1, tick, bars([0]))
    assert caught.value.exit_code == 73
    with pytest.raises(LedgerFailed):
        store.close()
    in_the_way.rmdir()
    assert opened().insert(XBTUSD, H1, tick, bars([0])) == 1


def test_folder_that_cannot_be_read_is_one_clear_line_too(tmp_path: Path, tick: Decimal) -> None:
    (tmp_path / "file").touch()
    store = ParquetBarStore(tmp_path / "file" / "bars")
    for question in (
        lambda: store.between(XBTUSD, H1, 0, 1, tick),
        lambda: store.last(XBTUSD, H1, 1, tick),
        lambda: store.newest_start_s(XBTUSD, H1),
        lambda: store.gaps(XBTUSD, H1),
    ):
        with pytest.raises(LedgerFailed, match=r"bar store .*bars: Not a directory") as caught:
            question()
        assert caught.value.exit_code == 73


def test_append_after_a_failed_write_keeps_the_tail_sound(
    opened: Opened, bars: Make, tick: Decimal, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    store.append(XBTUSD, H1, tick, bars([0]))
    whole = os.write
    monkeypatch.setattr(os, "write", lambda fd, content: whole(fd, content[:-7]))
    with pytest.raises(LedgerFailed, match="No space left on device"):
        store.append(XBTUSD, H1, tick, bars([1]))
    monkeypatch.undo()
    assert store.append(XBTUSD, H1, tick, bars([1, 2])) == 2
    store.close()
    assert everything(opened(), tick) == bars(range(3))


# ---------------------------------------------------------------- inserting


def test_inserted_bars_take_their_place_and_kept_ones_win(
    opened: Opened, bars: Make, tick: Decimal
) -> None:
    store = opened()
    store.append(XBTUSD, H1, tick, bars([10, 11, 20]))
    changed = bars([20, 5, 11, 15, 5, 25], ticks=50_000)
    assert store.insert(XBTUSD, H1, tick, changed) == 3
    expected = sorted(
        [*bars([10, 11, 20]), *bars([5, 15, 25], ticks=50_000)], key=lambda bar: bar.start_s
    )
    assert everything(store, tick) == expected
    assert records(store.last(XBTUSD, H1, 2, tick)) == expected[-2:]
    assert store.insert(XBTUSD, H1, tick, changed) == 0
    assert store.insert(XBTUSD, H1, tick, []) == 0


def test_first_of_two_inserted_bars_of_one_start_wins(
    opened: Opened, bars: Make, tick: Decimal
) -> None:
    store = opened()
    two = [*bars([3]), *bars([3], ticks=50_000)]
    assert store.insert(XBTUSD, H1, tick, two) == 1
    assert everything(store, tick) == bars([3])


def test_appending_goes_on_after_an_insert(opened: Opened, bars: Make, tick: Decimal) -> None:
    store = opened()
    store.append(XBTUSD, H1, tick, bars([10]))
    store.insert(XBTUSD, H1, tick, bars(range(8)))
    assert store.append(XBTUSD, H1, tick, bars([9, 10, 11])) == 1
    assert everything(store, tick) == bars([*range(8), 10, 11])


@pytest.mark.parametrize("keep", [1_000, 12])
def test_inserts_leave_in_memory_what_another_store_reads_from_the_files(
    opened: Opened, bars: Make, tick: Decimal, keep: int
) -> None:
    store = opened(keep=keep)
    for some, ticks in ((range(5, 9), 1), (range(20, 30), 5_000), ([1, 6, 25, 40], 9_000), ([], 1)):
        store.insert(XBTUSD, H1, tick, bars(some, ticks=ticks))
        store.append(XBTUSD, H1, tick, bars([max(some, default=50) + 1], ticks=777))
        fresh = opened(keep=1_000)
        for count in (1, 3, 10, 100):
            seen = records(store.last(XBTUSD, H1, count, tick))
            assert seen == records(fresh.last(XBTUSD, H1, count, tick))
        assert everything(store, tick) == everything(fresh, tick)
        assert store.newest_start_s(XBTUSD, H1) == fresh.newest_start_s(XBTUSD, H1)


def test_no_file_is_read_again_after_an_insert(
    opened: Opened, bars: Make, tick: Decimal, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    assert store.newest_start_s(XBTUSD, H1) is None
    monkeypatch.delattr(partitions, "read")
    store.insert(XBTUSD, H1, tick, bars(range(8)))
    assert records(store.last(XBTUSD, H1, 100, tick)) == bars(range(8))


def test_views_survive_an_insert(opened: Opened, bars: Make, tick: Decimal) -> None:
    store = opened()
    store.append(XBTUSD, H1, tick, bars([10, 11]))
    view = store.last(XBTUSD, H1, 2, tick)
    store.insert(XBTUSD, H1, tick, bars(range(5)))
    assert records(view) == bars([10, 11])


# ---------------------------------------------------------------- gaps and coverage


@pytest.mark.parametrize("is_compacted", [True, False])
def test_gaps_are_reported_oldest_first(
    opened: Opened, bars: Make, tick: Decimal, is_compacted: bool
) -> None:
    store = opened()
    store.append(XBTUSD, H1, tick, bars([0, 1, 4, 5, 900, 901]))
    if is_compacted:
        store.compact()
        store.append(XBTUSD, H1, tick, bars([905]))
    edges = [(2, 4), (6, 900), *([(902, 905)] if is_compacted else [])]
    expected = [Gap(bars([a])[0].start_s, bars([b])[0].start_s) for a, b in edges]
    assert store.gaps(XBTUSD, H1) == expected


def test_coverage_counts_files_and_tail(opened: Opened, bars: Make, tick: Decimal) -> None:
    store = opened()
    store.append(XBTUSD, H1, tick, bars(range(800)))
    store.compact()
    store.append(XBTUSD, H1, tick, bars([900]))
    first, last = bars([0, 900])
    assert store.coverage() == [(XBTUSD, H1, first.start_s, last.start_s, 801)]
    assert opened().coverage() == store.coverage()


def test_strange_folders_are_no_series(opened: Opened, root: Path) -> None:
    (root / "XBTUSD" / "notes").mkdir(parents=True)
    (root / "README").touch()
    assert opened().coverage() == []


# ---------------------------------------------------------------- tick sizes


def test_finer_tick_is_exact(opened: Opened, bars: Make, tick: Decimal) -> None:
    store = opened()
    store.append(XBTUSD, H1, tick, bars(range(5)))
    finer = store.last(XBTUSD, H1, 2, Decimal("0.01"))
    assert finer.tick_size == Decimal("0.01")
    assert list(finer.close) == [370_050, 370_060]
    assert list(finer.volume) == [100_000_003, 100_000_004]


def test_coarser_tick_rounds_half_to_even(opened: Opened, bars: Make, tick: Decimal) -> None:
    store = opened()
    store.append(XBTUSD, H1, tick, bars(range(12)))
    coarser = store.last(XBTUSD, H1, 12, Decimal(1))
    assert list(coarser.open) == [
        3700,
        3700,
        3700,
        3700,
        3700,
        3700,
        3701,
        3701,
        3701,
        3701,
        3701,
        3701,
    ]
    assert list(store.last(XBTUSD, H1, 1, tick).open) == [37_011]


@pytest.mark.parametrize("is_compacted", [True, False])
@pytest.mark.parametrize("other", ["0.01", "1", "0.25", "0.1"])
def test_bars_of_two_ticks_keep_every_digit(
    opened: Opened, bars: Make, tick: Decimal, other: str, is_compacted: bool
) -> None:
    store, step = opened(), Decimal(other)
    store.append(XBTUSD, H1, tick, bars(range(5)))
    store.append(XBTUSD, H1, step, bars(range(5, 9)))
    if is_compacted:
        store.close()
        store = opened()
    exact = store.between(XBTUSD, H1, 0, FOREVER_S, Decimal("0.01"))
    prices = [exact.tick_size * int(ticks) for ticks in exact.close]
    expected = [tick * bar.close for bar in bars(range(5))]
    assert prices == expected + [step * bar.close for bar in bars(range(5, 9))]


def test_insert_in_another_tick_keeps_every_digit(
    opened: Opened, bars: Make, tick: Decimal
) -> None:
    store = opened()
    store.append(XBTUSD, H1, Decimal("0.5"), bars([5]))
    store.insert(XBTUSD, H1, Decimal("0.01"), bars([4]))
    found = store.between(XBTUSD, H1, 0, FOREVER_S, Decimal("0.01"))
    assert list(found.close) == [37_006, 50 * 37_007]


def test_columns_are_those_of_the_domain(opened: Opened, bars: Make, tick: Decimal) -> None:
    store = opened()
    store.append(XBTUSD, H1, tick, bars(range(5)))
    wanted = bars_from(XBTUSD, H1, tick, bars(range(5)))
    found = store.last(XBTUSD, H1, 5, tick)
    for name in ("start_s", "open", "high", "low", "close", "volume", "trades"):
        assert getattr(found, name).dtype == getattr(wanted, name).dtype
        assert list(getattr(found, name)) == list(getattr(wanted, name))
