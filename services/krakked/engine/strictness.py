"""``--strict``: what a run otherwise survives and reports ends it, so that no test can miss it."""

from __future__ import annotations

from typing import Final

from krakked.domain.events import Event, EventName
from krakked.runtime.exit_codes import ExitCode
from krakked.runtime.supervisor import Supervisor
from krakked.trading.recording import Listener

NOT_SURVIVED: Final = frozenset({EventName.DRIFT_FOUND, EventName.MALFORMED_FRAME})


def strict(supervisor: Supervisor) -> Listener:
    """Ends the run at the first of them."""

    def listen(event: Event) -> None:
        if event.name in NOT_SURVIVED:
            what = event.fields.get("difference") or event.fields.get("problem") or "see the log"
            supervisor.request_stop(f"strict: {event.name.value}: {what}", ExitCode.FINDINGS)

    return listen
