"""The clocks of this machine, and a time line that is simulated."""

from __future__ import annotations

from krakked.adapters.system.elapsed import ClockElapsed, MachineElapsed


class Line:
    def __init__(self) -> None:
        self.ns = 1_000

    def now_ns(self) -> int:
        return self.ns


def test_machine_begins_near_zero_and_goes_on() -> None:
    elapsed = MachineElapsed()
    first, second = elapsed.now(), elapsed.now()
    assert 0 <= first.least_ns <= second.least_ns < 5_000_000_000
    assert second.least_ns <= second.most_ns
    assert second.wall_ns > 1_700_000_000_000_000_000


def test_simulated_line_has_one_truth() -> None:
    line = Line()
    elapsed = ClockElapsed(line)
    line.ns += 7
    now = elapsed.now()
    assert (now.least_ns, now.most_ns, now.wall_ns) == (7, 7, 1_007)
