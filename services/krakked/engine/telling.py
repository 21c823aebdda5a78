"""Who hears what happens: log or story on standard output, and the progress of a replay.

Where standard output is an answer for a program, log and story go to standard error instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import NoReturn, TextIO

from tqdm import tqdm

from krakked.domain.errors import BadInput, LedgerFailed
from krakked.domain.events import Event, EventName
from krakked.runtime import logs
from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.run_options import RunOptions
from krakked.runtime.settings import Settings
from krakked.runtime.story import Story
from krakked.simulator import RunningSimulator
from krakked.simulator.covering import in_lines

Listener = Callable[[Event], None]
HOUR_S = 3600
OVER_S = "candles_over_s"
"""Field of the event that says that the candles end before the range does."""


def log_options(settings: Settings, secrets: tuple[str, ...] = ()) -> logs.LogOptions:
    """How lines are written."""
    return logs.LogOptions(
        level=settings.logging.level,
        format=settings.logging.format,
        environment=settings.environment.value,
        secrets=secrets,
    )


def stream_of(options: RunOptions) -> TextIO:
    """Where log or story go."""
    return sys.stderr if options.keeps_stdout_for_answer else sys.stdout


def voice(settings: Settings, out: TextIO) -> Listener:
    """A terminal gets the short story, everything else one line of JSON for each event."""
    if logs.is_pretty(log_options(settings), out):

        def write(line: str) -> None:
            out.write(line + "\n")
            out.flush()

        return Story(write, is_coloured=out.isatty()).listen
    return logs.event_listener()


class Withheld:
    """The voice of a replay, which begins to speak when the engine trades.

    Which candles there are is known after some stages only. A replay that is refused then has one
    line to say, as has every wrong input, and not the stages that went before it.
    """

    def __init__(self, voice: Listener) -> None:
        self._voice = voice
        self._held: list[Event] | None = []

    def listen(self, event: Event) -> None:
        """Keep it, or pass it on."""
        if self._held is None:
            self._voice(event)
            return
        self._held.append(event)
        if event.name is EventName.ENGINE_STARTED:
            self._speak()

    def end(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Nothing is lost of what ends in another way than by a refusal of what it was given."""
        if isinstance(error, (BadInput, LedgerFailed)) and error.exit_code != ExitCode.TIMED_OUT:
            return
        self._speak()

    def _speak(self) -> None:
        held, self._held = self._held or [], None
        for event in held:
            self._voice(event)


def voice_of(settings: Settings, options: RunOptions, out: TextIO, stack: ExitStack) -> Listener:
    """The voice of a run; that of a replay waits."""
    spoken = voice(settings, out)
    if options.candles is None:
        return spoken
    withheld = Withheld(spoken)
    stack.push(withheld.end)
    return withheld.listen


def aside(options: RunOptions, words: str) -> None:
    """On standard error as well, where a person would not see it in log or story."""
    if not (options.keeps_stdout_for_answer or sys.stdout.isatty()):
        sys.stderr.write(f"krakked: {words}\n")


def tell_uncovered(
    simulator: RunningSimulator, options: RunOptions, tell: Listener, now_ns: int
) -> None:
    """What was asked for and is not in the files; where all of them end is for the progress."""
    lacking = simulator.uncovered()
    ends_s = [one.candles_end_s for one in lacking if one.candles_end_s is not None]
    over: dict[str, object] = {}
    if ends_s and len(ends_s) == len(simulator.pairs):
        over[OVER_S] = max(ends_s)
    for words in in_lines(lacking):
        tell(Event(name=EventName.CAUTION, at_ns=now_ns, fields={"reason": words, **over}))
        aside(options, words)


def progress(options: RunOptions, stack: ExitStack) -> Listener | None:
    """Of a replay, on standard error: simulated hours done, and how many there are in the files."""
    if options.candles is None or options.start_s is None or options.end_s is None:
        return None
    first_s, end_s = options.start_s, options.end_s
    shown: list[tqdm[NoReturn]] = []

    def listen(event: Event) -> None:
        nonlocal end_s
        over_s = event.fields.get(OVER_S)
        if isinstance(over_s, int):
            end_s = over_s
        if event.name is not EventName.STRATEGY_CYCLE:
            return
        if not shown:  # not before: a replay that is refused has one line to say
            hours = (end_s - first_s) // HOUR_S
            bar = tqdm(total=hours, unit="h", desc="replay", file=sys.stderr, mininterval=0.5)
            shown.append(bar)
            stack.callback(bar.close)
        boundary_s = event.fields["boundary_s"]
        assert isinstance(boundary_s, int)
        shown[0].update((boundary_s - first_s) // HOUR_S - shown[0].n)

    return listen
