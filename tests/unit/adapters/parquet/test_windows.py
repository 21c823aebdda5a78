"""The window in memory: bounded, amortised, and exact over changes of the tick."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from krakked.adapters.parquet.blocks import block_of, empty
from krakked.adapters.parquet.windows import Window
from krakked.domain.bars import Bar

Make = Callable[..., list[Bar]]
TICK = Decimal("0.1")


def test_window_keeps_at_least_and_never_twice_what_it_should(bars: Make) -> None:
    window = Window(empty(TICK), keep=100, is_whole=True)
    for number, bar in enumerate(bars(range(1_000)), start=1):
        window.add(block_of(TICK, [bar]))
        assert min(number, 100) <= len(window) <= 200
    assert not window.is_whole
    assert window.newest_s == bars([999])[0].start_s


def test_window_is_whole_until_it_forgets(bars: Make) -> None:
    window = Window(empty(TICK), keep=64, is_whole=True)
    window.add(block_of(TICK, bars(range(64))))
    assert window.is_whole
    assert window.first_s == bars([0])[0].start_s
    window.add(block_of(TICK, bars(range(64, 300))))
    assert not window.is_whole
    assert window.first_s == bars([236])[0].start_s


def test_window_that_begins_in_the_middle_is_never_whole(bars: Make) -> None:
    window = Window(block_of(TICK, bars([5])), keep=64, is_whole=False)
    assert not window.is_whole


def test_empty_window_has_no_edges() -> None:
    window = Window(empty(TICK), keep=64, is_whole=True)
    assert window.first_s is None
    assert window.newest_s is None
    assert len(window.last(5)) == 0


def test_last_of_more_than_there_are_is_all(bars: Make) -> None:
    window = Window(block_of(TICK, bars(range(3))), keep=64, is_whole=True)
    assert len(window.last(99)) == len(window.all()) == 3
    assert window.last(0).table.shape == (7, 0)


def test_moving_to_a_new_buffer_is_rare(bars: Make) -> None:
    window = Window(empty(TICK), keep=128, is_whole=True)
    buffers = set()
    for bar in bars(range(2_000)):
        window.add(block_of(TICK, [bar]))
        buffers.add(window.last(1).table.base.ctypes.data)
    assert len(buffers) < 25
