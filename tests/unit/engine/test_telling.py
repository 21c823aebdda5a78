"""The progress of a replay: shown while it goes on, and not where it never began."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from krakked.domain.errors import BadInput, LedgerFailed, LedgerInUse
from krakked.domain.events import Event, EventName
from krakked.domain.ids import PairName
from krakked.engine import telling
from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.run_options import RunOptions
from krakked.runtime.settings import Environment
from krakked.simulator.covering import Uncovered

DAY_S = 86_400


def options(**changes: Any) -> RunOptions:
    given: dict[str, Any] = {
        "environment": Environment.DEV,
        "db_path": Path("portfolio.db"),
        "candles": Path("candles"),
        "start_s": 0,
        "end_s": DAY_S,
        "duration_s": Decimal(1),
    }
    return RunOptions(**{**given, **changes})


def cycle(hour: int) -> Event:
    return Event(
        name=EventName.STRATEGY_CYCLE, at_ns=1, fields={"boundary_s": hour * telling.HOUR_S}
    )


def test_replay_that_never_cycles_shows_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack:
        listen = telling.progress(options(), stack)
        assert listen is not None
        listen(Event(name=EventName.STAGE_DONE, at_ns=1, fields={}))
    assert capsys.readouterr() == ("", "")


def test_replay_that_cycles_shows_the_hours_done_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ExitStack() as stack:
        listen = telling.progress(options(), stack)
        assert listen is not None
        listen(cycle(6))
        listen(cycle(24))
    said = capsys.readouterr()
    assert said.out == ""
    assert "24/24" in said.err


def replayed(*, pairs: int, lacking: int) -> Any:
    """A simulator of so many pairs, of which so many end six hours after the start."""
    names = [PairName(f"P{number}USD") for number in range(pairs)]
    ended = [Uncovered(pair=name, candles_end_s=6 * telling.HOUR_S) for name in names[:lacking]]
    return SimpleNamespace(pairs=names, uncovered=lambda: tuple(ended))


@pytest.mark.parametrize(("lacking", "shown"), [(2, "6/6"), (1, "6/24")])
def test_progress_is_counted_to_where_the_last_candles_end(
    capsys: pytest.CaptureFixture[str], lacking: int, shown: str
) -> None:
    with ExitStack() as stack:
        listen = telling.progress(options(), stack)
        assert listen is not None
        telling.tell_uncovered(replayed(pairs=2, lacking=lacking), options(), listen, 1)
        listen(cycle(6))
    said = capsys.readouterr()
    assert "candles end 1970-01-01 06:00, before --to\n" in said.err
    assert shown in said.err


def test_range_that_the_files_cover_is_not_spoken_of(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[Event] = []
    telling.tell_uncovered(replayed(pairs=2, lacking=0), options(), told.append, 1)
    assert (told, capsys.readouterr().err) == ([], "")


def test_what_is_no_replay_of_a_range_has_no_progress() -> None:
    with ExitStack() as stack:
        assert telling.progress(options(candles=None), stack) is None
        assert telling.progress(options(end_s=None), stack) is None


@pytest.mark.parametrize("keeps_stdout", [False, True])
def test_remark_is_on_standard_error_too_unless_the_log_is_there_anyway(
    capsys: pytest.CaptureFixture[str], keeps_stdout: bool
) -> None:
    telling.aside(options(keeps_stdout_for_answer=keeps_stdout), "x.csv: not replayed")
    assert capsys.readouterr().err == ("" if keeps_stdout else "krakked: x.csv: not replayed\n")


def event(name: EventName) -> Event:
    return Event(name=name, at_ns=1, fields={})


def told_by(ending: BaseException | None, *names: EventName) -> list[EventName]:
    """What a replay's voice says of these, in a run that ends so."""
    said: list[EventName] = []
    voice = telling.Withheld(lambda each: said.append(each.name))
    with suppress(BadInput, LedgerFailed, RuntimeError, KeyboardInterrupt), ExitStack() as stack:
        stack.push(voice.end)
        for name in names:
            voice.listen(event(name))
        if ending is not None:
            raise ending
    return said


STAGES = (EventName.STAGE_DONE, EventName.STAGE_FAILED)


def test_replay_that_is_refused_tells_nothing_but_why() -> None:
    assert told_by(BadInput("no candles"), *STAGES) == []
    assert told_by(BadInput("port taken", exit_code=ExitCode.OCCUPIED), *STAGES) == []
    assert told_by(LedgerInUse("in use"), *STAGES) == []
    assert told_by(LedgerFailed("corrupt"), *STAGES) == []


@pytest.mark.parametrize(
    "ending",
    [
        BadInput("venue: not done within 60 s", exit_code=ExitCode.TIMED_OUT),
        RuntimeError("a bug"),
        KeyboardInterrupt(),
        None,
    ],
    ids=["late", "broken", "interrupted", "well"],
)
def test_replay_that_ends_in_any_other_way_tells_all_of_it(ending: BaseException | None) -> None:
    assert told_by(ending, *STAGES) == list(STAGES)


def test_replay_tells_all_in_its_order_once_it_trades() -> None:
    names = (EventName.STAGE_DONE, EventName.ENGINE_STARTED, EventName.STRATEGY_CYCLE)
    assert told_by(BadInput("a later one"), *names) == list(names)
