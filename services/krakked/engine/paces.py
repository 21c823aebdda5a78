"""The time line of a run: the machine's own, or a simulator's, faster, slower, or in lock step."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from typing import Final, Literal

import msgspec

from krakked.domain.errors import BadInput
from krakked.engine import venues
from krakked.engine.places import simulator_state_of
from krakked.engine.venues import Pace
from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.run_options import RunOptions
from krakked.runtime.settings import Settings
from krakked.simulator import opening_ns

DEV_START_NS: Final = 1_767_225_600 * 1_000_000_000
"""2026-01-01 00:00 UTC: the time of a new synthetic market, so that one seed is one market."""
ANSWER_TIMEOUT_S: Final = 5.0


class _AdminClock(msgspec.Struct):
    now_ns: int
    speed: float | Literal["max"]


def pace_of(settings: Settings, options: RunOptions) -> Pace | None:
    """How the time of the run passes; None: as on this machine.

    Raises:
        BadInput: candles that cannot be read, or a simulator's clock that cannot be followed.
    """
    if venues.is_in_process(settings):
        simulator = venues.simulator_options(
            settings, options, state=simulator_state_of(options), is_lock_step=False
        )
        start_ns = opening_ns(simulator, otherwise_ns=DEV_START_NS)
        return Pace(start_ns=start_ns, speed=simulator.speed)
    if settings.venue.admin_url is None:
        return None
    return _followed(settings.venue.admin_url)


def _followed(admin_url: str) -> Pace | None:
    """The clock of a simulator elsewhere, which goes on while it is read."""
    asked_s = time.monotonic()  # noqa: TID251 - how long the machine itself takes
    try:
        with urllib.request.urlopen(f"{admin_url}/clock", timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310 - an address that a person configured
            clock = msgspec.json.decode(answer.read(), type=_AdminClock)
        heard_s = time.monotonic()  # noqa: TID251 - as above
    except (urllib.error.URLError, TimeoutError, msgspec.DecodeError) as error:
        raise BadInput(
            f"venue.admin_url {admin_url}: the simulator's clock cannot be read ({error}); "
            "start the simulator, or mend the address",
            exit_code=ExitCode.VENUE_UNREACHABLE,
        ) from error
    if clock.speed == "max":
        raise BadInput(
            f"venue.admin_url {admin_url}: a simulator of another process at speed max cannot be "
            "followed; start it with a number"
        )
    read_at_s = (asked_s + heard_s) / 2
    return Pace(start_ns=clock.now_ns, speed=clock.speed, read_at_s=read_at_s)
